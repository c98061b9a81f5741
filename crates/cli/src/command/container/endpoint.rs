//! `--network` values, short and long.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use units::mount::split_csv;

/// One network a container is connected to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) target: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) driver_opts: Vec<(String, String)>,
    pub(crate) links: Vec<String>,
    pub(crate) ipv4: String,
    pub(crate) ipv6: String,
    pub(crate) link_local: Vec<String>,
    pub(crate) mac: String,
    pub(crate) gw_priority: i64,
}

/// Reads `name` or `name=…,alias=…,ip=…`.
pub(crate) fn parse(value: &str) -> Result<Endpoint, String> {
    if !is_long(value) {
        return Ok(Endpoint { target: value.to_owned(), ..Endpoint::default() });
    }
    let mut endpoint = Endpoint::default();
    for field in split_csv(value).map_err(|e| e.to_string())? {
        let lower = field.to_lowercase();
        let Some((key, value)) = lower.split_once('=').filter(|(k, _)| !k.is_empty()) else {
            return Err(format!("invalid field {field}"));
        };
        let (key, value) = (key.trim(), value.trim());
        let address = |value: &str| match value.parse::<IpAddr>() {
            Ok(ip) => Ok(ip.to_string()),
            Err(_) => Err(format!("ParseAddr({}): unable to parse IP", units::gofmt::quote(value))),
        };
        match key {
            "name" => value.clone_into(&mut endpoint.target),
            "alias" => endpoint.aliases.push(value.to_owned()),
            "ip" => endpoint.ipv4 = address(value)?,
            "ip6" => endpoint.ipv6 = address(value)?,
            "mac-address" => value.clone_into(&mut endpoint.mac),
            "link-local-ip" => endpoint.link_local.push(address(value)?),
            "driver-opt" => {
                let pair = value.split_once('=').filter(|(k, _)| !k.is_empty());
                let (key, value) = pair.ok_or("invalid key value pair format in driver options")?;
                endpoint.driver_opts.push((key.trim().to_owned(), value.trim().to_owned()));
            }
            "gw-priority" => {
                let priority = units::num::atoi(value);
                endpoint.gw_priority =
                    priority.map_err(|e| format!("invalid gw-priority ({value}): {}", e.reason()))?;
            }
            _ => return Err(format!("invalid field key {key}")),
        }
    }
    if endpoint.target.is_empty() {
        return Err("network name/id is not specified".to_owned());
    }
    Ok(endpoint)
}

/// A word, `=`, and a word somewhere in the text.
fn is_long(value: &str) -> bool {
    let word = |c: u8| c == b'_' || c.is_ascii_alphanumeric();
    let bytes = value.as_bytes();
    (1..bytes.len().saturating_sub(1)).any(|i| bytes[i] == b'=' && word(bytes[i - 1]) && word(bytes[i + 1]))
}

/// Whether a network mode names a network of the user's.
pub(crate) fn is_user_defined(mode: &str) -> bool {
    !matches!(mode, "" | "default" | "bridge" | "host" | "none") && !mode.starts_with("container:")
}

/// A MAC address as the engine wants it: six or more pairs of digits with colons.
pub(crate) fn parse_mac(text: &str) -> Option<String> {
    let text = text.trim();
    let bytes: Option<Vec<u8>> = if text.contains('.') {
        let groups: Vec<&str> = text.split('.').collect();
        let pairs = groups.iter().flat_map(|g| [g.get(..2), g.get(2..).filter(|r| r.len() == 2)]);
        pairs.map(|p| u8::from_str_radix(p?, 16).ok()).collect()
    } else {
        let pairs = text.split(if text.contains('-') { '-' } else { ':' });
        pairs.map(|p| if p.len() == 2 { u8::from_str_radix(p, 16).ok() } else { None }).collect()
    };
    let bytes = bytes.filter(|b| matches!(b.len(), 6 | 8 | 20))?;
    Some(bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":"))
}

impl Endpoint {
    /// Nothing but the name.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self { target: self.target.clone(), ..Self::default() }
    }

    /// The endpoint's settings on the wire.
    pub(crate) fn settings(&self) -> Result<Value, String> {
        if self.target.trim().is_empty() {
            return Err("no name set for network".to_owned());
        }
        if !is_user_defined(&self.target) {
            if !self.aliases.is_empty() {
                return Err("network-scoped aliases are only supported for user-defined networks".to_owned());
            }
            if !self.links.is_empty() {
                return Err("links are only supported for user-defined networks".to_owned());
            }
        }
        let mac = if self.mac.is_empty() {
            String::new()
        } else {
            parse_mac(&self.mac).ok_or_else(|| format!("{} is not a valid mac address", self.mac))?
        };
        let list = |items: &[String]| if items.is_empty() { Value::Null } else { json!(items) };
        let options = if self.driver_opts.is_empty() {
            Value::Null
        } else {
            Value::Object(self.driver_opts.iter().map(|(k, v)| (k.clone(), Value::String(v.clone()))).collect())
        };
        Ok(json!({
            "IPAMConfig": self.ipam(),
            "Links": list(&self.links),
            "Aliases": list(&self.aliases),
            "DriverOpts": options,
            "GwPriority": self.gw_priority,
            "NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "", "MacAddress": mac, "IPPrefixLen": 0,
            "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "DNSNames": null,
        }))
    }

    fn ipam(&self) -> Value {
        let mut config = Map::new();
        let mut add = |key: &str, value: &str| {
            if !value.is_empty() {
                config.insert(key.to_owned(), Value::String(value.to_owned()));
            }
        };
        add("IPv4Address", &self.ipv4);
        add("IPv6Address", &self.ipv6);
        if !self.link_local.is_empty() {
            config.insert("LinkLocalIPs".to_owned(), json!(self.link_local));
        }
        if config.is_empty() { Value::Null } else { Value::Object(config) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(parse("foo").unwrap().target, "foo");
        let e = parse("name=n,alias=a,alias=b,ip=1.2.3.4,gw-priority=3").unwrap();
        assert_eq!((e.target.as_str(), e.aliases.len(), e.ipv4.as_str(), e.gw_priority), ("n", 2, "1.2.3.4", 3));
        assert_eq!(parse("alias=b").unwrap_err(), "network name/id is not specified");
        assert_eq!(parse("name=n,x=y").unwrap_err(), "invalid field key x");
        assert_eq!(parse_mac("02-42-AC-11-00-02").as_deref(), Some("02:42:ac:11:00:02"));
        assert_eq!(parse_mac("0242.ac11.0002").as_deref(), Some("02:42:ac:11:00:02"));
        assert_eq!(parse_mac("x"), None);
    }
}
