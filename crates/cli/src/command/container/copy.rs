//! `docker cp`

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, BufWriter, PipeWriter, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use archive::{Applier, ApplyOptions, Entry, Kind, Limits, Reader, Time, Whiteouts, Writer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{Client, Query, Response};
use rustix::fs::{Mode, OFlags};
use serde_json::Value;
use units::human_size_with_precision;
use units::volume::clean_path;

use super::misc::Output;
use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result, path_error};
use crate::flags::Matches;

/// One end of a copy: what is known before anything is moved.
#[derive(Debug, Clone, Default)]
struct End {
    path: String,
    exists: bool,
    is_dir: bool,
    /// The name that the entry is to have, when the path was reached through a link.
    rebase: String,
}

/// `docker cp`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    for (i, what) in ["source", "destination"].iter().enumerate() {
        if m.arg(i).is_empty() {
            return Err(Failure::new(format!("{what} can not be empty")));
        }
    }
    let quiet = if m.given("quiet") { m.on("quiet") } else { !console::stdout_is_terminal() };
    let job = Job { client: app.client()?, follow: m.on("follow-link"), keep_owner: m.on("archive"), quiet };
    match (split(m.arg(0)), split(m.arg(1))) {
        ((Some(_), _), (Some(_), _)) => Err(Failure::new("copying between containers is not supported")),
        ((Some(container), from), (None, to)) => job.copy_out(container, from, to),
        ((None, from), (Some(container), to)) => job.copy_in(from, container, to),
        ((None, _), (None, _)) => Err(Failure::new("must specify at least one container source")),
    }
}

/// `container:path`, or a local path (which says so by `/` or `.` when it has a colon).
fn split(arg: &str) -> (Option<&str>, &str) {
    match arg.split_once(':') {
        Some((container, path)) if !arg.starts_with('/') && !container.starts_with('.') => (Some(container), path),
        _ => (None, arg),
    }
}

/// The directory and last name of a path; `a/.` has the name `.`.
fn split_entry(path: &str) -> (String, String) {
    let clean = clean_path(path);
    if path == "." || path.ends_with("/.") {
        return (clean, ".".to_owned());
    }
    match clean.rsplit_once('/') {
        Some(("", name)) => ("/".to_owned(), if name.is_empty() { "/".to_owned() } else { name.to_owned() }),
        Some((dir, name)) => (dir.to_owned(), name.to_owned()),
        None => (".".to_owned(), clean),
    }
}

fn asserts_dir(path: &str) -> bool {
    path.ends_with('/') || path == "." || path.ends_with("/.")
}

/// An absolute local path that still says whether a directory is meant.
fn local(path: &str) -> Result<String> {
    let absolute = std::env::current_dir()?.join(path);
    let clean = clean_path(&absolute.to_string_lossy());
    if clean == "/" {
        return Ok(clean);
    }
    Ok(if path == "." || path.ends_with("/.") {
        format!("{clean}/.")
    } else if path.ends_with('/') {
        format!("{clean}/")
    } else {
        clean
    })
}

/// Where to unpack, and how the first name of the entries changes.
fn plan(source: &End, target: &End) -> Result<(String, Option<(String, String)>)> {
    if target.exists && target.is_dir {
        return Ok((target.path.clone(), None));
    }
    if target.exists && source.is_dir {
        return Err(Failure::new("cannot copy directory"));
    }
    if !target.exists && !source.is_dir && asserts_dir(&target.path) {
        return Err(Failure::new("no such directory"));
    }
    let (dir, base) = split_entry(&target.path);
    let from = if source.rebase.is_empty() { split_entry(&source.path).1 } else { source.rebase.clone() };
    Ok((dir, Some((from, base))))
}

fn rebase(name: &[u8], from: &str, to: &str) -> Vec<u8> {
    let from = from.trim_end_matches('/').as_bytes();
    let to = to.trim_end_matches('/').as_bytes();
    if from.is_empty() {
        let bare = name.iter().position(|b| *b != b'/').map_or(&[][..], |i| &name[i..]);
        return if to.is_empty() { bare.to_vec() } else { [to, b"/", bare].concat() };
    }
    match name.strip_prefix(from) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => [to, rest].concat(),
        _ => name.to_vec(),
    }
}

/// Go's file mode bits in the engine's stat.
const GO_DIR: u64 = 1 << 31;
const GO_SYMLINK: u64 = 1 << 27;
const GO_DEVICE: u64 = 1 << 26;
const GO_IRREGULAR: u64 = 1 << 19;

/// The stat that the engine gives in a header.
struct Stat {
    mode: u64,
    size: u64,
    link: String,
}

