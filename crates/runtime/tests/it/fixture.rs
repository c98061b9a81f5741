//! A root file system out of busybox, and containers in it.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use cgroup::{Hierarchies, Manager};
use oci::runtime::{Process, Spec};
use runtime::{Create, Exec, Filter, Manner, Started, Stdio, namespaces_to_join};
use rustix::fs::MemfdFlags;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{Pid, WaitOptions, waitpid};
use serde_json::{Value, json};
use shim_proto::{Rootfs, StartError};
use sys::process::Cloned;
use tempfile::TempDir;

/// What a process said and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Leaves the host's mounts, network and names alone.
pub(crate) fn own_namespaces() {
    let flags = sys::process::flags::NEWNS | sys::process::flags::NEWNET | sys::process::flags::NEWUTS;
    sys::process::unshare(flags).expect("unshare");
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).expect("private mounts");
}

/// Removes the directory that all cgroups of this program lie in.
pub(crate) fn clean_up() {
    let all =
        Manager::new(&format!("/gantry-runtime-it-{}", std::process::id()), &Hierarchies::detect().expect("cgroups"));
    let all = all.expect("path");
    all.kill().expect("kill");
    all.delete().expect("delete");
}

pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    /// Where root and mount point are, when not in there.
    outer: Option<PathBuf>,
    hierarchies: Hierarchies,
    number: Cell<u32>,
}

/// A container that runs.
pub(crate) struct Running {
    pub(crate) started: Started,
    pub(crate) cgroup: Manager,
    spec: Spec,
    filter: Option<Filter>,
    streams: [File; 2],
}

fn stream() -> File {
    rustix::fs::memfd_create("stream", MemfdFlags::CLOEXEC).expect("memfd").into()
}

const END: &str = "END\n";

/// All of a stream. Its position is the container's too, and is left alone.
fn read_all(file: &File) -> String {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; usize::try_from(file.metadata().expect("stat").len()).expect("size")];
    file.read_exact_at(&mut bytes, 0).expect("read");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn stdio(streams: &[File; 2]) -> Stdio {
    let dup = |file: &File| OwnedFd::from(file.try_clone().expect("dup"));
    let null = File::open("/dev/null").expect("/dev/null").into();
    Stdio::Streams { stdin: null, stdout: dup(&streams[0]), stderr: dup(&streams[1]) }
}

/// Raw status as a shell counts it.
pub(crate) fn wait(pid: i32) -> i32 {
    let pid = Pid::from_raw(pid).expect("pid");
    let (_, status) = waitpid(Some(pid), WaitOptions::empty()).expect("waitpid").expect("status");
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or(0))
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("gantry-runtime-it-").tempdir().expect("directory");
        // Users of a container reach it by this path too.
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
        let root = dir.path().join("root");
        for sub in ["bin", "etc", "tmp", "root", "dev", "proc", "sys", "home/user"] {
            fs::create_dir_all(root.join(sub)).expect("directory");
        }
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox");
        for applet in [
            "sh", "true", "false", "cat", "echo", "sleep", "id", "ls", "grep", "stat", "touch", "mkdir", "mknod",
            "mount", "readlink", "hostname", "chrt", "nice", "head", "awk", "find", "ip", "uname", "taskset", "env",
            "dd", "pwd",
        ] {
            symlink("busybox", root.join("bin").join(applet)).expect("link");
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("passwd");
        fs::create_dir(dir.path().join("point")).expect("directory");
        let world = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(root.join("tmp"), world).expect("chmod");
        Self { dir, outer: None, hierarchies: Hierarchies::detect().expect("cgroups"), number: Cell::new(0) }
    }

    /// Runs a case as a user without privileges, and without cgroups.
    pub(crate) fn as_user(&self, uid: u32, case: impl FnOnce(&Self)) {
        use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
        let pid = match sys::process::fork().expect("fork") {
            Cloned::Parent { pid, .. } => pid,
            Cloned::Child => {
                let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
                rustix::thread::set_thread_groups(&[]).expect("setgroups");
                rustix::thread::set_thread_res_gid(gid, gid, gid).expect("setgid");
                rustix::thread::set_thread_res_uid(uid, uid, uid).expect("setuid");
                set_dumpable_behavior(DumpableBehavior::Dumpable).expect("dumpable");
                let mine = Self {
                    dir: tempfile::tempdir_in(self.dir.path().join("root/tmp")).expect("directory"),
                    outer: Some(self.dir.path().to_owned()),
                    hierarchies: Hierarchies::new_v1(Vec::new(), None),
                    number: Cell::new(0),
                };
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&mine)));
                sys::process::exit_now(i32::from(outcome.is_err()));
            }
        };
        assert_eq!(wait(pid), 0, "the case failed as a user");
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.outer.as_deref().unwrap_or(self.dir.path()).join("root")
    }

    /// A cgroup nobody else has.
    pub(crate) fn cgroup(&self) -> Manager {
        self.number.set(self.number.get() + 1);
        let path = format!("/gantry-runtime-it-{}/{}", std::process::id(), self.number.get());
        Manager::new(&path, &self.hierarchies).expect("path")
    }

    /// Starts a container. `hold` pauses nothing here; the program runs when this returns.
    pub(crate) fn start(&self, spec: &Spec) -> Result<Running, StartError> {
        let streams = [stream(), stream()];
        let cgroup = self.cgroup();
        let create = Create {
            id: "box",
            spec,
            rootfs: &Rootfs::Path { path: self.root() },
            netns: None,
            mount_point: &self.outer.as_deref().unwrap_or(self.dir.path()).join("point"),
            cgroup: &cgroup,
            init: None,
            manner: Manner { bundle: Some(self.dir.path()), ..Manner::default() },
        };
        let started = runtime::create(&create, stdio(&streams)).and_then(|mut starting| {
            let filter = starting.take_filter();
            Ok((starting.wait()?, filter))
        });
        match started {
            Ok((started, filter)) => Ok(Running { started, cgroup, spec: spec.clone(), filter, streams }),
            Err(error) => {
                let _ = cgroup.delete();
                assert!(!cgroup.exists(), "the cgroup is left");
                Err(error)
            }
        }
    }

    /// Runs a container to its end.
    pub(crate) fn run(&self, spec: &Spec) -> Result<Output, StartError> {
        Ok(self.start(spec)?.finish())
    }

    /// Output of a container that has to work.
    #[track_caller]
    pub(crate) fn out(&self, spec: &Spec) -> String {
        let output = self.run(spec).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((output.status, output.err.as_str()), (0, ""), "{output:?}");
        output.out
    }

    /// Text of the failure of a container that cannot start, without the frame around it.
    #[track_caller]
    pub(crate) fn refused(&self, spec: &Spec) -> String {
        let error = self.run(spec).expect_err("is refused");
        let message = error.message.trim_start_matches("OCI runtime create failed: runc create failed: ");
        let message = message.trim_start_matches("unable to start container process: ");
        message.trim_start_matches("error during container init: ").to_owned()
    }
}

