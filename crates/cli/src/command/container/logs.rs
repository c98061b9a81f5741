//! `docker logs`

use client::Query;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::streams::demultiplex;
use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::text;

/// `docker logs`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let client = app.client()?;
    let container = client::container::inspect(client, m.arg(0), false)?;
    let query = Query::new()
        .with("stdout", "1")
        .with("stderr", "1")
        .with_some("since", &time(m, "since")?)
        .with_some("until", &time(m, "until")?)
        .with_flag("timestamps", m.on("timestamps"))
        .with_flag("details", m.on("details"))
        .with_flag("follow", m.on("follow"))
        .with("tail", m.text("tail"));
    let mut response = client::container::logs(client, text(&container, "Id"), &query)?;
    if container["Config"]["Tty"] == Value::Bool(true) {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            match std::io::Read::read(&mut response.body, &mut buffer)? {
                0 => return Ok(()),
                n => console::out_bytes(&buffer[..n])?,
            }
        }
    }
    demultiplex(response.body, true, true)
}

/// `--since` / `--until` as the engine reads them.
pub(crate) fn time(m: &Matches, flag: &str) -> Result<String> {
    let given = m.text(flag);
    if given.is_empty() {
        return Ok(String::new());
    }
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if given.split('.').all(number) && given.matches('.').count() < 2 {
        return Ok(given.to_owned());
    }
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let time = units::timestamp::parse_user_time(given, Timestamp::now(), &zone)
        .map_err(|e| Failure::new(format!("invalid value for \"{flag}\": {e}")))?;
    Ok(units::timestamp::unix_nanos(time))
}
