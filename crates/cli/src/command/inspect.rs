//! `docker inspect` and its siblings.

use client::{Client, Query};
use gotemplate::{Data, Missing};
use serde_json::Value;

use crate::app::App;
use crate::config::pretty;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format;

/// Fields that Go knows as pointers and that are left out of the JSON when nil.
const OPTIONAL: [&str; 12] = [
    "Health",
    "Healthcheck",
    "Init",
    "StopTimeout",
    "SizeRw",
    "SizeRootFs",
    "IPAMConfig",
    "ConfigFrom",
    "UsageData",
    "ClusterVolume",
    "ImageManifestDescriptor",
    "Mounts",
];

/// Fields that are maps in Go: an entry that is not there prints `<no value>`.
const MAPS: [&str; 16] = [
    "Labels",
    "Ports",
    "Networks",
    "Options",
    "Volumes",
    "ExposedPorts",
    "Sysctls",
    "Tmpfs",
    "PortBindings",
    "Annotations",
    "Data",
    "Config",
    "DriverOpts",
    "Containers",
    "Status",
    "Metadata",
];

/// Fields that are slices in Go: one that is null prints `[]`.
const SLICES: [&str; 29] = [
    "Aliases",
    "Args",
    "Binds",
    "BlkioDeviceReadBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps",
    "BlkioWeightDevice",
    "CapAdd",
    "CapDrop",
    "Cmd",
    "DNSNames",
    "DeviceCgroupRules",
    "DeviceRequests",
    "Devices",
    "Dns",
    "DnsOptions",
    "DnsSearch",
    "Entrypoint",
    "ExecIDs",
    "ExtraHosts",
    "GroupAdd",
    "Links",
    "MaskedPaths",
    "OnBuild",
    "ReadonlyPaths",
    "SecurityOpt",
    "Ulimits",
    "VolumesFrom",
];

/// Shows the objects that `find` gives for the names: as indented JSON, or through a template.
pub(super) fn show(names: &[String], template: &str, mut find: impl FnMut(&str) -> Result<Value>) -> Result<()> {
    let parsed = match template {
        "" => None,
        "json" => Some(format::parse("{{json .}}")),
        text => Some(format::parse(text)),
    };
    let parsed = parsed.transpose().map_err(|f| f.with_code(64))?;
    let (mut found, mut out, mut failures) = (Vec::new(), String::new(), Vec::new());
    for name in names {
        let value = match find(name) {
            Ok(value) => value,
            Err(failure) => {
                failures.push(failure.text);
                continue;
            }
        };
        match &parsed {
            None => found.push(value),
            Some(parsed) => match execute(parsed, &with_zero_values(value, template)) {
                Ok(text) => {
                    out.push_str(&text);
                    out.push('\n');
                }
                Err(failure) => {
                    failures.push(failure.text);
                    break;
                }
            },
        }
    }
    match &parsed {
        None => console::line(&pretty(&Value::Array(found), "    "))?,
        Some(_) if out.is_empty() => console::out("\n")?,
        Some(_) => console::out(&out)?,
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) }
}

/// What Go's structures have and the JSON does not: slices and maps where it says null, and texts of mounts that are left
/// out when they are empty. A template that prints JSON again gets what came.
fn with_zero_values(mut value: Value, template: &str) -> Value {
    if template.contains("json") {
        return value;
    }
    fill_nulls(&mut value);
    fill_container(&mut value);
    for mount in value.get_mut("Mounts").and_then(Value::as_array_mut).into_iter().flatten() {
        for key in ["Name", "Driver"] {
            if let Some(mount) = mount.as_object_mut() {
                mount.entry(key).or_insert_with(|| "".into());
            }
        }
    }
    value
}

/// What a container's JSON leaves out when it is empty.
fn fill_container(value: &mut Value) {
    let empty = |field: &str| match field {
        "ArgsEscaped" | "NetworkDisabled" => Value::Bool(false),
        "StopSignal" => "".into(),
        "Healthcheck" => Value::Null,
        "Mounts" | "OnBuild" | "Shell" => Value::Array(Vec::new()),
        _ => Value::Object(serde_json::Map::new()),
    };
    if value.get("HostConfig").is_none() {
        return;
    }
    let left_out: [(&str, &[&str]); 2] = [
        ("HostConfig", &["Annotations", "Mounts", "StorageOpt", "Sysctls", "Tmpfs"]),
        (
            "Config",
            &["ArgsEscaped", "ExposedPorts", "Healthcheck", "NetworkDisabled", "OnBuild", "Shell", "StopSignal"],
        ),
    ];
    for (part, fields) in left_out {
        let Some(part) = value.get_mut(part).and_then(Value::as_object_mut) else { continue };
        for field in fields {
            part.entry(*field).or_insert_with(|| empty(field));
        }
    }
}

