//! Pulls from registries that fail, by daemons that die: R-51, R-63, R-64. What arrived is not fetched again, what is wrong is
//! not kept, nobody tries for ever.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::time::{Duration, Instant};
use testkit::faults::Disk;
use testkit::images::{Image, Layer};
use testkit::invariants::check;
use testkit::registry::{Fault, Logged, Login, Options, Registry, When};
use testkit::{Cli, CliKind, Engine, EngineKind, EngineOptions, Machine, Output};

/// Generous, the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);

/// A repeatable sequence.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// One layer for each of these sizes, in bytes, of content that does not compress.
fn image(seed: u64, sizes: &[usize]) -> Image {
    let layers = sizes.iter().zip(1..);
    layers
        .fold(Image::builder(), |image, (size, n)| {
            image.layer(Layer::noise(&format!("file{n}"), *size, seed * 100 + n).gzip())
        })
        .cmd(&["/file1"])
        .label("seed", &seed.to_string())
        .build()
}

/// Bytes of all blobs.
fn weight(image: &Image) -> u64 {
    image.blobs().iter().map(|b| b.bytes.len() as u64).sum()
}

struct Place {
    engine: Engine,
    cli: Cli,
}

impl Place {
    fn of(engine: Engine) -> Self {
        let cli = engine.cli(CliKind::from_env()).unwrap();
        Self { engine, cli }
    }

    fn new(name: &str) -> Self {
        Self::of(Engine::start(name).unwrap())
    }

    fn registry(&self, options: Options) -> Registry {
        Registry::in_machine(&self.engine.machine, options).unwrap()
    }

    fn run(&self, script: &str) -> Output {
        self.engine.run_for(&self.cli, script, LIMIT, &[]).unwrap()
    }

    fn ok(&self, script: &str) -> String {
        self.run(script).ok().unwrap().text().to_owned()
    }

    /// Nothing is left of a pull that is over.
    fn nothing_left(&self) {
        if self.engine.kind() == EngineKind::Gantry {
            let root = self.engine.data_root().display().to_string();
            assert_eq!(partial_bytes(&self.engine.machine.outside(&root).unwrap()), 0);
        }
    }

    /// All images go, and all that came with them.
    fn forget(&self) {
        self.ok("docker images -aq | sort -u | xargs -r docker rmi -f >/dev/null; docker image prune -af >/dev/null");
    }
}

/// What lies of downloads that are not whole.
fn partial_bytes(dir: &Path) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !dir.ends_with("overlay") => sum += partial_bytes(&path),
            Ok(kind) if kind.is_file() && dir.ends_with("ingest") => sum += path.metadata().map_or(0, |m| m.len()),
            _ => {}
        }
    }
    sum
}

fn blob_requests(log: &[Logged]) -> Vec<&Logged> {
    log.iter().filter(|l| l.method == "GET" && l.path.contains("/blobs/")).collect()
}

/// At most a tenth more than the image was sent. (The kernel's buffers of a connection that is reset count as sent.)
fn assert_thrifty(registry: &Registry, image: &Image, what: &str) {
    let (sent, weight) = (registry.bytes_sent(), weight(image));
    assert!(sent * 10 <= weight * 11, "{what}: {sent} bytes sent for an image of {weight}");
}

