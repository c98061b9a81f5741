//! `docker image …`

mod list;
mod transfer;
mod tree;

use client::Query;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use units::duration::SECOND;
use units::{human_duration, human_size_with_precision};

use super::Handler;
use crate::app::App;
use crate::command::each;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::{Listing, ellipsis, row, short_id, template_of, text};
use crate::reference::Reference;

pub(crate) use list::{HEADERS, usage_fields};
pub(crate) use transfer::pull_request;

pub(super) fn handler(verb: &str) -> Option<Handler> {
    Some(match verb {
        "history" => history,
        "import" => transfer::import,
        "inspect" => super::inspect::images,
        "load" => transfer::load,
        "ls" => list::run,
        "prune" => super::prune::images,
        "pull" => transfer::pull,
        "push" => transfer::push,
        "rm" => remove,
        "save" => transfer::save,
        "tag" => tag,
        _ => return None,
    })
}

fn tag(app: &App, m: &Matches) -> Result<()> {
    let source = m.arg(0);
    let is_id = source.len() == 64 && source.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_id {
        Reference::parse(source).map_err(|f| {
            Failure::new(format!(
                "error parsing reference: {} is not a valid repository/tag: {}",
                units::gofmt::quote(source),
                f.text
            ))
        })?;
    }
    let target = Reference::parse(m.arg(1)).map_err(|f| {
        Failure::new(format!(
            "error parsing reference: {} is not a valid repository/tag: {}",
            units::gofmt::quote(m.arg(1)),
            f.text
        ))
    })?;
    if target.digest.is_some() {
        return Err(Failure::new("refusing to create a tag with a digest reference"));
    }
    let target = target.with_default_tag();
    let tag = target.tag.as_deref().unwrap_or_default();
    Ok(client::image::tag(app.client()?, source, &target.name(), tag)?)
}

/// Platforms of `--platform` as the engine reads them: one JSON document each.
pub(super) fn add_platforms(query: &mut Query, key: &str, platforms: &[&str]) -> Result<()> {
    for platform in platforms {
        query.add(key, &platform_json(platform)?);
    }
    Ok(())
}

/// `os[/arch[/variant]]` as JSON.
pub(super) fn platform_json(platform: &str) -> Result<String> {
    let mut parts = platform.split('/');
    let ok = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.()".contains(&b));
    let (first, second, third, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next(), parts.next());
    if more.is_some() || !ok(first) || second.is_some_and(|s| !ok(s)) || third.is_some_and(|s| !ok(s)) {
        let shown = units::gofmt::quote(platform);
        return Err(Failure::new(format!(
            "{shown} is an invalid OS component of {shown}: OSAndVersion specifier component must match \"^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$\": invalid argument"
        )));
    }
    let known_os = matches!(first, "linux" | "windows" | "darwin" | "freebsd");
    let (os, architecture, variant) = match second {
        Some(arch) => (first, arch, third.unwrap_or_default()),
        None if known_os => (first, host_architecture(), ""),
        None => ("linux", first, ""),
    };
    let architecture = match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" => "386",
        other => other,
    };
    let mut object = serde_json::Map::new();
    object.insert("architecture".to_owned(), architecture.into());
    object.insert("os".to_owned(), os.into());
    let implied = architecture == "arm64" && variant == "v8";
    if !variant.is_empty() && !implied {
        object.insert("variant".to_owned(), variant.into());
    }
    Ok(Value::Object(object).to_string())
}

fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn remove(app: &App, m: &Matches) -> Result<()> {
    let mut query = Query::new().with_flag("force", m.on("force")).with_flag("noprune", m.on("no-prune"));
    add_platforms(&mut query, "platforms", &m.all("platform"))?;
    let client = app.client()?;
    let mut fatal = false;
    let outcome = each(&m.args, |name| {
        let removed = client::image::remove(client, name, &query).inspect_err(|e| fatal |= !e.is_not_found())?;
        for item in removed.as_array().into_iter().flatten() {
            match item["Deleted"].as_str() {
                Some(id) => console::line(&format!("Deleted: {id}"))?,
                None => console::line(&format!("Untagged: {}", text(item, "Untagged")))?,
            }
        }
        Ok(())
    });
    match outcome {
        Err(failure) if m.on("force") && !fatal => {
            console::err(&failure.text);
            Ok(())
        }
        other => other,
    }
}

