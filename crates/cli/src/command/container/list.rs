//! `docker ps`

use client::Query;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use units::duration::SECOND;
use units::{human_duration, human_size_with_precision};

use crate::app::App;
use crate::failure::Result;
use crate::flags::Matches;
use crate::format::{Listing, ellipsis, labels, row, short_id, template_of, text};
use crate::reference::Reference;

/// Headers by field, as all container lists have them.
pub(crate) const HEADERS: [(&str, &str); 16] = [
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
    ("HealthStatus", "HEALTH STATUS"),
];

const TABLE: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

/// `docker ps`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let configured = app.config.text("psFormat");
    let quiet = m.on("quiet");
    let given = m.text("format");
    let format = if given.is_empty() && !quiet { configured } else { given };
    let (mut template, mut table) = match (quiet, format) {
        (true, "" | "table") => ("{{.ID}}".to_owned(), false),
        _ => template_of(format, TABLE),
    };
    let size = m.on("size") || template.contains(".Size");
    if table && m.on("size") && matches!(format, "" | "table") {
        template.push_str("\t{{.Size}}");
    }
    if quiet && format == "raw" {
        (template, table) = ("container_id: {{.ID}}".to_owned(), false);
    }
    let mut query = Query::new().with_flag("all", m.on("all"));
    let last = m.int("last");
    if m.on("latest") && last == -1 {
        query.add("limit", "1");
    } else if last != -1 {
        query.add("limit", &last.to_string());
    }
    let query = query.with_flag("size", size).with_some("filters", &m.filters().to_json());
    let containers = client::container::list(app.client()?, &query)?;
    let trunc = !m.on("no-trunc");
    let rows: Vec<Value> = containers.as_array().into_iter().flatten().map(|c| fields(c, trunc)).collect();
    Listing { format: template, headers: &HEADERS, type_name: "*formatter.ContainerContext" }.print(table, &rows)
}

pub(crate) fn fields(c: &Value, trunc: bool) -> Value {
    let now = Timestamp::now().as_second();
    let created = c["Created"].as_i64().unwrap_or(0);
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let created_at =
        Timestamp::from_second(created).map(|t| units::timestamp::go_string_seconds(t, &zone)).unwrap_or_default();
    let id = text(c, "Id");
    row(&[
        ("ID", if trunc { short_id(id) } else { id }.into()),
        ("Names", names(c, trunc).into()),
        ("Image", image(c, trunc).into()),
        ("Command", command(c, trunc).into()),
        ("CreatedAt", created_at.into()),
        ("RunningFor", format!("{} ago", human_duration((now - created) * SECOND)).into()),
        ("Platform", platform(c)),
        ("Ports", ports(&c["Ports"]).into()),
        ("State", text(c, "State").into()),
        ("Status", text(c, "Status").into()),
        ("Size", size(c).into()),
        ("Labels", labels(&c["Labels"]).into()),
        ("Mounts", mounts(c, trunc).into()),
        ("LocalVolumes", local_volumes(c).into()),
        ("Networks", networks(c).into()),
        ("HealthStatus", c["Health"]["Status"].as_str().unwrap_or_default().into()),
    ])
}

