//! How the daemon listens and how it is operated: TLS, sockets of a service manager, HTTP/2, reload, metrics, signals.

#![expect(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::certs::{Authority, Purpose};
use testkit::{CliKind, Engine, EngineKind, EngineOptions, Machine, invariants, place};

/// An engine with these arguments; `{dir}` in them is the machine's disk, on which `before` may put things.
fn start(name: &str, args: &[&str], before: impl FnOnce(&Path)) -> Engine {
    let machine = Machine::boot(name).unwrap();
    let dir = machine.dir().to_owned();
    before(&dir);
    let args = args.iter().map(|a| a.replace("{dir}", dir.to_str().unwrap())).collect();
    Engine::start_in(machine, EngineOptions { args, ..EngineOptions::of(EngineKind::Gantry) }).unwrap()
}

fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn tls_lets_in_only_who_it_should() {
    let args =
        ["-H", "tcp://127.0.0.1:2376", "-H", "tcp://[::1]:2376", "--tlsverify", "--tlscacert={dir}/server/ca.pem"];
    let args = [&args[..], &["--tlscert={dir}/server/cert.pem", "--tlskey={dir}/server/key.pem"]].concat();
    let engine = start("tls", &args, |dir| {
        let ours = Authority::new("ours").unwrap();
        let other = Authority::new("other").unwrap();
        ours.issue_into(&dir.join("server"), Purpose::Server).unwrap();
        ours.issue_into(&dir.join("good"), Purpose::Client).unwrap();
        ours.issue_into(&dir.join("expired"), Purpose::ExpiredClient).unwrap();
        ours.issue_into(&dir.join("usage"), Purpose::Server).unwrap();
        other.issue_into(&dir.join("foreign"), Purpose::Client).unwrap();
        other.issue_into(&dir.join("distrust"), Purpose::Client).unwrap();
        // These know the server, but the server does not know them.
        fs::copy(dir.join("server/ca.pem"), dir.join("foreign/ca.pem")).unwrap();
    });
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    for kind in [CliKind::Stock28, CliKind::Gantry] {
        let cli = engine.cli(kind).unwrap();
        let run = |certificates: &str, command: &str| {
            let dir = engine.machine.dir().display();
            let script = format!("unset DOCKER_HOST; DOCKER_CERT_PATH={dir}/{certificates} docker {command}");
            engine.run(&cli, &script).unwrap()
        };
        let verified = "--tlsverify -H tcp://127.0.0.1:2376";
        let good = run("good", &format!("{verified} version -f '{{{{.Server.APIVersion}}}}'")).ok().unwrap();
        assert_eq!(good.text().trim(), "1.56", "{kind:?}");
        // Input, its end, and the exit code go through as well.
        let cat = "run --rm -i bench-busybox:1 sh -c 'cat; exit 3'";
        let streams = run("good", &format!("{verified} {cat} <<<hello"));
        assert_eq!((streams.code, streams.stdout.as_str()), (3, "hello\n"), "{kind:?}: {streams:?}");
        for (certificates, options) in [
            ("foreign", verified),
            ("expired", verified),
            ("usage", verified),
            ("distrust", verified),
            // No certificate at all: `--tls` without one.
            ("nowhere", "--tls -H tcp://127.0.0.1:2376"),
        ] {
            let refused = run(certificates, &format!("{options} ps"));
            assert_ne!(refused.code, 0, "{kind:?} with {certificates}: {refused:?}");
            assert!(!refused.stdout.contains("CONTAINER"), "{kind:?} with {certificates}: {refused:?}");
        }
        let plain = run("good", "-H tcp://127.0.0.1:2376 ps");
        assert!(plain.code != 0 && plain.stderr.contains("HTTP request to an HTTPS server"), "{kind:?}: {plain:?}");
    }
    let idle = engine.machine.sh("exec 3<>/dev/tcp/127.0.0.1/2376; time timeout 15 cat <&3").unwrap();
    assert_eq!(idle.code, 0, "a client that says nothing is cut off: {idle:?}");
    invariants::check(&engine).unwrap();
}

