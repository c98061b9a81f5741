//! Registries that mean ill, and who is told which secret: S-86 to S-90.

#![expect(clippy::unwrap_used, reason = "a test")]

use serde_json::json;
use std::time::Duration;
use testkit::images::{Blob, Image, Layer};
use testkit::registry::{Fault, Login, Options, Registry, When};
use testkit::{Cli, CliKind, Engine, EngineOptions, Machine, Output};

/// An address of the machine that is not loopback.
const OUTER: &str = "10.9.9.1";
const LIMIT: Duration = Duration::from_secs(60);

struct Place {
    engine: Engine,
    clis: [Cli; 2],
}

impl Place {
    fn new(name: &str, args: &[&str]) -> Self {
        let machine = Machine::boot(name).unwrap();
        machine.sh(&format!("ip addr add {OUTER}/32 dev lo")).unwrap().ok().unwrap();
        let args = args.iter().map(|a| (*a).to_owned()).collect();
        let engine = Engine::start_in(machine, EngineOptions { args, ..EngineOptions::default() }).unwrap();
        let clis = [CliKind::Stock28, CliKind::Gantry].map(|kind| engine.cli(kind).unwrap());
        Self { engine, clis }
    }

    /// A registry with an image `app:1`; `outer`: at an address that is not loopback.
    fn registry(&self, outer: bool, options: Options) -> Registry {
        let host = if outer { OUTER } else { "127.0.0.1" };
        let options = Options { listen: Some(format!("{host}:0").parse().unwrap()), ..options };
        let registry = Registry::in_machine(&self.engine.machine, options).unwrap();
        registry.push("app", "1", &image());
        registry
    }

    fn run(&self, script: &str) -> Output {
        self.run_by(&self.clis[0], script)
    }

    fn run_by(&self, cli: &Cli, script: &str) -> Output {
        self.engine.run_for(cli, script, LIMIT, &[]).unwrap()
    }

    fn pull(&self, registry: &Registry) -> Output {
        self.run(&format!("docker pull -q {}", registry.name("app:1")))
    }

    /// It fails with these words.
    fn refused(&self, registry: &Registry, words: &str) {
        let output = self.pull(registry);
        assert!(output.code == 1 && output.stderr.contains(words), "{output}");
        assert_eq!(self.run("docker images -aq").ok().unwrap().text(), "");
    }

    /// The daemon trusts the authority of a registry.
    fn trust(&self, registry: &Registry) {
        let (dir, pem) = (format!("/etc/docker/certs.d/{}", registry.address()), registry.ca_pem().unwrap());
        self.run(&format!("mkdir -p {dir}; cat >{dir}/ca.crt <<'X'\n{pem}X\n")).ok().unwrap();
    }

    /// The client knows this name and password for these hosts.
    fn know(&self, hosts: &[&str]) {
        let auths: serde_json::Map<_, _> =
            hosts.iter().map(|h| ((*h).to_owned(), json!({"auth": "dTpwYXNzd29yZA=="}))).collect();
        self.config(&json!({ "auths": auths }));
    }

    fn config(&self, config: &serde_json::Value) {
        self.run(&format!("mkdir -p $HOME/.docker; echo '{config}' >$HOME/.docker/config.json")).ok().unwrap();
    }
}

fn image() -> Image {
    Image::builder().layer(Layer::noise("f", 100_000, 7).gzip()).cmd(&["/f"]).build()
}

fn basic() -> Options {
    Options { login: Login::Basic("u".to_owned(), "password".to_owned()), ..Options::default() }
}

/// Nobody has told this registry a secret; how often it was asked.
fn untold(registry: &Registry) -> usize {
    let log = registry.take_log();
    assert!(log.iter().all(|l| l.authorization.is_none()), "{log:?}");
    log.len()
}

#[test]
fn s86_redirections_carry_no_secrets_and_lead_nowhere_inward() {
    let place = Place::new("s86", &["--insecure-registry", "10.9.9.0/24"]);
    let (home, other) = (place.registry(false, basic()), place.registry(false, Options::default()));
    place.know(&[&home.address().to_string(), &other.address().to_string()]);
    home.fault(When::get("/blobs/"), Fault::Redirect(format!("{}{{path}}", other.url())));
    place.pull(&home).ok().unwrap();
    assert!(untold(&other) > 0, "the blobs came from there");
    place.run("docker rmi -f $(docker images -q)").ok().unwrap();

    home.heal();
    home.take_log();
    home.fault(When::get("/blobs/"), Fault::Redirect(format!("{}{{path}}", home.url())));
    place.refused(&home, "stopped after 10 redirects");
    assert!(home.take_log().len() < 40, "chains are bounded");

    // From elsewhere to this machine and to the link, where the cloud keeps its secrets.
    let outer = place.registry(true, Options::default());
    for inward in [other.url(), "http://169.254.169.254".to_owned(), "http://[::1]:1".to_owned()] {
        outer.heal();
        outer.fault(When::get("/blobs/"), Fault::Redirect(format!("{inward}{{path}}")));
        place.refused(&outer, "is not allowed");
        assert_eq!(untold(&other), 0, "not asked");
    }
}

