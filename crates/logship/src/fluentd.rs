//! Fluentd's forward protocol (v1, message mode) over TCP, TLS or a Unix socket.

use std::collections::BTreeMap;

use logdriver::{LogOpts, values};

use crate::ShipError;
use crate::address::Address;
use crate::check::{flag, given, nanos};
use crate::connection::{Connection, Target};
use crate::info::Info;
use crate::message::{Message, random_id};
use crate::tls::TlsSettings;

const HOST: &str = "127.0.0.1";
const PORT: u16 = 24224;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Unix(String),
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16 },
}

/// The options of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    place: Place,
    /// A server that is not there does not hinder the start.
    pub(crate) lazy: bool,
    sub_second: bool,
    pub(crate) ack: bool,
}

impl Settings {
    pub(crate) fn parse(opts: &LogOpts) -> Result<Self, ShipError> {
        let address = opts.get("fluentd-address").map_or("", String::as_str);
        let place = place(address)
            .map_err(|e| ShipError::FluentdAddress { address: address.to_owned(), source: Box::new(e) })?;
        given(opts, "fluentd-buffer-limit").map(|v| values::size(v, values::BINARY)).transpose()?;
        nanos(opts, "fluentd-retry-wait")?;
        if let Some(value) = given(opts, "fluentd-max-retries") {
            let reason =
                if value.bytes().all(|b| b.is_ascii_digit()) { "value out of range" } else { "invalid syntax" };
            let n: u32 = value.parse().map_err(|_| ShipError::Unsigned { value: value.to_owned(), reason })?;
            i32::try_from(n).map_err(|_| ShipError::Retries)?;
        }
        let lazy = flag(opts, "fluentd-async")?;
        let opt = "fluentd-async-reconnect-interval";
        let interval = nanos(opts, opt).map_err(|e| ShipError::Value { opt, reason: e.to_string() })?;
        if let Some(n) = interval.filter(|n| *n != 0 && !(100_000_000..=10_000_000_000).contains(n)) {
            let given = given(opts, opt).unwrap_or_default();
            tracing::debug!("{opt}: {n} ns");
            let reason = format!("value ({given:?}) must be between 100ms and 10s");
            return Err(ShipError::Value { opt, reason });
        }
        let sub_second = flag(opts, "fluentd-sub-second-precision")?;
        let ack = flag(opts, "fluentd-request-ack")?;
        let opt = "fluentd-write-timeout";
        let write_timeout =
            nanos(opts, opt).map_err(|e| ShipError::Value { opt, reason: format!("value must be a duration: {e}") })?;
        if write_timeout.is_some_and(|t| t < 0) {
            return Err(ShipError::Value { opt, reason: "value must be a duration that is non-negative".to_owned() });
        }
        Ok(Self { place, lazy, sub_second, ack })
    }
}

fn place(address: &str) -> Result<Place, ShipError> {
    if address.is_empty() {
        return Ok(Place::Tcp { host: HOST.to_owned(), port: PORT });
    }
    let whole = if address.contains("://") { address.to_owned() } else { format!("tcp://{address}") };
    let parsed = Address::parse(&whole)?;
    match parsed.scheme.as_str() {
        "unix" if parsed.path.trim_start_matches('/').is_empty() => Err(ShipError::EmptyPath),
        "unix" => Ok(Place::Unix(parsed.path)),
        "tcp" | "tls" if !parsed.path.is_empty() => Err(ShipError::PathInAddress),
        "tcp" | "tls" => {
            let port = parsed.port_or(PORT)?;
            let host = if parsed.host.is_empty() { HOST.to_owned() } else { parsed.host };
            Ok(if parsed.scheme == "tls" { Place::Tls { host, port } } else { Place::Tcp { host, port } })
        }
        _ => Err(ShipError::Scheme(parsed.scheme)),
    }
}

/// A fluentd server.
#[derive(Debug)]
pub(crate) struct Fluentd {
    pub(crate) settings: Settings,
    target: Target,
    tag: String,
    /// What every record has.
    fields: BTreeMap<String, String>,
}