impl Stat {
    fn of(response: &Response) -> Result<Self> {
        let bad = |why: &str| Failure::new(format!("unable to get resource stat from response: {why}"));
        let header = response.headers.get("x-docker-container-path-stat").unwrap_or_default();
        let bytes = STANDARD.decode(header).map_err(|e| bad(&e.to_string()))?;
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|_| bad("unable to decode container path stat header: EOF"))?;
        Ok(Self {
            mode: value["mode"].as_u64().unwrap_or(0),
            size: value["size"].as_u64().unwrap_or(0),
            link: value["linkTarget"].as_str().unwrap_or_default().to_owned(),
        })
    }

    fn is(&self, bit: u64) -> bool {
        self.mode & bit != 0
    }
}

/// The target of a link at `path`, as an absolute path.
fn link_target(path: &str, target: &str) -> String {
    if target.starts_with('/') { target.to_owned() } else { clean_path(&format!("{}/{target}", split_entry(path).0)) }
}

struct Job<'a> {
    client: &'a Arc<Client>,
    follow: bool,
    keep_owner: bool,
    quiet: bool,
}

impl Job<'_> {
    fn stat(&self, container: &str, path: &str) -> Result<Stat> {
        Stat::of(&client::container::archive_stat(self.client, container, path)?)
    }

    fn copy_out(&self, container: &str, from: &str, to: &str) -> Result<()> {
        let to = if to == "-" { to.to_owned() } else { local(to)? };
        if to != "-" {
            check_output(&to)?;
        }
        let (mut from, mut name) = (from.to_owned(), String::new());
        if self.follow
            && let Ok(stat) = self.stat(container, &from)
            && stat.is(GO_SYMLINK)
        {
            let target = link_target(&from, &stat.link);
            let (old, new) = (split_entry(&from).1, split_entry(&target).1);
            if old != new {
                name = old;
            }
            from = target;
        }
        let response = client::container::archive_get(self.client, container, &from)?;
        if to == "-" {
            return Output::Stdout.take(response.body);
        }
        let stat = Stat::of(&response)?;
        let source = End { path: from, exists: true, is_dir: stat.is(GO_DIR), rebase: name };
        let target = local_target(&to)?;
        let (dir, mut change) = plan(&source, &target)?;
        if change.is_none() && !source.rebase.is_empty() {
            change = Some((split_entry(&source.path).1, source.rebase.clone()));
        }
        let counter = Arc::new(AtomicU64::new(0));
        let body = Counted { inner: response.body, count: Arc::clone(&counter) };
        unpack(BufReader::with_capacity(256 * 1024, body), Path::new(&dir), change.as_ref())?;
        let moved = counter.load(Ordering::Relaxed);
        self.tell(if source.is_dir { moved } else { stat.size }, moved, &to);
        Ok(())
    }

    fn copy_in(&self, from: &str, container: &str, to: &str) -> Result<()> {
        let mut target = End { path: to.to_owned(), ..End::default() };
        if let Ok(mut stat) = self.stat(container, to) {
            let mut found = true;
            if stat.is(GO_SYMLINK) {
                target.path = link_target(to, &stat.link);
                match self.stat(container, &target.path) {
                    Ok(behind) => stat = behind,
                    Err(_) => found = false,
                }
            }
            if found {
                let refuse = |what: &str| {
                    Err(Failure::new(format!(
                        "destination \"{container}:{to}\" must be a directory or a regular file: {what}"
                    )))
                };
                if stat.is(GO_DEVICE) {
                    return refuse("got a device");
                }
                if stat.is(GO_IRREGULAR) {
                    return refuse("got an irregular file");
                }
                (target.exists, target.is_dir) = (true, stat.is(GO_DIR));
            }
        }
        let query = |dir: &str| {
            let query = Query::new().with("path", dir).with("noOverwriteDirNonDir", "true");
            if self.keep_owner { query.with("copyUIDGID", "true") } else { query }
        };
        if from == "-" {
            if !target.is_dir {
                return Err(Failure::new(format!("destination \"{container}:{to}\" must be a directory")));
            }
            let mut stdin = io::stdin().lock();
            return Ok(client::container::archive_put(self.client, container, &query(&target.path), &mut stdin)?);
        }
        let source = local_source(&local(from)?, self.follow)?;
        let (dir, change) = plan(&source, &target)?;
        let (reader, writer) = io::pipe()?;
        let counter = Arc::new(AtomicU64::new(0));
        let packed = source.clone();
        let packer = thread::spawn(move || pack(&packed, change.as_ref(), writer));
        let mut body = Counted { inner: reader, count: Arc::clone(&counter) };
        let sent = client::container::archive_put(self.client, container, &query(&dir), &mut body);
        drop(body);
        let packing = packer.join().unwrap_or(Ok(0));
        sent?;
        let content = packing?;
        self.tell(content, counter.load(Ordering::Relaxed), &format!("{container}:{}", target.path));
        Ok(())
    }

    fn tell(&self, content: u64, moved: u64, to: &str) {
        if self.quiet {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let shown = |n: u64| human_size_with_precision(n as f64, 3);
        if content == moved {
            console::err(&format!("Successfully copied {} to {to}", shown(content)));
        } else {
            console::err(&format!("Successfully copied {} (transferred {}) to {to}", shown(content), shown(moved)));
        }
    }
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buf)?;
        self.count.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// The parent of a destination must be there, and what is in its place must be a file or directory.
