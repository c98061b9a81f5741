//! What images need on disk, to the byte: `GET /system/df` against sums that this test makes itself from the files of the store;
//! what `df` calls unique and reclaimable is what removal and prune give back.

#![expect(clippy::unwrap_used, reason = "a test")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use testkit::images::{Compression, Image, Layer, MultiImage};
use testkit::invariants::check;
use testkit::registry::{Options, Registry};
use testkit::{Cli, CliKind, Engine, EngineKind};

/// What lies on disk, by the file or layer.
type Parts = BTreeMap<PathBuf, i64>;

struct Place {
    engine: Engine,
    cli: Cli,
    store: PathBuf,
}

impl Place {
    fn ok(&self, script: &str) -> String {
        self.engine.run(&self.cli, script).unwrap().ok().unwrap().text().to_owned()
    }

    fn df(&self, query: &str) -> Value {
        self.engine.api().unwrap().get_json(&format!("/system/df{query}")).unwrap()
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.store.join("blobs").join(digest.replace(':', "/"))
    }

    fn document(&self, digest: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.blob(digest)).unwrap()).unwrap()
    }

    /// The files and layers of an image that are here.
    fn parts(&self, id: &str) -> Parts {
        let mut parts = Parts::new();
        self.walk(id, &mut parts);
        parts
    }

    fn walk(&self, digest: &str, parts: &mut Parts) {
        let path = self.blob(digest);
        let Ok(meta) = path.metadata() else { return };
        parts.insert(path, i64::try_from(meta.len()).unwrap());
        let document = self.document(digest);
        for manifest in document["manifests"].as_array().into_iter().flatten() {
            self.walk(manifest["digest"].as_str().unwrap(), parts);
        }
        let Some(config) = document["config"]["digest"].as_str() else { return };
        for blob in document["layers"].as_array().unwrap().iter().filter_map(|l| l["digest"].as_str()).chain([config]) {
            let path = self.blob(blob);
            parts.insert(path.clone(), i64::try_from(path.metadata().unwrap().len()).unwrap());
        }
        for diff in self.document(config)["rootfs"]["diff_ids"].as_array().unwrap() {
            let layer = self.layers().join(diff.as_str().unwrap().trim_start_matches("sha256:"));
            parts.insert(layer.clone(), blocks(&layer.join("fs")));
        }
    }

    fn layers(&self) -> PathBuf {
        find(&self.engine.data_root(), "layers", 4).unwrap()
    }

    /// All blobs and all layers.
    fn everything(&self) -> i64 {
        let blobs = std::fs::read_dir(self.store.join("blobs/sha256")).unwrap();
        let blobs: u64 = blobs.map(|b| b.unwrap().metadata().unwrap().len()).sum();
        let layers = std::fs::read_dir(self.layers()).unwrap();
        let layers: i64 = layers.map(|l| blocks(&l.unwrap().path().join("fs"))).sum();
        i64::try_from(blobs).unwrap() + layers
    }
}

/// The first directory of this name, not deeper than so.
fn find(dir: &Path, name: &str, depth: u32) -> Option<PathBuf> {
    let dirs: Vec<PathBuf> = std::fs::read_dir(dir).ok()?.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    let here = dirs.iter().find(|d| d.ends_with(name)).cloned();
    here.or_else(|| if depth == 0 { None } else { dirs.iter().find_map(|d| find(d, name, depth - 1)) })
}

/// Bytes that a tree takes, as du(1) counts them.
fn blocks(root: &Path) -> i64 {
    fn add(path: &Path, seen: &mut BTreeSet<u64>) -> u64 {
        let meta = path.symlink_metadata().unwrap();
        let own = if seen.insert(meta.ino()) { meta.blocks() * 512 } else { 0 };
        let below = if meta.is_dir() {
            std::fs::read_dir(path).unwrap().map(|e| add(&e.unwrap().path(), seen)).sum()
        } else {
            0
        };
        own + below
    }
    i64::try_from(add(root, &mut BTreeSet::new())).unwrap()
}

/// Much that a file system does not count in whole blocks of content.
fn odd_layer() -> Layer {
    let long = "x".repeat(200);
    let mut layer =
        Layer::noise("noise", 70_001, 5).dir("many/", 0o755).symlink("short", "noise").symlink("long", &long[..90]);
    for n in 0..400 {
        // The directory grows to several blocks.
        layer = layer.file(&format!("many/{n:03}-{}", &long[..85]), &[1; 10]);
    }
    layer.file("empty", b"").hardlink("again", "noise").file("twice", &[7; 9000]).file("twice", &[8; 100]).gzip()
}

