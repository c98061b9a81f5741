//! House rules that no lint knows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// No source file may have more lines, tables of flags apart.
const MAX_LINES: usize = 1000;

/// No type may have more methods of its own that other modules can call.
const MAX_METHODS: usize = 40;

/// Hosts of package registries, in pieces: they are named nowhere in the project, so not here either.
const HOSTS: [&[&str]; 7] = [
    &["crates", "io"],
    &["pypi", "org"],
    &["deb", "debian", "org"],
    &["security", "debian", "org"],
    &["npmjs", "org"],
    &["proxy", "golang", "org"],
    &["pythonhosted", "org"],
];

/// Everything untidy in the project.
pub(crate) fn faults(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    walk(root, &mut files);
    let mut methods = BTreeMap::new();
    for path in &files {
        let Ok(text) = fs::read_to_string(path) else { continue };
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        hosts(&name, &text, &mut faults);
        if path.extension().is_some_and(|e| e == "rs") {
            source(&name, &text, &mut faults);
            let home = name.split('/').take(2).collect::<Vec<_>>().join("/");
            for (kind, n) in inherent_methods(&text) {
                *methods.entry((home.clone(), kind)).or_insert(0) += n;
            }
        }
    }
    let crowded = methods.into_iter().filter(|(_, n)| *n > MAX_METHODS);
    faults.extend(
        crowded.map(|((home, kind), n)| format!("{home}: type {kind} has {n} methods (at most {MAX_METHODS})")),
    );
    dependencies(root, &mut faults);
    faults
}

/// All files that belong to the project.
fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !["target", ".git", "__pycache__"].contains(&name.as_str()) {
            walk(&entry.path(), files);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
}

fn hosts(name: &str, text: &str, faults: &mut Vec<String>) {
    // Cargo writes the index's address into its lock file itself.
    if name == "Cargo.lock" {
        return;
    }
    for host in HOSTS.map(|parts| parts.join(".")) {
        if text.contains(&host) {
            faults.push(format!("{name}: names the host of a package registry ({})", host.replace('.', " ")));
        }
    }
}

fn source(name: &str, text: &str, faults: &mut Vec<String>) {
    let lines = text.lines().count();
    let is_table = name.contains("/table/");
    if lines > MAX_LINES && !is_table {
        faults.push(format!("{name}: {lines} lines (at most {MAX_LINES})"));
    }
    if name.ends_with("/mod.rs") {
        faults.push(format!("{name}: name the file after the module"));
    }
    let may_be_unsafe = name.starts_with("crates/sys/") || name.starts_with("crates/xtask/");
    for (n, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        let at = || format!("{name}:{}", n + 1);
        if !may_be_unsafe && ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|u| code.contains(u))
        {
            faults.push(format!("{}: unsafe outside crate sys", at()));
        }
        if ["todo", "unimplemented"].iter().any(|m| code.contains(&format!("{m}!("))) {
            faults.push(format!("{}: something is left to do", at()));
        }
        if code.trim_start().starts_with(&["#[", "ignore"].concat()) {
            faults.push(format!("{}: an ignored test", at()));
        }
    }
}

/// Number of visible methods in the inherent `impl` blocks of each type of a formatted file.
fn inherent_methods(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut current: Option<(String, usize)> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("impl") {
            current = type_of_impl(rest).map(|kind| (kind, 0));
        } else if line == "}" {
            found.extend(current.take());
        } else if let (Some((_, n)), Some(item)) = (&mut current, line.strip_prefix("    "))
            && item.starts_with("pub")
            && item.split(['(', ' ']).take(6).any(|word| word == "fn")
        {
            *n += 1;
        }
    }
    found
}

/// `<T: X> Name<T> {` → `Name`; none for an `impl Trait for …`.
fn type_of_impl(rest: &str) -> Option<String> {
    let mut depth = 0usize;
    let mut end = 0;
    if rest.starts_with('<') {
        for (i, c) in rest.char_indices() {
            match c {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                end = i + 1;
                break;
            }
        }
    }
    let rest = rest[end..].trim_start();
    if rest.split_whitespace().any(|w| w == "for") {
        return None;
    }
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
    (!name.is_empty()).then_some(name)
}

/// Each dependency has its line in `docs/dependencies.md`.
fn dependencies(root: &Path, faults: &mut Vec<String>) {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let docs = fs::read_to_string(root.join("docs/dependencies.md")).unwrap_or_default();
    let table = manifest.split("[workspace.dependencies]").nth(1).and_then(|t| t.split("\n[").next()).unwrap_or("");
    for line in table.lines().filter(|l| l.contains('=') && !l.contains("path =")) {
        let name = line.split('=').next().unwrap_or("").trim();
        if !docs.contains(&format!("`{name}`")) {
            faults.push(format!("docs/dependencies.md: no line for `{name}`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        assert_eq!(faults(&crate::root()), Vec::<String>::new());
    }

    #[test]
    fn methods_are_counted() {
        let text = "impl<T: A<B>> X<T> {\n    pub fn a(&self) {}\n    pub(crate) async fn b() {\n        fn c() {}\n    }\n    fn own() {}\n}\nimpl D for X {\n    fn e() {}\n}\n";
        assert_eq!(inherent_methods(text), [("X".to_owned(), 2)]);
    }

    #[test]
    fn faults_in_source() {
        let mut found = Vec::new();
        source("crates/a/src/mod.rs", &["fn f() {\n    to", "do!();\n    un", "safe { x }\n}\n"].concat(), &mut found);
        assert_eq!(found.len(), 3, "{found:?}");
        found.clear();
        source("crates/a/src/a.rs", "#![deny(unsafe_code)]\n// unsafe { no }\n", &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}
