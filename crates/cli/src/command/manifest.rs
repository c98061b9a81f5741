//! `docker manifest …`: lists of manifests, put together in the client's configuration directory and pushed from there.

mod entry;
mod remote;
mod store;

use oci::image::{Platform, media_type};
use serde_json::{Value, json};

use super::Handler;
use crate::app::App;
use crate::config::pretty;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::reference::Reference;
use entry::{Entry, indented};
use remote::{Fetched, Remote};
use store::Store;

/// What Go programs run on.
const OS_ARCHES: [(&str, &[&str]); 9] = [
    ("darwin", &["386", "amd64", "arm", "arm64"]),
    ("dragonfly", &["amd64"]),
    ("freebsd", &["386", "amd64", "arm"]),
    ("linux", &["386", "amd64", "arm", "arm64", "ppc64le", "mips64", "mips64le", "riscv64", "s390x"]),
    ("netbsd", &["386", "amd64", "arm"]),
    ("openbsd", &["386", "amd64", "arm"]),
    ("plan9", &["386", "amd64"]),
    ("solaris", &["amd64"]),
    ("windows", &["386", "amd64"]),
];

pub(super) fn handler(verb: &str) -> Option<Handler> {
    Some(match verb {
        "annotate" => annotate,
        "create" => create,
        "inspect" => inspect,
        "push" => push,
        "rm" => remove,
        _ => return None,
    })
}

fn parse(name: &str) -> Result<Reference> {
    Ok(Reference::parse(name)?.with_default_tag())
}

/// `docker manifest create`
fn create(app: &App, m: &Matches) -> Result<()> {
    let typed = m.arg(0);
    let list = parse(typed).map_err(|e| e.context(&format!("error parsing name for manifest list {typed}")))?;
    let store = Store::new(app);
    if store.list(&list)?.is_some() && !m.on("amend") {
        return Err(Failure::new("refusing to amend an existing manifest list with no --amend flag"));
    }
    for name in &m.args[1..] {
        let name = parse(name)?;
        let entry = match store.get(&list, &name)? {
            Some(entry) => entry,
            None => match Remote::new(app, m.on("insecure"), &name)?.fetch()? {
                Fetched::Manifest(entry) => *entry,
                Fetched::List(_) => return Err(Failure::new(format!("{} is a manifest list", name.full()))),
            },
        };
        store.save(&list, &name, &entry)?;
    }
    console::line(&format!("Created manifest list {}", list.full()))
}

/// `docker manifest annotate`
fn annotate(app: &App, m: &Matches) -> Result<()> {
    let context = |what: &str, name: &str| format!("annotate: error parsing name for {what} {name}");
    let list = parse(m.arg(0)).map_err(|e| e.context(&context("manifest list", m.arg(0))))?;
    let name = parse(m.arg(1)).map_err(|e| e.context(&context("manifest", m.arg(1))))?;
    let store = Store::new(app);
    let Some(mut entry) = store.get(&list, &name)? else {
        return Err(Failure::new(format!("manifest for image {} does not exist in {}", m.arg(1), m.arg(0))));
    };
    let platform = entry.descriptor.platform.get_or_insert_default();
    let set = |flag: &str| m.get(flag).filter(|text| !text.is_empty()).map(str::to_owned);
    platform.os = set("os").unwrap_or_else(|| std::mem::take(&mut platform.os));
    platform.architecture = set("arch").unwrap_or_else(|| std::mem::take(&mut platform.architecture));
    platform.variant = set("variant").or_else(|| platform.variant.take());
    platform.os_version = set("os-version").or_else(|| platform.os_version.take());
    for feature in m.all("os-features").into_iter().flat_map(|list| list.split(',')) {
        if !platform.os_features.iter().any(|f| f == feature) {
            platform.os_features.push(feature.to_owned());
        }
    }
    if !is_known(platform) {
        let (os, arch) = (m.text("os"), m.text("arch"));
        return Err(Failure::new(format!("manifest entry for image has unsupported os/arch combination: {os}/{arch}")));
    }
    store.save(&list, &name, &entry)
}

fn is_known(platform: &Platform) -> bool {
    OS_ARCHES.iter().any(|(os, arches)| *os == platform.os && arches.contains(&platform.architecture.as_str()))
}