#[test]
fn r63_faults_that_pass_are_endured() {
    let place = Place::new("r63");
    let registry = place.registry(Options::default());
    let image = image(1, &[4_000_000, 2_000_000, 1_000_000]);
    registry.push("app", "1", &image);
    let name = registry.name("app:1");
    let mut random = Random(88_172_645_463_325_252);
    let busy = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
    let mut cases: Vec<(When, Vec<Fault>)> = Vec::new();
    for _ in 0..3 {
        let resets = (0..12).map(|_| Fault::ResetAfter(random.below(1_500_000)));
        cases.push((When::get("/blobs/"), resets.collect()));
    }
    for fault in [
        Fault::ResetAfter(0),
        Fault::TruncateAfter(random.below(900_000)),
        Fault::Status(500, None, ""),
        Fault::Status(502, None, "<html>"),
        Fault::Status(503, Some(1), ""),
        Fault::Status(429, Some(1), busy),
    ] {
        cases.push((When::any("/v2/app/"), vec![fault.clone()]));
        cases.push((When::get("/blobs/"), vec![fault.clone(), fault]));
    }
    let small = &image.config.digest;
    cases.push((When::get(small), vec![Fault::Slow(1_000)]));
    for (when, faults) in cases {
        registry.heal();
        for fault in &faults {
            registry.fault(when.clone().times(1), fault.clone());
        }
        registry.take_log();
        place.ok(&format!("docker pull -q {name}"));
        assert_thrifty(&registry, &image, &format!("{when:?} {faults:?}"));
        let asked = registry.take_log().len();
        assert!(asked <= 10 + 2 * faults.len(), "{faults:?}: {asked} requests");
        place.nothing_left();
        check(&place.engine).unwrap();
        place.forget();
    }
}

/// Thirty seconds of silence are a broken connection.
#[test]
fn r63_a_stall_is_a_break() {
    let place = Place::new("r63stall");
    let registry = place.registry(Options::default());
    let image = image(2, &[2_000_000]);
    registry.push("app", "1", &image);
    registry.fault(When::get("/blobs/").times(1), Fault::StallAfter(900_000));
    place.ok(&format!("docker pull -q {}", registry.name("app:1")));
    assert_thrifty(&registry, &image, "stall");
    check(&place.engine).unwrap();
}

#[test]
fn r63_tokens_end_and_handshakes_break_in_mid_pull() {
    let place = Place::new("r63tls");
    let options = Options { tls: true, login: Login::token("u", "p"), ..Options::default() };
    let registry = place.registry(options);
    let image = image(3, &[2_000_000, 1_000_000, 30_000]);
    registry.push("app", "1", &image);
    let (name, host) = (registry.name("app:1"), registry.address());
    let certs = format!("/etc/docker/certs.d/{host}");
    place.ok(&format!("mkdir -p {certs}; cat >{certs}/ca.crt <<'X'\n{}X\n", registry.ca_pem().unwrap()));
    registry.break_handshakes(2);
    place.ok(&format!("echo p | docker login -u u --password-stdin {host}"));
    for round in 0..3 {
        registry.heal();
        // The token ends with the manifest, with the first blob, in the middle of all.
        registry.fault(When::get("/blobs/").after(round).times(1), Fault::TokenExpiry);
        registry.fault(When::get("/blobs/").times(1), Fault::ResetAfter(300_000));
        registry.break_handshakes(2);
        place.ok(&format!("docker pull -q {name}"));
        assert_thrifty(&registry, &image, &format!("round {round}"));
        let log = registry.take_log();
        assert!(log.iter().any(|l| l.status == 401), "the token has ended");
        assert!(log.len() < 40, "{} requests", log.len());
        place.nothing_left();
        check(&place.engine).unwrap();
        place.forget();
    }
}

#[test]
fn r63_what_is_wrong_is_refused_and_not_kept() {
    let place = Place::new("r63wrong");
    let registry = place.registry(Options::default());
    let image = image(4, &[1_500_000, 700_000]);
    registry.push("app", "1", &image);
    let (name, layer) = (registry.name("app:1"), &image.layers[0].blob.digest);
    for (fault, words) in [
        (Fault::Corrupt, "unexpected commit digest"),
        (Fault::Longer(1), "failed size validation"),
        (Fault::Shorter(1), "failed size validation"),
        (Fault::Status(404, None, ""), "not found"),
        (Fault::Status(403, None, ""), "403 Forbidden"),
    ] {
        registry.heal();
        registry.fault(When::get(layer), fault.clone());
        let output = place.run(&format!("docker pull -q {name}"));
        assert!(output.code == 1 && output.stderr.contains(words), "{fault:?}: {output}");
        place.nothing_left();
        assert_eq!(place.ok("docker images -aq"), "");
        let asked = registry.take_log().len();
        assert!(asked <= 20, "{fault:?}: {asked} requests");
        check(&place.engine).unwrap();
    }
    registry.heal();
    place.ok(&format!("docker pull -q {name}"));
    check(&place.engine).unwrap();
}

