//! GELF 1.1: compressed, chunked datagrams over UDP, or JSON that ends with NUL over TCP.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use logdriver::{LogOpts, Stream, is_common_opt};
use serde_json::{Map, Value, json};

use crate::ShipError;
use crate::address::Address;
use crate::connection::{Connection, Target, joined};
use crate::info::Info;
use crate::message::Message;

/// Bytes of a datagram, its head included.
const CHUNK: usize = 1420;
const CHUNK_HEAD: usize = 12;
const CHUNKS_MAX: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zlib,
    None,
}

/// The options of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    udp: bool,
    host: String,
    port: u16,
    packing: Packing,
    level: u32,
}

impl Settings {
    pub(crate) fn parse(opts: &LogOpts) -> Result<Self, ShipError> {
        let address = opts.get("gelf-address").filter(|a| !a.is_empty()).ok_or(ShipError::GelfAddressMissing)?;
        let address = Address::parse(address)?;
        if !matches!(address.scheme.as_str(), "udp" | "tcp") {
            return Err(ShipError::GelfScheme);
        }
        if address.port.is_none() {
            return Err(ShipError::GelfPort);
        }
        let udp = address.scheme == "udp";
        let port = address.port_or(0)?;
        let mut settings = Self { udp, host: address.host, port, packing: Packing::Gzip, level: 1 };
        for (key, value) in opts {
            let wrong = || ShipError::GelfValue { opt: key.clone(), value: value.clone() };
            match key.as_str() {
                "gelf-address" | "tag" | "labels" | "labels-regex" | "env" | "env-regex" => {}
                "gelf-compression-level" | "gelf-compression-type" if !udp => return Err(ShipError::GelfCompression),
                "gelf-compression-level" => match value.parse::<i32>() {
                    // -1 is what zlib takes for the best in general.
                    Ok(-1) => settings.level = 6,
                    Ok(n @ 0..=9) => settings.level = n.unsigned_abs(),
                    _ => return Err(wrong()),
                },
                "gelf-compression-type" => {
                    settings.packing = match value.as_str() {
                        "gzip" => Packing::Gzip,
                        "zlib" => Packing::Zlib,
                        "none" => Packing::None,
                        _ => return Err(wrong()),
                    }
                }
                "gelf-tcp-max-reconnect" | "gelf-tcp-reconnect-delay" if udp => {
                    return Err(ShipError::GelfNotTcp(key.clone()));
                }
                "gelf-tcp-max-reconnect" | "gelf-tcp-reconnect-delay" => {
                    value.parse::<u32>().map_err(|_| ShipError::GelfCount(key.clone()))?;
                }
                _ if is_common_opt(key) => {}
                _ => return Err(ShipError::UnknownGelfOpt(key.clone())),
            }
        }
        Ok(settings)
    }
}

/// A GELF endpoint.
#[derive(Debug)]
pub(crate) struct Gelf {
    settings: Settings,
    hostname: String,
    extra: Map<String, Value>,
}

