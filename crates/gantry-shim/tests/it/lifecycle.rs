//! Start, output, exit, failure, what is left.

use shim_proto::{ExitRecord, Reply, Request, Step};

use crate::fixture::{Fixture, demux, read_all, read_until, until};

#[test]
fn exit_statuses() {
    let mut fixture = Fixture::new();
    for (args, status) in [
        (&["true"][..], 0),
        (&["false"], 1),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "kill -9 $$; sleep 1; exit 3"], 3),
    ] {
        assert_eq!(fixture.run(args).0.status, status, "{args:?}");
    }
}

#[test]
fn output_before_start_is_not_lost_and_is_logged() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sh", "-c", "echo out; echo err >&2; printf tail"]);
    let mut container = fixture.launch(&plan);
    let stream = container.attach(None, false);
    container.start().unwrap();
    let record = container.wait();
    assert_eq!((record.status, record.signal, record.oom_killed), (0, None, false));
    let (out, err) = demux(&read_all(stream));
    assert_eq!((out.as_slice(), err.as_slice()), (&b"out\ntail"[..], &b"err\n"[..]));
    // A daemon that commits the end needs no record; one that does not say so gets one.
    assert_eq!(ExitRecord::read(&container.exit_file).unwrap(), None);
    until("it is on record", || ExitRecord::read(&container.exit_file).unwrap().as_ref() == Some(&record));
    container.delete();
    container.assert_gone();
    let log = std::fs::read_to_string(&container.log).unwrap();
    assert!(log.contains(r#"{"log":"out\n","stream":"stdout","time":""#), "{log}");
    assert!(log.contains(r#"{"log":"err\n","stream":"stderr","time":""#), "{log}");
    assert!(log.contains(r#"{"log":"tail","stream":"stdout""#), "{log}");
}

#[test]
fn at_rest_a_shim_is_small_and_serves() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sh", "-c", "echo early; sleep 1.3; echo late; exec sleep 1000"]);
    let mut container = fixture.launch(&plan);
    let mut stream = container.attach(None, false);
    container.start().unwrap();
    let private = |pid: i32| {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
        line.split_whitespace().next().and_then(|n| n.parse::<u32>().ok()).unwrap()
    };
    // 0.3 MiB are what a container may cost outside of itself.
    until("it rests", || private(container.shim_pid) < 300);
    assert!(read_until(&mut stream, "late").contains("early"));
    until("it rests again", || private(container.shim_pid) < 300);
    assert_eq!(container.exec_run("x", &["echo", "hello"]), (0, "hello\n".to_owned(), String::new()));
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    assert_eq!(container.wait().status, 137);
    container.delete();
    container.assert_gone();
}

#[test]
fn programs_that_cannot_run() {
    let mut fixture = Fixture::new();
    const FRAME: &str = "OCI runtime create failed: runc create failed: unable to start container process: error during container init: ";
    for (program, code, text) in [
        ("nosuch", 127, "exec: \"nosuch\": executable file not found in $PATH"),
        ("/nosuch", 127, "exec: \"/nosuch\": stat /nosuch: no such file or directory"),
        ("/bin/noexec", 126, "exec: \"/bin/noexec\": permission denied"),
        ("/bin", 126, "exec: \"/bin\": is a directory: permission denied"),
        ("noexec", 127, "exec: \"noexec\": executable file not found in $PATH"),
        ("/bin/true/x", 126, "exec: \"/bin/true/x\": stat /bin/true/x: not a directory"),
    ] {
        let plan = fixture.plan(&[program]);
        let error = fixture.start_error(&plan);
        assert_eq!((error.exit_code(), error.message), (code, format!("{FRAME}{text}")));
        assert_eq!(error.step, Step::Program);
    }
    let (record, _, err) = fixture.run(&["/bin/garbage"]);
    assert_eq!((record.status, err.as_str()), (255, "exec /bin/garbage: exec format error\n"));
    assert_eq!(fixture.run(&["bin/true"]).0.status, 0);
}

#[test]
fn only_one_start_and_no_delete_while_running() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    assert!(matches!(container.call(Request::Start), Reply::Error(shim_proto::Fault::AlreadyStarted)));
    assert!(matches!(container.call(Request::Delete), Reply::Error(shim_proto::Fault::Running)));
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    let record = container.wait();
    assert_eq!((record.status, record.signal), (137, Some(9)));
    assert!(matches!(
        container.call(Request::Signal { exec: None, signal: 9, all: false }),
        Reply::Error(shim_proto::Fault::NotRunning)
    ));
    container.delete();
    container.assert_gone();
}
