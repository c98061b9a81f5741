//! The client against a small engine made of a listener and canned answers.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of functions the lint knows as such")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use client::{Body, Client, Error, Method, Options, Query};

/// A listener in a directory of its own.
struct Engine {
    dir: PathBuf,
    listener: UnixListener,
}

impl Engine {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("client-wire-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let listener = UnixListener::bind(dir.join("s")).unwrap();
        Self { dir, listener }
    }

    fn client(&self, version: Option<&str>) -> Client {
        let host = format!("unix://{}", self.dir.join("s").display());
        Client::new(Options { host, api_version: version.map(str::to_owned), ..Options::default() }).unwrap()
    }

    /// Serves one connection on a thread: one answer per request. Gives the requests.
    fn serve(&self, answers: Vec<&'static str>) -> thread::JoinHandle<Vec<String>> {
        let listener = self.listener.try_clone().unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            answer(stream, &answers)
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn answer(stream: UnixStream, answers: &[&str]) -> Vec<String> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    let mut seen = Vec::new();
    for answer in answers {
        let mut request = String::new();
        while reader.read_line(&mut request).unwrap() > 0 && !request.ends_with("\r\n\r\n") {}
        let length = request.lines().find_map(|l| l.strip_prefix("Content-Length: ")).and_then(|n| n.parse().ok());
        if request.contains("Transfer-Encoding: chunked") {
            while !request.ends_with("0\r\n\r\n") {
                assert!(reader.read_line(&mut request).unwrap() > 0);
            }
        }
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        request.push_str(&String::from_utf8(body).unwrap());
        seen.push(request);
        writer.write_all(answer.as_bytes()).unwrap();
    }
    seen
}

const PING: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nOstype: linux\r\nContent-Length: 0\r\n\r\n";

#[test]
fn negotiates_and_keeps_the_connection() {
    let engine = Engine::new("keep");
    let served = engine.serve(vec![
        PING,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    ]);
    let client = engine.client(None);
    let query = Query::new().with("filters", "{\"x\":1}");
    assert_eq!(client.get_json("/networks", &query).unwrap()["a"], 1);
    assert_eq!(client.get_json("/containers/json", &Query::new()).unwrap(), serde_json::json!([]));
    let seen = served.join().unwrap();
    assert!(seen[0].starts_with("HEAD /_ping HTTP/1.1\r\n"));
    assert!(seen[1].starts_with("GET /v1.51/networks?filters=%7B%22x%22%3A1%7D HTTP/1.1\r\n"));
    assert!(seen[2].starts_with("GET /v1.51/containers/json HTTP/1.1\r\n"));
}

#[test]
fn tells_errors_as_docker_does() {
    let engine = Engine::new("errors");
    let served = engine.serve(vec![
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{\"message\":\"No such container: foo\"}",
    ]);
    let e = engine.client(Some("1.44")).get_json("/containers/foo/json", &Query::new()).unwrap_err();
    assert_eq!(e.status(), Some(404));
    assert!(matches!(e, Error::Api { status: 404, .. }));
    assert_eq!(e.to_string(), "Error response from daemon: No such container: foo");
    served.join().unwrap();
}

#[test]
fn sends_streams_in_chunks() {
    let engine = Engine::new("chunks");
    let served = engine.serve(vec!["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]);
    let mut data: &[u8] = b"hello";
    let client = engine.client(Some("1.44"));
    let body = Body::Stream(&mut data, "application/x-tar");
    client.request(Method::Post, "/images/load", &Query::new(), &[], body).unwrap();
    let seen = served.join().unwrap();
    assert!(seen[0].ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{}", seen[0]);
}

#[test]
fn hijacks() {
    let engine = Engine::new("hijack");
    let listener = engine.listener.try_clone().unwrap();
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let head = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ";
        let mut writer = stream.try_clone().unwrap();
        answer(stream.try_clone().unwrap(), &[head]);
        writer.write_all(b"late").unwrap();
        let mut rest = String::new();
        // Ends because the client has closed its half.
        BufReader::new(stream).read_to_string(&mut rest).unwrap();
        rest
    });
    let mut hijacked = engine.client(Some("1.44")).hijack("/containers/x/attach", &Query::new(), None).unwrap();
    hijacked.writer.write_all(b"typed").unwrap();
    hijacked.writer.close_write().unwrap();
    let mut got = String::new();
    hijacked.reader.read_to_string(&mut got).unwrap();
    assert_eq!(got, "early late");
    assert_eq!(served.join().unwrap(), "typed");
}

#[test]
fn says_when_nobody_is_there() {
    let missing = Client::new(Options { host: "unix:///nonexistent/s".to_owned(), ..Options::default() }).unwrap();
    assert_eq!(
        missing.ping().unwrap_err().to_string(),
        "failed to connect to the docker API at unix:///nonexistent/s; check if the path is correct and if the daemon is running: dial unix /nonexistent/s: connect: no such file or directory"
    );
    let engine = Engine::new("refused");
    let path = engine.dir.join("gone");
    drop(UnixListener::bind(&path).unwrap());
    let host = format!("unix://{}", path.display());
    let refused = Client::new(Options { host: host.clone(), ..Options::default() }).unwrap();
    assert_eq!(
        refused.ping().unwrap_err().to_string(),
        format!("Cannot connect to the Docker daemon at {host}. Is the docker daemon running?")
    );
}

#[test]
fn refuses_empty_names() {
    let client = Client::new(Options::default()).unwrap();
    let e = client::container::inspect(&client, "", false).unwrap_err();
    assert_eq!(e.to_string(), "invalid container name or ID: value is empty");
}