fn check_output(path: &str) -> Result<()> {
    let dir = split_entry(path.trim_end_matches('/')).0;
    if !dir.is_empty() && fs::metadata(&dir).is_err() {
        return Err(Failure::new(format!(
            "invalid output path: directory {} does not exist",
            units::gofmt::quote(&dir)
        )));
    }
    let Ok(meta) = fs::metadata(path) else { return Ok(()) };
    let kind = meta.file_type();
    if meta.is_dir() || meta.is_file() {
        return Ok(());
    }
    let what = if kind.is_char_device() || kind.is_block_device() { "got a device" } else { "got an irregular file" };
    let shown = units::gofmt::quote(path);
    Err(Failure::new(format!("invalid output path: {shown} must be a directory or a regular file: {what}")))
}

/// What a local destination is, links followed; its parent must exist.
fn local_target(path: &str) -> Result<End> {
    let mut current = path.to_owned();
    for _ in 0..10 {
        match fs::symlink_metadata(&current) {
            Ok(meta) if meta.is_symlink() => {
                let target =
                    fs::read_link(current.trim_end_matches('/')).map_err(|e| path_error("readlink", &current, &e))?;
                current = link_target(&current, &target.to_string_lossy());
            }
            Ok(meta) => return Ok(End { path: current, exists: true, is_dir: meta.is_dir(), rebase: String::new() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let parent = split_entry(&current).0;
                let meta = fs::metadata(&parent).map_err(|e| path_error("stat", &parent, &e))?;
                if !meta.is_dir() {
                    return Err(Failure::new("not a directory"));
                }
                return Ok(End { path: current, ..End::default() });
            }
            Err(e) => return Err(path_error("lstat", &current, &e)),
        }
    }
    Err(Failure::new(format!("too many symlinks in {path}")))
}

/// What a local source is. Links before the last name are followed, the last one only when asked for.
fn local_source(path: &str, follow: bool) -> Result<End> {
    let bare = path.trim_end_matches("/.").trim_end_matches('/');
    let bare = if bare.is_empty() { "/" } else { bare };
    let lstat = |p: &Path| fs::symlink_metadata(p).map_err(|e| path_error("lstat", p, &e));
    let mut end = End { path: path.to_owned(), exists: true, ..End::default() };
    let through = follow || asserts_dir(path);
    let meta = lstat(Path::new(bare))?;
    if through && meta.is_symlink() {
        let resolved = fs::canonicalize(bare).map_err(|e| path_error("lstat", bare, &e))?;
        let old = split_entry(bare).1;
        let suffix = if path.ends_with("/.") { "/." } else { "" };
        end.path = format!("{}{suffix}", resolved.display());
        if suffix.is_empty() && split_entry(&end.path).1 != old {
            end.rebase = old;
        }
    }
    let real = end.path.trim_end_matches("/.").trim_end_matches('/');
    end.is_dir = lstat(Path::new(if real.is_empty() { "/" } else { real }))?.is_dir();
    if asserts_dir(path) && !end.is_dir {
        return Err(Failure::new(format!("stat {path}: not a directory")));
    }
    Ok(end)
}

fn unpack(input: impl BufRead, dir: &Path, change: Option<&(String, String)>) -> Result<()> {
    let open = rustix::fs::open(dir, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let root = open.map_err(|e| path_error("open", dir, &e.into()))?;
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let options = ApplyOptions {
        whiteouts: Whiteouts::Plain,
        owner: Some((uid, gid)),
        keep_kinds: true,
        ..ApplyOptions::default()
    };
    let fail = |e: archive::Error| Failure::new(e.to_string());
    let mut applier = Applier::new(root, options);
    let mut reader = Reader::new(input, Limits::default());
    while let Some(mut entry) = reader.next_entry().map_err(fail)? {
        if let Some((from, to)) = change {
            entry.path = rebase(&entry.path, from, to);
            if entry.kind == Kind::HardLink {
                entry.link = rebase(&entry.link, from, to);
            }
        }
        applier.entry(&entry, &mut reader).map_err(fail)?;
    }
    reader.drain().map_err(fail)?;
    applier.finish().map(drop).map_err(fail)
}

/// Writes the source as a tar stream; gives the bytes of its regular files.
fn pack(source: &End, change: Option<&(String, String)>, output: PipeWriter) -> Result<u64> {
    let base = split_entry(&source.path).1;
    let name = if source.rebase.is_empty() { base } else { source.rebase.clone() };
    let root = PathBuf::from(source.path.trim_end_matches("/.").to_owned());
    let root = if root.as_os_str().is_empty() { PathBuf::from("/") } else { root };
    let mut packer = Packer { writer: Writer::new(BufWriter::with_capacity(256 * 1024, output)), change, content: 0 };
    packer.tree(&root, name.as_bytes())?;
    let content = packer.content;
    packer.writer.finish().map(drop).map_err(|e| Failure::new(e.to_string()))?;
    Ok(content)
}

struct Packer<'a, W> {
    writer: Writer<W>,
    change: Option<&'a (String, String)>,
    content: u64,
}

impl<W: Write> Packer<'_, W> {
    fn tree(&mut self, path: &Path, name: &[u8]) -> Result<()> {
        let meta = fs::symlink_metadata(path).map_err(|e| path_error("lstat", path, &e))?;
        self.node(path, name, &meta)?;
        if !meta.is_dir() {
            return Ok(());
        }
        let read = fs::read_dir(path).map_err(|e| path_error("open", path, &e))?;
        let mut children: Vec<_> = read.collect::<io::Result<Vec<_>>>()?.into_iter().map(|c| c.file_name()).collect();
        children.sort();
        for child in children {
            self.tree(&path.join(&child), &[name, b"/", child.as_bytes()].concat())?;
        }
        Ok(())
    }

    fn node(&mut self, path: &Path, name: &[u8], meta: &Metadata) -> Result<()> {
        let kind = meta.file_type();
        let device = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
        let kind = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            Kind::Symlink
        } else if kind.is_fifo() {
            Kind::Fifo
        } else if kind.is_char_device() {
            Kind::Char { major: device.0, minor: device.1 }
        } else if kind.is_block_device() {
            Kind::Block { major: device.0, minor: device.1 }
        } else if kind.is_file() {
            Kind::Regular
        } else {
            // Sockets have no place in an archive.
            return Ok(());
        };
        let mut name = self.change.map_or_else(|| name.to_vec(), |(from, to)| rebase(name, from, to));
        if kind == Kind::Directory && !name.ends_with(b"/") {
            name.push(b'/');
        }
        let mut entry = Entry::new(name, kind, meta.mode() & 0o7777);
        (entry.uid, entry.gid) = (meta.uid(), meta.gid());
        entry.mtime = Time { secs: meta.mtime(), nanos: u32::try_from(meta.mtime_nsec()).unwrap_or(0) };
        let fail = |e: archive::Error| Failure::new(e.to_string());
        match kind {
            Kind::Symlink => {
                let target = fs::read_link(path).map_err(|e| path_error("readlink", path, &e))?;
                entry.link = target.as_os_str().as_bytes().to_vec();
                self.writer.entry(&entry, io::empty()).map_err(fail)
            }
            Kind::Regular => {
                let file = File::open(path).map_err(|e| path_error("open", path, &e))?;
                entry.size = meta.len();
                self.content += meta.len();
                self.writer.entry(&entry, file).map_err(fail)
            }
            _ => self.writer.entry(&entry, io::empty()).map_err(fail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(split("c:/x"), (Some("c"), "/x"));
        assert_eq!(split("./a:b"), (None, "./a:b"));
        assert_eq!(split("/a:b"), (None, "/a:b"));
        assert_eq!(split_entry("/a/b/"), ("/a".to_owned(), "b".to_owned()));
        assert_eq!(split_entry("/a/b/."), ("/a/b".to_owned(), ".".to_owned()));
        assert_eq!(rebase(b"etc/passwd", "etc", "x"), b"x/passwd");
        assert_eq!(rebase(b"etcetera", "etc", "x"), b"etcetera");
        assert_eq!(rebase(b"./a", ".", "x"), b"x/a");
    }

    #[test]
    fn destinations() {
        let end = |path: &str, exists, is_dir| End { path: path.to_owned(), exists, is_dir, rebase: String::new() };
        let (dir, change) = plan(&end("/s/f", true, false), &end("/d/g", false, false)).unwrap();
        assert_eq!((dir.as_str(), change), ("/d", Some(("f".to_owned(), "g".to_owned()))));
        assert_eq!(plan(&end("/s", true, true), &end("/d", true, false)).unwrap_err().text, "cannot copy directory");
        assert_eq!(plan(&end("/s", true, false), &end("/d/", false, false)).unwrap_err().text, "no such directory");
        assert!(plan(&end("/s", true, true), &end("/d", true, true)).unwrap().1.is_none());
    }
}
