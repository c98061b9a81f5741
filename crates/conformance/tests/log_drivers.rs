//! Log drivers that send logs elsewhere, end to end, with receivers on sockets of the test's own.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{ErrorKind, Read};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::{Cli, CliKind, Engine, EngineKind, EngineOptions, invariants, place};

const BB: &str = "bench-busybox:1";
/// Far longer than anything takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

fn ok(engine: &Engine, cli: &Cli, script: &str) -> String {
    engine.run(cli, script).unwrap().ok().unwrap().text().to_owned()
}

/// Where a socket that the machine sees as `path` can be bound from here.
fn outside(engine: &Engine, path: &str) -> PathBuf {
    let path = engine.machine.outside(path).unwrap();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

/// Receives datagrams until one contains `last`.
fn receive(socket: &UnixDatagram, last: &str) -> Vec<String> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut all: Vec<String> = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while all.last().is_none_or(|text| !text.contains(last)) {
        let n = socket.recv(&mut buffer).unwrap();
        all.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
    }
    all
}

/// Syslog on a datagram socket: everything arrives once and in order, over a crash of the daemon too; `docker logs` works.
#[test]
fn syslog_over_a_crash() {
    let mut engine = Engine::start_with("logsyslog", EngineOptions::of(EngineKind::Gantry)).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let cli = engine.cli(CliKind::Stock28).unwrap();
    let socket = UnixDatagram::bind(outside(&engine, "/run/fake/log")).unwrap();
    ok(
        &engine,
        &cli,
        &format!(
            "docker run -d --name ctr --log-driver syslog --log-opt syslog-address=unixgram:///run/fake/log \
             --log-opt tag='{{{{.Name}}}}' --log-opt syslog-facility=local0 {BB} \
             sh -c 'echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.1; done; echo three; echo four'"
        ),
    );
    let first = receive(&socket, "two");
    assert!(first[0].starts_with("<134>") && first[0].contains(" ctr["), "{first:?}");
    assert!(first.iter().any(|m| m.starts_with("<131>") && m.ends_with(": two\n")), "{first:?}");
    engine.kill().unwrap();
    engine.up().unwrap();
    ok(&engine, &cli, "docker exec ctr touch /go; docker wait ctr");
    let rest = receive(&socket, "four");
    assert!(rest.iter().any(|m| m.ends_with(": three\n")), "{rest:?}");
    assert_eq!(ok(&engine, &cli, "docker logs ctr 2>/dev/null"), "one\nthree\nfour");
    assert_eq!(ok(&engine, &cli, "docker inspect -f '{{.LogPath}}' ctr"), "");
    ok(&engine, &cli, "docker rm ctr");
    invariants::check(&engine).unwrap();
}

/// Journald, and fluentd whose server comes only after the container has gone.
#[test]
fn journald_and_a_late_fluentd() {
    let engine = Engine::start_with("logfluent", EngineOptions::of(EngineKind::Gantry)).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let cli = engine.cli(CliKind::Stock28).unwrap();
    let journal = UnixDatagram::bind(outside(&engine, "/run/systemd/journal/socket")).unwrap();
    ok(&engine, &cli, &format!("docker run --rm --log-driver journald -l a.b=c --log-opt labels=a.b {BB} echo hello"));
    let fields = receive(&journal, "MESSAGE=hello").pop().unwrap();
    assert!(fields.contains("\nA_B=c\n") && fields.contains("\nPRIORITY=6\n"), "{fields}");

    let path = outside(&engine, "/run/fake/fluentd");
    let address = "--log-driver fluentd --log-opt fluentd-address=unix:///run/fake/fluentd";
    let refused = engine.run(&cli, &format!("docker run {address} {BB} true")).unwrap();
    let text = refused.to_string();
    assert!(
        text.contains(
            "failed to initialize logging driver: dial unix /run/fake/fluentd: connect: no such file or directory"
        ),
        "{text}"
    );
    let run =
        format!("docker run --name late {address} --log-opt fluentd-async=true --log-opt cache-disabled=true {BB}");
    ok(&engine, &cli, &format!("{run} sh -c 'echo patient; echo done'"));
    let logs = engine.run(&cli, "docker logs late").unwrap().to_string();
    assert!(logs.contains("configured logging driver does not support reading"), "{logs}");
    let listener = UnixListener::bind(path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let began = Instant::now();
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(e) if e.kind() == ErrorKind::WouldBlock && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(e) => panic!("nobody came: {e}"),
        }
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("patient") && text.contains("/late") && text.contains("done"), "{text}");
    ok(&engine, &cli, "docker rm -f $(docker ps -aq)");
    invariants::check(&engine).unwrap();
}
