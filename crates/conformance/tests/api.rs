//! The API below any client: answers as described, and budgets for hostile clients.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use serde_json::json;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use testkit::swagger::Contract;
use testkit::{Engine, EngineKind, EngineOptions, invariants, place};

fn start(name: &str) -> Engine {
    let engine = Engine::start_with(name, EngineOptions::of(EngineKind::Gantry)).unwrap();
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    engine
}

#[test]
fn answers_are_as_described() {
    let Some(contract) = Contract::load().unwrap() else {
        eprintln!("left out: no API description beside the project (GANTRY_CONTRACT)");
        return;
    };
    let engine = start("described");
    let api = engine.api().unwrap();
    let body = json!({"Image": "bench-busybox:1", "Cmd": ["sleep", "1000"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}, "Memory": 67108864}});
    let mut found = Vec::new();
    let mut look = |method: &str, template: &str, path: &str, body: Option<&serde_json::Value>| {
        let reply = match body {
            Some(body) => api.post(path, body),
            None => api.send(method, path, &[], b""),
        }
        .unwrap();
        if reply.body.is_empty() {
            return serde_json::Value::Null;
        }
        let value = reply.json().unwrap();
        let faults = contract.violations(method, template, reply.status, &value);
        found.extend(faults.iter().map(|f| format!("{method} {path}: {f}")));
        value
    };
    look("POST", "/containers/create", "/containers/create?name=up", Some(&body));
    api.post("/containers/up/start", &json!({})).unwrap();
    look(
        "POST",
        "/containers/create",
        "/containers/create?name=made",
        Some(&json!({"Image": "bench-busybox:1", "Tty": true})),
    );
    let exec = look(
        "POST",
        "/containers/{id}/exec",
        "/containers/up/exec",
        Some(&json!({"Cmd": ["true"], "AttachStdout": true})),
    );
    let exec = exec["Id"].as_str().unwrap().to_owned();
    for (template, path) in [
        ("/version", "/version".to_owned()),
        ("/info", "/info".to_owned()),
        ("/containers/json", "/containers/json?all=1&size=1".to_owned()),
        ("/containers/{id}/json", "/containers/up/json".to_owned()),
        ("/containers/{id}/json", "/containers/made/json".to_owned()),
        ("/containers/{id}/json", "/containers/nosuch/json".to_owned()),
        ("/containers/{id}/top", "/containers/up/top".to_owned()),
        ("/images/json", "/images/json".to_owned()),
        ("/images/{name}/json", "/images/bench-busybox:1/json".to_owned()),
        ("/images/{name}/history", "/images/bench-busybox:1/history".to_owned()),
        ("/networks", "/networks".to_owned()),
        ("/networks/{id}", "/networks/bridge".to_owned()),
        ("/volumes", "/volumes".to_owned()),
        ("/exec/{id}/json", format!("/exec/{exec}/json")),
    ] {
        look("GET", template, &path, None);
    }
    // Nullable in Docker's own types and answers, though its description does not say so.
    let nullable = ["$.HostConfig.MemorySwappiness: null", "$.HostConfig.OomKillDisable: null", "$.ExitCode: null"];
    found.retain(|fault| !nullable.iter().any(|known| fault.contains(known)));
    assert_eq!(found, Vec::<String>::new());
    invariants::check(&engine).unwrap();
}

#[test]
fn slow_and_greedy_clients() {
    let engine = start("greedy");
    let api = engine.api().unwrap();
    let before = invariants::Baseline::take(&engine).unwrap();
    // Headers that never end are cut off.
    let mut slow = api.connect().unwrap();
    slow.write_all(b"GET /_ping HTTP/1.1\r\nHost: d\r\n").unwrap();
    let started = Instant::now();
    let _ = slow.read(&mut [0; 1024]);
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "a client without an end of headers lived {:?}",
        started.elapsed()
    );
    // Greedy headers and bodies are refused in words.
    let long = format!("GET /_ping HTTP/1.1\r\nHost: d\r\nX: {}\r\n\r\n", "x".repeat(2 << 20));
    let many = format!("GET /_ping HTTP/1.1\r\nHost: d\r\n{}\r\n", "A: b\r\n".repeat(20000));
    for request in [long, many, "RUBBISH\r\n\r\n".to_owned(), "GET / HTTP/9.9\r\n\r\n".to_owned()] {
        let answer = String::from_utf8_lossy(&api.raw(request.as_bytes()).unwrap_or_default()).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505"),
            "{answer}"
        );
    }
    let body = vec![b' '; 64 << 20];
    let reply = api.send("POST", "/containers/create", &[("Content-Type", "application/json")], &body);
    assert!(reply.is_err() || (400..500).contains(&reply.as_ref().unwrap().status), "{reply:?}");
    // A thousand idle connections: others are answered.
    let idle: Vec<_> = (0..1000).map_while(|_| api.connect().ok()).collect();
    assert_eq!(api.get("/_ping").unwrap().status, 200, "beside {} idle connections", idle.len());
    drop(idle);
    before.back(&engine, 6, 8).unwrap();
    let now = invariants::Baseline::take(&engine).unwrap();
    assert!(now.rss < before.rss + (32 << 10), "{} KiB before, {} KiB after", before.rss, now.rss);
}

