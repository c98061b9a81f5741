//! Builds what is shipped inside `gantry`: `gantry-shim` (`GANTRY_SHIM=<file>` takes that file instead), and the image
//! `gantry/hello`.

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
    "runtime-cli",
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
    describe();
    println!("cargo::rustc-env=GANTRY_HELLO_PATH={}", hello().display());
}

/// What `version` tells of this build. A packager who wants the same file twice sets `SOURCE_DATE_EPOCH`.
fn describe() {
    for variable in ["SOURCE_DATE_EPOCH", "GANTRY_REVISION"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let epoch = env::var("SOURCE_DATE_EPOCH").ok().and_then(|e| e.parse().ok()).unwrap_or(now);
    println!("cargo::rustc-env=GANTRY_BUILD_EPOCH={epoch}");
    let revision = env::var("GANTRY_REVISION").ok().filter(|r| !r.is_empty());
    let revision =
        revision.unwrap_or_else(|| format!("gantry-{}", env::var("CARGO_PKG_VERSION").expect("cargo sets it")));
    println!("cargo::rustc-env=GANTRY_BUILD_REVISION={revision}");
    let compiler = Command::new(env::var_os("RUSTC").expect("cargo sets it")).arg("--version").output();
    let compiler = compiler.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let compiler: Vec<&str> = compiler.split_whitespace().take(2).collect();
    println!("cargo::rustc-env=GANTRY_BUILD_COMPILER={}", compiler.join(" "));
}

/// Compiles the program of the hello image and packs it; gives the archive.
fn hello() -> PathBuf {
    let source = Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("hello/hello.rs");
    println!("cargo::rerun-if-changed={}", source.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let program = out.join("hello");
    let status = Command::new(env::var_os("RUSTC").expect("cargo sets it"))
        .args(["--edition=2024", "--target", &env::var("TARGET").expect("cargo sets it")])
        .args(["-Copt-level=s", "-Cpanic=abort", "-Clto=fat", "-Cstrip=symbols", "-Ccodegen-units=1"])
        .args(["-Ctarget-feature=+crt-static", "-Crelocation-model=static", "-o"])
        .args([&program, &source])
        .status()
        .expect("rustc can be run");
    assert!(status.success(), "the hello program does not build");
    let mut layer = Vec::new();
    pack(&mut layer, "hello", 0o755, &fs::read(&program).expect("just made"));
    layer.resize(layer.len() + 1024, 0);
    let diff_id = sha256(&layer);
    let architecture = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => "amd64",
        Ok("aarch64") => "arm64",
        other => panic!("no image for {other:?}"),
    };
    let config = format!(
        r#"{{"architecture":"{architecture}","os":"linux","created":"2026-01-01T00:00:00Z","config":{{"Cmd":["/hello"],"WorkingDir":"/"}},"rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}},"history":[{{"created":"2026-01-01T00:00:00Z","created_by":"COPY hello /"}}]}}"#
    );
    let config_name = format!("{}.json", sha256(config.as_bytes()));
    let manifest = format!(
        r#"[{{"Config":"{config_name}","RepoTags":["gantry/hello:latest"],"Layers":["{diff_id}/layer.tar"]}}]"#
    );
    let mut archive = Vec::new();
    pack(&mut archive, &config_name, 0o644, config.as_bytes());
    pack(&mut archive, &format!("{diff_id}/layer.tar"), 0o644, &layer);
    pack(&mut archive, "manifest.json", 0o644, manifest.as_bytes());
    archive.resize(archive.len() + 1024, 0);
    let path = out.join("hello.tar");
    fs::write(&path, archive).expect("OUT_DIR can be written");
    path
}

/// Appends a file to a tar archive (ustar, POSIX.1-1988).
fn pack(tar: &mut Vec<u8>, name: &str, mode: u32, data: &[u8]) {
    let mut header = [0u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", data.len()));
    // 2026-01-01.
    put(136, &format!("{:011o}", 1_767_225_600));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&header);
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
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