/// `docker manifest inspect`
fn inspect(app: &App, m: &Matches) -> Result<()> {
    let store = Store::new(app);
    if m.args.len() == 2 {
        let (list, name) = (parse(m.arg(0))?, parse(m.arg(1))?);
        let entry = store.get(&list, &name)?.ok_or_else(|| store::missing(&name))?;
        return show(&entry, m.on("verbose"));
    }
    let name = parse(m.arg(0))?;
    let fetched = match store.list(&name)? {
        Some(entries) => Fetched::List(entries),
        None => Remote::new(app, m.on("insecure"), &name)?.fetch()?,
    };
    match fetched {
        Fetched::Manifest(entry) => show(&entry, m.on("verbose")),
        Fetched::List(entries) if m.on("verbose") => {
            let all: Vec<String> = entries.iter().map(Entry::to_json).collect();
            console::line(&indented(&format!("[{}]", all.join(",")), "\t"))
        }
        Fetched::List(entries) => {
            let (_, text) = document(&name, &entries)?;
            console::line(&text)
        }
    }
}

fn show(entry: &Entry, verbose: bool) -> Result<()> {
    let text = if verbose { entry.to_json() } else { String::from_utf8_lossy(&entry.raw).into_owned() };
    console::line(&indented(&text, "\t"))
}

/// The list as it is pushed: media type and text.
fn document(list: &Reference, entries: &[Entry]) -> Result<(&'static str, String)> {
    let mut manifests = Vec::with_capacity(entries.len());
    for entry in entries {
        if entry.name.domain != list.domain {
            return Err(Failure::new(format!(
                "cannot use source images from a different registry than the target image: {} != {}",
                entry.name.domain, list.domain
            )));
        }
        let d = &entry.descriptor;
        let platform = serde_json::to_value(d.platform.clone().unwrap_or_default()).unwrap_or_default();
        manifests.push(json!({"mediaType": d.media_type, "size": d.size, "digest": d.digest, "platform": platform}));
    }
    let is_oci = entries.first().is_some_and(|e| e.descriptor.media_type == media_type::OCI_MANIFEST);
    let kind = if is_oci { media_type::OCI_INDEX } else { media_type::DOCKER_LIST };
    let list = json!({"schemaVersion": 2, "mediaType": kind, "manifests": Value::Array(manifests)});
    Ok((kind, pretty(&list, "   ")))
}

/// `docker manifest push`
fn push(app: &App, m: &Matches) -> Result<()> {
    let list = parse(m.arg(0))?;
    let store = Store::new(app);
    let entries = store.list(&list)?.ok_or_else(|| store::missing(&list))?;
    if entries.is_empty() {
        return Err(Failure::new(format!("{} not found", list.full())));
    }
    let runs_nowhere = |p: &Platform| p.os.is_empty() || p.architecture.is_empty();
    if let Some(entry) = entries.iter().find(|e| e.descriptor.platform.as_ref().is_none_or(runs_nowhere)) {
        let name = entry.name.full();
        return Err(Failure::new(format!(
            "manifest {name} must have an OS and Architecture to be pushed to a registry"
        )));
    }
    let (kind, text) = document(&list, &entries)?;
    let remote = Remote::new(app, m.on("insecure"), &list)?;
    let foreign = || entries.iter().filter(|e| e.name.path != list.path);
    for entry in foreign() {
        remote.mount(entry)?;
    }
    for entry in foreign() {
        remote.put(&entry.descriptor.media_type, &entry.raw, None)?;
        let digest = &entry.descriptor.digest;
        console::line(&format!("Pushed ref {}@{digest} with digest: {digest}", list.name()))?;
    }
    let digest = remote.put(kind, text.as_bytes(), list.tag.as_deref())?;
    console::line(&digest)?;
    if m.on("purge") { store.remove(&list) } else { Ok(()) }
}

/// `docker manifest rm`
fn remove(app: &App, m: &Matches) -> Result<()> {
    let store = Store::new(app);
    super::each(&m.args, |name| {
        let list = parse(name)?;
        store.list(&list)?.ok_or_else(|| store::missing(&list))?;
        store.remove(&list)
    })
}