#[test]
fn tcp_needs_tls() {
    let engine = start("tcp");
    let log = engine.machine.dir().join("log/tcp.log");
    let command = format!(
        "{} daemon --data-root $TMPDIR/d --exec-root /run/second -p /run/second.pid --bridge none -H tcp://0.0.0.0:2375 >{} 2>&1",
        place::gantry().unwrap().display(),
        log.display()
    );
    let second = engine.machine.sh_for(&command, Duration::from_secs(60), &[]).unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(second.code != 0 && !second.timed_out, "it listens without TLS: {said}");
    assert!(said.to_lowercase().contains("tls"), "{said}");
}

#[test]
fn socket_belongs_to_the_docker_group() {
    use std::os::unix::fs::MetadataExt as _;
    let engine = start("socket");
    let meta = std::fs::metadata(engine.machine.outside(testkit::engine::SOCKET).unwrap()).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o660);
    assert_eq!(meta.uid(), 0);
    for (path, widest) in [(engine.data_root(), 0o711), (engine.data_root().join("containers"), 0o711)] {
        let mode = std::fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode & !widest, 0, "{} has mode {mode:o}", path.display());
    }
}

/// Clients that ask for a stream and vanish leave nothing.
#[test]
fn abandoned_streams() {
    let engine = start("abandoned");
    let api = engine.api().unwrap();
    let body = json!({"Image": "bench-busybox:1", "Cmd": ["sh", "-c", "while :; do echo line; sleep 0.01; done"]});
    api.post("/containers/create?name=talks", &body).unwrap();
    api.post("/containers/talks/start", &json!({})).unwrap();
    let before = invariants::Baseline::take(&engine).unwrap();
    let requests = [
        "GET /containers/talks/logs?follow=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\n\r\n",
        "POST /containers/talks/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
        "GET /events HTTP/1.1\r\nHost: d\r\n\r\n",
        "POST /containers/talks/wait HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n",
    ];
    let clients: Vec<_> = (0..100)
        .map(|i| {
            let mut stream = api.connect().unwrap();
            stream.write_all(requests[i % requests.len()].as_bytes()).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_secs(2));
    drop(clients);
    before.back(&engine, 6, 8).unwrap();
    // The container was never blocked by those who did not read.
    let length = || api.get("/containers/talks/logs?stdout=1").unwrap().body.len();
    let (log, deadline) = (length(), Instant::now() + Duration::from_secs(60));
    while length() == log {
        assert!(Instant::now() < deadline, "the container does not get on");
        std::thread::sleep(Duration::from_millis(100));
    }
    api.send("DELETE", "/containers/talks?force=1", &[], b"").unwrap();
    invariants::check(&engine).unwrap();
}

fn masked(payload: &[u8], opcode: u8) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126);
    let mask = [7_u8, 0, 99, 3];
    let mut frame = vec![0x80 | opcode, 0x80 | length];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    frame
}

/// Frames of the server, short ones only: opcode and payload.
fn frame(stream: &mut impl std::io::Read) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).unwrap();
    (head[0], payload)
}

/// A container is attached to by WebSocket: input, output, the goodbyes, and what is refused.
fn websocket(engine: &Engine, version: &str, data: u8) {
    let api = engine.api().unwrap();
    let body = json!({"Image": "bench-busybox:1", "Cmd": ["sh", "-c", "read a; echo got $a; read b; echo bye"], "OpenStdin": true});
    api.post("/containers/create?name=ws", &body).unwrap();
    api.post("/containers/ws/start", &json!({})).unwrap();
    let open = |key: &str| {
        let mut stream = std::io::BufReader::new(api.connect().unwrap());
        let head = format!(
            "GET {version}/containers/ws/attach/ws?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n{key}\r\n"
        );
        stream.get_mut().write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        while !answer.ends_with("\r\n\r\n") {
            assert_ne!(std::io::BufRead::read_line(&mut stream, &mut answer).unwrap(), 0, "{answer}");
        }
        (stream, answer)
    };
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let (mut first, answer) = open(key);
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols"), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    first.get_mut().write_all(&masked(b"hi\n", 2)).unwrap();
    assert_eq!(frame(&mut first), (0x80 | data, b"got hi\n".to_vec()));
    // A client that says goodbye gets one; the container goes on.
    first.get_mut().write_all(&masked(&[3, 232], 8)).unwrap();
    assert_eq!(frame(&mut first), (0x88, vec![3, 232]));
    drop(first);
    let (mut second, _) = open(key);
    second.get_mut().write_all(&masked(b"x\n", 1)).unwrap();
    assert_eq!(frame(&mut second), (0x80 | data, b"bye\n".to_vec()));
    let mut rest = Vec::new();
    second.read_to_end(&mut rest).unwrap();
    api.send("DELETE", "/containers/ws?force=1", &[], b"").unwrap();
    assert_eq!(api.get("/containers/nosuch/attach/ws").unwrap().status, 404);
}

#[test]
fn attach_by_websocket() {
    let engine = start("websocket");
    websocket(&engine, "/v1.27", 1);
    websocket(&engine, "/v1.51", 2);
    let api = engine.api().unwrap();
    api.post("/containers/create?name=plain", &json!({"Image": "bench-busybox:1", "Cmd": ["true"]})).unwrap();
    assert_eq!(api.get("/containers/plain/attach/ws").unwrap().status, 400);
    api.send("DELETE", "/containers/plain?force=1", &[], b"").unwrap();
    invariants::check(&engine).unwrap();
}
