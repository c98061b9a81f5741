//! A static busybox, from wherever it can be had.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use super::{Layer, LayerBuilder};

/// Where a downloaded one is kept for later runs.
const KEPT: &str = "/var/tmp/gantry-testkit";

/// The path of a statically linked busybox: `$BUSYBOX`, the system's, or the one of Debian's package `busybox-static` (downloaded
/// by apt, unpacked under `/var/tmp`, not installed).
///
/// # Errors
/// None of these works.
pub fn busybox_binary() -> anyhow::Result<PathBuf> {
    let kept = Path::new(KEPT).join("bin/busybox");
    let candidates = [
        std::env::var_os("BUSYBOX").map(PathBuf::from),
        Some("/bin/busybox".into()),
        Some("/usr/bin/busybox".into()),
        Some(kept.clone()),
    ];
    if let Some(found) = candidates.into_iter().flatten().find(|p| is_static(p)) {
        return Ok(found);
    }
    std::fs::create_dir_all(KEPT)?;
    let dir = tempfile::tempdir_in(KEPT)?;
    let run = |program: &str, arguments: &[&str]| -> anyhow::Result<()> {
        let output =
            Command::new(program).args(arguments).current_dir(dir.path()).output().context(program.to_owned())?;
        ensure!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    if run("apt-get", &["download", "-qq", "busybox-static"]).is_err() {
        run("apt-get", &["update", "-qq"])?;
        run("apt-get", &["download", "-qq", "busybox-static"])?;
    }
    let package =
        std::fs::read_dir(dir.path())?.flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "deb"));
    let package = package.context("apt-get downloaded nothing")?;
    run("dpkg-deb", &["-x", &package.to_string_lossy(), "unpacked"])?;
    let unpacked =
        ["unpacked/bin/busybox", "unpacked/usr/bin/busybox"].iter().map(|p| dir.path().join(p)).find(|p| is_static(p));
    let Some(unpacked) = unpacked else { bail!("no static busybox in {}", package.display()) };
    std::fs::create_dir_all(Path::new(KEPT).join("bin"))?;
    // Other runs may be at it, too: the file appears whole.
    std::fs::rename(unpacked, &kept)?;
    Ok(kept)
}

/// An executable without an interpreter (no `PT_INTERP`).
fn is_static(path: &Path) -> bool {
    let Ok(bytes) = std::fs::read(path) else { return false };
    let number = |at: usize, len: usize| {
        bytes.get(at..at + len).map(|b| b.iter().rev().fold(0_usize, |n, b| (n << 8) | usize::from(*b)))
    };
    let (Some(table), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else { return false };
    bytes.starts_with(b"\x7fELF\x02\x01") && (0..count).all(|n| number(table + n * size, 4) != Some(3))
}

/// busybox and its applets as hard links, and what a small system needs.
pub(super) fn layer() -> anyhow::Result<LayerBuilder> {
    let path = busybox_binary()?;
    let program = std::fs::read(&path)?;
    let list = Command::new(&path).arg("--list").output()?;
    ensure!(list.status.success(), "{} --list failed", path.display());
    let mut layer = Layer::builder().dir("bin/", 0o755).program("bin/busybox", &program);
    for applet in String::from_utf8(list.stdout)?.lines().filter(|name| *name != "busybox") {
        layer = layer.hardlink(&format!("bin/{applet}"), "bin/busybox");
    }
    for (dir, mode) in [
        ("dev/", 0o755),
        ("etc/", 0o755),
        ("home/", 0o755),
        ("proc/", 0o555),
        ("root/", 0o700),
        ("sys/", 0o555),
        ("tmp/", 0o1777),
        ("usr/", 0o755),
        ("usr/bin/", 0o755),
        ("usr/sbin/", 0o755),
        ("var/", 0o755),
    ] {
        layer = layer.dir(dir, mode);
    }
    Ok(layer
        .symlink("sbin", "bin")
        .file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n")
        .file("etc/group", b"root:x:0:\ndaemon:x:1:\nwheel:x:10:root\nnogroup:x:65534:\n")
        .created_by("BusyBox"))
}
