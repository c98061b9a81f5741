//! A registry in a thread, with what is needed to be pulled from, and with faults.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::sha;

#[derive(Default)]
struct State {
    manifests: HashMap<String, (String, Vec<u8>)>,
    blobs: HashMap<String, Vec<u8>>,
    log: Vec<String>,
    sent: u64,
    /// Pause after each 16 KiB of a blob.
    pause: Duration,
}

#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let this = Self { addr: listener.local_addr().expect("address"), state: Arc::default() };
        let server = this.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.serve(stream));
            }
        });
        this
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().expect("lock"))
    }

    /// Adds a blob; gives its descriptor.
    pub(crate) fn blob(&self, kind: &str, bytes: &[u8]) -> String {
        self.with(|s| s.blobs.insert(sha(bytes), bytes.to_vec()));
        descriptor(kind, bytes)
    }

    /// Serves other bytes under a digest.
    pub(crate) fn corrupt(&self, digest: &str, bytes: Vec<u8>) {
        self.with(|s| s.blobs.insert(digest.to_owned(), bytes));
    }

    /// Adds a manifest or index under its digest and, if given, a tag; gives its descriptor.
    pub(crate) fn manifest(&self, tag: Option<&str>, kind: &str, body: &str) -> String {
        self.with(|s| {
            for name in tag.into_iter().chain([sha(body.as_bytes()).as_str()]) {
                s.manifests.insert(name.to_owned(), (kind.to_owned(), body.as_bytes().to_vec()));
            }
        });
        descriptor(kind, body.as_bytes())
    }

    pub(crate) fn set_pause(&self, pause: Duration) {
        self.with(|s| s.pause = pause);
    }

    /// Requests so far that have this in them.
    pub(crate) fn requests(&self, part: &str) -> usize {
        self.with(|s| s.log.iter().filter(|l| l.contains(part)).count())
    }

    /// Bytes of blobs sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.with(|s| s.sent)
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("clones"));
        let mut stream = stream;
        loop {
            let (mut line, mut range, mut length) = (String::new(), None, 0);
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) == 0 || header == "\r\n" {
                    break;
                }
                let header = header.to_ascii_lowercase();
                if let Some(n) = header.strip_prefix("content-length: ") {
                    length = n.trim().parse().expect("length");
                }
                if let Some(r) = header.strip_prefix("range: bytes=") {
                    range = r.trim().trim_end_matches('-').split('-').next().and_then(|n| n.parse::<usize>().ok());
                }
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let mut words = line.split_whitespace();
            let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            self.with(|s| s.log.push(format!("{method} {path} {}", range.map_or(String::new(), |r| r.to_string()))));
            let taken = match method {
                "POST" | "PUT" => self.take(&mut stream, path, body),
                _ => self.answer(&mut stream, method == "HEAD", path, range),
            };
            if taken.is_err() {
                return;
            }
        }
    }

    /// Uploads: a blob in one request, a manifest by tag or digest.
    fn take(&self, out: &mut TcpStream, path: &str, body: Vec<u8>) -> std::io::Result<()> {
        if let Some((_, name)) = path.split_once("/manifests/") {
            let kind = "application/vnd.oci.image.manifest.v1+json".to_owned();
            self.with(|s| {
                s.manifests.insert(sha(&body), (kind.clone(), body.clone()));
                s.manifests.insert(name.to_owned(), (kind, body));
            });
            return send(out, "201 Created", "", b"", false);
        }
        match path.split_once("digest=").or_else(|| path.split_once("mount=")) {
            None => send(out, "202 Accepted", &format!("Location: {path}one\r\n"), b"", false),
            Some((_, digest)) => {
                let digest = digest.split('&').next().unwrap_or("").replace("%3A", ":");
                if path.contains("mount=") && !self.with(|s| s.blobs.contains_key(&digest)) {
                    return send(out, "202 Accepted", "Location: /v2/x/blobs/uploads/one\r\n", b"", false);
                }
                if !path.contains("mount=") {
                    assert_eq!(sha(&body), digest);
                    self.with(|s| s.blobs.insert(digest, body));
                }
                send(out, "201 Created", "", b"", false)
            }
        }
    }

    fn answer(&self, out: &mut TcpStream, head: bool, path: &str, range: Option<usize>) -> std::io::Result<()> {
        let name = path.rsplit('/').next().unwrap_or("");
        if path.contains("/manifests/") {
            return match self.with(|s| s.manifests.get(name).cloned()) {
                Some((kind, body)) => {
                    let extra = format!("Content-Type: {kind}\r\nDocker-Content-Digest: {}\r\n", sha(&body));
                    send(out, "200 OK", &extra, &body, head)
                }
                None => send(
                    out,
                    "404 Not Found",
                    "Content-Type: application/json\r\n",
                    b"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}",
                    head,
                ),
            };
        }
        if path.contains("/blobs/") {
            let (body, pause) = self.with(|s| (s.blobs.get(name).cloned(), s.pause));
            let Some(body) = body else { return send(out, "404 Not Found", "", b"", head) };
            let from = range.unwrap_or(0).min(body.len());
            let (status, extra) = match range {
                Some(_) => (
                    "206 Partial Content",
                    format!("Content-Range: bytes {from}-{}/{}\r\n", body.len().max(1) - 1, body.len()),
                ),
                None => ("200 OK", String::new()),
            };
            write!(out, "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\n\r\n", body.len() - from)?;
            for piece in body[from..].chunks(16 << 10) {
                out.write_all(piece)?;
                self.with(|s| s.sent += piece.len() as u64);
                std::thread::sleep(pause);
            }
            return Ok(());
        }
        send(out, if path == "/v2/" { "200 OK" } else { "404 Not Found" }, "", b"", head)
    }
}

fn send(out: &mut TcpStream, status: &str, extra: &str, body: &[u8], head: bool) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\n\r\n", body.len())?;
    if head { Ok(()) } else { out.write_all(body) }
}

fn descriptor(kind: &str, bytes: &[u8]) -> String {
    format!("{{\"mediaType\":\"{kind}\",\"digest\":\"{}\",\"size\":{}}}", sha(bytes), bytes.len())
}
