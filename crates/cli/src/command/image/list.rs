//! `docker images`

use std::collections::BTreeMap;

use client::Query;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use units::duration::SECOND;
use units::{human_duration, human_size, human_size_with_precision};

use super::tree;
use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::{Listing, row, short_id, template_of, text};
use crate::reference::Reference;

pub(crate) const HEADERS: [(&str, &str); 10] = [
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

/// `docker images`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let mut use_tree = true;
    for (flag, told) in [("quiet", "quiet"), ("no-trunc", "no-trunc"), ("digests", "show-digest"), ("format", "format")]
    {
        if !(m.given(flag) && m.text(flag) != "false" && !m.text(flag).is_empty()) {
            continue;
        }
        if m.on("tree") {
            return Err(Failure::new(format!("--{told} is not yet supported with --tree")));
        }
        use_tree = false;
    }
    let mut format = m.text("format");
    let configured = app.config.text("imagesFormat");
    if format.is_empty() && !configured.is_empty() && !m.on("quiet") && !m.on("tree") {
        format = configured;
        use_tree = false;
    }
    let mut filters = m.filters();
    if !m.arg(0).is_empty() {
        filters.add("reference", m.arg(0));
    }
    let client = app.client()?;
    let manifests = use_tree && client.at_least("1.47")?;
    let query = Query::new()
        .with_flag("all", m.on("all"))
        .with_some("filters", &filters.to_json())
        .with_flag("manifests", manifests);
    let found = client::image::list(client, &query)?;
    let hide = !m.on("all") && (!filters.contains("dangling") || filters.has("dangling", "false"));
    let images: Vec<&Value> = found.as_array().into_iter().flatten().filter(|i| !(hide && is_untagged(i))).collect();
    if images.is_empty() && !m.arg(0).is_empty() && m.command.path == ["images"] {
        hint(m.arg(0));
    }
    if use_tree {
        return console::out(&tree::render(&images, m.on("tree")));
    }
    table(m, format, &images)
}

fn strings<'v>(image: &'v Value, key: &str) -> Vec<&'v str> {
    image[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn is_untagged(image: &Value) -> bool {
    let tags = strings(image, "RepoTags");
    tags.is_empty() || (tags == ["<none>:<none>"] && strings(image, "RepoDigests") == ["<none>@<none>"])
}

/// Says so when somebody writes `docker images ls`.
fn hint(name: &str) {
    const VERBS: [&str; 13] =
        ["build", "history", "import", "inspect", "list", "load", "ls", "prune", "pull", "push", "rm", "save", "tag"];
    if VERBS.contains(&name) {
        console::err(&format!("No images found matching \"{name}\": did you mean \"docker image {name}\"?"));
    }
}

fn table(m: &Matches, format: &str, images: &[&Value]) -> Result<()> {
    let created = "{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}";
    let digests = m.on("digests");
    let default = if digests {
        format!("{{{{.Repository}}}}\t{{{{.Tag}}}}\t{{{{.Digest}}}}\t{{{{.ID}}}}\t{created}\t{{{{.Size}}}}")
    } else {
        format!("{{{{.Repository}}}}\t{{{{.Tag}}}}\t{{{{.ID}}}}\t{created}\t{{{{.Size}}}}")
    };
    let (mut template, is_table) = match format {
        "" | "table" if m.on("quiet") => ("{{.ID}}".to_owned(), false),
        _ => template_of(format, &default),
    };
    if is_table && digests && !template.contains("{{.Digest}}") {
        template.push_str("\t{{.Digest}}");
    }
    let need_digest = digests || template.contains("{{.Digest}}");
    let trunc = !m.on("no-trunc");
    let mut rows = Vec::new();
    for image in images {
        for (repository, tag, digest) in names(image, need_digest, digests) {
            rows.push(fields(image, trunc, &repository, &tag, &digest));
        }
    }
    Listing { format: template, headers: &HEADERS, type_name: "*formatter.imageContext" }.print(is_table, &rows)
}

/// One row per tag (and digest, when digests are shown).
fn names(image: &Value, need_digest: bool, show_digests: bool) -> Vec<(String, String, String)> {
    let none = || "<none>".to_owned();
    let (tags, digests) = (strings(image, "RepoTags"), strings(image, "RepoDigests"));
    let dangling =
        (tags.is_empty() && digests.is_empty()) || (tags == ["<none>:<none>"] && digests == ["<none>@<none>"]);
    if dangling {
        return vec![(none(), none(), none())];
    }
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    let mut digests_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tag in tags {
        if let Ok(Reference { tag: Some(tag), digest: None, domain, path }) = Reference::parse(tag) {
            let name = Reference { domain, path, tag: None, digest: None }.familiar_name();
            if !order.contains(&name) {
                order.push(name.clone());
            }
            by_name.entry(name).or_default().push(tag);
        }
    }
    for digest in digests {
        if let Ok(reference) = Reference::parse(digest)
            && let Some(digest) = reference.digest.clone()
        {
            digests_of.entry(reference.familiar_name()).or_default().push(digest);
        }
    }
    let mut rows = Vec::new();
    for name in order {
        let digests = digests_of.remove(&name).unwrap_or_default();
        for tag in &by_name[&name] {
            if digests.is_empty() || !need_digest {
                rows.push((name.clone(), tag.clone(), none()));
            } else {
                rows.extend(digests.iter().map(|d| (name.clone(), tag.clone(), d.clone())));
            }
        }
    }
    for (name, digests) in digests_of {
        if show_digests {
            rows.extend(digests.into_iter().map(|d| (name.clone(), none(), d)));
        } else {
            rows.push((name, none(), String::new()));
        }
    }
    rows
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn fields(image: &Value, trunc: bool, repository: &str, tag: &str, digest: &str) -> Value {
    let number = |key: &str| image[key].as_i64().unwrap_or(0);
    let created = number("Created");
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let at = Timestamp::from_second(created).map(|t| units::timestamp::go_string_seconds(t, &zone)).unwrap_or_default();
    let since = format!("{} ago", human_duration((Timestamp::now().as_second() - created) * SECOND));
    let id = text(image, "Id");
    let (size, shared) = (number("Size"), number("SharedSize"));
    let unknown = || "N/A".to_owned();
    let containers = match number("Containers") {
        -1 => unknown(),
        n => n.to_string(),
    };
    row(&[
        ("ID", if trunc { short_id(id) } else { id }.into()),
        ("Repository", repository.into()),
        ("Tag", tag.into()),
        ("Digest", digest.into()),
        ("CreatedSince", since.into()),
        ("CreatedAt", at.into()),
        ("Size", human_size_with_precision(size as f64, 3).into()),
        ("Containers", containers.into()),
        ("SharedSize", if shared == -1 { unknown() } else { human_size(shared as f64) }.into()),
        ("UniqueSize", if size == -1 || shared == -1 { unknown() } else { human_size((size - shared) as f64) }.into()),
    ])
}

/// One row of `docker system df -v`: the first tag stands for the image.
pub(crate) fn usage_fields(image: &Value, trunc: bool) -> Value {
    let (mut repository, mut tag) = ("<none>".to_owned(), "<none>".to_owned());
    if let Some(reference) = strings(image, "RepoTags").first().and_then(|t| Reference::parse(t).ok())
        && let Some(name) = reference.tag.clone()
    {
        (repository, tag) = (reference.familiar_name(), name);
    }
    fields(image, trunc, &repository, &tag, "")
}
