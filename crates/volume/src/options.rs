//! Options of the local driver: `type`, `device`, `o`, `size`.

use crate::Map;
use crate::error::Cause;

/// What a local volume is made of, when it is more than a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LocalOptions {
    /// Type of a file system, or `none`.
    pub(crate) kind: String,
    /// What is mounted.
    pub(crate) device: String,
    /// As of mount(8): `ro,bind,size=1m`.
    pub(crate) options: String,
    /// Bytes it may hold; zero is no limit.
    pub(crate) size: u64,
}

impl LocalOptions {
    /// Reads and checks them.
    pub(crate) fn parse(options: &Map) -> Result<Self, Cause> {
        if let Some(unknown) = options.keys().find(|k| !["type", "o", "device", "size"].contains(&k.as_str())) {
            return Err(Cause::Option(unknown.clone()));
        }
        let text = |key: &str| options.get(key).cloned().unwrap_or_default();
        let parsed = Self {
            kind: text("type"),
            device: text("device"),
            options: text("o"),
            size: match options.get("size") {
                Some(size) => u64::try_from(units::size::ram_in_bytes(size)?).unwrap_or(0),
                None => 0,
            },
        };
        if parsed.kind == "cifs" && has_port(&parsed.device) {
            return Err(Cause::CifsPort);
        }
        for (given, needs) in [("device", "type"), ("type", "device"), ("o", "device"), ("o", "type")] {
            if options.contains_key(given) && !options.contains_key(needs) {
                return Err(Cause::OptionMissing(needs));
            }
        }
        Ok(parsed)
    }

    /// Something is mounted while the volume is in use.
    pub(crate) fn needs_mount(&self) -> bool {
        !self.device.is_empty() || !self.kind.is_empty()
    }
}

/// `//host:445/share`
fn has_port(device: &str) -> bool {
    let after = device.split_once("//").map_or("", |(_, rest)| rest);
    let host = after.split('/').next().unwrap_or_default();
    host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<LocalOptions, String> {
        let map = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        LocalOptions::parse(&map).map_err(|e| e.to_string())
    }

    #[test]
    fn dockers_checks() {
        let tmpfs = parse(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")]).expect("valid");
        assert!(tmpfs.needs_mount());
        assert!(!parse(&[]).expect("valid").needs_mount());
        assert_eq!(parse(&[("size", "10m")]).expect("valid").size, 10 << 20);
        for (pairs, want) in [
            (&[("colour", "red")][..], "invalid option: \"colour\""),
            (&[("type", "nfs")][..], "missing required option: \"device\""),
            (&[("device", "/x")][..], "missing required option: \"type\""),
            (&[("o", "bind")][..], "missing required option: \"device\""),
            (&[("size", "much")][..], "invalid size: 'much'"),
            (
                &[("type", "cifs"), ("device", "//h:445/s")][..],
                "port not allowed in CIFS device URL, include 'port' in 'o='",
            ),
        ] {
            assert_eq!(parse(pairs).expect_err("refused"), want);
        }
    }
}
