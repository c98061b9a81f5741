//! `--systemd-cgroup` against a systemd that is none: it answers on the private socket, and says what it was asked.

#![expect(clippy::unwrap_used, reason = "a test")]

use oci_suite::run::hierarchies;
use oci_suite::stage::Stage;
use oci_suite::table::Case;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use testkit::{Machine, place};

/// The member of a call, and everything in it.
type Call = (String, Vec<u8>);

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    out.extend(text.as_bytes());
    out.push(0);
}

/// A message with one header field (code, kind, value) and a body.
fn message(kind: u8, field: (u8, char, &[u8]), body: &[u8]) -> Vec<u8> {
    let mut out = vec![b'l', kind, 0, 1];
    out.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    out.extend(u32::try_from(4 + field.2.len()).unwrap().to_le_bytes());
    out.extend([field.0, 1, u8::try_from(field.1).unwrap(), 0]);
    out.extend(field.2);
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend(body);
    out
}

/// The name of the called method: header field 3.
fn member(header: &[u8]) -> String {
    let at = header.windows(4).position(|w| w == [3, 1, b's', 0]).unwrap();
    let length = usize::try_from(number(header, at + 4)).unwrap();
    String::from_utf8_lossy(&header[at + 8..at + 8 + length]).into_owned()
}

fn serve(mut stream: UnixStream, calls: &Sender<Call>) {
    let mut hello = Vec::new();
    while !hello.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        hello.extend(byte);
    }
    stream.write_all(b"OK 1\r\n").unwrap();
    stream.read_exact(&mut [0; 7]).unwrap();
    let mut fixed = [0; 16];
    while stream.read_exact(&mut fixed).is_ok() {
        let fields = usize::try_from(number(&fixed, 12)).unwrap().next_multiple_of(8);
        let mut rest = vec![0; fields + usize::try_from(number(&fixed, 4)).unwrap()];
        stream.read_exact(&mut rest).unwrap();
        calls.send((member(&rest[..fields]), rest)).unwrap();
        // The answer names a job, and the job is done.
        let mut job = Vec::new();
        text(&mut job, "/job/1");
        let mut done = 1_u32.to_le_bytes().to_vec();
        ["/job/1", "x.scope", "done"].iter().for_each(|part| text(&mut done, part));
        stream.write_all(&message(2, (5, 'u', &fixed[8..12]), &job)).unwrap();
        let mut name = Vec::new();
        text(&mut name, "JobRemoved");
        stream.write_all(&message(4, (3, 's', &name), &done)).unwrap();
    }
}

/// Runs the script in a machine whose systemd listens on a socket in `dir`; gives its output.
fn run(dir: &Path, program: &Path, id: &str, script: &str) -> String {
    let machine = Machine::boot("systemd").unwrap();
    let around = "mkdir -p /run/systemd/system && ln -s \"$D/private\" /run/systemd/private && cd \"$D/$id\"\n\
                  rt() { \"$R\" --root \"$D/state\" --systemd-cgroup \"$@\"; }\n";
    let output = machine
        .command("/bin/sh")
        .unwrap()
        .args(["-c", &format!("{around}{script}")])
        .env("D", dir)
        .env("R", program)
        .env("id", id)
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_scope_is_asked_for_changed_and_stopped() {
    let dir = std::env::temp_dir().join(format!("oci-systemd-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let program = dir.join("runc");
    fs::copy(place::built("gantry-shim").unwrap(), &program).unwrap();
    let name = format!("suite{}", std::process::id());
    let case = Case {
        name: format!("{name}.scope"),
        inside: vec!["sleep 20".to_owned()],
        spec: vec![
            serde_json::json!({"linux": {"cgroupsPath": format!("{name}.slice:pre:box"),
                "resources": {"pids": {"limit": 50}}}})
            .to_string(),
        ],
        ..Case::default()
    };
    let stage = Stage::new(&dir, Path::new(env!("CARGO_BIN_EXE_oci-probe"))).unwrap();
    let bundle = stage.bundle("x", &case).unwrap();
    let listener = UnixListener::bind(dir.join("private")).unwrap();
    let (sender, calls) = channel();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| serve(stream, &sender)));

    let said = run(
        &dir,
        &program,
        &bundle.id,
        "rt run -d --pid-file pid $id </dev/null >/dev/null 2>err; cat err\n\
         grep -E ':(pids)?:' /proc/$(cat pid)/cgroup | cut -d: -f3 | sort -u\n\
         rt update --pids-limit 77 $id; rt delete -f $id; ls \"$D/state\"",
    );
    let path = format!("/{name}.slice/pre-box.scope");
    let left: Vec<_> = hierarchies().iter().map(|mount| mount.join(&path[1..])).filter(|dir| dir.exists()).collect();
    for mount in hierarchies() {
        // The slice is systemd's.
        let _ = fs::remove_dir(mount.join(format!("{name}.slice")));
    }
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(said.trim(), path);
    assert!(left.is_empty(), "{left:?}");
    let calls: Vec<Call> = calls.try_iter().collect();
    let members: Vec<&str> = calls.iter().map(|(member, _)| member.as_str()).collect();
    assert_eq!(members, ["StartTransientUnit", "SetUnitProperties", "StopUnit", "ResetFailedUnit"]);
    let holds = |call: &Call, what: &[u8]| call.1.windows(what.len()).any(|part| part == what);
    for what in ["pre-box.scope", "Slice", &format!("{name}.slice"), "Delegate", "PIDs", "TasksMax"] {
        assert!(holds(&calls[0], what.as_bytes()), "{what}");
    }
    assert!(holds(&calls[0], &50_u64.to_le_bytes()) && holds(&calls[1], &77_u64.to_le_bytes()));
    assert!(holds(&calls[2], b"pre-box.scope"));
}
