use std::io::{Read, Write};
use std::net::TcpListener;

use registry_client::{Client, Config, Proxies};
use testkit::registry::{Fault, Options, Registry, When};

use crate::{client, config, fetch, image, reference};

#[tokio::test]
async fn loopback_needs_no_certificate_and_others_do() {
    let registry = Registry::with(Options { tls: true, ..Options::default() });
    let image = image();
    registry.push("a", "1", &image);
    let r = client().repository(&reference(&registry.name("a:1")), None);
    r.resolve().await.expect("insecure by its address");
    assert_eq!(fetch(&r, &image.layers[0].blob, 0).await.expect("layer"), image.layers[0].blob.bytes);
}

/// A loopback address under a name that is not loopback: through a proxy that knows it.
fn proxy(to: std::net::SocketAddr) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("address").to_string();
    let thread = std::thread::spawn(move || {
        let mut seen = Vec::new();
        // As many connections as the tests below make.
        for stream in listener.incoming().take(1) {
            let mut stream = stream.expect("connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut b = [0];
                stream.read_exact(&mut b).expect("head");
                head.push(b[0]);
            }
            seen.push(String::from_utf8(head).expect("text"));
            let mut upstream = std::net::TcpStream::connect(to).expect("upstream");
            if seen[0].starts_with("CONNECT") {
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").expect("answer");
            } else {
                upstream.write_all(seen[0].as_bytes()).expect("forward");
            }
            let (mut a, mut b) = (stream.try_clone().expect("clone"), upstream.try_clone().expect("clone"));
            std::thread::spawn(move || std::io::copy(&mut a, &mut b));
            let _ = std::io::copy(&mut upstream, &mut stream);
        }
        seen
    });
    (address, thread)
}

