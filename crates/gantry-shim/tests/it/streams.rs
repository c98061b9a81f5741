//! Standard streams: terminals, standard input, attaching and leaving, back-pressure, rotation.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use shim_proto::{Fault, LogPlan, Reply, Request, Size};

use crate::fixture::{Fixture, demux, read_all, read_until, send, until};

#[test]
fn terminal_with_size_and_console() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&[
        "sh",
        "-c",
        "tty; stty size; ls -l /dev/console /dev/ptmx; echo done; read x; stty size; echo got $x",
    ]);
    plan.stdio.tty = true;
    plan.stdio.open_stdin = true;
    plan.stdio.console_size = Some(Size { rows: 33, cols: 77 });
    let mut container = fixture.launch(&plan);
    let mut stream = container.attach(None, true);
    container.start().unwrap();
    let seen = read_until(&mut stream, "done\r\n");
    assert!(seen.contains("/dev/pts/0\r\n") && seen.contains("33 77\r\n"), "{seen}");
    assert!(seen.contains("/dev/ptmx -> pts/ptmx"), "{seen}");
    container.ok(Request::Resize { exec: None, size: Size { rows: 20, cols: 10 } });
    send(&mut stream, "word\r");
    let seen = read_until(&mut stream, "got word\r\n");
    assert!(seen.contains("20 10"), "{seen}");
    assert_eq!(container.wait().status, 0);
    assert_eq!(read_all(stream), b"");
    container.delete();
    container.assert_gone();
}

#[test]
fn a_terminal_signals_its_foreground() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&["sh", "-c", "trap 'echo int; exit 5' INT; echo up; while :; do sleep 0.05; done"]);
    plan.stdio.tty = true;
    plan.stdio.open_stdin = true;
    let mut container = fixture.launch(&plan);
    let mut stream = container.attach(None, true);
    container.start().unwrap();
    read_until(&mut stream, "up\r\n");
    send(&mut stream, "\x03");
    read_until(&mut stream, "int\r\n");
    assert_eq!(container.wait().status, 5);
    container.delete();
}

#[test]
fn stdin_once_ends_with_the_first_client() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&["cat"]);
    plan.stdio.open_stdin = true;
    plan.stdio.stdin_once = true;
    // Half closed: the output still comes.
    let mut container = fixture.launch(&plan);
    let mut stream = container.attach(None, true);
    send(&mut stream, "before start\n");
    container.start().unwrap();
    send(&mut stream, "after start\n");
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(demux(&read_all(stream)).0, b"before start\nafter start\n");
    assert_eq!(container.wait().status, 0);
    container.delete();
    // Gone altogether: what was sent is still read.
    let mut plan = fixture.plan(&["cat"]);
    plan.stdio.open_stdin = true;
    plan.stdio.stdin_once = true;
    let mut container = fixture.launch(&plan);
    let mut stream = container.attach(None, true);
    send(&mut stream, "last words\n");
    drop(stream);
    container.start().unwrap();
    assert_eq!(container.wait().status, 0);
    assert!(std::fs::read_to_string(&container.log).unwrap().contains("last words"));
    container.delete();
    container.assert_gone();
}

#[test]
fn stdin_that_stays_open() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&["cat"]);
    plan.stdio.open_stdin = true;
    let mut container = fixture.start(&plan);
    for word in ["one\n", "two\n"] {
        let mut stream = container.attach(None, true);
        send(&mut stream, word);
        let mut buffer = [0; 12];
        stream.read_exact(&mut buffer).unwrap();
        assert_eq!(demux(&buffer).0, word.as_bytes());
        // The end of a client's input lets go of the client, no more.
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(stream), b"");
    }
    container.ok(Request::CloseStdin { exec: None });
    assert_eq!(container.wait().status, 0);
    container.delete();
}

#[test]
fn large_input_and_output_come_through() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&["cat"]);
    plan.stdio.open_stdin = true;
    plan.stdio.stdin_once = true;
    plan.log = LogPlan::None;
    let mut container = fixture.launch(&plan);
    let mut stream = container.attach(None, true);
    container.start().unwrap();
    let data: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let sent = data.clone();
    let thread = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    thread.join().unwrap();
    assert!(demux(&bytes).0 == data, "{} of {} bytes", demux(&bytes).0.len(), data.len());
    assert_eq!(container.wait().status, 0);
    container.delete();
}

#[test]
fn a_client_that_does_not_read_slows_and_one_that_vanishes_does_not() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end"]);
    let mut container = fixture.launch(&plan);
    let slow = container.attach(None, false);
    container.start().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(!std::fs::read_to_string(&container.log).unwrap().contains("end\\n"), "it was not slowed");
    drop(slow);
    assert_eq!(container.wait().status, 0);
    assert!(std::fs::read_to_string(&container.log).unwrap().contains("end\\n"));
    container.delete();
}

#[test]
fn two_clients_see_the_same() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sh", "-c", "echo a; echo b >&2"]);
    let mut container = fixture.launch(&plan);
    let (one, two) = (container.attach(None, false), container.attach(None, false));
    container.start().unwrap();
    container.wait();
    let expected = (b"a\n".to_vec(), b"b\n".to_vec());
    assert_eq!(demux(&read_all(one)), expected);
    assert_eq!(demux(&read_all(two)), expected);
    // After the end there is nothing to see, at once.
    assert_eq!(read_all(container.attach(None, false)), b"");
    container.delete();
}

#[test]
fn output_is_all_there_before_delete_is_done() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sh", "-c", "head -c 300000 /dev/zero"]);
    let mut container = fixture.launch(&plan);
    let stream = container.attach(None, false);
    container.start().unwrap();
    let reader = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        read_all(stream)
    });
    container.wait();
    container.delete();
    assert_eq!(demux(&reader.join().unwrap()).0.len(), 300_000);
    container.assert_gone();
}

#[test]
fn the_log_rotates() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&[
        "sh",
        "-c",
        "i=0; while [ $i -lt 300 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done",
    ]);
    let LogPlan::JsonFile(file) = &mut plan.log else { panic!() };
    file.max_size = Some(8000);
    file.max_file = 3;
    let log = file.path.clone();
    let mut container = fixture.start(&plan);
    let mut rotated = 0;
    loop {
        match container.event() {
            shim_proto::Event::LogRotated => rotated += 1,
            shim_proto::Event::Exit(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(rotated > 0);
    container.delete();
    let files: Vec<u64> = ["", ".1", ".2"]
        .iter()
        .map(|end| std::fs::metadata(format!("{}{end}", log.display())).unwrap().len())
        .collect();
    assert!(files.iter().all(|size| *size < 12_000), "{files:?}");
    assert!(!std::path::Path::new(&format!("{}.3", log.display())).exists());
}

#[test]
fn no_terminal_cannot_be_resized() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    let size = Size { rows: 1, cols: 1 };
    assert_eq!(container.call(Request::Resize { exec: None, size }), Reply::Error(Fault::NoTerminal));
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
}

#[test]
fn background_processes_do_not_hold_the_end_back() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    let start = std::time::Instant::now();
    let stream = container.exec("e", crate::fixture::process(&["sh", "-c", "sleep 50 & echo started"]), false).unwrap();
    assert_eq!(demux(&read_all(stream)).0, b"started\n");
    assert_eq!(container.wait_exec("e"), 0);
    assert!(start.elapsed() < Duration::from_secs(40));
    container.ok(Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
    until("gone", || !container.run_dir.exists());
}