const HISTORY_HEADERS: [(&str, &str); 6] = [
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

fn history(app: &App, m: &Matches) -> Result<()> {
    let mut query = Query::new();
    if m.given("platform") {
        query.add("platform", &platform_json(m.text("platform"))?);
    }
    let list = client::image::history(app.client()?, m.arg(0), &query)?;
    let (human, trunc) = (m.on("human"), !m.on("no-trunc"));
    let default = if human {
        "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
    } else {
        "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
    };
    let format = m.text("format");
    let (template, table) = match format {
        "" | "table" if m.on("quiet") => ("{{.ID}}".to_owned(), false),
        _ => template_of(format, default),
    };
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let now = Timestamp::now().as_second();
    let rows: Vec<Value> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|h| {
            let created = h["Created"].as_i64().unwrap_or(0);
            let at = Timestamp::from_second(created).map(|t| rfc3339_seconds(t, &zone)).unwrap_or_default();
            // Dates before 2000 are no dates.
            let since = if !human {
                at.clone()
            } else if created <= 946_684_800 {
                "N/A".to_owned()
            } else {
                format!("{} ago", human_duration((now - created) * SECOND))
            };
            let by = text(h, "CreatedBy").replace('\t', " ");
            let id = text(h, "Id");
            row(&[
                ("ID", if trunc { short_id(id) } else { id }.into()),
                ("CreatedAt", at.into()),
                ("CreatedSince", since.into()),
                ("CreatedBy", if trunc { ellipsis(&by, 45) } else { by }.into()),
                ("Size", size_text(&h["Size"], human).into()),
                ("Comment", text(h, "Comment").into()),
            ])
        })
        .collect();
    Listing { format: template, headers: &HISTORY_HEADERS, type_name: "*image.historyContext" }.print(table, &rows)
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn size_text(size: &Value, human: bool) -> String {
    let size = size.as_i64().unwrap_or(0);
    if human { human_size_with_precision(size as f64, 3) } else { size.to_string() }
}

/// Go's RFC 3339 in a zone: `Z` for UTC, else an offset.
fn rfc3339_seconds(time: Timestamp, zone: &TimeZone) -> String {
    let text = time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    text.strip_suffix("+00:00").map_or(text.clone(), |bare| format!("{bare}Z"))
}

/// `docker search`
pub(super) fn search(app: &App, m: &Matches) -> Result<()> {
    const HEADERS: [(&str, &str); 4] =
        [("Name", "NAME"), ("Description", "DESCRIPTION"), ("StarCount", "STARS"), ("IsOfficial", "OFFICIAL")];
    let server = m.arg(0).split_once('/').map(|(host, _)| host).filter(|h| h.contains(['.', ':']) || *h == "localhost");
    let auth = app.config.credentials(server.unwrap_or(crate::config::HUB)).header();
    let limit = m.int("limit");
    let query = Query::new()
        .with("term", m.arg(0))
        .with_some("limit", &if limit > 0 { limit.to_string() } else { String::new() })
        .with_some("filters", &m.filters().to_json());
    let found = client::image::search(app.client()?, &query, &auth)?;
    let (template, table) =
        template_of(m.text("format"), "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}");
    let rows: Vec<Value> = found
        .as_array()
        .into_iter()
        .flatten()
        .map(|r| {
            let description = text(r, "description").replace(['\n', '\r'], " ");
            let description = if m.on("no-trunc") { description } else { ellipsis(&description, 45) };
            row(&[
                ("Name", text(r, "name").into()),
                ("Description", description.into()),
                ("StarCount", r["star_count"].as_i64().unwrap_or(0).to_string().into()),
                ("IsOfficial", if r["is_official"] == Value::Bool(true) { "[OK]" } else { "" }.into()),
            ])
        })
        .collect();
    Listing { format: template, headers: &HEADERS, type_name: "*registry.searchContext" }.print(table, &rows)
}
