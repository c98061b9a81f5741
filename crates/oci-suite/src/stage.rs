//! Bundles: a root file system of busybox and the probe, and the spec that cases change.

use crate::merge::merge;
use crate::table::Case;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What all bundles share.
#[derive(Debug)]
pub struct Stage {
    dir: PathBuf,
    applets: Vec<String>,
}

/// One case's bundle.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Its directory.
    pub dir: PathBuf,
    /// The container's id.
    pub id: String,
}

impl Stage {
    /// Lays out what bundles share below `dir`: they must be on one file system.
    pub fn new(dir: &Path, probe: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        fs::copy(probe, dir.join("probe")).with_context(|| probe.display().to_string())?;
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|p| Path::new(p).exists());
        fs::copy(busybox.context("busybox (package busybox-static)")?, dir.join("busybox"))?;
        let list = Command::new(dir.join("busybox")).arg("--list").output()?.stdout;
        let applets = String::from_utf8_lossy(&list).lines().map(str::to_owned).filter(|a| a != "busybox").collect();
        Ok(Self { dir: dir.to_path_buf(), applets })
    }

    /// The probe on the host.
    pub fn probe(&self) -> PathBuf {
        self.dir.join("probe")
    }

    /// Makes the bundle of a case.
    pub fn bundle(&self, runtime: &str, case: &Case) -> anyhow::Result<Bundle> {
        let id = format!("{runtime}-{}", case.name.replace('.', "-"));
        let dir = self.dir.join(&id);
        let root = dir.join("rootfs");
        for sub in ["bin", "etc", "tmp", "root", "dev", "proc", "sys", "run", "mnt"] {
            fs::create_dir_all(root.join(sub))?;
        }
        for path in [&dir, &root] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        }
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
        fs::hard_link(self.dir.join("busybox"), root.join("bin/busybox"))?;
        fs::hard_link(self.probe(), root.join("bin/probe"))?;
        for applet in &self.applets {
            symlink("busybox", root.join("bin").join(applet))?;
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n")?;
        fs::write(root.join("etc/group"), "root:x:0:\nuser:x:1000:\n")?;
        let bundle = Bundle { dir, id };
        bundle.write(&bundle.spec(&self.probe(), case)?)?;
        Ok(bundle)
    }
}

impl Bundle {
    fn write(&self, spec: &Value) -> anyhow::Result<()> {
        Ok(fs::write(self.dir.join("config.json"), serde_json::to_vec_pretty(spec)?)?)
    }

    /// Puts the paths of this bundle into a text.
    pub fn fill(&self, probe: &Path, text: &str) -> String {
        text.replace("@B@", &self.dir.display().to_string())
            .replace("@ID@", &self.id)
            .replace("@PROBE@", &probe.display().to_string())
    }

    fn spec(&self, probe: &Path, case: &Case) -> anyhow::Result<Value> {
        let mut spec = base(&self.id);
        if !case.inside.is_empty() {
            let script = self.fill(probe, &case.inside.join("\n"));
            merge(&mut spec, json!({"process": {"args": ["/bin/sh", "-c", script]}}));
        }
        for change in &case.spec {
            merge(&mut spec, serde_json::from_str(&self.fill(probe, change))?);
        }
        Ok(spec)
    }
}

/// The spec that cases change: what `runc spec` writes, with a cgroup of its own and a few limits less.
pub fn base(id: &str) -> Value {
    let caps = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true
        },
        "root": {"path": "rootfs", "readonly": false},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}
        ],
        "linux": {
            "cgroupsPath": format!("/suite/{id}"),
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}
            ],
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        }
    })
}
