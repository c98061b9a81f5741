//! A minimal HTTP/1.1 client over a Unix socket: what the tests need below any client library.
//!
//! One connection per request. [`Client::raw`] sends bytes as they are and returns what came back.

use anyhow::{Context as _, bail};
use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Speaks to one socket.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    /// No call may take longer (I8).
    pub limit: Duration,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields in the order sent, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// A header field by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl Client {
    /// A client of the socket at this path of the host.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, limit: Duration::from_secs(30) }
    }

    /// A fresh connection.
    pub fn connect(&self) -> anyhow::Result<UnixStream> {
        let stream = UnixStream::connect(&self.socket).with_context(|| self.socket.display().to_string())?;
        stream.set_read_timeout(Some(self.limit))?;
        stream.set_write_timeout(Some(self.limit))?;
        Ok(stream)
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.send("GET", path, &[], b"")
    }

    /// `GET path`, which must answer 200 and JSON.
    pub fn get_json(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let reply = self.get(path)?;
        if reply.status != 200 {
            bail!("GET {path}: {} {}", reply.status, reply.text());
        }
        reply.json()
    }

    /// `POST path` with a JSON body.
    pub fn post(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<Response> {
        self.send("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// Any request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Response> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" || method == "PUT" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut stream = self.connect()?;
        stream.write_all(head.as_bytes())?;
        // A server that refuses early closes before it has read the body: its answer counts, not our EPIPE.
        let sent = stream.write_all(body);
        read_response(&mut BufReader::new(stream), method == "HEAD")
            .with_context(|| format!("{method} {path} (sent: {sent:?})"))
    }

    /// Sends bytes as they are, closes the sending side, and returns all that came back.
    pub fn raw(&self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut stream = self.connect()?;
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut back = Vec::new();
        stream.read_to_end(&mut back)?;
        Ok(back)
    }
}

/// Reads one answer.
pub fn read_response(from: &mut impl std::io::BufRead, head_only: bool) -> anyhow::Result<Response> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let status =
        line.split(' ').nth(1).and_then(|s| s.parse().ok()).with_context(|| format!("no status line: {line:?}"))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response { status, headers, body: Vec::new() };
    if head_only || matches!(status, 204 | 304) {
        return Ok(response);
    }
    if response.header("transfer-encoding") == Some("chunked") {
        loop {
            line.clear();
            from.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim().split(';').next().unwrap_or(""), 16)
                .with_context(|| format!("chunk size {line:?}"))?;
            from.take(size).read_to_end(&mut response.body)?;
            line.clear();
            from.read_line(&mut line)?;
            if size == 0 {
                return Ok(response);
            }
        }
    }
    if let Some(length) = response.header("content-length").and_then(|v| v.parse::<u64>().ok()) {
        from.take(length).read_to_end(&mut response.body)?;
        if response.body.len() as u64 != length {
            bail!("body of {} bytes instead of {length}", response.body.len());
        }
    } else {
        from.read_to_end(&mut response.body)?;
    }
    Ok(response)
}
