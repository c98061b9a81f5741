//! Where the programs and files that tests use lie.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `GANTRY_BIN` | the `gantry` executable under test | beside the running test in cargo's target directory |
//! | `PEERS` | other engines, unpacked by `bench/peers.sh fetch` | `/var/tmp/peers` |
//! | `GANTRY_TEST_DIR` | where machines keep their disks | `/var/tmp/gantry-test` |
//! | `GANTRY_TEST_IMAGES` | archives made by `bench/mkimages.py` | `/var/tmp/gantry-test/images` |

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

fn variable(name: &str, default: &str) -> PathBuf {
    std::env::var_os(name).map_or_else(|| PathBuf::from(default), PathBuf::from)
}

/// The directory of the other engines.
pub fn peers() -> PathBuf {
    variable("PEERS", "/var/tmp/peers")
}

/// The directory below which machines keep their disks.
pub fn test_dir() -> PathBuf {
    variable("GANTRY_TEST_DIR", "/var/tmp/gantry-test")
}

/// The directory of the image archives.
pub fn images() -> PathBuf {
    std::env::var_os("GANTRY_TEST_IMAGES").map_or_else(|| test_dir().join("images"), PathBuf::from)
}

/// The project's root directory.
pub fn project() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The `gantry` executable: `GANTRY_BIN`, or the one that cargo built beside the running test.
pub fn gantry() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("GANTRY_BIN") {
        return existing(PathBuf::from(path), "GANTRY_BIN names no file");
    }
    built("gantry")
}

/// A program of this project by its name, as cargo built it beside the running test.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe().context("own executable")?;
    // target/<triple>/<profile>/deps/<test> or target/<triple>/<profile>/<program>
    for dir in me.ancestors().skip(1).take(2) {
        let path = dir.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("no `{name}` beside {}: run `cargo build --workspace --bins` first", me.display())
}

/// A program of the unpacked peers, by its path below [`peers`].
pub fn peer(path: &str) -> anyhow::Result<PathBuf> {
    existing(peers().join(path), "run `bench/peers.sh fetch` first")
}

/// A registry server of Debian's.
pub fn registry() -> anyhow::Result<PathBuf> {
    peer("registry/usr/bin/docker-registry")
}

/// An image archive by its file name (`busybox.tar`, `debian.tar`).
pub fn image(name: &str) -> anyhow::Result<PathBuf> {
    existing(images().join(name), "run `make test-images` first")
}

fn existing(path: PathBuf, hint: &str) -> anyhow::Result<PathBuf> {
    if path.exists() { Ok(path) } else { bail!("{} is missing: {hint}", path.display()) }
}