/// A daemon that gets its socket, and reports, as under systemd.
#[test]
fn sockets_of_a_service_manager() {
    let machine = Machine::boot("activated").unwrap();
    let dir = machine.dir().to_owned();
    let (api, told) = (dir.join("api.sock"), dir.join("notify.sock"));
    let listener = UnixListener::bind(&api).unwrap();
    let manager = UnixDatagram::bind(&told).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // A client that is there before the daemon is.
    let mut early = UnixStream::connect(&api).unwrap();
    early.write_all(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").unwrap();
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let script = format!(
        "exec 3<&{fd}; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=docker.socket NOTIFY_SOCKET={told} \
         WATCHDOG_USEC=200000; exec {gantry} daemon --config-file {dir}/none.json --data-root {dir}/data \
         --exec-root /run/docker -p /run/docker.pid --bridge none -H fd://docker.socket -H unix:///run/second.sock \
         2>{dir}/log/activated.log",
        fd = listener.as_raw_fd(),
        told = told.display(),
        gantry = place::gantry().unwrap().display(),
        dir = dir.display(),
    );
    fs::write(dir.join("none.json"), "{}").unwrap();
    let mut daemon = machine.command("bash").unwrap().args(["-c", &script]).spawn().unwrap();
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("OK"), "{answer}");
    let mut message = [0; 256];
    let mut next = || {
        let n = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..n]).into_owned()
    };
    let mut heard: Vec<String> = (0..4).map(|_| next()).collect();
    assert!(heard.contains(&"READY=1".to_owned()) && heard.contains(&"WATCHDOG=1".to_owned()), "{heard:?}");
    assert!(machine.outside("/run/second.sock").unwrap().exists(), "the other socket is there too");
    // Both the shell's number and the daemon's are this one.
    let pid = testkit::engine::only_child(daemon.id()).unwrap();
    testkit::engine::signal(pid, "TERM").unwrap();
    heard = std::iter::repeat_with(next).take_while(|m| m != "STOPPING=1").collect();
    assert!(heard.iter().all(|m| m == "WATCHDOG=1"), "{heard:?}");
    assert!(daemon.wait().unwrap().success());
    assert!(api.exists(), "the socket is the service manager's");
    assert!(!machine.outside("/run/second.sock").unwrap().exists(), "its own is taken away");
}

#[test]
fn socket_activation_without_sockets() {
    let machine = Machine::boot("inactive").unwrap();
    let gantry = place::gantry().unwrap();
    let fails = |environment: &str, host: &str| {
        let script = format!(
            "{environment} exec {} daemon --data-root $TMPDIR/d --exec-root /run/d -p /run/d.pid --bridge none -H {host}",
            gantry.display()
        );
        let output = machine.sh_for(&script, Duration::from_secs(60), &[]).unwrap();
        assert_eq!(output.code, 1, "{output:?}");
        output.stderr
    };
    let nothing = "no sockets found via socket activation: make sure the service was started by systemd";
    assert!(fails("", "fd://").contains(nothing));
    // For another process.
    assert!(fails("LISTEN_PID=1 LISTEN_FDS=1", "fd://").contains(nothing));
    let one = "exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1;";
    assert!(fails(one, "fd://4").contains("too few socket activated files passed in by systemd"));
    assert!(fails(one, "fd://x").contains("failed to parse systemd fd address: should be a number: x"));
    assert!(fails(one, "fd://").contains("failed to listen on systemd activated file: fd 3"));
}

#[test]
fn configuration_is_reloaded() {
    let config = |dir: &Path, value: Value| fs::write(dir.join("daemon.json"), value.to_string()).unwrap();
    let engine = start("reload", &["--max-concurrent-uploads=7"], |dir| {
        config(dir, json!({"labels": ["a=1"], "default-shm-size": "32M"}));
    });
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let api = engine.api().unwrap();
    let info = || api.get_json("/info").unwrap();
    let reloads = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 1;
        let filters = "%7B%22type%22%3A%5B%22daemon%22%5D%7D";
        let text = api.get(&format!("/events?since=1&until={now}&filters={filters}")).unwrap().text();
        text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((&info()["Labels"], reloads().len()), (&json!(["a=1"]), 0));
    config(
        engine.machine.dir(),
        json!({"labels": ["a=2", "b=3"], "debug": true, "live-restore": false, "shutdown-timeout": 3,
            "insecure-registries": ["10.9.0.0/16", "r.example:5000"], "registry-mirrors": ["https://m.example"],
            "default-shm-size": "16M", "default-ipc-mode": "shareable", "max-concurrent-downloads": 2,
            "features": {"x": true}, "mtu": 1400}),
    );
    engine.signal("HUP").unwrap();
    let event = until("the event", || reloads().pop());
    assert_eq!(event["Action"], "reload");
    let after = info();
    assert_eq!(event["Actor"]["ID"], after["ID"]);
    for (name, want) in [
        ("debug", "true"),
        ("default-ipc-mode", "shareable"),
        ("default-runtime", "runc"),
        ("runtimes", ""),
        ("default-shm-size", "16777216"),
        ("features", "map[x:true]"),
        ("insecure-registries", "[\"10.9.0.0/16\",\"r.example:5000\"]"),
        ("labels", "[\"a=2\",\"b=3\"]"),
        ("live-restore", "false"),
        ("max-concurrent-downloads", "2"),
        ("max-concurrent-uploads", "7"),
        ("max-download-attempts", "5"),
        ("name", after["Name"].as_str().unwrap()),
        ("registry-mirrors", "[\"https://m.example\"]"),
        ("shutdown-timeout", "3"),
    ] {
        assert_eq!(event["Actor"]["Attributes"][name], want, "{name}: {event}");
    }
    assert_eq!(after["Labels"], json!(["a=2", "b=3"]));
    assert_eq!((&after["Debug"], &after["LiveRestoreEnabled"]), (&json!(true), &json!(false)));
    assert!(after["RegistryConfig"].to_string().contains("r.example:5000"), "{}", after["RegistryConfig"]);
    // New containers get the new defaults.
    let body = json!({"Image": "bench-busybox:1", "Cmd": ["true"]});
    let id = api.post("/containers/create", &body).unwrap().json().unwrap()["Id"].as_str().unwrap().to_owned();
    let made = api.get_json(&format!("/containers/{id}/json")).unwrap();
    assert_eq!(
        (&made["HostConfig"]["ShmSize"], &made["HostConfig"]["IpcMode"]),
        (&json!(16_777_216), &json!("shareable"))
    );
    // What is wrong changes nothing.
    for wrong in ["{", "{\"nosuch\": 1}", "{\"max-concurrent-uploads\": 2}", "{\"registry-mirrors\": [\"x\"]}"] {
        let before = engine.log().matches("Error reloading configuration").count();
        fs::write(engine.machine.dir().join("daemon.json"), wrong).unwrap();
        engine.signal("HUP").unwrap();
        until(wrong, || (engine.log().matches("Error reloading configuration").count() > before).then_some(()));
        assert_eq!((reloads().len(), &info()["Labels"]), (1, &after["Labels"]), "{wrong}");
    }
    engine.signal("USR1").unwrap();
    until("the dump", || engine.log().contains("=== END task dump ===").then_some(()));
}

