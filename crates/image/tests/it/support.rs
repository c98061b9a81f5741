use std::sync::{Arc, Mutex};

use archive::{Entry, Kind, Writer};
use image::{InUse, Load, Loaded, Store, StoreConfig, Use};
use metastore::Db;

/// A store in a directory of its own.
pub(crate) struct Place {
    pub(crate) tmp: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Place {
    pub(crate) fn new() -> Self {
        let tmp = tempfile::tempdir().expect("tempdir");
        let store = open(tmp.path());
        Self { tmp, store }
    }

    /// A store in a directory that is there.
    pub(crate) fn at(tmp: tempfile::TempDir) -> Self {
        let store = open(tmp.path());
        Self { tmp, store }
    }

    /// The same directory in a new process' eyes.
    pub(crate) fn reopen(self) -> Self {
        let Self { tmp, store } = self;
        drop(store);
        Self::at(tmp)
    }

    pub(crate) fn load(&self, archive: &[u8]) -> image::Result<Vec<Loaded>> {
        self.store.archives().load_blocking(&mut &archive[..], &Load::default())
    }

    /// Files below the content and layer directories: nothing must be left when all images are gone.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut out = Vec::new();
        for dir in ["content/blobs/sha256", "content/ingest", "snapshots/layers", "snapshots/staging"] {
            for e in std::fs::read_dir(self.tmp.path().join(dir)).expect("ls").flatten() {
                out.push(format!("{dir}/{}", e.file_name().to_string_lossy()));
            }
        }
        out
    }
}

fn open(root: &std::path::Path) -> Store {
    let db = Arc::new(Db::open(&root.join("meta.db")).expect("db"));
    Store::open(StoreConfig { data_root: root.to_owned(), max_concurrent_downloads: 3 }, db).expect("opens")
}

/// A tar of regular files and directories (names that end in a slash).
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut w = Writer::new(Vec::new());
    for (name, data) in files {
        let kind = if name.ends_with('/') { Kind::Directory } else { Kind::Regular };
        let mut e = Entry::new(*name, kind, 0o755);
        e.size = data.len() as u64;
        w.entry(&e, *data).expect("writes");
    }
    w.finish().expect("finishes")
}

pub(crate) fn sha(bytes: &[u8]) -> String {
    content::Hasher::digest(bytes).to_string()
}

/// An image document over these layers (plain tars).
pub(crate) fn config(layers: &[Vec<u8>], label: &str) -> Vec<u8> {
    let diffs: Vec<String> = layers.iter().map(|l| format!("\"{}\"", sha(l))).collect();
    let history: Vec<String> = (0..layers.len())
        .map(|i| format!("{{\"created\":\"2026-01-01T00:00:0{i}Z\",\"created_by\":\"step {i}\"}}"))
        .collect();
    format!(
        "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2026-01-01T00:00:00Z\",\
         \"config\":{{\"Cmd\":[\"sh\"],\"Labels\":{{\"l\":\"{label}\"}}}},\
         \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{}]}},\"history\":[{}]}}",
        diffs.join(","),
        history.join(",")
    )
    .into_bytes()
}

/// What `docker save` wrote before it knew OCI layouts.
pub(crate) fn docker_archive(tags: &[&str], layers: &[Vec<u8>], config: &[u8]) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|i| format!("l{i}/layer.tar")).collect();
    let list = |l: &[String]| l.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(",");
    let tags: Vec<String> = tags.iter().map(|t| (*t).to_owned()).collect();
    let manifest = format!("[{{\"Config\":\"c.json\",\"RepoTags\":[{}],\"Layers\":[{}]}}]", list(&tags), list(&names));
    let mut files: Vec<(&str, &[u8])> = vec![("c.json", config), ("manifest.json", manifest.as_bytes())];
    files.extend(names.iter().map(String::as_str).zip(layers.iter().map(Vec::as_slice)));
    tar(&files)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    e.write_all(bytes).expect("compresses");
    e.finish().expect("finishes")
}

/// Containers of a test.
#[derive(Default)]
pub(crate) struct Containers(pub(crate) Mutex<Vec<Use>>);

impl InUse for Containers {
    fn uses(&self) -> Vec<Use> {
        self.0.lock().expect("lock").clone()
    }
}
