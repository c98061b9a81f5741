//! Faults that a plain Linux host can make as root.
//!
//! * [`Disk`] – an ext4 file system on a loop device: small, short of inodes, or cut off from power.
//! * [`fn@die_at`] – SIGKILL at the n-th call of chosen system calls, by strace.
//! * [`limit_descriptors`] – EMFILE.

use crate::engine::Engine;
use crate::machine::Machine;
use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// An ext4 file system on a loop device, mounted inside a machine at `<machine dir>/disk`.
#[derive(Debug)]
pub struct Disk {
    file: PathBuf,
    point: PathBuf,
}

impl Disk {
    /// Makes and mounts one of this size; `inodes` limits their number.
    pub fn mount(machine: &Machine, mib: u32, inodes: Option<u32>) -> anyhow::Result<Self> {
        let disk = Self { file: machine.dir().join("disk.ext4"), point: machine.dir().join("disk") };
        fs::create_dir_all(&disk.point)?;
        fs::File::create(&disk.file)?.set_len(u64::from(mib) << 20)?;
        let mut mkfs = Command::new("mkfs.ext4");
        mkfs.args(["-q", "-F"]);
        if let Some(n) = inodes {
            mkfs.args(["-N", &n.to_string()]);
        }
        let done = mkfs.arg(&disk.file).stdin(Stdio::null()).output().context("mkfs.ext4 (package e2fsprogs)")?;
        if !done.status.success() {
            bail!("mkfs.ext4: {}", String::from_utf8_lossy(&done.stderr));
        }
        disk.remount(machine)?;
        Ok(disk)
    }

    /// Mounts it again, after a reboot or a power loss.
    pub fn remount(&self, machine: &Machine) -> anyhow::Result<()> {
        machine.sh(&format!("mount -o loop {} {}", self.file.display(), self.point.display()))?.ok().map(drop)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.point
    }

    /// Power loss: whatever is not synced is gone, and every later access fails. Only a reboot and
    /// [`Disk::remount`] help. Read from outside, through the machine's mount namespace.
    pub fn cut(&self, machine: &Machine) -> anyhow::Result<()> {
        let point = machine.outside(&self.point.display().to_string())?;
        let dir = fs::File::open(&point).with_context(|| point.display().to_string())?;
        sys::ext4::shutdown(&dir).context("EXT4_IOC_SHUTDOWN")
    }

    /// Writes until the disk is full; the file's path.
    pub fn fill(&self, machine: &Machine) -> anyhow::Result<PathBuf> {
        let file = self.point.join("filler");
        machine.sh(&format!("dd if=/dev/zero of={} bs=64k 2>/dev/null; true", file.display()))?.ok()?;
        Ok(file)
    }
}

/// SIGKILL just before the `nth` of the given system calls (`fsync,renameat2,…`) that the daemon makes from now on.
/// The guard ends the tracing when dropped; when the daemon dies before, strace ends by itself.
pub fn die_at(engine: &Engine, calls: &str, nth: u32) -> anyhow::Result<Tracer> {
    let (pid, trace) = (engine.pid()?.to_string(), engine.machine.dir().join("log/strace.log"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(&trace).args(["-p", &pid, "-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={nth}")]);
    let child = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("strace")?;
    let tracer = Tracer { child };
    // Every thread is attached once each has a tracer.
    let deadline = Instant::now() + Duration::from_secs(10);
    let attached = || {
        fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| {
            tasks.flatten().all(|t| {
                let status = fs::read_to_string(t.path().join("status")).unwrap_or_default();
                status.lines().any(|l| l.strip_prefix("TracerPid:").is_some_and(|v| v.trim() != "0"))
            })
        })
    };
    while !attached() {
        if Instant::now() > deadline {
            bail!("strace does not attach to process {pid}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(tracer)
}

/// A running strace.
#[derive(Debug)]
pub struct Tracer {
    child: std::process::Child,
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = crate::engine::signal(self.child.id(), "TERM");
        // When the leader of the traced threads dies first, strace may wait for it for ever, and it for strace.
        let deadline = Instant::now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lowers the daemon's soft limit of open files (EMFILE), or raises it again.
pub fn limit_descriptors(engine: &Engine, n: u64) -> anyhow::Result<()> {
    let done =
        Command::new("prlimit").args(["--pid", &engine.pid()?.to_string(), &format!("--nofile={n}:")]).status()?;
    if done.success() { Ok(()) } else { bail!("prlimit failed") }
}