/// A registry that stays down ends a pull after a bounded number of requests, and nothing is left of it.
#[test]
fn r63_patience_ends_and_nothing_is_left() {
    let place = Place::new("r63down");
    let registry = place.registry(Options::default());
    let image = image(5, &[3_000_000]);
    registry.push("app", "1", &image);
    let layer = || When::get(&image.layers[0].blob.digest);
    registry.fault(layer().times(1), Fault::TruncateAfter(2_000_000));
    registry.fault(layer(), Fault::Status(503, None, ""));
    let output = place.run(&format!("docker pull -q {}", registry.name("app:1")));
    assert!(output.code == 1 && output.stderr.contains("503 Service Unavailable"), "{output}");
    let log = registry.take_log();
    assert!(log.len() <= 40, "{} requests", log.len());
    place.nothing_left();
    registry.heal();
    place.ok(&format!("docker pull -q {}", registry.name("app:1")));
    place.nothing_left();
    check(&place.engine).unwrap();
}

/// Begins a pull and waits until so many bytes have come.
fn pull_until(place: &Place, registry: &Registry, name: &str, bytes: u64) {
    place.ok(&format!("docker pull {name} >$TMPDIR/pull 2>&1 &"));
    let deadline = Instant::now() + Duration::from_secs(60);
    while registry.bytes_sent() < bytes {
        assert!(Instant::now() < deadline, "{} of {bytes} bytes", registry.bytes_sent());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn r64_a_killed_daemon_goes_on_where_it_was() {
    let mut place = Place::new("r64");
    let registry = place.registry(Options::default());
    for (round, share) in [(6, 20), (7, 45), (8, 70)] {
        let image = image(round, &[8_000_000, 4_000_000, 500_000]);
        let name = registry.name(&format!("app:{round}"));
        registry.push("app", &round.to_string(), &image);
        registry.heal();
        registry.fault(When::get("/blobs/"), Fault::Slow(3_000_000));
        pull_until(&place, &registry, &name, weight(&image) * share / 100);
        place.engine.kill().unwrap();
        place.engine.up().unwrap();
        assert_eq!(place.ok("docker images -q --filter reference='*/app'"), "", "no half image");
        check(&place.engine).unwrap();
        // What was sent may still have been on its way when the daemon died: what counts is what had arrived.
        let here = partial_bytes(&place.engine.data_root());
        assert!(here > 0, "round {round}: nothing was kept");
        registry.take_log();
        registry.heal();
        let before = registry.bytes_sent();
        place.ok(&format!("docker pull -q {name}"));
        let (again, missing) = (registry.bytes_sent() - before, weight(&image) - here);
        assert!(again <= missing + missing / 10, "round {round}: {again} bytes for the missing {missing}");
        let log = registry.take_log();
        assert!(blob_requests(&log).iter().any(|l| l.range.is_some()), "round {round}: by ranges");
        place.nothing_left();
        check(&place.engine).unwrap();
        place.ok(&format!("docker rmi -f {name}"));
    }
}

/// After a power loss what came before the last two seconds is not fetched again, and what is on disk is right.
#[test]
fn r64_after_a_power_loss() {
    let machine = Machine::boot("r64power").unwrap();
    let disk = Disk::mount(&machine, 256, None).unwrap();
    let options = EngineOptions { data_root: Some(disk.path().join("data")), ..EngineOptions::default() };
    let mut place = Place::of(Engine::start_in(machine, options).unwrap());
    let mut registry = place.registry(Options::default());
    let image = image(9, &[12_000_000, 300_000]);
    registry.push("app", "1", &image);
    registry.fault(When::get("/blobs/"), Fault::Slow(1_500_000));
    // Seven seconds' worth, of which five are durable for certain, however late the machine is.
    pull_until(&place, &registry, &registry.name("app:1"), 10_500_000);
    disk.cut(&place.engine.machine).unwrap();
    place.engine.reboot().unwrap();
    disk.remount(&place.engine.machine).unwrap();
    registry.return_to(&place.engine.machine).unwrap();
    place.engine.up().unwrap();
    check(&place.engine).unwrap();
    // Mounted in the machine only.
    let here = partial_bytes(&place.engine.machine.outside(&place.engine.data_root().display().to_string()).unwrap());
    assert!(here >= 4_000_000, "only {here} bytes outlived the power loss");
    registry.heal();
    registry.take_log();
    place.ok(&format!("docker pull -q {}", registry.name("app:1")));
    let (again, missing) = (registry.bytes_sent(), weight(&image) - here);
    assert!(again <= missing, "{again} bytes fetched again, {missing} were missing");
    let log = registry.take_log();
    let ranges: Vec<_> = blob_requests(&log).iter().filter_map(|l| l.range.clone()).collect();
    assert!(!ranges.is_empty(), "by ranges");
    place.nothing_left();
    check(&place.engine).unwrap();
}

/// Fifty pulls of ten images that overlap, twenty of them given up: no blob comes twice. Then the same beside removals and
/// prunes: whatever is there in the end is whole.
#[test]
fn r51_pulls_race_with_each_other_and_with_removals() {
    let place = Place::new("r51");
    let registry = place.registry(Options::default());
    let layer = |n: u64| Layer::noise(&format!("f{n}"), 300_000, 1000 + n).gzip();
    let images: Vec<Image> = (0..10)
        .map(|n| {
            let layers = [layer(n), layer((n + 1) % 10), layer((n + 3) % 10)];
            let image = layers.into_iter().fold(Image::builder(), testkit::images::ImageBuilder::layer);
            image.cmd(&["/f"]).label("n", &n.to_string()).build()
        })
        .collect();
    for (image, n) in images.iter().zip(0..) {
        registry.push("app", &n.to_string(), image);
    }
    registry.fault(When::get("/blobs/"), Fault::Slow(1_000_000));
    let name = registry.name("app");
    let pulls = format!(
        "for i in $(seq 50); do limit=100; [ $((i % 5)) -ge 2 ] || limit=0.$((i % 7 + 1))
           timeout $limit docker pull -q {name}:$((i * 7 % 10)) >>$TMPDIR/pulls 2>&1 & done"
    );
    place.ok(&format!("{pulls}; wait; true"));
    // Some images had only pulls that were given up.
    place.ok(&format!("for i in $(seq 0 9); do docker pull -q {name}:$i; done"));
    let distinct: u64 = images
        .iter()
        .flat_map(Image::blobs)
        .map(|b| (b.digest.clone(), b.bytes.len() as u64))
        .collect::<std::collections::BTreeMap<_, _>>()
        .values()
        .sum();
    let sent = registry.bytes_sent();
    assert!(sent * 10 <= distinct * 11, "{sent} bytes sent for {distinct}");
    check(&place.engine).unwrap();
    place.nothing_left();

    let removals = format!(
        "for i in $(seq 30); do docker rmi -f {name}:$((i * 3 % 10)); docker image prune -af; sleep 0.05; done >/dev/null 2>&1 &"
    );
    place.ok(&format!("{pulls}; {removals} wait; true"));
    check(&place.engine).unwrap();
    for n in 0..10 {
        place.ok(&format!("docker pull -q {name}:{n}"));
        place.ok(&format!("c=$(docker create {name}:{n}); docker export $c | tar -t >/dev/null; docker rm $c"));
    }
    check(&place.engine).unwrap();
    if place.engine.kind() == EngineKind::Gantry {
        let report = place.engine.api().unwrap().send("POST", "/system/check", &[], b"").unwrap().text();
        assert!(report.contains(r#""Faults":[]"#), "{report}");
    }
    place.forget();
    place.nothing_left();
}
