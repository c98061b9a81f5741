//! Holds the tree against a description of Docker's, where that lies beside the project (`../shared`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::{Command, Flag, all};

/// Commands that Docker has not got.
const OURS: [&str; 1] = ["docker system check"];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn truth(value: &Value, key: &str) -> bool {
    value[key].as_bool().unwrap_or_default()
}

fn words(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Differences of one flag.
fn compare_flag(place: &str, flag: &Flag, theirs: &Value, out: &mut Vec<String>) {
    let mut same = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            out.push(format!("{place} --{}: {what} is {ours:?}, Docker's {theirs:?}", flag.name));
        }
    };
    let short = if flag.short == '\0' { String::new() } else { flag.short.to_string() };
    same("shorthand", short, text(theirs, "shorthand").to_owned());
    same("type", flag.type_name.to_owned(), text(theirs, "type").to_owned());
    same("default", flag.default.to_owned(), text(theirs, "default").to_owned());
    same("hidden", flag.hidden.to_string(), truth(theirs, "hidden").to_string());
    same("deprecation", flag.deprecated.unwrap_or_default().to_owned(), text(theirs, "deprecated").to_owned());
    same("API version", flag.since.to_owned(), text(theirs, "min_api").to_owned());
    same("system", flag.os.to_owned(), text(theirs, "ostype").to_owned());
    same("experimental", flag.experimental.to_string(), truth(theirs, "experimental").to_string());
}

/// Differences of one command and its flags.
fn compare(ours: &Command, theirs: &Value, out: &mut Vec<String>) {
    let place = ours.full_path();
    let mut same = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            out.push(format!("{place}: {what} is {ours:?}, Docker's {theirs:?}"));
        }
    };
    same("usage", ours.usage.to_owned(), text(theirs, "args").to_owned());
    if let Some(min) = theirs["min_args"].as_u64() {
        same("fewest arguments", ours.min.to_string(), min.to_string());
        same(
            "most arguments",
            format!("{:?}", ours.max.map(|n| n as u64)),
            format!("{:?}", theirs["max_args"].as_u64()),
        );
    }
    same("group", ours.group.to_string(), (text(theirs, "kind") == "group").to_string());
    same("hidden", ours.hidden.to_string(), truth(theirs, "hidden").to_string());
    same("API version", ours.since.to_owned(), text(theirs, "min_api").to_owned());
    same("experiment of the engine", ours.engine_experiment.to_string(), truth(theirs, "experimental").to_string());
    for alias in words(&theirs["aliases"]) {
        same("answer to its alias", ours.answers_to(&alias).to_string(), "true".to_owned());
    }
    let spellings = ours.spellings();
    for other in words(&theirs["equivalent_commands"]) {
        same(&other, spellings.contains(&other).to_string(), "true".to_owned());
    }
    let flags: BTreeMap<_, _> = theirs["flags"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|f| (text(f, "name"), f))
        .filter(|(n, _)| *n != "help")
        .collect();
    let known: BTreeSet<_> = ours.flags().map(|f| f.name).collect();
    for name in flags.keys().filter(|name| !known.contains(*name)) {
        out.push(format!("{place}: lacks --{name}"));
    }
    for flag in ours.flags() {
        match flags.get(flag.name) {
            Some(theirs) => compare_flag(&place, flag, theirs, out),
            None => out.push(format!("{place}: Docker has no --{}", flag.name)),
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "says that it is skipped")]
fn tree_is_dockers() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/contract/cli.json");
    let Ok(contract) = std::fs::read(&file) else {
        println!("skipped: {} is not there", file.display());
        return;
    };
    let contract: Value = serde_json::from_slice(&contract).unwrap();
    let contract: BTreeMap<_, _> = contract.as_array().unwrap().iter().map(|c| (text(c, "command"), c)).collect();
    let mut out = Vec::new();
    let ours: BTreeMap<_, _> = all().iter().map(|c| (c.full_path(), c)).collect();
    for name in contract.keys().filter(|name| !ours.contains_key(**name)) {
        out.push(format!("lacks {name}"));
    }
    for (name, command) in &ours {
        match contract.get(name.as_str()) {
            Some(theirs) => compare(command, theirs, &mut out),
            None if OURS.contains(&name.as_str()) => {}
            None => out.push(format!("Docker has no {name}")),
        }
    }
    assert!(out.is_empty(), "{} differences:\n{}", out.len(), out.join("\n"));
}