#[test]
fn disk_usage_is_exact() {
    let engine = Engine::start("df").unwrap();
    if engine.kind() != EngineKind::Gantry {
        return;
    }
    let cli = engine.cli(CliKind::from_env()).unwrap();
    let store = find(&engine.data_root(), "blobs", 4).unwrap().parent().unwrap().to_path_buf();
    let place = Place { engine, cli, store };
    let registry = Registry::in_machine(&place.engine.machine, Options::default()).unwrap();
    let base = || odd_layer();
    let plain = |seed: u64| Layer::noise("more", 300_000, seed).pack(Compression::Zstd);
    let image = |layers: Vec<Layer>, label: &str| {
        layers
            .into_iter()
            .fold(Image::builder(), testkit::images::ImageBuilder::layer)
            .cmd(&["/noise"])
            .label("l", label)
    };
    registry.push("one", "1", &image(vec![base(), plain(1)], "one").build());
    registry.push("two", "1", &image(vec![base(), plain(2), plain(2)], "two").build());
    registry.push("three", "1", &image(vec![base(), plain(2), plain(3)], "three").build());
    registry.push("four", "1", &image(vec![plain(4)], "four").build());
    let other = image(vec![plain(5)], "arm").platform("linux/arm64").build();
    registry.push_multi("multi", "1", &MultiImage::new(vec![image(vec![plain(4)], "multi").build(), other]));
    for name in ["one", "two", "three", "four", "multi"] {
        place.ok(&format!("docker pull -q {0}; docker tag {0} {name}:x", registry.name(&format!("{name}:1"))));
    }
    place.ok("docker create --name user three:x; docker create --name other multi:x");
    as_summed(&place);

    // What removal gives back is what was called unique.
    let row = |name: &str| {
        let all = place.df("?verbose=1&type=image");
        let tag = format!("{name}:x");
        let is_it = |i: &&Value| i["RepoTags"].as_array().unwrap().iter().any(|t| t.as_str() == Some(&tag));
        let found = all["ImageUsage"]["Items"].as_array().unwrap().iter().find(is_it).unwrap();
        found["Size"].as_i64().unwrap() - found["SharedSize"].as_i64().unwrap()
    };
    let (before, unique) = (total(&place), row("one"));
    place.ok(&format!("docker rmi one:x {}", registry.name("one:1")));
    assert_eq!(before - total(&place), unique);
    as_summed(&place);

    // And what a prune gives back was called reclaimable.
    let usage = place.df("")["ImageUsage"].clone();
    let report = place
        .engine
        .api()
        .unwrap()
        .send("POST", "/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D", &[], b"")
        .unwrap();
    let report = report.json().unwrap();
    assert_eq!(report["SpaceReclaimed"], usage["Reclaimable"], "{report}");
    assert_eq!(usage["TotalSize"].as_i64().unwrap() - total(&place), usage["Reclaimable"].as_i64().unwrap());
    // Of the names of an image in use the one stays that is used.
    assert_eq!(place.ok("docker images --format '{{.Repository}}' | sort | xargs"), "multi three");
    as_summed(&place);
    assert_eq!(place.df("")["ImageUsage"]["Reclaimable"], Value::Null, "nothing");
    place.ok("docker rm user other; docker image prune -af");
    assert_eq!((total(&place), place.everything()), (0, 0));
    check(&place.engine).unwrap();
}

fn total(place: &Place) -> i64 {
    place.df("")["LayersSize"].as_i64().unwrap()
}

/// Everything that `df` says of images is what this test sums up.
fn as_summed(place: &Place) {
    let (old, new) = (place.df(""), place.df("?verbose=1"));
    assert_eq!(old["LayersSize"], place.everything());
    assert_eq!(new["ImageUsage"]["TotalSize"], old["LayersSize"]);
    assert_eq!(new["ImageUsage"]["Items"], old["Images"]);
    let images = old["Images"].as_array().unwrap();
    let parts: Vec<Parts> = images.iter().map(|i| place.parts(i["Id"].as_str().unwrap())).collect();
    let mut users: BTreeMap<&PathBuf, u32> = BTreeMap::new();
    for path in parts.iter().flat_map(BTreeMap::keys) {
        *users.entry(path).or_default() += 1;
    }
    let mut kept = Parts::new();
    let mut rows = Vec::new();
    for (image, parts) in images.iter().zip(&parts) {
        let shared: i64 = parts.iter().filter(|(path, _)| users[path] > 1).map(|(_, n)| n).sum();
        // The list of the platforms itself counts for no platform: Docker's sizes are those of the platforms.
        let target = place.blob(image["Id"].as_str().unwrap());
        let list =
            if place.document(image["Id"].as_str().unwrap())["manifests"].is_array() { parts[&target] } else { 0 };
        let size = parts.values().sum::<i64>() - list;
        assert_eq!((image["Size"].as_i64(), image["SharedSize"].as_i64()), (Some(size), Some(shared)), "{image}");
        if image["Containers"] != 0 {
            kept.extend(parts.clone());
        }
        let (shared, unique) = (human(shared, 4), human(size - shared, 4));
        rows.push(format!("{} {shared} {unique} {}", human(size, 3), image["Containers"]));
    }
    let reclaimable = place.everything() - kept.values().sum::<i64>();
    // Left out when there is nothing.
    assert_eq!(new["ImageUsage"]["Reclaimable"].as_i64().unwrap_or(0), reclaimable);
    // The same by the command line.
    let shown = place.ok(
        "docker system df -v --format '{{range .Images}}{{println .Size .SharedSize .UniqueSize .Containers}}{{end}}'",
    );
    let mut shown: Vec<&str> = shown.lines().filter(|l| !l.is_empty()).collect();
    shown.sort_unstable();
    rows.sort();
    assert_eq!(shown, rows);
}

/// Docker's way to write bytes: so many digits, powers of 1000.
#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn human(bytes: i64, digits: usize) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 {
        value /= 1000.0;
        unit += 1;
    }
    let before = format!("{value:.0}").len();
    let text = format!("{value:.*}", digits.saturating_sub(before));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", ["B", "kB", "MB", "GB"][unit])
}
