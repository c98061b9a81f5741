//! Syslog: RFC 3164 and 5424 over UDP, TCP, TLS (RFC 5425) and the local sockets.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use logdriver::{LogOpts, Stream};

use crate::ShipError;
use crate::address::Address;
use crate::check::{given, socket};
use crate::connection::{Connection, Target};
use crate::info::Info;
use crate::message::Message;
use crate::tls::TlsSettings;

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "",
    "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
/// Where the local syslog daemon may listen.
const LOCAL: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];
const PORT: u16 = 514;

/// How a message is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// As RFC 3164, without the host's name.
    Unix,
    Rfc3164,
    Rfc5424,
    /// With microseconds.
    Rfc5424Micro,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Local,
    Socket { path: String, datagram: bool },
    Host { scheme: String, host: String, port: u16 },
}

/// The options of the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    place: Place,
    /// In the upper bits of a priority.
    facility: u8,
    format: Format,
    tls: TlsSettings,
}

impl Settings {
    pub(crate) fn parse(opts: &LogOpts) -> Result<Self, ShipError> {
        let place = given(opts, "syslog-address").map_or(Ok(Place::Local), place)?;
        let facility = given(opts, "syslog-facility").map_or(Ok(3), facility)?;
        let format = match given(opts, "syslog-format").unwrap_or_default() {
            "" => Format::Unix,
            "rfc3164" => Format::Rfc3164,
            "rfc5424" => Format::Rfc5424,
            "rfc5424micro" => Format::Rfc5424Micro,
            _ => return Err(ShipError::Format),
        };
        let text = |name: &str| given(opts, name).map(str::to_owned);
        let tls = TlsSettings {
            ca: text("syslog-tls-ca-cert"),
            cert: text("syslog-tls-cert"),
            key: text("syslog-tls-key"),
            // Its presence counts, as in Docker.
            skip_verify: opts.contains_key("syslog-tls-skip-verify"),
        };
        Ok(Self { place, facility, format, tls })
    }
}

fn place(address: &str) -> Result<Place, ShipError> {
    let address = Address::parse(address)?;
    match address.scheme.as_str() {
        "unix" | "unixgram" => Ok(Place::Socket { path: socket(&address)?, datagram: address.scheme == "unixgram" }),
        "udp" | "tcp" | "tcp+tls" => {
            let port = address.port_or(PORT)?;
            Ok(Place::Host { scheme: address.scheme, host: address.host, port })
        }
        _ => Err(ShipError::Scheme(address.scheme)),
    }
}

fn facility(name: &str) -> Result<u8, ShipError> {
    if let Some(number) = FACILITIES.iter().position(|known| *known == name) {
        return Ok(u8::try_from(number).unwrap_or(3));
    }
    name.parse().ok().filter(|n| *n <= 23).ok_or(ShipError::Facility)
}

/// A syslog server.
#[derive(Debug)]
pub(crate) struct Syslog {
    targets: Vec<Target>,
    settings: Settings,
    tag: String,
    hostname: String,
    zone: TimeZone,
}

impl Syslog {
    pub(crate) fn new(info: &Info) -> Result<Self, ShipError> {
        let tag = info.tag()?;
        let settings = Settings::parse(&info.opts)?;
        let targets = match &settings.place {
            Place::Local => {
                let both = |make: fn(String) -> Target| LOCAL.map(|path| make(path.to_owned()));
                [both(Target::Unixgram), both(Target::Unix)].concat()
            }
            Place::Socket { path, datagram: true } => vec![Target::Unixgram(path.clone())],
            Place::Socket { path, datagram: false } => vec![Target::Unix(path.clone())],
            Place::Host { scheme, host, port } => {
                let (host, port) = (host.clone(), *port);
                vec![match scheme.as_str() {
                    "udp" => Target::Udp { host, port },
                    "tcp" => Target::Tcp { host, port },
                    _ => Target::Tls { host, port, config: settings.tls.client()? },
                }]
            }
        };
        Ok(Self { targets, settings, tag, hostname: info.hostname.clone(), zone: TimeZone::system() })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, ShipError> {
        if let [only] = self.targets.as_slice() {
            return only.connect().await;
        }
        for target in &self.targets {
            if let Ok(connection) = target.connect().await {
                return Ok(connection);
            }
        }
        Err(ShipError::NoLocalSyslog)
    }

    /// The bytes of a message; nothing for an empty line.
    pub(crate) fn encode(&self, message: &Message) -> Vec<u8> {
        if message.text.is_empty() {
            return Vec::new();
        }
        let severity = if message.stream == Stream::Stderr { 3 } else { 6 };
        let priority = (self.settings.facility << 3) | severity;
        let time = Timestamp::from_nanosecond(message.time_ns.into()).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = time.to_zoned(self.zone.clone());
        let (tag, host, pid) = (&self.tag, &self.hostname, std::process::id());
        let rfc5424 = |format: &str| {
            let stamp = time.strftime(format);
            let offset = if time.offset().is_zero() { "Z".to_owned() } else { time.strftime("%:z").to_string() };
            format!("<{priority}>1 {stamp}{offset} {host} {tag} {pid} {tag} - ")
        };
        let head = match self.settings.format {
            Format::Unix => format!("<{priority}>{} {tag}[{pid}]: ", time.strftime("%b %e %H:%M:%S")),
            Format::Rfc3164 => format!("<{priority}>{} {host} {tag}[{pid}]: ", time.strftime("%b %e %H:%M:%S")),
            Format::Rfc5424 => rfc5424("%Y-%m-%dT%H:%M:%S"),
            Format::Rfc5424Micro => rfc5424("%Y-%m-%dT%H:%M:%S.%6f"),
        };
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&message.text);
        bytes.push(b'\n');
        let tls = matches!(&self.settings.place, Place::Host { scheme, .. } if scheme == "tcp+tls");
        if tls && matches!(self.settings.format, Format::Rfc5424 | Format::Rfc5424Micro) {
            // RFC 5425: the length goes before.
            let mut framed = format!("{} ", bytes.len()).into_bytes();
            framed.append(&mut bytes);
            return framed;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        let pid = std::process::id();
        let message =
            |stream| Message { stream, time_ns: 1_700_000_000_123_456_789, text: b"hi".to_vec(), partial: None };
        let encode = |format: &str, address: &str, stream| {
            let opts = [("syslog-format", format), ("syslog-address", address), ("syslog-facility", "local1")];
            let opts = opts.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
            let syslog = Syslog::new(&Info { opts, ..crate::info::example() }).expect("syslog");
            let syslog = Syslog { zone: TimeZone::UTC, ..syslog };
            String::from_utf8(syslog.encode(&message(stream))).expect("text")
        };
        let id = "0123456789ab";
        let out = Stream::Stdout;
        assert_eq!(encode("", "udp://h", out), format!("<142>Nov 14 22:13:20 {id}[{pid}]: hi\n"));
        assert_eq!(
            encode("rfc3164", "udp://h", Stream::Stderr),
            format!("<139>Nov 14 22:13:20 host {id}[{pid}]: hi\n")
        );
        assert_eq!(
            encode("rfc5424", "tcp://h", out),
            format!("<142>1 2023-11-14T22:13:20Z host {id} {pid} {id} - hi\n")
        );
        let micro = format!("<142>1 2023-11-14T22:13:20.123456Z host {id} {pid} {id} - hi\n");
        assert_eq!(encode("rfc5424micro", "tcp://h", out), micro);
        assert_eq!(encode("rfc5424micro", "tcp+tls://h", out), format!("{} {micro}", micro.len()));
    }
}