fn names(c: &Value, trunc: bool) -> String {
    let all = c["Names"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let bare = all.map(|n| n.strip_prefix('/').unwrap_or(n));
    // Names with a slash are links of others.
    bare.filter(|n| !trunc || !n.contains('/')).collect::<Vec<_>>().join(",")
}

fn image(c: &Value, trunc: bool) -> String {
    let image = text(c, "Image");
    if image.is_empty() {
        return "<no image>".to_owned();
    }
    if !trunc {
        return image.to_owned();
    }
    let short = short_id(text(c, "ImageID"));
    if short == short_id(image) {
        return short.to_owned();
    }
    match Reference::parse(image) {
        Ok(r) if r.tag.is_some() && r.digest.is_some() => Reference { digest: None, ..r }.familiar(),
        _ => image.to_owned(),
    }
}

fn command(c: &Value, trunc: bool) -> String {
    let command = text(c, "Command");
    units::gofmt::quote(&if trunc { ellipsis(command, 20) } else { command.to_owned() })
}

fn platform(c: &Value) -> Value {
    let p = &c["ImageManifestDescriptor"]["platform"];
    if !p.is_object() {
        return Value::Null;
    }
    let parts = ["os", "architecture", "variant"].map(|k| text(p, k));
    parts.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join("/").into()
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn size(c: &Value) -> String {
    let number = |key: &str| c[key].as_i64().unwrap_or(0) as f64;
    let own = human_size_with_precision(number("SizeRw"), 3);
    let all = number("SizeRootFs");
    if all > 0.0 { format!("{own} (virtual {})", human_size_with_precision(all, 3)) } else { own }
}

fn mounts(c: &Value, trunc: bool) -> String {
    let all = c["Mounts"].as_array().into_iter().flatten().map(|m| {
        let name = text(m, "Name");
        let name = if name.is_empty() { text(m, "Source") } else { name };
        if trunc { ellipsis(name, 15) } else { name.to_owned() }
    });
    all.collect::<Vec<_>>().join(",")
}

fn local_volumes(c: &Value) -> String {
    c["Mounts"].as_array().into_iter().flatten().filter(|m| text(m, "Driver") == "local").count().to_string()
}

fn networks(c: &Value) -> String {
    let mut names: Vec<&str> =
        c["NetworkSettings"]["Networks"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
    names.sort_unstable();
    names.join(",")
}

fn join_host_port(ip: &str, port: &str) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

/// `0.0.0.0:80->80/tcp, 443/tcp`: runs of ports are drawn together.
pub(super) fn ports(list: &Value) -> String {
    struct Group {
        key: (String, String),
        first: u64,
        last: u64,
    }
    let mut all: Vec<(u64, String, u64, String)> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| {
            let number = |key: &str| p[key].as_u64().unwrap_or(0);
            (number("PrivatePort"), text(p, "IP").to_owned(), number("PublicPort"), text(p, "Type").to_owned())
        })
        .collect();
    all.sort();
    let show = |g: &Group| {
        let range = if g.first == g.last { g.first.to_string() } else { format!("{}-{}", g.first, g.last) };
        let (ip, proto) = &g.key;
        if ip.is_empty() {
            format!("{range}/{proto}")
        } else {
            format!("{}->{range}/{proto}", join_host_port(ip, &range))
        }
    };
    let (mut result, mut mappings, mut groups) = (Vec::new(), Vec::new(), Vec::<Group>::new());
    for (private, ip, public, proto) in all {
        if !ip.is_empty() && public != private {
            mappings.push(format!("{}->{private}/{proto}", join_host_port(&ip, &public.to_string())));
            continue;
        }
        let key = (ip, proto);
        match groups.iter_mut().find(|g| g.key == key) {
            None => groups.push(Group { key, first: private, last: private }),
            Some(group) if private == group.last + 1 => group.last = private,
            Some(group) => {
                result.push(show(group));
                (group.first, group.last) = (private, private);
            }
        }
    }
    result.extend(groups.iter().map(show));
    result.extend(mappings);
    result.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn port_lists() {
        let p =
            |private, public, ip: &str| json!({"PrivatePort": private, "PublicPort": public, "IP": ip, "Type": "tcp"});
        assert_eq!(ports(&json!([p(80, 0, "")])), "80/tcp");
        assert_eq!(ports(&json!([p(80, 80, "0.0.0.0"), p(81, 81, "0.0.0.0")])), "0.0.0.0:80-81->80-81/tcp");
        assert_eq!(
            ports(&json!([p(80, 8080, "::"), p(80, 8080, "0.0.0.0")])),
            "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"
        );
    }
}
