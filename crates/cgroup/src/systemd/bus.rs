//! One connection: authentication, calls, signals (D-Bus specification, "Message Protocol", "Authentication Protocol").

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::wire::{Reader, Value, Writer};
use crate::{Error, Result};

/// Longest message read (a bus allows 128 MiB; answers of systemd are small).
const LARGEST: usize = 1 << 20;
/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(30);

const CALL: u8 = 1;
const RETURN: u8 = 2;
const FAILURE: u8 = 3;
const SIGNAL: u8 = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    /// Signals that came while an answer was waited for.
    signals: VecDeque<Incoming>,
}

/// A signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Incoming {
    /// Its name.
    pub(super) member: String,
    /// Its arguments.
    pub(super) body: Vec<u8>,
}

/// A message of any kind.
#[derive(Debug, Default)]
struct Message {
    kind: u8,
    reply_to: u32,
    member: String,
    error: String,
    body: Vec<u8>,
}

fn io(operation: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Io { operation, path: path.clone(), errno: Errno::from_io_error(&error).unwrap_or(Errno::IO) }
}

/// An id as who is outside of our user namespace sees it, by the lines `inside outside count` of its map.
fn outside(map: &str, id: u32) -> u32 {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (Some(Ok(first)), Some(Ok(there)), Some(Ok(count))) = (numbers.next(), numbers.next(), numbers.next())
        else {
            return None;
        };
        let offset = id.checked_sub(first).filter(|offset| *offset < count)?;
        there.checked_add(offset)
    };
    map.lines().find_map(line).unwrap_or(id)
}

