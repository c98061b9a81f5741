use std::fs;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use oci::runtime::{ContainerProcessState, Spec, Status};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde_json::{Value, json};
use sys::process::Cloned;

use super::Case;
use crate::fixture::{Fixture, process, spec_with};

pub(crate) const CASES: &[(&str, Case)] = &[
    ("seccomp::an_agent_answers", an_agent_answers),
    ("seccomp::no_agent", no_agent),
    ("seccomp::actions_and_flags", actions_and_flags),
];

fn with(script: &str, seccomp: Value) -> Spec {
    let mut seccomp = seccomp;
    seccomp["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"]);
    spec_with(script, json!({"linux": {"seccomp": seccomp}}))
}

fn asking(script: &str, socket: &Path) -> Spec {
    let rule = json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"});
    let seccomp = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule], "listenerPath": socket, "listenerMetadata": "word",
        "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"],
    });
    let mut spec = with(script, seccomp);
    spec.annotations.insert("key".into(), "value".into());
    spec
}

/// Takes listeners as they come, notes what was said, and has every second call fail.
fn agent(listener: &UnixListener, dir: &Path) -> Option<()> {
    for number in 0..2 {
        let (stream, _) = listener.accept().ok()?;
        let mut text = vec![0; 65536];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut text)];
        let got = rustix::net::recvmsg(&stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
        let mut fds: Vec<OwnedFd> = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        fs::write(dir.join(format!("said-{number}")), &text[..got.bytes]).ok()?;
        let fd = fds.pop()?;
        for errno in [None, Some(Errno::NOTBLK)] {
            let question = sys::notify::receive(fd.as_fd()).ok()?;
            sys::notify::answer(fd.as_fd(), question.id, errno).ok()?;
        }
    }
    Some(())
}

fn an_agent_answers(fixture: &Fixture) {
    let socket = fixture.dir.path().join("agent");
    let listener = UnixListener::bind(&socket).expect("bind");
    let agent = match sys::process::fork().expect("fork") {
        Cloned::Parent { pid, .. } => pid,
        Cloned::Child => sys::process::exit_now(i32::from(agent(&listener, fixture.dir.path()).is_none())),
    };
    let script = |name: &str| format!("mkdir /{name}1 && ls -d /{name}1; mkdir /{name}2; echo $?");
    let running = fixture.start(&asking(&format!("{}; echo END; sleep 60", script("a")), &socket)).expect("starts");
    running.said();
    let output = running.exec(&process(&script("b"))).expect("exec");
    assert_eq!(output.out, "/b1\n1\n");
    assert!(output.err.contains("Block device required"), "{output:?}");
    let said = |number: u32| -> ContainerProcessState {
        let text = fs::read(fixture.dir.path().join(format!("said-{number}"))).expect("said");
        serde_json::from_slice(&text).expect("state")
    };
    let (first, second) = (said(0), said(1));
    assert_eq!((first.pid, first.state.pid), (running.started.pid, Some(running.started.pid)));
    assert_eq!((first.metadata.as_str(), first.state.status), ("word", Status::Creating));
    assert_eq!(first.state.annotations.get("key").map(String::as_str), Some("value"));
    assert_ne!(second.pid, running.started.pid);
    assert_eq!((second.state.pid, second.state.status), (Some(running.started.pid), Status::Running));
    let output = running.stop();
    assert_eq!(output.out, "/a1\n1\n");
    assert_eq!(crate::fixture::wait(agent), 0);
}

fn no_agent(fixture: &Fixture) {
    let socket = fixture.dir.path().join("nobody");
    let text = fixture.refused(&asking("true", &socket));
    assert!(text.starts_with("failed to connect with seccomp agent specified in the seccomp profile"), "{text}");
    let mut silent = asking("true", &socket);
    let seccomp = silent.linux.as_mut().and_then(|l| l.seccomp.as_mut()).expect("profile");
    seccomp.listener_path.clear();
    assert_eq!(fixture.refused(&silent), "seccomp listenerPath is not set");
    for name in ["write", "sendmsg"] {
        let mut bad = asking("true", &socket);
        let seccomp = bad.linux.as_mut().and_then(|l| l.seccomp.as_mut()).expect("profile");
        seccomp.syscalls[0].names.push(name.into());
        let text = format!("SCMP_ACT_NOTIFY cannot be used for the {name} syscall");
        assert!(fixture.refused(&bad).ends_with(&text));
    }
}

fn actions_and_flags(fixture: &Fixture) {
    let run = |script: &str, action: &str, errno: Option<u32>| {
        let rule = json!({"names": ["mkdir", "mkdirat"], "action": action, "errnoRet": errno});
        let seccomp = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        });
        fixture.run(&with(script, seccomp)).expect("runs")
    };
    assert!(run("mkdir /x", "SCMP_ACT_ERRNO", Some(15)).err.contains("Block device required"));
    assert!(run("mkdir /x", "SCMP_ACT_ERRNO", None).err.contains("Operation not permitted"));
    assert_eq!(run("mkdir /y; echo $?", "SCMP_ACT_KILL_PROCESS", None).out, "159\n");
    assert_eq!(run("mkdir /y; echo $?", "SCMP_ACT_TRAP", None).out, "159\n");
    assert_eq!(run("mkdir /z; echo $?", "SCMP_ACT_LOG", None).out, "0\n");
    assert!(run("mkdir /u", "SCMP_ACT_TRACE", None).err.contains("not implemented"));
    let whole = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 15, "syscalls": []});
    // Not even its last words get out.
    assert_ne!(fixture.run(&with("true", whole)).expect("counts as started").status, 0);
}
