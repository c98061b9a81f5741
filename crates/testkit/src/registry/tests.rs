use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::images::Layer;

fn raw(registry: &Registry, request: &str) -> String {
    let mut stream = TcpStream::connect(registry.address()).expect("connect");
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).expect("write");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(registry: &Registry, method: &str, path: &str, extra: &str) -> String {
    raw(registry, &format!("{method} {path} HTTP/1.1\nHost: x\nConnection: close\n{extra}\n"))
}

#[test]
fn images_go_in_and_out() {
    let registry = Registry::start();
    let image = Image::builder().layer(Layer::builder().file("a", b"1").gzip()).build();
    registry.push("a/b", "1", &image);
    let answer = get(&registry, "HEAD", "/v2/a/b/manifests/1", "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains(image.digest()) && answer.contains(&format!("content-length: {}", image.manifest.bytes.len())),
        "{answer}"
    );
    let layer = &image.layers[0].blob;
    let answer = get(&registry, "GET", &format!("/v2/a/b/blobs/{}", layer.digest), "Range: bytes=1-3\n");
    assert!(
        answer.contains("206 Partial") && answer.contains(&format!("content-range: bytes 1-3/{}", layer.bytes.len())),
        "{answer}"
    );
    assert!(get(&registry, "GET", "/v2/a/b/tags/list", "").ends_with(r#"{"name":"a/b","tags":["1"]}"#));
    assert!(get(&registry, "GET", "/v2/x/manifests/1", "").contains("MANIFEST_UNKNOWN"));
    assert_eq!(registry.take_log().len(), 4);
}

#[test]
fn faults_strike_as_ordered() {
    let registry = Registry::start();
    let digest = registry.put_blob("r", vec![b'z'; 100_000]);
    let path = format!("/v2/r/blobs/{digest}");
    registry.fault(When::get("/blobs/").times(1), Fault::TruncateAfter(70_000));
    registry.fault(When::get("/blobs/").after(1).times(1), Fault::Status(503, Some(7), "busy"));
    let body = |answer: &str| answer.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    assert_eq!(body(&get(&registry, "GET", &path, "")), 70_000);
    assert_eq!(body(&get(&registry, "GET", &path, "")), 100_000);
    let busy = get(&registry, "GET", &path, "");
    assert!(busy.contains("503") && busy.contains("retry-after: 7") && busy.ends_with("busy"), "{busy}");
    assert_eq!(body(&get(&registry, "GET", &path, "")), 100_000);
    registry.fault(When::any("/"), Fault::ResetAfter(0));
    assert_eq!(get(&registry, "GET", &path, ""), "");
}

#[test]
fn tokens_are_wanted() {
    let registry = Registry::with(Options { login: Login::token("u", "p"), ..Options::default() });
    let answer = get(&registry, "GET", "/v2/a/tags/list", "");
    assert!(answer.contains("401") && answer.contains("scope=\"repository:a:pull\""), "{answer}");
    let body = "grant_type=password&username=u&password=p&scope=repository%3Aa%3Apull&access_type=offline";
    let answer = raw(
        &registry,
        &format!("POST /token HTTP/1.1\nHost: x\nConnection: close\nContent-Length: {}\n\n{body}", body.len()),
    );
    assert!(answer.contains("refresh-u"), "{answer}");
    let token = answer.split("\"access_token\":\"").nth(1).and_then(|r| r.split('"').next()).expect("token");
    assert!(
        get(&registry, "GET", "/v2/a/tags/list", &format!("Authorization: Bearer {token}\n")).contains("NAME_UNKNOWN")
    );
    assert!(get(&registry, "GET", "/token?scope=x", "Authorization: Basic dTp4\n").contains("401"));
    assert!(get(&registry, "GET", "/token?scope=x", "Authorization: Basic dTpw\n").contains("200"));
}

#[test]
fn busybox_is_had_from_somewhere() {
    let image = Image::busybox().expect("busybox");
    let archive = image.docker_archive(&["bb:1"]);
    let names: Vec<String> = tar::Archive::new(&archive[..])
        .entries()
        .expect("a tar")
        .map(|e| e.expect("an entry").path().expect("a path").display().to_string())
        .collect();
    assert!(names.iter().any(|n| n == "manifest.json") && names.iter().any(|n| n.ends_with("/layer.tar")), "{names:?}");
}