impl Bus {
    /// Connects, and says who we are.
    pub(super) fn connect(socket: &Path) -> Result<Self> {
        let mut stream = UnixStream::connect(socket).map_err(io("connect", socket))?;
        stream.set_read_timeout(Some(LIMIT)).map_err(io("setsockopt", socket))?;
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let uid = outside(&map, rustix::process::geteuid().as_raw()).to_string();
        let hex: String = uid.bytes().map(|b| format!("{b:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes()).map_err(io("write", socket))?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n") {
            let mut byte = [0];
            let count = stream.read(&mut byte).map_err(io("read", socket))?;
            if count == 0 || answer.len() > 512 {
                return Err(Error::Bus { operation: "AUTH" });
            }
            answer.extend(byte);
        }
        if !answer.starts_with(b"OK ") {
            return Err(Error::Bus { operation: "AUTH" });
        }
        stream.write_all(b"BEGIN\r\n").map_err(io("write", socket))?;
        Ok(Self { stream, serial: 0, signals: VecDeque::new() })
    }

    /// Calls a method of `(destination, object, interface)` and gives the arguments of the answer.
    pub(super) fn call(
        &mut self,
        target: (&str, &str, &str),
        member: &'static str,
        arguments: &[Value],
    ) -> Result<Vec<u8>> {
        self.serial += 1;
        let bytes = encode(self.serial, target, member, arguments);
        self.stream.write_all(&bytes).map_err(|_| Error::Bus { operation: member })?;
        let end = Instant::now() + LIMIT;
        loop {
            let message = self.receive(end).ok_or(Error::Bus { operation: member })?;
            match message.kind {
                RETURN if message.reply_to == self.serial => return Ok(message.body),
                FAILURE if message.reply_to == self.serial => {
                    let text = Reader::new(&message.body).string().unwrap_or_default();
                    return Err(Error::Systemd { name: message.error, message: text });
                }
                SIGNAL => self.signals.push_back(Incoming { member: message.member, body: message.body }),
                _ => {}
            }
        }
    }

    /// The next signal, until a moment.
    pub(super) fn signal(&mut self, end: Instant) -> Result<Incoming> {
        if let Some(signal) = self.signals.pop_front() {
            return Ok(signal);
        }
        loop {
            let message = self.receive(end).ok_or(Error::Bus { operation: "JobRemoved" })?;
            if message.kind == SIGNAL {
                return Ok(Incoming { member: message.member, body: message.body });
            }
        }
    }

    /// One message; `None` when there is none in time, or nonsense.
    fn receive(&mut self, end: Instant) -> Option<Message> {
        let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        self.stream.set_read_timeout(Some(left)).ok()?;
        let mut fixed = [0; 16];
        self.stream.read_exact(&mut fixed).ok()?;
        if fixed.first() != Some(&b'l') {
            return None;
        }
        let mut reader = Reader::new(&fixed);
        reader.u32()?;
        let body = usize::try_from(reader.u32()?).ok()?;
        reader.u32()?;
        let fields = usize::try_from(reader.u32()?).ok()?.next_multiple_of(8);
        if body > LARGEST || fields > LARGEST {
            return None;
        }
        let mut rest = vec![0; fields + body];
        self.stream.read_exact(&mut rest).ok()?;
        let (fields, body) = rest.split_at_checked(fields)?;
        let mut message = Message { kind: *fixed.get(1)?, body: body.to_vec(), ..Message::default() };
        header(fields, &mut message);
        Some(message)
    }
}

/// Reads header fields as far as they are known; their array begins at an offset that is a multiple of 8.
fn header(fields: &[u8], message: &mut Message) -> Option<()> {
    let mut reader = Reader::new(fields);
    while reader.at() < fields.len() {
        reader.align(8);
        let code = reader.u8()?;
        let signature = reader.signature()?;
        match (code, signature.as_str()) {
            (3, "s") => message.member = reader.string()?,
            (4, "s") => message.error = reader.string()?,
            (5, "u") => message.reply_to = reader.u32()?,
            (_, "s" | "o") => drop(reader.string()?),
            (_, "g") => drop(reader.signature()?),
            (_, "u") => drop(reader.u32()?),
            _ => return None,
        }
    }
    Some(())
}

/// A method call.
fn encode(serial: u32, target: (&str, &str, &str), member: &str, arguments: &[Value]) -> Vec<u8> {
    let (destination, object, interface) = target;
    let mut body = Writer::default();
    arguments.iter().for_each(|value| body.value(value));
    let mut out = Writer::default();
    // Byte order, type, flags, version of the protocol.
    out.bytes.extend([b'l', CALL, 0, 1]);
    out.u32(u32::try_from(body.bytes.len()).unwrap_or(u32::MAX));
    out.u32(serial);
    let signature: String = arguments.iter().map(Value::signature).collect();
    out.array(8, |w| {
        for (code, kind, text) in
            [(1, "o", object), (2, "s", interface), (3, "s", member), (6, "s", destination), (8, "g", &signature)]
        {
            if code == 8 && text.is_empty() {
                continue;
            }
            w.align(8);
            w.bytes.push(code);
            w.signature(kind);
            if kind == "g" { w.signature(text) } else { w.string(text) }
        }
    });
    out.align(8);
    out.bytes.extend(body.bytes);
    out.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_as_bytes() {
        let bytes = encode(1, ("d", "/", "i"), "M", &[Value::Str("x".to_owned())]);
        let fields: &[&[u8]] = &[
            b"l\x01\x00\x01",
            // Length of the body, serial, length of the fields.
            &[6, 0, 0, 0, 1, 0, 0, 0, 71, 0, 0, 0],
            b"\x01\x01o\0\x01\0\0\0/\0\0\0\0\0\0\0",
            b"\x02\x01s\0\x01\0\0\0i\0\0\0\0\0\0\0",
            b"\x03\x01s\0\x01\0\0\0M\0\0\0\0\0\0\0",
            b"\x06\x01s\0\x01\0\0\0d\0\0\0\0\0\0\0",
            b"\x08\x01g\0\x01s\0\0",
            b"\x01\0\0\0x\0",
        ];
        assert_eq!(bytes, fields.concat());
    }

    #[test]
    fn ids_outside() {
        assert_eq!(outside("         0          0 4294967295\n", 7), 7);
        assert_eq!(outside("0 1000 1\n1 100000 65536\n", 0), 1000);
        assert_eq!(outside("0 1000 1\n1 100000 65536\n", 3), 100_002);
        assert_eq!((outside("0 1000 1\n", 5), outside("", 5)), (5, 5));
    }
}