#[test]
fn s86_s88_tls_is_never_left() {
    let place = Place::new("s88", &[]);
    let plain = place.registry(true, Options::default());
    place.refused(&plain, "http: server gave HTTP response to HTTPS client");
    assert_eq!(plain.take_log(), [], "no request came through");

    let tls = |options: Options| {
        let name = options.tls_name.clone().or(Some(OUTER.to_owned()));
        place.registry(true, Options { tls: true, tls_name: name, ..options })
    };
    let unknown = tls(Options::default());
    place.refused(&unknown, "x509: certificate signed by unknown authority");
    let misnamed = tls(Options { tls_name: Some("other.example".to_owned()), ..Options::default() });
    place.trust(&misnamed);
    place.refused(&misnamed, "x509: ");
    let expired = tls(Options { tls_expired: true, ..Options::default() });
    place.trust(&expired);
    place.refused(&expired, "x509: certificate has expired or is not yet valid");
    let broken = tls(Options::default());
    place.trust(&broken);
    broken.break_handshakes(u32::MAX);
    place.refused(&broken, "connection reset by peer");
    for registry in [&unknown, &misnamed, &expired, &broken] {
        assert_eq!(registry.take_log(), [], "nothing was said, above all not without TLS");
    }

    let good = tls(Options::default());
    place.trust(&good);
    good.fault(When::get("/blobs/"), Fault::Redirect(format!("{}{{path}}", plain.url())));
    place.refused(&good, "is not allowed");
    assert_eq!(plain.take_log(), [], "not asked");
    good.heal();
    place.pull(&good).ok().unwrap();
}

#[test]
fn s87_urls_in_manifests_are_not_followed() {
    let place = Place::new("s87", &[]);
    let (home, other) = (place.registry(false, basic()), place.registry(false, basic()));
    place.know(&[&home.address().to_string(), &other.address().to_string()]);
    let image = image();
    let mut manifest = serde_json::from_slice::<serde_json::Value>(&image.manifest.bytes).unwrap();
    for kind in
        ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"]
    {
        let elsewhere = format!("{}/v2/app/blobs/{}", other.url(), image.layers[0].blob.digest);
        let absent = Layer::noise("g", 1000, 8).gzip();
        manifest["layers"][0] = absent.blob.descriptor();
        manifest["layers"][0]["urls"] = json!([elsewhere]);
        manifest["layers"][0]["mediaType"] = json!(kind);
        home.put_manifest("app", Some("1"), &Blob::new(&image.manifest.media_type, manifest.to_string().into_bytes()));
        place.refused(&home, "not found");
        assert_eq!(other.take_log(), [], "not asked");
    }
}

#[test]
fn s89_secrets_stay_with_their_registry() {
    let place = Place::new("s89", &[]);
    let (home, other) = (place.registry(false, basic()), place.registry(false, basic()));
    let (a, b) = (home.address().to_string(), other.address().to_string());
    for cli in &place.clis {
        let pull = |host: &str, name: &str| place.run_by(cli, &format!("docker pull -q {host}/{name}"));
        // Only the very same host and port: not the hub's, not another port's, not one that the name begins or ends with.
        let near =
            [&a, "https://index.docker.io/v1/", "127.0.0.1", &format!("x{b}"), &format!("{b}0"), "app", "localhost"];
        place.know(&near);
        let output = pull(&b, "app:1");
        assert!(output.code == 1 && output.stderr.contains("no basic auth credentials"), "{output}");
        let output = pull(&b, &format!("{a}/app:1"));
        assert_eq!(output.code, 1, "{output}");
        assert!(untold(&other) > 0, "asked, but told nothing");
        pull(&a, "app:1").ok().unwrap();
        place.run("docker rmi -f $(docker images -q)").ok().unwrap();

        // A helper that is not there, fails, or never comes to an end gives nobody else's secret away.
        for (name, text) in
            [("missing", ""), ("failing", "#!/bin/sh\necho no such store; exit 1"), ("noise", "#!/bin/sh\necho '{'")]
        {
            if !text.is_empty() {
                let path = place.engine.machine.dir().join(format!("bin/docker-credential-{name}"));
                std::fs::write(&path, text).unwrap();
                std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            }
            place.config(
                &json!({"auths": {a.as_str(): {"auth": "dTpwYXNzd29yZA=="}}, "credHelpers": {b.as_str(): name}}),
            );
            let output = pull(&b, "app:1");
            assert_eq!(output.code, 1, "{name}: {output}");
            untold(&other);
        }
    }
}

#[test]
fn s90_uploads_elsewhere_plugins_and_the_clients_file() {
    let place = Place::new("s90", &[]);
    let (home, other) = (place.registry(false, basic()), place.registry(false, Options::default()));
    let host = home.address().to_string();
    for cli in &place.clis {
        let ok = |script: &str| place.run_by(cli, script).ok().unwrap().text().to_owned();
        ok(&format!("rm -rf $HOME/.docker; umask 0; echo password | docker login -u u --password-stdin {host}"));
        assert_eq!(ok("stat -c %a $HOME/.docker/config.json"), "600");
        home.heal();
        ok(&format!("docker pull -q {0}; docker tag {0} {1}", other.name("app:1"), home.name("copy:1")));
        other.take_log();
        home.fault(
            When::method("POST", "/blobs/uploads/"),
            Fault::Location(format!("{}/v2/x/blobs/uploads/y", other.url())),
        );
        let output = place.run_by(cli, &format!("docker push {}", home.name("copy:1")));
        assert_eq!(output.code, 1, "{output}");
        assert!(untold(&other) > 0, "asked, but told nothing");
        // A program of the name of a plugin, in the directory where one happens to stand, or in PATH.
        let output = place.run_by(
            cli,
            "cd $TMPDIR; printf '#!/bin/sh\\ntouch $TMPDIR/ran\\n' >docker-evil; chmod 777 docker-evil; cp docker-evil $HOME/../bin
             docker evil; docker --help >/dev/null; test ! -e ran || echo RAN",
        );
        assert!(!output.stdout.contains("RAN") && output.stderr.contains("evil"), "{output}");
        ok("docker rmi -f $(docker images -q)");
    }
}
