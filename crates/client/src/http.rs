//! HTTP/1.1 as far as a client needs it.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::stream::Stream;
use crate::{Error, Result};

/// Request methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What a request carries.
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(&'a Value),
    /// Bytes of unknown length (sent chunked), usually a tar stream.
    Stream(&'a mut dyn Read, &'a str),
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Json(value) => f.debug_tuple("Json").field(value).finish(),
            Self::Stream(_, kind) => f.debug_tuple("Stream").field(kind).finish(),
        }
    }
}

/// Header fields of a response; names in lower case.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    fields: Vec<(String, String)>,
}

impl Headers {
    /// The first field of that (lower-case) name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn has_token(&self, name: &str, token: &str) -> bool {
        let all = self.fields.iter().filter(|(n, _)| n == name);
        all.flat_map(|(_, v)| v.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    }
}

/// A connection with what was read ahead.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: Stream,
    pub(crate) buffer: Vec<u8>,
    pub(crate) at: usize,
}

const READ_SIZE: usize = 64 * 1024;
const HEAD_LIMIT: usize = 1024 * 1024;

impl Conn {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, buffer: Vec::new(), at: 0 }
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        }
        let old = self.buffer.len();
        self.buffer.resize(old + READ_SIZE, 0);
        let got = loop {
            match self.stream.read(&mut self.buffer[old..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(old + *got.as_ref().unwrap_or(&0));
        got
    }

    fn read_some(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len() {
            if buf.len() >= READ_SIZE {
                return self.stream.read(buf);
            }
            if self.fill()? == 0 {
                return Ok(0);
            }
        }
        let n = buf.len().min(self.buffer.len() - self.at);
        buf[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }

    fn read_line(&mut self) -> Result<String> {
        let mut searched = 0;
        loop {
            if let Some(i) = self.buffer[self.at + searched..].iter().position(|b| *b == b'\n') {
                let end = self.at + searched + i;
                let line = &self.buffer[self.at..end];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let text = String::from_utf8_lossy(line).into_owned();
                self.at = end + 1;
                return Ok(text);
            }
            searched = self.buffer.len() - self.at;
            if searched > HEAD_LIMIT || self.fill()? == 0 {
                return Err(Error::Eof);
            }
        }
    }

    /// Writes a request head and body.
    pub(crate) fn send(&mut self, head: &str, body: Body<'_>) -> Result<()> {
        match body {
            Body::Empty => self.stream.write_all(head.as_bytes())?,
            Body::Json(value) => {
                let text = value.to_string();
                let mut all = String::with_capacity(head.len() + text.len() + 1);
                all.push_str(head);
                all.push_str(&text);
                self.stream.write_all(all.as_bytes())?;
            }
            Body::Stream(reader, _) => {
                self.stream.write_all(head.as_bytes())?;
                self.send_chunks(reader)?;
            }
        }
        self.stream.flush()?;
        Ok(())
    }

    fn send_chunks(&mut self, reader: &mut dyn Read) -> Result<()> {
        let mut buffer = vec![0; READ_SIZE];
        loop {
            let got = reader.read(&mut buffer)?;
            if got == 0 {
                self.stream.write_all(b"0\r\n\r\n")?;
                return Ok(());
            }
            self.stream.write_all(format!("{got:x}\r\n").as_bytes())?;
            self.stream.write_all(&buffer[..got])?;
            self.stream.write_all(b"\r\n")?;
        }
    }

    /// Reads a status line and header fields, past any 1xx but 101.
    pub(crate) fn receive_head(&mut self) -> Result<(u16, String, Headers)> {
        loop {
            let line = self.read_line()?;
            let (status, reason) = parse_status(&line).ok_or(Error::Malformed { line })?;
            let mut headers = Headers::default();
            loop {
                let line = self.read_line()?;
                if line.is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(':') {
                    headers.fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                }
            }
            if !(100..200).contains(&status) || status == 101 {
                return Ok((status, reason, headers));
            }
        }
    }
}

fn parse_status(line: &str) -> Option<(u16, String)> {
    let rest = line.strip_prefix("HTTP/1.")?.get(2..)?;
    let status = rest.get(..3)?.parse().ok()?;
    Some((status, rest.to_owned()))
}

/// Where a finished connection waits for the next request.
pub(crate) type Pool = Arc<Mutex<Option<Conn>>>;

#[derive(Debug)]
enum Framing {
    Length(u64),
    Chunked { left: u64, first: bool },
    UntilClose,
    Done,
}

/// A response's body.
#[derive(Debug)]
pub struct BodyReader {
    conn: Option<Conn>,
    framing: Framing,
    pool: Option<Pool>,
}

impl BodyReader {
    pub(crate) fn new(conn: Conn, method: Method, status: u16, headers: &Headers, pool: Pool) -> Self {
        let keep = !headers.has_token("connection", "close");
        let framing = if method == Method::Head || status == 204 || status == 304 {
            Framing::Done
        } else if headers.has_token("transfer-encoding", "chunked") {
            Framing::Chunked { left: 0, first: true }
        } else if let Some(length) = headers.get("content-length").and_then(|v| v.parse().ok()) {
            if length == 0 { Framing::Done } else { Framing::Length(length) }
        } else {
            Framing::UntilClose
        };
        let mut reader = Self { conn: Some(conn), framing, pool: keep.then_some(pool) };
        if matches!(reader.framing, Framing::Done) {
            reader.finish();
        }
        reader
    }

    fn finish(&mut self) {
        self.framing = Framing::Done;
        if let (Some(conn), Some(pool)) = (self.conn.take(), self.pool.take()) {
            *pool.lock().unwrap_or_else(PoisonError::into_inner) = Some(conn);
        }
    }

    /// A handle that ends a read going on in another thread.
    pub fn interrupter(&self) -> Option<std::os::fd::OwnedFd> {
        use std::os::fd::AsFd as _;
        self.conn.as_ref()?.stream.as_fd().try_clone_to_owned().ok()
    }

    fn next_chunk(conn: &mut Conn, first: bool) -> io::Result<u64> {
        let mut line = || conn.read_line().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof));
        if !first {
            line()?;
        }
        let size = line()?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| io::Error::other("invalid chunk length"))?;
        if size == 0 {
            while !line()?.is_empty() {}
        }
        Ok(size)
    }
}