async fn through_proxy(registry: &Registry, trust_ca: bool, insecure: bool) -> (Result<(), String>, String) {
    let (address, thread) = proxy(registry.address());
    let certs = tempfile::tempdir().expect("dir");
    if trust_ca {
        let dir = certs.path().join("reg.example:5000");
        std::fs::create_dir_all(&dir).expect("dir");
        std::fs::write(dir.join("ca.crt"), registry.ca_pem().expect("ca")).expect("ca");
    }
    let config = Config {
        certs_dir: certs.path().to_owned(),
        insecure: if insecure { vec!["reg.example:5000".into()] } else { Vec::new() },
        proxies: Proxies { https: Some(format!("http://me:secret@{address}")), ..Proxies::default() },
        ..config()
    };
    let r = Client::new(config).expect("client").repository(&reference("reg.example:5000/a:1"), None);
    let result = r.resolve().await.map(drop).map_err(|e| e.to_string());
    drop(r);
    (result, thread.join().expect("proxy").concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_and_certificates() {
    let options = Options { tls: true, tls_name: Some("reg.example".into()), ..Options::default() };
    let registry = Registry::with(options);
    registry.push("a", "1", &image());
    let (result, head) = through_proxy(&registry, true, false).await;
    result.expect("known authority");
    assert!(head.starts_with("CONNECT reg.example:5000 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{head}");
    let (result, _) = through_proxy(&registry, false, false).await;
    let prefix = "failed to resolve reference \"reg.example:5000/a:1\": failed to do request: Head \"https://reg.example:5000/v2/a/manifests/1\": ";
    assert_eq!(
        result.expect_err("unknown authority"),
        format!("{prefix}tls: failed to verify certificate: x509: certificate signed by unknown authority")
    );
    let (result, _) = through_proxy(&registry, false, true).await;
    result.expect("insecure by configuration");

    let elsewhere = Registry::with(Options { tls: true, ..Options::default() });
    let (result, _) = through_proxy(&elsewhere, true, false).await;
    let e = result.expect_err("another name");
    assert!(e.ends_with("x509: certificate is valid for 127.0.0.1, localhost, not reg.example"), "{e}");

    // Never without TLS, unless the configuration says so.
    let plain = Registry::start();
    plain.push("a", "1", &image());
    let (result, _) = through_proxy(&plain, false, false).await;
    assert_eq!(result.expect_err("plain"), format!("{prefix}http: server gave HTTP response to HTTPS client"));
}

#[test]
fn settings_are_checked() {
    for mirror in ["ftp://x", "not a url", "https://u:p@x/", "x"] {
        let e = Client::new(Config { mirrors: vec![mirror.into()], ..config() }).expect_err(mirror);
        assert!(e.to_string().starts_with("invalid mirror"), "{e}");
    }
}

/// A client whose `certs.d` has this `hosts.toml` for `reg.example:5000`.
fn with_hosts(text: &str) -> (Client, tempfile::TempDir) {
    let certs = tempfile::tempdir().expect("dir");
    let dir = certs.path().join("reg.example:5000");
    std::fs::create_dir_all(&dir).expect("dir");
    std::fs::write(dir.join("hosts.toml"), text).expect("file");
    let config = Config { certs_dir: certs.path().to_owned(), ..config() };
    (Client::new(config).expect("a client"), certs)
}

#[tokio::test]
async fn hosts_files_say_who_is_asked_for_what() {
    let (mirror, origin) = (Registry::start(), Registry::start());
    let image = image();
    let layer = &image.layers[0].blob;
    for registry in [&mirror, &origin] {
        registry.push("a", "1", &image);
    }
    origin.push("b", "1", &image);
    let text = |capabilities: &str| {
        format!(
            "server = \"{}\"\n[host.\"{}/v2\"]\n capabilities = [{capabilities}]\n override_path = true\n\
             [host.\"{}/v2\".header]\n x-marker = \"yes\"\n",
            origin.url(),
            mirror.url(),
            mirror.url()
        )
    };
    let ask = async |capabilities: &str, name: &str| {
        let (client, _certs) = with_hosts(&text(capabilities));
        let r = client.repository(&reference(&format!("reg.example:5000/{name}")), None);
        r.resolve().await.expect("resolves");
        assert_eq!(fetch(&r, layer, 0).await.expect("layer"), layer.bytes);
        (mirror.take_log().len(), origin.take_log().len())
    };
    assert_eq!(ask("\"pull\", \"resolve\"", "a:1").await, (2, 0), "the mirror has it all");
    assert_eq!(ask("\"pull\"", "a:1").await, (1, 1), "it may not say what a tag means");
    let (asked, found) = ask("\"pull\", \"resolve\"", "b:1").await;
    assert!(asked >= 2 && found == 2, "what the mirror has not got comes from the origin: {asked} {found}");
    let (client, _certs) = with_hosts("server = 1");
    let e = client.repository(&reference("reg.example:5000/a:1"), None).resolve().await.expect_err("asks nobody");
    assert!(e.to_string().ends_with("hosts.toml\": server must be a string"), "{e}");
}

#[tokio::test]
async fn hosts_files_name_authorities() {
    let registry = Registry::with(Options { tls: true, ..Options::default() });
    registry.push("a", "1", &image());
    let url = registry.url();
    let ca = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(ca.path(), registry.ca_pem().expect("ca")).expect("file");
    for extra in ["skip_verify = true".to_owned(), format!("ca = \"{}\"", ca.path().display())] {
        let (client, _certs) = with_hosts(&format!("[host.\"{url}\"]\n{extra}\n"));
        client.repository(&reference("reg.example:5000/a:1"), None).resolve().await.expect(&extra);
    }
    let (client, _certs) = with_hosts(&format!("server = \"{url}\"\nca = \"absent.crt\"\n"));
    let e = client.repository(&reference("reg.example:5000/a:1"), None).resolve().await.expect_err("no authority");
    assert!(e.to_string().contains("absent.crt"), "{e}");
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_offered() {
    let registry = Registry::with(Options { tls: true, http2: true, ..Options::default() });
    let image = image();
    registry.push("a", "1", &image);
    let r = client().repository(&reference(&registry.name("a:1")), None);
    r.resolve().await.expect("resolves");
    let layer = &image.layers[0].blob;
    assert_eq!(fetch(&r, layer, 0).await.expect("layer"), layer.bytes);
    assert!(registry.take_log().iter().all(|l| l.http2));
    // A connection that breaks in the middle is taken up again like any other.
    registry.fault(When::get("/blobs/").times(2), Fault::TruncateAfter(500_000));
    assert_eq!(fetch(&r, layer, 0).await.expect("layer"), layer.bytes);
    assert!(
        registry.bytes_sent() <= layer.bytes.len() as u64 * 22 / 10 + 256 * 1024,
        "only what is missing comes again"
    );
}
