use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use archive::{Applied, Applier, ApplyOptions, Decoder, Entry, Kind, Limits, Reader, Writer};
use rustix::fs::CWD;

/// A directory with a root to unpack into and a canary beside it.
pub(crate) struct Place {
    pub(crate) tmp: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let tmp = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(tmp.path().join("root")).expect("root");
        std::fs::create_dir(tmp.path().join("canary")).expect("canary");
        std::fs::write(tmp.path().join("canary/file"), "alive").expect("canary");
        Self { tmp }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.tmp.path().join("root")
    }

    pub(crate) fn apply(&self, tar: &[u8]) -> archive::Result<Applied> {
        self.apply_with(tar, ApplyOptions::default())
    }

    pub(crate) fn apply_with(&self, tar: &[u8], options: ApplyOptions) -> archive::Result<Applied> {
        let root = archive::open_dir(CWD, self.root()).expect("open root");
        let decoder = Decoder::new(tar)?;
        Applier::new(root, options).apply(&mut Reader::new(decoder, Limits::default()))
    }

    /// Everything below the root, one line per object, and the proof that the canary lives.
    pub(crate) fn tree(&self) -> String {
        let canary = self.tmp.path().join("canary");
        assert_eq!(std::fs::read_to_string(canary.join("file")).expect("canary"), "alive");
        assert_eq!(std::fs::read_dir(&canary).expect("canary").count(), 1);
        let mut out = Vec::new();
        walk(&self.root(), &self.root(), &mut out);
        out.sort();
        out.join("\n")
    }
}

fn walk(root: &Path, dir: &Path, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("ls") {
        let path = entry.expect("entry").path();
        let meta = path.symlink_metadata().expect("stat");
        let name = path.strip_prefix(root).expect("below").display().to_string();
        let kind = meta.file_type();
        if kind.is_dir() {
            let mut v = [0u8; 1];
            let opaque = rustix::fs::lgetxattr(&path, "trusted.overlay.opaque", v.as_mut_slice()).is_ok();
            out.push(format!("{name}/{}", if opaque { " opaque" } else { "" }));
            walk(root, &path, out);
        } else if kind.is_symlink() {
            out.push(format!("{name} -> {}", path.read_link().expect("link").display()));
        } else if kind.is_char_device() && meta.rdev() == 0 {
            out.push(format!("{name} whiteout"));
        } else if kind.is_file() {
            out.push(format!("{name} = {}", String::from_utf8_lossy(&std::fs::read(&path).expect("read"))));
        } else {
            out.push(format!("{name} special"));
        }
    }
}

/// A tar from lines: `d/` directory, `f=text` file, `l->target` symlink, `h=>target` hard link.
pub(crate) fn tar(lines: &[&str]) -> Vec<u8> {
    let mut w = Writer::new(Vec::new());
    for line in lines {
        let (entry, data) = parse(line);
        w.entry(&entry, data.as_bytes()).expect("writes");
    }
    w.finish().expect("finishes")
}

fn parse(line: &str) -> (Entry, &str) {
    if let Some((name, target)) = line.split_once("->") {
        let mut e = Entry::new(name, Kind::Symlink, 0o777);
        e.link = target.into();
        return (e, "");
    }
    if let Some((name, target)) = line.split_once("=>") {
        let mut e = Entry::new(name, Kind::HardLink, 0o644);
        e.link = target.into();
        return (e, "");
    }
    if let Some((name, data)) = line.split_once('=') {
        let mut e = Entry::new(name, Kind::Regular, 0o644);
        e.size = data.len() as u64;
        return (e, data);
    }
    (Entry::new(line, Kind::Directory, 0o755), "")
}
