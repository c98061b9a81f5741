//! `docker volume …`

use std::collections::BTreeMap;

use serde_json::{Value, json};
use units::env::split_pair;
use units::human_size;

use super::{Handler, each};
use crate::app::App;
use crate::command::container::natural;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::{Listing, labels, row, template_of, text};

pub(super) fn handler(verb: &str) -> Option<Handler> {
    Some(match verb {
        "create" => create,
        "inspect" => inspect,
        "ls" => list,
        "prune" => super::prune::volumes,
        "rm" => remove,
        _ => return None,
    })
}

/// Headers by field.
pub(super) const HEADERS: [(&str, &str); 10] = [
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("Availability", "AVAILABILITY"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Group", "GROUP"),
    ("Status", "STATUS"),
];

/// One row of a volume list.
pub(super) fn fields(v: &Value) -> Value {
    let unknown = || "N/A".to_owned();
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    let size = v["UsageData"]["Size"].as_i64().filter(|s| *s >= 0).map_or_else(unknown, |s| human_size(s as f64));
    let links = v["UsageData"]["RefCount"].as_i64().map_or_else(unknown, |n| n.to_string());
    row(&[
        ("Name", text(v, "Name").into()),
        ("Driver", text(v, "Driver").into()),
        ("Scope", text(v, "Scope").into()),
        ("Availability", unknown().into()),
        ("Mountpoint", text(v, "Mountpoint").into()),
        ("Labels", labels(&v["Labels"]).into()),
        ("Links", links.into()),
        ("Size", size.into()),
        ("Group", unknown().into()),
        ("Status", unknown().into()),
    ])
}

fn list(app: &App, m: &Matches) -> Result<()> {
    let given = m.text("format");
    let format = if given.is_empty() && !m.on("quiet") { app.config.text("volumesFormat") } else { given };
    let (template, table) = match format {
        "" | "table" if m.on("quiet") => ("{{.Name}}".to_owned(), false),
        _ => template_of(format, "{{.Driver}}\t{{.Name}}"),
    };
    let answer = client::volume::list(app.client()?, &m.filters().to_json())?;
    let mut volumes: Vec<&Value> = answer["Volumes"].as_array().into_iter().flatten().collect();
    volumes.sort_by(|a, b| natural(text(a, "Name"), text(b, "Name")));
    let rows: Vec<Value> = volumes.into_iter().map(fields).collect();
    Listing { format: template, headers: &HEADERS, type_name: "*formatter.volumeContext" }.print(table, &rows)
}

fn inspect(app: &App, m: &Matches) -> Result<()> {
    let client = app.client()?;
    super::inspect::show(&m.args, m.text("format"), |name| Ok(client::volume::inspect(client, name)?))
}

fn create(app: &App, m: &Matches) -> Result<()> {
    if !m.arg(0).is_empty() && m.given("name") {
        return Err(Failure::new(
            "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
        ));
    }
    let name = if m.arg(0).is_empty() { m.text("name") } else { m.arg(0) };
    let pairs = |flag: &str| m.all(flag).into_iter().map(split_pair).collect::<BTreeMap<_, _>>();
    let mut body = json!({"Driver": m.text("driver")});
    if m.given("label") {
        body["Labels"] = json!(pairs("label"));
    }
    if !name.is_empty() {
        body["Name"] = name.into();
    }
    if m.given("opt") {
        body["DriverOpts"] = json!(pairs("opt"));
    }
    let volume = client::volume::create(app.client()?, &body)?;
    console::line(text(&volume, "Name"))
}

fn remove(app: &App, m: &Matches) -> Result<()> {
    let client = app.client()?;
    each(&m.args, |name| {
        client::volume::remove(client, name, m.on("force"))?;
        console::line(name)
    })
}
