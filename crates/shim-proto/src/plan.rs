//! What a shim is told once, when it is launched.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::MemfdFlags;
use serde::{Deserialize, Serialize};

/// Everything a shim needs to run one container once. Travels as JSON in a memfd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShimPlan {
    /// Full container id.
    pub id: String,
    /// Directory of this run, `<exec-root>/shim/<id>`; the shim makes it (mode 0700) and removes it at
    /// [`Request::Delete`](crate::Request::Delete).
    pub run_dir: PathBuf,
    /// Where the exit record is written durably, in the data-root (`…/containers/<id>/exit.json`); the directory exists. It
    /// is written when no daemon is connected, or when the daemon does not say
    /// [`Request::Delete`](crate::Request::Delete) soon. Removed at the start.
    pub exit_file: PathBuf,
    /// The container. `root.path` is ignored ([`Self::rootfs`] counts), `root.readonly` is kept. Namespaces to join are
    /// given by path in `linux.namespaces`.
    pub spec: oci::runtime::Spec,
    /// Its root file system.
    pub rootfs: Rootfs,
    /// Network namespace to join; when given it replaces the network namespace of the spec.
    #[serde(default)]
    pub netns: Option<PathBuf>,
    /// Standard streams.
    pub stdio: StdioPlan,
    /// Where output is logged.
    #[serde(default)]
    pub log: LogPlan,
    /// Control group.
    pub cgroup: CgroupPlan,
    /// Host path of the tiny init (`gantry-shim` itself); when given it is bound read-only to `/sbin/docker-init` and
    /// becomes process 1 in front of the user's program.
    #[serde(default)]
    pub init: Option<PathBuf>,
    /// Another runtime that makes the container, in place of the shim's own.
    #[serde(default)]
    pub runtime: Option<ForeignRuntime>,
}

/// An OCI runtime with runc's command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignRuntime {
    /// Its program.
    pub program: PathBuf,
    /// Arguments before all others.
    #[serde(default)]
    pub args: Vec<String>,
}

impl ShimPlan {
    /// The socket on which this plan's shim listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join("shim.sock")
    }

    /// The plan as JSON in a memfd, as the launcher takes it.
    ///
    /// # Errors
    /// The memfd could not be made or written.
    pub fn to_memfd(&self) -> io::Result<OwnedFd> {
        let mut file = File::from(rustix::fs::memfd_create("gantry-plan", MemfdFlags::CLOEXEC)?);
        let mut writer = BufWriter::with_capacity(16 * 1024, &mut file);
        serde_json::to_writer(&mut writer, self)?;
        writer.flush()?;
        drop(writer);
        file.rewind()?;
        Ok(file.into())
    }

    /// The reverse of [`Self::to_memfd`].
    ///
    /// # Errors
    /// Not a plan, larger than [`MESSAGE_LIMIT`](crate::MESSAGE_LIMIT), or unreadable.
    pub fn from_memfd(fd: OwnedFd) -> io::Result<Self> {
        let mut text = Vec::new();
        File::from(fd).take(crate::MESSAGE_LIMIT).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// The root file system of a container. It is mounted inside the container's own mount namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Rootfs {
    /// An overlay.
    Overlay {
        /// Read-only layers, topmost first. Not empty.
        lower: Vec<PathBuf>,
        /// Upper directory.
        upper: PathBuf,
        /// Work directory, on the file system of `upper`.
        work: PathBuf,
        /// Skip syncing at unmount (only for containers that are removed on exit).
        #[serde(default)]
        volatile: bool,
    },
    /// A directory.
    Path {
        /// Which.
        path: PathBuf,
    },
}

/// Standard streams of the container's process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdioPlan {
    /// A pseudo terminal instead of three pipes.
    #[serde(default)]
    pub tty: bool,
    /// Whether there is a standard input (otherwise /dev/null).
    #[serde(default)]
    pub open_stdin: bool,
    /// Whether the end of the first attached client's input is the end of the process' input.
    #[serde(default)]
    pub stdin_once: bool,
    /// First size of the terminal.
    #[serde(default)]
    pub console_size: Option<Size>,
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Height.
    pub rows: u16,
    /// Width.
    pub cols: u16,
}

/// Where the output of a container goes besides the attached clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "driver", rename_all = "kebab-case")]
pub enum LogPlan {
    /// Nowhere.
    #[default]
    None,
    /// Docker's json-file.
    JsonFile(LogFile),
}

/// A log in files of a bounded size (`logdriver::JsonFileConfig`, but for the compression of rotated files: the shim leaves that to
/// whoever gets [`Event::LogRotated`](crate::Event::LogRotated)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// The current file; rotated ones get `.1`, `.2` … The directory exists.
    pub path: PathBuf,
    /// Bytes after which it is rotated; `None` never rotates.
    #[serde(default)]
    pub max_size: Option<u64>,
    /// How many files are kept, the current one included (at least 1).
    #[serde(default = "one")]
    pub max_file: u32,
    /// The `attrs` object of every record as JSON text, if there is one.
    #[serde(default)]
    pub attrs: Option<String>,
}

fn one() -> u32 {
    1
}

/// The control group of a container. Its limits are `spec.linux.resources`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPlan {
    /// Path below the mount of each hierarchy, as `/docker/<id>`. Made by the shim, removed when the container is dead.
    pub path: String,
}
