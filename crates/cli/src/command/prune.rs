//! All the `prune`s.

use client::Query;
use serde_json::Value;
use units::{Filters, human_size};

use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::text;

/// The filters of the command line and those of the configuration (`pruneFilters`).
fn filters(app: &App, m: &Matches) -> Filters {
    let mut filters = m.filters();
    let configured = app.config.values.get("pruneFilters").and_then(Value::as_array);
    for entry in configured.into_iter().flatten().filter_map(Value::as_str) {
        let Some((key, value)) = entry.split_once('=') else { continue };
        // A label given by hand outweighs the configured opposite.
        let opposite = if key == "label" { "label!" } else { "label" };
        if !(key.starts_with("label") && filters.has(opposite, value)) {
            filters.add(key, value);
        }
    }
    filters
}

/// What was removed, and how much room that gives.
struct Pruned {
    told: String,
    space: u64,
}

impl Pruned {
    fn print(&self) -> Result<()> {
        if !self.told.is_empty() {
            console::line(&self.told)?;
        }
        console::line(&format!("Total reclaimed space: {}", space(self.space)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
fn space(bytes: u64) -> String {
    human_size(bytes as f64)
}

fn ask(m: &Matches, question: &str) -> Result<bool> {
    if m.on("force") { Ok(true) } else { console::confirm(question) }
}

fn deleted(report: &Value, key: &str, title: &str) -> Pruned {
    let ids: Vec<&str> = report[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if ids.is_empty() {
        return Pruned { told: String::new(), space: 0 };
    }
    let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
    Pruned { told: format!("{title}:\n{lines}"), space: report["SpaceReclaimed"].as_u64().unwrap_or(0) }
}

fn prune_containers(app: &App, filters: &Filters) -> Result<Pruned> {
    let report = client::container::prune(app.client()?, &filters.to_json())?;
    Ok(deleted(&report, "ContainersDeleted", "Deleted Containers"))
}

fn prune_volumes(app: &App, filters: &Filters) -> Result<Pruned> {
    let report = client::volume::prune(app.client()?, &filters.to_json())?;
    Ok(deleted(&report, "VolumesDeleted", "Deleted Volumes"))
}

fn prune_networks(app: &App, filters: &Filters) -> Result<String> {
    let report = client::network::prune(app.client()?, &filters.to_json())?;
    Ok(deleted(&report, "NetworksDeleted", "Deleted Networks").told)
}

fn prune_images(app: &App, filters: &Filters, all: bool) -> Result<Pruned> {
    let mut filters = filters.clone();
    filters.add("dangling", if all { "false" } else { "true" });
    let report = client::image::prune(app.client()?, &filters.to_json())?;
    let items: Vec<&Value> = report["ImagesDeleted"].as_array().into_iter().flatten().collect();
    if items.is_empty() {
        return Ok(Pruned { told: String::new(), space: 0 });
    }
    let mut told = "Deleted Images:\n".to_owned();
    for item in items {
        let line = match item["Untagged"].as_str().filter(|u| !u.is_empty()) {
            Some(name) => format!("untagged: {name}\n"),
            None => format!("deleted: {}\n", text(item, "Deleted")),
        };
        told.push_str(&line);
    }
    Ok(Pruned { told, space: report["SpaceReclaimed"].as_u64().unwrap_or(0) })
}

/// `docker container prune`
pub(super) fn containers(app: &App, m: &Matches) -> Result<()> {
    if !ask(m, "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?")? {
        return Ok(());
    }
    prune_containers(app, &filters(app, m))?.print()
}

/// `docker image prune`
pub(super) fn images(app: &App, m: &Matches) -> Result<()> {
    let question = if m.on("all") {
        "WARNING! This will remove all images without at least one container associated to them.\nAre you sure you want to continue?"
    } else {
        "WARNING! This will remove all dangling images.\nAre you sure you want to continue?"
    };
    if !ask(m, question)? {
        return Ok(());
    }
    prune_images(app, &filters(app, m), m.on("all"))?.print()
}

/// `docker network prune`
pub(super) fn networks(app: &App, m: &Matches) -> Result<()> {
    let question = "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?";
    if !ask(m, question)? {
        return Ok(());
    }
    let told = prune_networks(app, &filters(app, m))?;
    if told.is_empty() { Ok(()) } else { console::line(&told) }
}

/// `docker volume prune`
pub(super) fn volumes(app: &App, m: &Matches) -> Result<()> {
    let mut filters = filters(app, m);
    let mut question = "WARNING! This will remove anonymous local volumes not used by at least one container.\nAre you sure you want to continue?";
    if m.on("all") {
        if filters.contains("all") {
            return Err(Failure::new("conflicting options: cannot specify both --all and --filter all=1"));
        }
        filters.add("all", "true");
        question = "WARNING! This will remove all local volumes not used by at least one container.\nAre you sure you want to continue?";
    }
    if !ask(m, question)? {
        return Ok(());
    }
    prune_volumes(app, &filters)?.print()
}

/// `docker system prune`
pub(super) fn system(app: &App, m: &Matches) -> Result<()> {
    let filters = filters(app, m);
    let (all, with_volumes) = (m.on("all"), m.on("volumes"));
    if with_volumes && filters.contains("until") {
        return Err(Failure::new("ERROR: The \"until\" filter is not supported with \"--volumes\""));
    }
    if !ask(m, &system_question(&filters, all, with_volumes))? {
        return Ok(());
    }
    let mut total = 0;
    let mut tell = |pruned: Pruned| -> Result<()> {
        total += pruned.space;
        if pruned.told.is_empty() { Ok(()) } else { console::line(&pruned.told) }
    };
    tell(prune_containers(app, &filters)?)?;
    tell(Pruned { told: prune_networks(app, &filters)?, space: 0 })?;
    if with_volumes {
        tell(prune_volumes(app, &filters)?)?;
    }
    tell(prune_images(app, &filters, all)?)?;
    tell(prune_builds(app, &filters, all)?)?;
    console::line(&format!("Total reclaimed space: {}", space(total)))
}

fn prune_builds(app: &App, filters: &Filters, all: bool) -> Result<Pruned> {
    let query = Query::new().with_flag("all", all).with_some("filters", &filters.to_json());
    let report = match client::system::build_prune(app.client()?, &query) {
        Ok(report) => report,
        Err(e) if matches!(e.status(), Some(404 | 501)) => Value::Null,
        Err(e) => return Err(e.into()),
    };
    let mut ids: Vec<&str> =
        report["CachesDeleted"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ids.sort_unstable();
    if ids.is_empty() {
        return Ok(Pruned { told: String::new(), space: 0 });
    }
    let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
    Ok(Pruned {
        told: format!("Deleted build cache objects:\n{lines}"),
        space: report["SpaceReclaimed"].as_u64().unwrap_or(0),
    })
}

fn system_question(filters: &Filters, all: bool, volumes: bool) -> String {
    let mut text =
        "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n"
            .to_owned();
    if volumes {
        text.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    text.push_str(if all {
        "  - all images without at least one container associated to them\n"
    } else {
        "  - all dangling images\n"
    });
    text.push_str(if all { "  - all build cache\n" } else { "  - unused build cache\n" });
    let mut shown: Vec<String> = Vec::new();
    for key in ["label", "label!", "until"] {
        shown.extend(filters.get(key).map(|v| format!("  - {key}={v}\n")));
    }
    if !shown.is_empty() {
        shown.sort();
        text.push_str("\n  Items to be pruned will be filtered with:\n");
        text.push_str(&shown.concat());
    }
    text.push_str("\nAre you sure you want to continue?");
    text
}
