//! `docker events`

use std::io::{BufRead as _, BufReader};

use client::Query;
use gotemplate::{Data, Missing, Template};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::app::App;
use crate::command::container::log_time;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::text;

/// `docker events`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let template = match m.text("format") {
        "" => None,
        "json" => Some("{{json .}}"),
        text => Some(text),
    };
    let parse = |text: &str| {
        Template::parse(text).map_err(|e| Failure::new(format!("Error parsing format: {e}")).with_code(64))
    };
    let template = template.map(parse).transpose()?;
    let query = Query::new()
        .with_some("since", &log_time(m, "since")?)
        .with_some("until", &log_time(m, "until")?)
        .with_some("filters", &m.filters().to_json());
    let response = client::system::events(app.client()?, &query)?;
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let mut reader = BufReader::new(response.body);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let event: Value = serde_json::from_slice(&line).map_err(|e| Failure::new(e.to_string()))?;
        match &template {
            None => console::line(&pretty(&event, &zone))?,
            Some(template) => {
                let data = Data {
                    missing: Missing::Field,
                    type_name: "*events.Message",
                    maps: &["Attributes"],
                    optional: &["ID", "From", "Status", "scope", "id", "from", "status"],
                    ..Data::new(&event)
                };
                // Names of the Go fields beside those of the JSON.
                let mut named = event.clone();
                for (go, json) in [
                    ("Time", "time"),
                    ("TimeNano", "timeNano"),
                    ("Scope", "scope"),
                    ("Status", "status"),
                    ("ID", "id"),
                    ("From", "from"),
                ] {
                    named[go] = event.get(json).cloned().unwrap_or_default();
                }
                let plain = m.text("format").contains("json");
                let data = if plain { data } else { Data { value: &named, ..data } };
                console::line(&template.execute(&data).map_err(|e| Failure::new(e.to_string()))?)?;
            }
        }
    }
}

fn pretty(event: &Value, zone: &TimeZone) -> String {
    let time = match (event["timeNano"].as_i64().unwrap_or(0), event["time"].as_i64().unwrap_or(0)) {
        (0, 0) => None,
        (0, seconds) => Timestamp::from_second(seconds).ok(),
        (nanos, _) => Timestamp::from_nanosecond(i128::from(nanos)).ok(),
    };
    let mut out = String::new();
    if let Some(time) = time {
        let shown = time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string();
        let shown = shown.strip_suffix("+00:00").map_or(shown.clone(), |bare| format!("{bare}Z"));
        out.push_str(&shown);
        out.push(' ');
    }
    let actor = &event["Actor"];
    out.push_str(&format!("{} {} {}", text(event, "Type"), text(event, "Action"), text(actor, "ID")));
    let mut attributes: Vec<String> = actor["Attributes"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
        .collect();
    if !attributes.is_empty() {
        attributes.sort();
        out.push_str(&format!(" ({})", attributes.join(", ")));
    }
    out
}
