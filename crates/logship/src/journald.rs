//! The native protocol of systemd's journal: one datagram of fields per message.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use logdriver::{Stream, format_rfc3339_nano};

use crate::ShipError;
use crate::connection::{Connection, Target};
use crate::info::Info;
use crate::message::{Message, random_id};

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// The journal.
#[derive(Debug)]
pub(crate) struct Journald {
    socket: PathBuf,
    fields: BTreeMap<String, String>,
    /// Messages sent by this instance.
    ordinal: u64,
}

impl Journald {
    pub(crate) fn new(info: &Info) -> Result<Self, ShipError> {
        let tag = info.tag()?;
        let mut fields: BTreeMap<String, String> = [
            ("CONTAINER_ID", info.short_id().to_owned()),
            ("CONTAINER_ID_FULL", info.id.clone()),
            ("CONTAINER_NAME", info.name.clone()),
            ("CONTAINER_TAG", tag.clone()),
            ("IMAGE_NAME", info.image_name.clone()),
            ("SYSLOG_IDENTIFIER", tag),
            ("CONTAINER_LOG_EPOCH", random_id()),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
        fields.extend(info.extra(field_name)?.into_iter().filter(|(k, _)| !k.is_empty()));
        Ok(Self { socket: SOCKET.into(), fields, ordinal: 0 })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, ShipError> {
        if !Path::new(&self.socket).exists() {
            return Err(ShipError::NoJournal);
        }
        Target::Unixgram(self.socket.display().to_string()).connect().await.map_err(|_| ShipError::NoJournal)
    }

    pub(crate) fn encode(&mut self, message: &Message) -> Vec<u8> {
        self.ordinal += 1;
        let mut out = Vec::new();
        field(&mut out, "MESSAGE", &message.text);
        field(&mut out, "PRIORITY", if message.stream == Stream::Stderr { b"3" } else { b"6" });
        for (name, value) in &self.fields {
            field(&mut out, name, value.as_bytes());
        }
        field(&mut out, "SYSLOG_TIMESTAMP", format_rfc3339_nano(message.time_ns).as_bytes());
        field(&mut out, "CONTAINER_LOG_ORDINAL", self.ordinal.to_string().as_bytes());
        if let Some(partial) = &message.partial {
            field(&mut out, "CONTAINER_PARTIAL_ID", partial.id.as_bytes());
            field(&mut out, "CONTAINER_PARTIAL_ORDINAL", partial.ordinal.to_string().as_bytes());
            field(&mut out, "CONTAINER_PARTIAL_LAST", partial.last.to_string().as_bytes());
            if !partial.last {
                field(&mut out, "CONTAINER_PARTIAL_MESSAGE", b"true");
            }
        }
        out
    }
}

/// `NAME=value`, or with its length if it has more than one line.
fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// A key as the journal allows it: capitals, digits and underscores, none of them first.
fn field_name(key: &str) -> String {
    let name: String =
        key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    name.trim_start_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let opts = [("labels", "my.label"), ("tag", "a\nb")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let mut journald = Journald::new(&Info { opts, ..crate::info::example() }).expect("journald");
        let message = Message { stream: Stream::Stdout, time_ns: 1, text: b"hi".to_vec(), partial: None };
        let text = String::from_utf8(journald.encode(&message)).expect("text");
        assert!(text.starts_with("MESSAGE=hi\nPRIORITY=6\n"), "{text:?}");
        for part in [
            "\nMY_LABEL=yes\n",
            "\nCONTAINER_TAG\n\u{3}\0\0\0\0\0\0\0a\nb\n",
            "\nCONTAINER_LOG_ORDINAL=1\n",
            "\nCONTAINER_NAME=web\n",
            "\nSYSLOG_TIMESTAMP=1970-01-01T00:00:00.000000001Z\n",
        ] {
            assert!(text.contains(part), "{part:?} in {text:?}");
        }
    }
}
