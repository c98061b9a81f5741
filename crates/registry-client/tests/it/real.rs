//! The client against Debian's `docker-registry` (distribution 2.8).

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use registry_client::{Error, Mounted};

use crate::push::push;
use crate::{client, descriptor, fetch, image, login, reference};

struct Server {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> PathBuf {
    let candidates = [
        std::env::var_os("DOCKER_REGISTRY").map(PathBuf::from),
        Some("/usr/bin/docker-registry".into()),
        Some("/var/tmp/peers/registry/usr/bin/docker-registry".into()),
    ];
    candidates.into_iter().flatten().find(|p| Path::new(p).exists()).expect("docker-registry is on this machine")
}

/// `htpasswd`: a line of name and bcrypt hash, or nobody has to log in.
fn start(htpasswd: Option<&str>) -> Server {
    let dir = tempfile::tempdir().expect("dir");
    let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("port").to_string();
    let auth = htpasswd.map_or(String::new(), |line| {
        let path = dir.path().join("htpasswd");
        std::fs::write(&path, format!("{line}\n")).expect("htpasswd");
        format!("auth: {{htpasswd: {{realm: r, path: {}}}}}\n", path.display())
    });
    let config = dir.path().join("config.yml");
    let data = dir.path().join("data");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: \"{address}\"}}\n{auth}",
        data.display()
    );
    std::fs::write(&config, text).expect("config");
    let mut command = Command::new(binary());
    let child = command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let server = Server { child, address, _dir: dir };
    for _ in 0..200 {
        if std::net::TcpStream::connect(&server.address).is_ok() {
            return server;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("docker-registry does not listen");
}

#[tokio::test]
async fn everything() {
    let server = start(None);
    let image = image();
    let r = client().repository(&reference(&format!("{}/team/app:v1", server.address)), None);
    assert!(matches!(r.resolve().await, Err(Error::NotFound { .. })));
    push(&r, &image, "v1").await.expect("push");
    let resolved = r.resolve().await.expect("resolve");
    assert_eq!(resolved.descriptor, descriptor(&image.manifest));
    assert_eq!(r.manifest(&resolved.descriptor).await.expect("manifest"), image.manifest.bytes);
    let layer = &image.layers[0].blob;
    assert_eq!(fetch(&r, layer, 0).await.expect("layer"), layer.bytes);
    assert_eq!(fetch(&r, layer, 777_777).await.expect("layer"), layer.bytes[777_777..]);
    push(&r, &image, "v2").await.expect("push");
    assert_eq!(r.tags().await.expect("tags"), ["v1", "v2"]);
    assert_eq!(r.referrers(&image.digest().parse().expect("digest"), None).await.expect("none").len(), 0);
    let other = client().repository(&reference(&format!("{}/team/other", server.address)), None);
    let digest = layer.digest.parse().expect("digest");
    assert_eq!(other.ensure_blob(&digest, Some("team/app")).await.expect("mount"), Mounted::FromOther);
}

#[tokio::test]
async fn with_a_password() {
    // "u" with "p", bcrypt of cost 5.
    let server = start(Some("u:$2b$05$TlMmWCb39Xxs08RBu6tn/./kFpHim7.gqLnBlsW/n07NY79Rl/P/K"));
    let name = reference(&format!("{}/a:1", server.address));
    assert!(matches!(client().repository(&name, None).resolve().await, Err(Error::NoBasicAuth { .. })));
    let r = client().repository(&name, login("u", "p"));
    push(&r, &image(), "1").await.expect("push");
    r.resolve().await.expect("resolve");
    let e = client().repository(&name, login("u", "wrong")).resolve().await.expect_err("wrong");
    assert!(e.to_string().ends_with("401 Unauthorized"), "{e}");
}