impl Read for BodyReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(conn) = &mut self.conn else { return Ok(0) };
        if buf.is_empty() {
            return Ok(0);
        }
        if let Framing::Chunked { left: 0, first } = self.framing {
            let left = Self::next_chunk(conn, first)?;
            if left == 0 {
                self.finish();
                return Ok(0);
            }
            self.framing = Framing::Chunked { left, first: false };
        }
        let limit = match self.framing {
            Framing::Length(left) | Framing::Chunked { left, .. } => left,
            Framing::UntilClose => u64::MAX,
            Framing::Done => return Ok(0),
        };
        let want = buf.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let got = conn.read_some(&mut buf[..want])?;
        let taken = got as u64;
        match &mut self.framing {
            Framing::Length(_) | Framing::Chunked { .. } if got == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Framing::Length(left) => {
                *left -= taken;
                if *left == 0 {
                    self.finish();
                }
            }
            Framing::Chunked { left, .. } => *left -= taken,
            Framing::UntilClose if got == 0 => {
                self.pool = None;
                self.finish();
            }
            Framing::UntilClose | Framing::Done => {}
        }
        Ok(got)
    }
}

/// A response whose status was good.
#[derive(Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: Headers,
    /// The body, to be read as it comes.
    pub body: BodyReader,
}

impl Response {
    /// Reads the whole body as bytes.
    ///
    /// # Errors
    /// The connection broke.
    pub fn bytes(mut self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        self.body.read_to_end(&mut all)?;
        Ok(all)
    }

    /// Reads the whole body as JSON.
    ///
    /// # Errors
    /// The connection broke, or it is no JSON.
    pub fn json(self) -> Result<Value> {
        serde_json::from_slice(&self.bytes()?).map_err(|source| Error::Json { source })
    }
}