/// Slices and maps that are null become empty ones.
fn fill_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::Null if SLICES.contains(&key.as_str()) => *field = Value::Array(Vec::new()),
                    Value::Null if MAPS.contains(&key.as_str()) => *field = Value::Object(serde_json::Map::new()),
                    other => fill_nulls(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(fill_nulls),
        _ => {}
    }
}

fn execute(template: &gotemplate::Template, value: &Value) -> Result<String> {
    let data = Data { missing: Missing::Entry, optional: &OPTIONAL, maps: &MAPS, ..Data::new(value) };
    template.execute(&data).map_err(|e| Failure::new(format!("template parsing error: {e}")))
}

/// `docker container inspect`
pub(super) fn containers(app: &App, m: &Matches) -> Result<()> {
    let client = app.client()?;
    show(&m.args, m.text("format"), |name| Ok(client::container::inspect(client, name, m.on("size"))?))
}

/// `docker image inspect`
pub(super) fn images(app: &App, m: &Matches) -> Result<()> {
    let client = app.client()?;
    let mut query = Query::new();
    if m.given("platform") {
        query.add("platform", &super::image::platform_json(m.text("platform"))?);
    }
    show(&m.args, m.text("format"), |name| Ok(client::image::inspect(client, name, &query)?))
}

const TYPES: [&str; 10] =
    ["config", "container", "image", "network", "node", "plugin", "secret", "service", "task", "volume"];

type Finder = fn(&Client, &str, bool) -> client::Result<Value>;

/// Kinds of objects in the order in which a name is looked for.
const FINDERS: [(&str, Finder); 10] = [
    ("container", |c, n, size| client::container::inspect(c, n, size)),
    ("image", |c, n, _| client::image::inspect(c, n, &Query::new())),
    ("network", |c, n, _| client::network::inspect(c, n, &Query::new())),
    ("volume", |c, n, _| client::volume::inspect(c, n)),
    ("service", |c, n, _| client::system::get(c, &format!("/services/{n}"))),
    ("task", |c, n, _| client::system::get(c, &format!("/tasks/{n}"))),
    ("node", |c, n, _| client::system::get(c, &format!("/nodes/{n}"))),
    ("plugin", |c, n, _| client::system::get(c, &format!("/plugins/{n}/json"))),
    ("secret", |c, n, _| client::system::get(c, &format!("/secrets/{n}"))),
    ("config", |c, n, _| client::system::get(c, &format!("/configs/{n}"))),
];

/// `docker inspect`
pub(super) fn any(app: &App, m: &Matches) -> Result<()> {
    let wanted = m.text("type");
    let list = TYPES.join("\", \"");
    if m.given("type") && wanted.is_empty() {
        return Err(Failure::new(format!("type is empty: must be one of \"{list}\"")));
    }
    if !wanted.is_empty() && !TYPES.contains(&wanted) {
        return Err(Failure::new(format!("unknown type: {}: must be one of \"{list}\"", units::gofmt::quote(wanted))));
    }
    let client = app.client()?;
    let mut swarm = None;
    show(&m.args, m.text("format"), |name| {
        for (kind, find) in FINDERS {
            if !wanted.is_empty() && kind != wanted {
                continue;
            }
            let needs_swarm = matches!(kind, "service" | "task" | "node" | "secret" | "config");
            if wanted.is_empty() && needs_swarm && !*swarm.get_or_insert_with(|| is_manager(client)) {
                continue;
            }
            match find(client, name, m.on("size")) {
                Err(e) if wanted.is_empty() && skippable(&e) => {}
                outcome => {
                    let value = outcome?;
                    if m.on("size") && kind != "container" {
                        console::err(&format!("WARNING: --size ignored for {kind}"));
                    }
                    return Ok(value);
                }
            }
        }
        Err(Failure::new(format!("error: no such object: {name}")))
    })
}

fn is_manager(client: &Client) -> bool {
    client::system::info(client).is_ok_and(|i| i["Swarm"]["ControlAvailable"] == Value::Bool(true))
}

fn skippable(e: &client::Error) -> bool {
    let refused = |text: &str| text.contains("not supported") || text.contains("invalid reference format");
    e.is_not_found() || matches!(e, client::Error::Api { message, .. } if refused(message))
}