impl Gelf {
    pub(crate) fn new(info: &Info) -> Result<Self, ShipError> {
        let settings = Settings::parse(&info.opts)?;
        let tag = info.tag()?;
        let mut extra = Map::new();
        for (key, value) in [
            ("_container_id", info.id.clone()),
            ("_container_name", info.name.clone()),
            ("_image_id", info.image_id.clone()),
            ("_image_name", info.image_name.clone()),
            ("_command", info.command()),
            ("_tag", tag),
            ("_created", info.created()),
        ] {
            extra.insert(key.to_owned(), value.into());
        }
        let key = |k: &str| if k.starts_with('_') { k.to_owned() } else { format!("_{k}") };
        extra.extend(info.extra(key)?.into_iter().map(|(k, v)| (k, v.into())));
        Ok(Self { settings, hostname: info.hostname.clone(), extra })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, ShipError> {
        let (host, port) = (self.settings.host.clone(), self.settings.port);
        let address = joined(&host, port);
        let target = if self.settings.udp { Target::Udp { host, port } } else { Target::Tcp { host, port } };
        target.connect().await.map_err(|e| ShipError::GelfConnect { address, source: Box::new(e) })
    }

    /// The datagrams, or the bytes, of a message; nothing for an empty line.
    pub(crate) fn encode(&self, message: &Message) -> Vec<Vec<u8>> {
        if message.text.is_empty() {
            return Vec::new();
        }
        let millis = message.time_ns / 1_000_000;
        let mut object = json!({
            "version": "1.1",
            "host": self.hostname,
            "short_message": String::from_utf8_lossy(&message.text),
            "level": if message.stream == Stream::Stderr { 3 } else { 6 },
        });
        if let Value::Object(map) = &mut object {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds fit 53 bits for 285,000 years")]
            map.insert("timestamp".to_owned(), (millis as f64 / 1000.0).into());
            map.extend(self.extra.clone());
        }
        let mut json = object.to_string().into_bytes();
        if !self.settings.udp {
            json.push(0);
            return vec![json];
        }
        chunks(&self.pack(json))
    }

    fn pack(&self, json: Vec<u8>) -> Vec<u8> {
        let level = Compression::new(self.settings.level);
        let packed = match self.settings.packing {
            Packing::None => return json,
            Packing::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(&json).and_then(|()| encoder.finish())
            }
            Packing::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(&json).and_then(|()| encoder.finish())
            }
        };
        // Into memory it cannot fail; receivers know plain text too.
        packed.unwrap_or(json)
    }
}

fn chunks(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.len() <= CHUNK {
        return vec![bytes.to_vec()];
    }
    let parts: Vec<&[u8]> = bytes.chunks(CHUNK - CHUNK_HEAD).collect();
    if parts.len() > CHUNKS_MAX {
        tracing::warn!("gelf: a message of {} bytes is too long for UDP and is left out", bytes.len());
        return Vec::new();
    }
    let mut id = [0_u8; 8];
    let _ = rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty());
    let count = u8::try_from(parts.len()).unwrap_or(u8::MAX);
    (0..count).zip(parts).map(|(n, part)| [&[0x1e, 0x0f][..], &id, &[n, count], part].concat()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn gelf(pairs: &[(&str, &str)]) -> Gelf {
        let opts = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Gelf::new(&Info { opts, ..crate::info::example() }).expect("gelf")
    }

    #[test]
    fn a_long_message_comes_in_chunks() {
        let gelf = gelf(&[("gelf-address", "udp://h:1"), ("gelf-compression-type", "none"), ("env", "A")]);
        let text = "x".repeat(5000);
        let message = Message {
            stream: Stream::Stderr,
            time_ns: 1_700_000_000_123_000_000,
            text: text.clone().into(),
            partial: None,
        };
        let datagrams = gelf.encode(&message);
        assert!(datagrams.len() > 3 && datagrams.iter().all(|d| d.len() <= CHUNK && d.starts_with(&[0x1e, 0x0f])));
        let whole: Vec<u8> = datagrams.iter().flat_map(|d| d[CHUNK_HEAD..].to_vec()).collect();
        let value: Value = serde_json::from_slice(&whole).expect("json");
        assert_eq!(value["short_message"], text);
        assert_eq!(
            (&value["level"], &value["timestamp"], &value["_A"]),
            (&json!(3), &json!(1_700_000_000.123), &json!("1"))
        );
        assert_eq!(value["_created"], "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn packing_and_tcp() {
        let message = Message { stream: Stream::Stdout, time_ns: 0, text: b"hi".to_vec(), partial: None };
        let sent = gelf(&[("gelf-address", "udp://h:1")]).encode(&message);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&sent[0][..]).read_to_string(&mut text).expect("gzip");
        assert!(text.contains("\"short_message\":\"hi\""));
        let sent = gelf(&[("gelf-address", "tcp://h:1")]).encode(&message);
        assert_eq!(sent[0].last(), Some(&0));
    }
}
