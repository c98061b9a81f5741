//! Attacks by images and containers that come through the API, each under its row of the project's list of what must
//! hold; `docs/security.md` says which test checks which row. All of it runs against Docker too (`UNDER_TEST=docker`), where
//! these differ: its cgroup directory of version 1 can be written (S-64), Debian's filter has no rule for AF_ALG yet (S-66),
//! and of what joins a watcher sees `/runc`, event descriptors and the tables of users being read (S-06).

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "security/rootfs.rs"]
mod rootfs;
#[path = "security/sandbox.rs"]
mod sandbox;
#[path = "security/streams.rs"]
mod streams;
#[path = "security/users.rs"]
mod users;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use testkit::images::{Image, ImageBuilder, Layer, LayerBuilder};
use testkit::{Cli, CliKind, Engine, EngineOptions, Output, invariants, place};

const BB: &str = "bench-busybox:1";

/// An engine, files of the host that nobody may touch, and what was found wrong.
struct Site {
    engine: Engine,
    cli: Cli,
    canary: PathBuf,
    untouched: String,
    faults: Vec<String>,
}

impl Site {
    fn new(name: &str) -> Self {
        let engine = Engine::start_with(name, EngineOptions::default()).unwrap();
        engine.load(&place::image("busybox.tar").unwrap()).unwrap();
        let cli = engine.cli(CliKind::from_env()).unwrap();
        let canary = engine.machine.dir().join("canary");
        std::fs::create_dir_all(canary.join("sub")).unwrap();
        std::fs::write(canary.join("f"), "of the host\n").unwrap();
        std::fs::set_permissions(canary.join("f"), std::fs::Permissions::from_mode(0o640)).unwrap();
        let untouched = picture(&canary);
        Self { engine, cli, canary, untouched, faults: Vec::new() }
    }

    /// Runs a script; one that hangs is a fault of this row.
    fn sh(&mut self, row: &str, script: &str) -> Output {
        let output = self.engine.run(&self.cli, script).unwrap();
        if output.timed_out {
            self.faults.push(format!("{row}: hangs: {output}"));
        }
        output
    }

    /// What the script prints must be this; errors go to standard error and are not looked at.
    fn prints(&mut self, row: &str, script: &str, want: &str) {
        let output = self.sh(row, script);
        let squeezed: Vec<&str> = output.text().split_whitespace().collect();
        if squeezed.join(" ") != want {
            self.faults.push(format!("{row}: not {want:?} but {output}"));
        }
    }

    /// A program's file on the host that containers can mount.
    fn probe(&self) -> PathBuf {
        let here = self.engine.machine.dir().join("probe");
        if !here.exists() {
            std::fs::copy(place::built("oci-probe").unwrap(), &here).unwrap();
        }
        here
    }

    /// Loads an image: busybox and what the layer has.
    fn image(&self, tag: &str, layer: LayerBuilder, more: impl FnOnce(ImageBuilder) -> ImageBuilder) {
        let busybox = std::fs::read(testkit::images::busybox_binary().unwrap()).unwrap();
        let mut base = Layer::builder().dir("bin/", 0o755).program("bin/busybox", &busybox);
        for applet in ["sh", "cat", "ls", "pwd", "stat", "true", "id", "sleep", "grep", "head", "wc", "echo"] {
            base = base.symlink(&format!("bin/{applet}"), "busybox");
        }
        let image = Image::builder().layer(base.gzip()).layer(layer.gzip()).env("PATH=/bin");
        let archive = self.engine.machine.dir().join(format!("{tag}.tar"));
        std::fs::write(&archive, more(image).build().docker_archive(&[&format!("{tag}:1")])).unwrap();
        self.engine.load(&archive).unwrap();
        std::fs::remove_file(archive).unwrap();
    }

    /// The host's files are what they were.
    fn untouched(&mut self, row: &str) {
        let now = picture(&self.canary);
        if now != self.untouched {
            self.faults.push(format!("{row}: the host's files were changed:\n{}{now}", self.untouched));
            self.untouched = now;
        }
    }

    /// Nothing was wrong, nothing is left.
    fn end(self) {
        let left = self.engine.run(&self.cli, "docker rm -f $(docker ps -aq) 2>/dev/null; docker ps -aq").unwrap();
        assert_eq!(left.text().lines().last().unwrap_or_default(), "", "{left}");
        assert!(self.faults.is_empty(), "{} faults:\n{}", self.faults.len(), self.faults.join("\n"));
        invariants::check(&self.engine).unwrap();
    }
}

/// Names, modes, owners and content of a directory.
fn picture(path: &Path) -> String {
    let meta = path.symlink_metadata().unwrap();
    let content = if meta.is_file() { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    let mut text = format!("{} {:o} {}:{} {content:?}\n", path.display(), meta.mode(), meta.uid(), meta.gid());
    if meta.is_dir() {
        let mut entries: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        text.extend(entries.iter().map(|entry| picture(entry)));
    }
    text
}

#[test]
fn roots_of_hostile_images() {
    let mut site = Site::new("sec-root");
    rootfs::links_in_place_of_system_directories(&mut site);
    rootfs::links_in_place_of_files_of_etc(&mut site);
    rootfs::volumes_in_place_of_dev(&mut site);
    rootfs::working_directories(&mut site);
    rootfs::volumes_behind_links(&mut site);
    rootfs::targets_that_are_swapped(&mut site);
    site.end();
}

#[test]
fn descriptors_and_streams() {
    let mut site = Site::new("sec-fd");
    streams::nothing_leaks(&mut site);
    streams::working_directory_of_the_host(&mut site);
    streams::standard_streams(&mut site);
    streams::who_joins_cannot_be_watched(&mut site);
    site.end();
}

#[test]
fn what_a_container_may_do() {
    let mut site = Site::new("sec-box");
    sandbox::masked_and_read_only(&mut site);
    sandbox::capabilities(&mut site);
    sandbox::no_new_privileges(&mut site);
    sandbox::cgroups(&mut site);
    sandbox::system_calls(&mut site);
    sandbox::side_channels(&mut site);
    sandbox::devices(&mut site);
    site.end();
}

#[test]
fn users_and_groups() {
    let mut site = Site::new("sec-users");
    users::groups(&mut site);
    users::numbers(&mut site);
    users::hostile_tables(&mut site);
    users::injection(&mut site);
    users::namespaces(&mut site);
    site.end();
}