impl Fluentd {
    pub(crate) fn new(info: &Info) -> Result<Self, ShipError> {
        let settings = Settings::parse(&info.opts)?;
        let tag = info.tag()?;
        let mut fields: BTreeMap<String, String> =
            [("container_id".to_owned(), info.id.clone()), ("container_name".to_owned(), format!("/{}", info.name))]
                .into();
        fields.extend(info.extra(str::to_owned)?);
        let target = match settings.place.clone() {
            Place::Unix(path) => Target::Unix(path),
            Place::Tcp { host, port } => Target::Tcp { host, port },
            Place::Tls { host, port } => Target::Tls { host, port, config: TlsSettings::default().client()? },
        };
        Ok(Self { settings, target, tag, fields })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, ShipError> {
        self.target.connect().await
    }

    /// The bytes of a message, and the id that the server is to give back, if it shall.
    pub(crate) fn encode(&self, message: &Message) -> (Vec<u8>, Option<String>) {
        let mut record: Vec<(&str, &[u8])> = self.fields.iter().map(|(k, v)| (k.as_str(), v.as_bytes())).collect();
        let mut add = |key: &'static str, value| {
            // What the user chose has the last word.
            if !self.fields.contains_key(key) {
                record.push((key, value));
            }
        };
        add("source", message.stream.name().as_bytes());
        add("log", &message.text);
        let ordinal;
        if let Some(partial) = &message.partial {
            ordinal = partial.ordinal.to_string();
            add("partial_message", b"true");
            add("partial_id", partial.id.as_bytes());
            add("partial_ordinal", ordinal.as_bytes());
            add("partial_last", if partial.last { b"true" } else { b"false" });
        }
        let mut out = vec![0x94];
        string(&mut out, self.tag.as_bytes());
        let seconds = message.time_ns.div_euclid(1_000_000_000);
        if self.settings.sub_second {
            out.extend_from_slice(&[0xd7, 0x00]);
            out.extend_from_slice(&u32::try_from(seconds).unwrap_or(0).to_be_bytes());
            let nanos = message.time_ns.rem_euclid(1_000_000_000);
            out.extend_from_slice(&u32::try_from(nanos).unwrap_or(0).to_be_bytes());
        } else {
            out.push(0xd3);
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        map(&mut out, record.len());
        for (key, value) in record {
            string(&mut out, key.as_bytes());
            string(&mut out, value);
        }
        let chunk = self.settings.ack.then(random_id);
        map(&mut out, usize::from(chunk.is_some()));
        if let Some(chunk) = &chunk {
            string(&mut out, b"chunk");
            string(&mut out, chunk.as_bytes());
        }
        (out, chunk)
    }
}

/// Waits for `{"ack": chunk}`.
pub(crate) async fn acknowledged(connection: &mut Connection, chunk: &str) -> Result<(), ShipError> {
    let mut wanted = Vec::new();
    map(&mut wanted, 1);
    string(&mut wanted, b"ack");
    string(&mut wanted, chunk.as_bytes());
    let mut seen = Vec::new();
    let mut buffer = [0_u8; 512];
    while seen.len() < wanted.len() {
        let n = connection.receive(&mut buffer).await?;
        seen.extend_from_slice(&buffer[..n]);
    }
    if seen == wanted { Ok(()) } else { Err(ShipError::Answer) }
}

/// The head of a MessagePack map.
#[expect(clippy::cast_possible_truncation, reason = "looked at before; labels are far fewer than 2³²")]
fn map(out: &mut Vec<u8>, len: usize) {
    match len {
        0..=15 => out.push(0x80 | len as u8),
        16..=0xffff => {
            out.push(0xde);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(0xdf);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

/// A MessagePack string.
#[expect(clippy::cast_possible_truncation, reason = "looked at before; lines have at most 16 KiB")]
fn string(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        len @ 0..=31 => out.push(0xa0 | len as u8),
        len @ 32..=255 => out.extend_from_slice(&[0xd9, len as u8]),
        len @ 256..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0xdb);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use logdriver::Stream;

    use super::*;
    use crate::message::Partial;

    #[test]
    fn a_message_is_msgpack() {
        let opts = [("fluentd-sub-second-precision", "true"), ("tag", "t"), ("env", "A")];
        let opts = opts.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let fluentd = Fluentd::new(&Info { opts, ..crate::info::example() }).expect("fluentd");
        let partial = Some(Partial { id: "p".to_owned(), ordinal: 1, last: true });
        let message = Message { stream: Stream::Stderr, time_ns: 5_000_000_007, text: b"hi".to_vec(), partial };
        let (bytes, chunk) = fluentd.encode(&message);
        assert_eq!(chunk, None);
        assert!(
            bytes.starts_with(
                b"\x94\xa1t\xd7\x00\x00\x00\x00\x05\x00\x00\x00\x07\x89\xa1A\xa11\xaccontainer_id\xd9\x40"
            )
        );
        assert!(bytes.ends_with(b"\xa6source\xa6stderr\xa3log\xa2hi\xafpartial_message\xa4true\xaapartial_id\xa1p\xafpartial_ordinal\xa11\xacpartial_last\xa4true\x80"));
    }
}
