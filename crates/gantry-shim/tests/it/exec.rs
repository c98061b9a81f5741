//! Exec sessions.

use std::net::Shutdown;

use oci::runtime::ConsoleSize;
use shim_proto::{ExecSpec, Fault, Reply, Request, Size, Status};

use crate::fixture::{Fixture, alive, demux, process, read_all, read_until, send};

#[test]
fn output_status_and_environment() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    assert_eq!(
        container.exec_run("a", &["sh", "-c", "echo out; echo err >&2; exit 7"]),
        (7, "out\n".into(), "err\n".into())
    );
    assert_eq!(container.exec_run("b", &["hostname"]).1, "box\n");
    let (_, out, _) =
        container.exec_run("c", &["sh", "-c", "ps | grep -c sleep; pwd; echo $HOME; cat /proc/self/cgroup"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(&lines[1..3], ["/", "/root"], "{out}");
    assert!(out.contains(&container.id), "not in the container's cgroup: {out}");
    let first = container
        .exec_run(
            "d",
            &["sh", "-c", "for n in pid net mnt; do readlink /proc/self/ns/$n; readlink /proc/1/ns/$n; done"],
        )
        .1;
    let spaces: Vec<&str> = first.lines().collect();
    assert_eq!((spaces[0], spaces[2], spaces[4]), (spaces[1], spaces[3], spaces[5]));
    assert_eq!(container.exec_run("kill", &["sh", "-c", "kill -9 $$"]).0, 137);
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
    container.assert_gone();
}

#[test]
fn input_and_its_end() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    let mut stream = container.exec("e", process(&["cat"]), true).unwrap();
    send(&mut stream, "hello\n");
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(demux(&read_all(stream)).0, b"hello\n");
    assert_eq!(container.wait_exec("e"), 0);
    container.ok(Request::Signal { exec: None, signal: 15, all: false });
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
}

#[test]
fn a_terminal_of_its_own() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    let mut with_tty = process(&["sh", "-c", "tty; stty size; read x; stty size; echo bye"]);
    with_tty.terminal = true;
    with_tty.console_size = Some(ConsoleSize { height: 11, width: 22 });
    let mut stream = container.exec("t", with_tty, true).unwrap();
    let seen = read_until(&mut stream, "11 22");
    assert!(seen.contains("/dev/pts/0"), "{seen}");
    container.ok(Request::Resize { exec: Some("t".into()), size: Size { rows: 5, cols: 6 } });
    send(&mut stream, "\r");
    let seen = read_until(&mut stream, "bye");
    assert!(seen.contains("5 6"), "{seen}");
    assert_eq!(container.wait_exec("t"), 0);
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
}

#[test]
fn what_cannot_be_started() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    const FRAME: &str = "OCI runtime exec failed: exec failed: unable to start container process: ";
    for (n, (program, code, text)) in [
        ("nosuch", 127, "exec: \"nosuch\": executable file not found in $PATH"),
        ("/nosuch", 127, "exec: \"/nosuch\": stat /nosuch: no such file or directory"),
        ("/bin/noexec", 126, "exec: \"/bin/noexec\": permission denied"),
    ]
    .into_iter()
    .enumerate()
    {
        let error = container.exec(&format!("n{n}"), process(&[program]), false).unwrap_err();
        assert_eq!((error.exit_code(), error.message), (code, format!("{FRAME}{text}")));
    }
    let mut elsewhere = process(&["true"]);
    elsewhere.cwd = "/nosuch".into();
    let error = container.exec("cwd", elsewhere, false).unwrap_err();
    assert_eq!(
        error.message,
        format!("{FRAME}chdir to cwd (\"/nosuch\") set in config.json failed: no such file or directory")
    );
    assert_eq!(
        container.exec_run("g", &["/bin/garbage"]),
        (255, String::new(), "exec /bin/garbage: exec format error\n".into())
    );
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
    container.assert_gone();
}

#[test]
fn sessions_by_name() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    let spec = || Box::new(ExecSpec { id: "x".into(), process: process(&["sleep", "50"]), open_stdin: false });
    container.ok(Request::Exec(spec()));
    assert_eq!(container.call(Request::Exec(spec())), Reply::Error(Fault::ExecExists { id: "x".into() }));
    container.ok(Request::ExecDelete { id: "x".into() });
    assert_eq!(
        container.call(Request::ExecStart { id: "x".into() }),
        Reply::Error(Fault::NoSuchExec { id: "x".into() })
    );
    container.ok(Request::Exec(spec()));
    let Reply::Started { pid, .. } = container.call(Request::ExecStart { id: "x".into() }) else { panic!() };
    assert!(alive(pid));
    let Reply::State(state) = container.call(Request::State) else { panic!() };
    assert_eq!((state.execs[0].status, state.execs[0].pid), (Status::Running, pid));
    container.ok(Request::Signal { exec: Some("x".into()), signal: 15, all: false });
    assert_eq!(container.wait_exec("x"), 143);
    // A session ends with its container.
    container.ok(Request::Exec(spec()));
    container.call(Request::ExecStart { id: "x".into() });
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    let mut ends = Vec::new();
    while ends.len() < 2 {
        ends.push(container.event());
    }
    container.delete();
    container.assert_gone();
}

#[test]
fn many_at_once() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    let streams: Vec<_> =
        (0..30).map(|n| container.exec(&format!("m{n}"), process(&["echo", &n.to_string()]), false).unwrap()).collect();
    for (n, stream) in streams.into_iter().enumerate() {
        assert_eq!(demux(&read_all(stream)).0, format!("{n}\n").as_bytes());
    }
    for n in 0..30 {
        let _ = n;
        assert!(matches!(container.event(), shim_proto::Event::ExecExit(exit) if exit.status == 0));
    }
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
    container.assert_gone();
}