#[test]
fn metrics_are_served_beside_the_api() {
    let engine = start("metrics", &["--metrics-addr", "127.0.0.1:9323"], |_| ());
    engine.load(&place::image("busybox.tar").unwrap()).unwrap();
    let body = json!({"Image": "bench-busybox:1", "Cmd": ["sleep", "1000"]});
    let api = engine.api().unwrap();
    api.post("/containers/create?name=up", &body).unwrap();
    assert_eq!(api.post("/containers/up/start", &json!({})).unwrap().status, 204);
    assert_eq!(api.post("/containers/nosuch/start", &json!({})).unwrap().status, 404);
    let ask = |path: &str| {
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/9323; printf 'GET {path} HTTP/1.1\\r\\nHost: any.example\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
        );
        engine.machine.sh(&script).unwrap().ok().unwrap().stdout
    };
    let text = ask("/metrics");
    assert!(text.contains("text/plain; version=0.0.4"), "{text}");
    for want in [
        "engine_daemon_container_states_containers{state=\"running\"} 1\n",
        "engine_daemon_container_actions_seconds_count{action=\"start\"} 1\n",
        "engine_daemon_container_actions_seconds_count{action=\"create\"} 1\n",
        "engine_daemon_container_actions_seconds_count{action=\"delete\"} 0\n",
        "gantry_api_request_duration_seconds_count{route=\"POST /images/load\"} 1\n",
        "# TYPE engine_daemon_engine_cpus_cpus gauge\n",
    ] {
        assert!(text.contains(want), "{want} in {text}");
    }
    let events: u64 =
        text.lines().find_map(|l| l.strip_prefix("engine_daemon_events_total ")?.parse().ok()).expect("a number");
    assert!(events >= 3, "create, connect, start: {events}");
    // The API is not to be had there.
    assert!(ask("/info").starts_with("HTTP/1.1 404 "));
    api.send("DELETE", "/containers/up?force=1", &[], b"").unwrap();
    invariants::check(&engine).unwrap();
}

#[test]
fn http2_by_upgrade_serves_the_api() {
    let engine = start("h2c", &[], |_| ());
    let mut socket = engine.api().unwrap().connect().unwrap();
    let asks = "GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                HTTP2-Settings: AAMAAABk\r\n\r\n";
    socket.write_all(asks.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut version = Vec::new();
    let mut grpc = Vec::new();
    let mut ended = 0;
    while ended < 2 {
        let mut frame = [0; 9];
        socket.read_exact(&mut frame).unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize];
        socket.read_exact(&mut payload).unwrap();
        match (frame[3], frame[8]) {
            (0, 1) => version.extend_from_slice(&payload),
            (1, 3) => grpc.extend_from_slice(&payload),
            (3 | 7, _) => panic!("reset: {payload:?}"),
            _ => {}
        }
        if frame[8] == 0 || frame[4] & 1 == 0 {
            continue;
        }
        ended += 1;
        if frame[8] == 1 {
            // POST /a.B/C of type application/grpc: all literal.
            let mut block = vec![0x83, 0x86, 0x04, 6];
            block.extend_from_slice(b"/a.B/C\x01\x09localhost\0\x0ccontent-type\x10application/grpc");
            let length = u8::try_from(block.len()).unwrap();
            socket.write_all(&[0, 0, length, 1, 5, 0, 0, 0, 3]).unwrap();
            socket.write_all(&block).unwrap();
        }
    }
    let version: Value = serde_json::from_slice(&version).unwrap();
    assert_eq!(version["ApiVersion"], "1.56");
    assert!(!version["GoVersion"].as_str().unwrap().is_empty() && !version["BuildTime"].as_str().unwrap().is_empty());
    // `application/grpc` and `12`, Huffman-coded or not, are hard to read; the answer ends with its head.
    assert!(!grpc.is_empty());
    let refused = engine.api().unwrap().post("/grpc", &json!({})).unwrap();
    assert_eq!((refused.status, refused.text().trim()), (400, "{\"message\":\"no upgrade proto in request\"}"));
}
