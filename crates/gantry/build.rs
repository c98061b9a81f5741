//! Builds `gantry-shim`, which is shipped inside `gantry`. `GANTRY_SHIM=<file>` takes that file instead.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that `gantry-shim` is made of: a change in one of them makes it new.
const PARTS: &[&str] = &[
    "gantry-shim",
    "shim",
    "shim-proto",
    "runtime",
    "logdriver",
    "fsroot",
    "seccomp",
    "cgroup",
    "oci",
    "sys",
    "error",
];

fn main() {
    println!("cargo::rerun-if-env-changed=GANTRY_SHIM");
    println!("cargo::rerun-if-changed=build.rs");
    let shim = match env::var_os("GANTRY_SHIM").filter(|v| !v.is_empty()) {
        Some(file) => PathBuf::from(file),
        None => build(),
    };
    println!("cargo::rerun-if-changed={}", shim.display());
    let bytes = fs::read(&shim).unwrap_or_else(|e| panic!("cannot read {}: {e}", shim.display()));
    println!("cargo::rustc-env=GANTRY_SHIM_PATH={}", shim.display());
    println!("cargo::rustc-env=GANTRY_SHIM_HASH={:016x}", hash(&bytes));
}

fn build() -> PathBuf {
    let root = Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..");
    for part in PARTS {
        println!("cargo::rerun-if-changed={}", root.join("crates").join(part).display());
    }
    // A directory of its own, because cargo holds the lock of the one it builds this in.
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("shim");
    let triple = env::var("TARGET").expect("cargo sets it");
    let status = Command::new(env::var_os("CARGO").expect("cargo sets it"))
        .args(["build", "--release", "--package", "gantry-shim", "--target", &triple, "--target-dir"])
        .arg(&target)
        .current_dir(&root)
        // These would make it another program than it is when built alone.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "gantry-shim does not build");
    target.join(triple).join("release/gantry-shim")
}

/// FNV-1a: tells builds apart, nothing more.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}