impl Running {
    pub(crate) fn exec(&self, process: &Process) -> Result<Output, StartError> {
        let streams = [stream(), stream()];
        let exec = Exec {
            id: "box",
            process,
            target: self.started.pidfd.as_fd(),
            pid: self.started.pid,
            namespaces: namespaces_to_join(&self.spec, false),
            cgroup: &self.cgroup,
            filter: self.filter.as_ref(),
            linux: self.spec.linux.as_ref(),
            manner: Manner::default(),
        };
        let started = runtime::exec(&exec, stdio(&streams))?.wait()?;
        let status = wait(started.pid);
        let [out, err] = &streams;
        Ok(Output { status, out: read_all(out), err: read_all(err) })
    }

    pub(crate) fn finish(self) -> Output {
        let status = wait(self.started.pid);
        match self.cgroup.kill() {
            // A user without privileges has none.
            Ok(()) | Err(cgroup::Error::NotMounted) => {}
            Err(error) => panic!("{error}"),
        }
        self.cgroup.delete().expect("delete");
        assert!(!self.cgroup.exists(), "the cgroup is left");
        let [out, err] = &self.streams;
        Output { status, out: read_all(out), err: read_all(err) }
    }

    /// Waits until it has said END, which [`Self::stop`] leaves out.
    pub(crate) fn said(&self) {
        for _ in 0..2000 {
            if read_all(&self.streams[0]).ends_with(END) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("it does not come to an end");
    }

    pub(crate) fn stop(self) -> Output {
        sys::signal::pidfd_kill(self.started.pidfd.as_fd(), 9).expect("kill");
        let mut output = self.finish();
        output.out.truncate(output.out.strip_suffix(END).map_or(output.out.len(), str::len));
        output
    }
}

/// A spec as engines write them.
pub(crate) fn spec(script: &str) -> Spec {
    let caps = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_MKNOD"];
    serde_json::from_value(json!({
        "ociVersion": "1.3.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["sh", "-c", script],
            "env": ["PATH=/bin", "FROM=process"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
        },
        "root": {"path": "root"},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "namespaces": [
                {"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"},
            ],
            "maskedPaths": ["/proc/kcore", "/proc/acpi"],
            "readonlyPaths": ["/proc/sys"],
        },
    }))
    .expect("spec")
}

/// As [`spec`], with parts of it replaced (objects are merged, lists appended).
pub(crate) fn spec_with(script: &str, change: Value) -> Spec {
    let mut whole = serde_json::to_value(spec(script)).expect("value");
    merge(&mut whole, change);
    serde_json::from_value(whole).expect("spec")
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

/// A process as [`spec`] has it.
pub(crate) fn process(script: &str) -> Process {
    spec(script).process.expect("process")
}
