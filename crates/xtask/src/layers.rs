//! The floors of the house (ARCHITECTURE.md), read from `[package.metadata.gantry] floor` of each crate.

use anyhow::Context as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Crates above floor 1 that must stay free of async code: what runs in a shim or is plain computation.
const SYNC: [&str; 10] = [
    "runtime",
    "runtime-cli",
    "shim",
    "shim-proto",
    "bundle",
    "snapshot",
    "ipam",
    "firewall",
    "logdriver",
    "gantry-shim",
];

/// Edges that the floors allow but the design does not: the command line speaks to an engine through `client` only.
const FORBIDDEN: [(&str, &str); 3] = [("cli", "engine"), ("cli", "api"), ("client", "engine")];

/// Everything wrong with the dependencies between crates.
pub(crate) fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(["metadata", "--format-version", "1"]).current_dir(root).output()?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    check(&serde_json::from_slice(&output.stdout)?)
}

/// A crate's place: a floor, or among the crates that only development uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Floor(u64),
    Development,
}

fn check(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let members: BTreeSet<&str> = strings(&metadata["workspace_members"]).collect();
    let mut places = BTreeMap::new();
    let mut packages = Vec::new();
    for package in metadata["packages"].as_array().context("no packages")? {
        let name = package["name"].as_str().context("a package without name")?;
        if !package["id"].as_str().is_some_and(|id| members.contains(id)) {
            continue;
        }
        packages.push((name, package));
        match &package["metadata"]["gantry"]["floor"] {
            Value::Number(n) => drop(places.insert(name, Place::Floor(n.as_u64().unwrap_or(0)))),
            Value::String(s) if s == "dev" => drop(places.insert(name, Place::Development)),
            other => faults.push(format!("{name}: floor is {other}")),
        }
    }
    for (name, package) in &packages {
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or("");
            let for_tests = dependency["kind"] == "dev";
            if let (Some(&from), Some(&onto)) = (places.get(name), places.get(to)) {
                faults.extend(edge(name, from, to, onto, for_tests));
            }
        }
    }
    faults.extend(async_in_sync(metadata, &places));
    Ok(faults)
}

/// What is wrong with one edge.
fn edge(name: &str, from: Place, to: &str, onto: Place, for_tests: bool) -> Option<String> {
    if for_tests || from == Place::Development {
        return None;
    }
    if FORBIDDEN.contains(&(name, to)) {
        return Some(format!("{name} must not know {to}"));
    }
    match (from, onto) {
        (_, Place::Development) => Some(format!("{name} depends on {to}, which is for development only")),
        (Place::Floor(a), Place::Floor(b)) if b > a => {
            Some(format!("{name} (floor {a}) depends upward on {to} (floor {b})"))
        }
        _ => None,
    }
}

/// Floors 0 and 1 and the crates of [`SYNC`] must not reach tokio.
fn async_in_sync(metadata: &Value, places: &BTreeMap<&str, Place>) -> Vec<String> {
    let mut names = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        names.insert(package["id"].as_str().unwrap_or(""), package["name"].as_str().unwrap_or(""));
    }
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().into_iter().flatten() {
        let normal = |dep: &&Value| dep["dep_kinds"].as_array().into_iter().flatten().any(|k| k["kind"] != "dev");
        let deps = node["deps"].as_array().into_iter().flatten().filter(normal);
        edges.insert(node["id"].as_str().unwrap_or(""), deps.filter_map(|d| d["pkg"].as_str()).collect());
    }
    let is_sync = |name: &str| match places.get(name) {
        Some(Place::Floor(floor)) => *floor <= 1 || SYNC.contains(&name),
        _ => false,
    };
    let members: BTreeSet<&str> = strings(&metadata["workspace_members"]).collect();
    let mut faults = Vec::new();
    for (id, name) in names.iter().filter(|(id, name)| members.contains(*id) && is_sync(name)) {
        let mut todo = vec![vec![*id]];
        let mut seen = BTreeSet::new();
        while let Some(path) = todo.pop() {
            let Some(&last) = path.last() else { continue };
            if !seen.insert(last) {
                continue;
            }
            if names.get(last) == Some(&"tokio") {
                let way: Vec<&str> = path.iter().filter_map(|id| names.get(id).copied()).collect();
                faults.push(format!("{name} must stay free of async code: {}", way.join(" -> ")));
                break;
            }
            todo.extend(edges.get(last).into_iter().flatten().map(|next| [&path[..], &[*next]].concat()));
        }
    }
    faults
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_house_stands() {
        assert_eq!(faults(&crate::root()).unwrap(), Vec::<String>::new());
    }

    fn package(name: &str, floor: &Value, deps: &[(&str, Option<&str>)]) -> Value {
        let deps: Vec<Value> = deps.iter().map(|(n, kind)| json!({"name": n, "kind": kind})).collect();
        json!({"name": name, "id": name, "metadata": {"gantry": {"floor": floor}}, "dependencies": deps})
    }

    fn house(packages: &[Value], edges: &Value) -> Vec<String> {
        let members: Vec<&Value> = packages.iter().map(|p| &p["id"]).collect();
        check(&json!({"packages": packages, "workspace_members": members, "resolve": {"nodes": edges}})).unwrap()
    }

    #[test]
    fn upward_edges_are_found() {
        let packages = [package("low", &json!(1), &[("high", None)]), package("high", &json!(3), &[])];
        assert_eq!(house(&packages, &json!([])), ["low (floor 1) depends upward on high (floor 3)"]);
        let packages = [package("low", &json!(1), &[("kit", None)]), package("kit", &json!("dev"), &[])];
        assert_eq!(house(&packages, &json!([])), ["low depends on kit, which is for development only"]);
        let packages =
            [package("low", &json!(1), &[("kit", Some("dev"))]), package("kit", &json!("dev"), &[("low", None)])];
        assert_eq!(house(&packages, &json!([])), Vec::<String>::new());
    }

    #[test]
    fn tokio_below_is_found() {
        let packages =
            [package("low", &json!(1), &[]), package("mid", &json!(0), &[]), package("tokio", &json!(5), &[])];
        let dep = |to: &str| json!([{"pkg": to, "dep_kinds": [{"kind": null}]}]);
        let edges = json!([{"id": "low", "deps": dep("mid")}, {"id": "mid", "deps": dep("tokio")}]);
        assert_eq!(
            house(&packages, &edges),
            ["low must stay free of async code: low -> mid -> tokio", "mid must stay free of async code: mid -> tokio"]
        );
    }
}
