//! `gantry system check`: a command that Docker has not got.

use client::Query;
use serde_json::Value;

use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::text;

/// Has the engine verify its store, and tells what is wrong. Exit code 1 if something stays so.
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let report = client::system::check(app.client()?, &Query::new().with_flag("repair", m.on("repair")))?;
    let number = |key: &str| report[key].as_u64().unwrap_or(0);
    let faults: Vec<&Value> = report["Faults"].as_array().into_iter().flatten().collect();
    for fault in &faults {
        let images: Vec<&str> = fault["Images"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut line = format!("{} {}: {}", text(fault, "Kind"), text(fault, "Name"), text(fault, "Why"));
        if !images.is_empty() {
            line = format!("{line} (needed by {})", images.join(", "));
        }
        if !text(fault, "Repair").is_empty() {
            line = format!("{line} [{}]", text(fault, "Repair"));
        }
        console::out(&format!("{line}\n"))?;
    }
    console::out(&format!(
        "Checked {} images, {} blobs, {} layers: {} faults\n",
        number("Images"),
        number("Blobs"),
        number("Layers"),
        faults.len()
    ))?;
    if faults.iter().any(|f| text(f, "Repair").is_empty()) { Err(Failure::exit(1)) } else { Ok(()) }
}
