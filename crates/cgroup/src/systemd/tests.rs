//! A systemd that is none: it answers on a socket, and says what it was asked.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;

use super::wire::{Reader, Writer};
use super::*;

/// What the server saw: member and body of each call.
type Calls = Vec<(String, Vec<u8>)>;

fn message(kind: u8, fields: &[(u8, &str, &str)], reply_to: Option<u32>, body: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes.extend([b'l', kind, 0, 1]);
    out.u32(u32::try_from(body.len()).unwrap());
    out.u32(99);
    out.array(8, |w| {
        for (code, kind, text) in fields {
            w.align(8);
            w.bytes.push(*code);
            w.signature(kind);
            w.string(text);
        }
        if let Some(serial) = reply_to {
            w.align(8);
            w.bytes.push(5);
            w.signature("u");
            w.u32(serial);
        }
    });
    out.align(8);
    out.bytes.extend(body);
    out.bytes
}

fn strings(first: Option<u32>, texts: &[&str]) -> Vec<u8> {
    let mut w = Writer::default();
    if let Some(number) = first {
        w.u32(number);
    }
    texts.iter().for_each(|text| w.string(text));
    w.bytes
}

/// Reads one call: serial, member, body.
fn call(stream: &mut UnixStream) -> Option<(u32, String, Vec<u8>)> {
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).ok()?;
    let mut reader = Reader::new(&fixed[4..]);
    let (body, serial, fields) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let mut rest = vec![0; (fields as usize).next_multiple_of(8) + body as usize];
    stream.read_exact(&mut rest).ok()?;
    let mut reader = Reader::new(&rest);
    let mut member = String::new();
    while reader.at() < fields as usize {
        reader.align(8);
        let code = reader.u8()?;
        let kind = reader.signature()?;
        let text = if kind == "g" { reader.signature()? } else { reader.string()? };
        if code == 3 {
            member = text;
        }
    }
    let body = rest.split_off((fields as usize).next_multiple_of(8));
    Some((serial, member, body))
}

/// Serves one connection. `result` is how jobs end; a unit that is there already is said so once.
fn serve(socket: &Path, result: &'static str, exists: bool) -> JoinHandle<Calls> {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        assert!(line.starts_with(b"\0AUTH EXTERNAL 3"), "{line:?}");
        stream.write_all(b"OK 0123\r\n").unwrap();
        let mut begin = [0; 7];
        stream.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"BEGIN\r\n");
        let mut calls = Calls::new();
        let mut exists = exists;
        while let Some((serial, member, body)) = call(&mut stream) {
            let answer = match member.as_str() {
                "StartTransientUnit" if std::mem::take(&mut exists) => {
                    let name = "org.freedesktop.systemd1.UnitExists";
                    message(3, &[(4, "s", name)], Some(serial), &strings(None, &["it is there"]))
                }
                "StartTransientUnit" | "StopUnit" => {
                    // Another job's end, ours before its answer, and the answer.
                    let other = strings(Some(4), &["/job/4", "x.scope", "done"]);
                    let ours = strings(Some(5), &["/job/5", "u.scope", result]);
                    let mut all = message(4, &[(1, "o", "/"), (3, "s", "JobRemoved")], None, &other);
                    all.extend(message(4, &[(1, "o", "/"), (3, "s", "JobRemoved")], None, &ours));
                    all.extend(message(2, &[], Some(serial), &strings(None, &["/job/5"])));
                    all
                }
                "Get" => {
                    let mut w = Writer::default();
                    w.signature("s");
                    w.string("/user.slice/user-7.slice/user@7.service");
                    message(2, &[], Some(serial), &w.bytes)
                }
                _ => message(2, &[], Some(serial), &[]),
            };
            calls.push((member, body));
            stream.write_all(&answer).unwrap();
        }
        calls
    })
}

fn unit() -> Unit {
    Unit::parse("x.slice:p:n", ("", ""), true).unwrap()
}

fn members(calls: &Calls) -> Vec<&str> {
    calls.iter().map(|(member, _)| member.as_str()).collect()
}

#[test]
fn a_scope_is_started_and_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("private");
    let server = serve(&socket, "done", true);
    let mut systemd = Systemd::at(&socket, true).unwrap();
    let pid = rustix::process::getpid();
    systemd.start(&unit(), pid, vec![("TasksMax", Value::Number(7))]).unwrap();
    systemd.stop(&unit()).unwrap();
    drop(systemd);
    let calls = server.join().unwrap();
    let start = "StartTransientUnit";
    let wanted = ["Hello", "AddMatch", "Subscribe", start, "ResetFailedUnit", start, "StopUnit", "ResetFailedUnit"];
    assert_eq!(members(&calls), wanted);
    let mut reader = Reader::new(&calls[3].1);
    assert_eq!(reader.string().as_deref(), Some("p-n.scope"));
    assert_eq!(reader.string().as_deref(), Some("replace"));
    let body = String::from_utf8_lossy(&calls[3].1).into_owned();
    for name in ["Slice", "x.slice", "Delegate", "PIDs", "TasksMax"] {
        assert!(body.contains(name), "{name}");
    }
}

#[test]
fn a_job_that_fails_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("private");
    let server = serve(&socket, "failed", false);
    let mut systemd = Systemd::at(&socket, false).unwrap();
    let error = systemd.start(&unit(), rustix::process::getpid(), Vec::new()).unwrap_err();
    assert_eq!(error, Error::SystemdJob { unit: "p-n.scope".to_owned(), result: "failed".to_owned() });
    let resources = Resources { pids: Some(oci::runtime::Pids { limit: Some(3) }), ..Resources::default() };
    assert_eq!(systemd.control_group().unwrap(), "/user.slice/user-7.slice/user@7.service");
    systemd.update(&unit(), &resources, &Hierarchies::new_v1(Vec::new(), None)).unwrap();
    drop(systemd);
    assert_eq!(members(&server.join().unwrap()), ["StartTransientUnit", "Get", "SetUnitProperties"]);
}

#[test]
fn nobody_there() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Systemd::at(&dir.path().join("none"), false), Err(Error::Io { operation: "connect", .. })));
    if !is_running() {
        assert_eq!(Systemd::system().unwrap_err(), Error::NoSystemd);
    }
    // Somebody who hangs up.
    let socket = dir.path().join("closed");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || drop(listener.accept()));
    assert!(Systemd::at(&socket, false).is_err());
    server.join().unwrap();
}
