//! What single values must look like: checked when a flag is read, in the words of Docker's flag types.

use std::net::IpAddr;

use super::table::Flag;

/// Checks a flag's value; the message is what goes behind `invalid argument "…" for "--…" flag: `.
pub(super) fn check(flag: &Flag, value: &str) -> Result<(), String> {
    match flag.name {
        "add-runtime" => match value.split_once('=') {
            Some((name, path)) if !name.trim().is_empty() && !path.trim().is_empty() => Ok(()),
            _ => Err(format!("invalid runtime argument: {value}")),
        },
        "default-shm-size" => units::size::ram_in_bytes(value).map(|_| ()).map_err(|e| e.to_string()),
        "default-ulimit" => units::limit::Ulimit::parse(value).map(|_| ()).map_err(|e| e.to_string()),
        "label" => label(value),
        "dns" => match value.parse::<IpAddr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("invalid string being converted to IP address: {value}")),
        },
        "ip" | "default-gateway" | "default-gateway-v6" => match value.parse::<IpAddr>() {
            _ if value.is_empty() => Ok(()),
            Ok(_) => Ok(()),
            Err(_) => Err(format!("failed to parse IP: {value:?}")),
        },
        "host-gateway-ip" => gateway(value),
        "default-network-opt" if value.splitn(3, '=').count() < 3 => {
            Err(format!("invalid value {value:?} for map option, should be root-key=key=value"))
        }
        "default-address-pool" => pool(value),
        "node-generic-resource" if !value.contains('=') => {
            Err(format!("invalid node-generic-resource format `{value}` expected `name=value`"))
        }
        "feature" => match value.split_once('=') {
            Some((_, on)) => units::num::parse_bool(on).map(|_| ()).map_err(|e| e.to_string()),
            None => Ok(()),
        },
        "registry-mirror" => mirror(value),
        "host" => super::hosts::normal(value.trim()).map(|_| ()).map_err(|e| e.to_string()),
        _ => Ok(()),
    }
}

/// A label of the daemon: `key=value`.
pub(super) fn label(text: &str) -> Result<(), String> {
    if !text.contains('=') {
        return Err(format!("bad attribute format: {text}"));
    }
    units::env::validate_label(text).map_err(|e| e.to_string())
}

/// What `host-gateway` may mean.
pub(super) fn gateway(text: &str) -> Result<(), String> {
    text.parse::<IpAddr>().map(|_| ()).map_err(|_| format!("ParseAddr({text:?}): unable to parse IP"))
}

/// A mirror's URL.
pub(super) fn mirror(url: &str) -> Result<(), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!(
            "invalid mirror: no scheme specified for {url:?}: must use either 'https://' or 'http://'"
        ));
    };
    if !matches!(scheme, "http" | "https") {
        return Err(format!(
            "invalid mirror: unsupported scheme {scheme:?} in {url:?}: must use either 'https://' or 'http://'"
        ));
    }
    if rest.contains(['?', '#']) {
        return Err(format!("invalid mirror: query or fragment at end of the URI {url:?}"));
    }
    if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
        return Err(format!("invalid mirror: username/password not allowed in URI {:?}", super::file::masked(url)));
    }
    Ok(())
}

/// `base=CIDR,size=N`.
fn pool(text: &str) -> Result<(), String> {
    for field in text.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("invalid field '{field}' must be a key=value pair"));
        };
        match key {
            "base" => {
                let prefix = value.split_once('/').ok_or_else(|| format!("netip.ParsePrefix({value:?}): no '/'"))?;
                let ip = prefix.0.parse::<IpAddr>().ok();
                let bits = prefix.1.parse::<u8>().ok();
                let most = if ip.is_some_and(|ip| ip.is_ipv6()) { 128 } else { 32 };
                if ip.is_none() || bits.is_none_or(|b| b > most) {
                    return Err(format!("invalid base pool {value:?}"));
                }
            }
            "size" => {
                units::num::atoi(value).map_err(|e| format!("invalid size value: {value:?}: {e}"))?;
            }
            key => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::table::FLAGS;
    use super::*;

    #[test]
    fn values_are_refused_in_dockers_words() {
        // (flag, value, what Debian's dockerd says)
        for (name, value, want) in [
            ("default-ulimit", "x", "invalid ulimit argument: x"),
            ("default-shm-size", "x", "invalid size: 'x'"),
            ("add-runtime", "x", "invalid runtime argument: x"),
            ("label", "x", "bad attribute format: x"),
            ("dns", "x", "invalid string being converted to IP address: x"),
            ("ip", "x", "failed to parse IP: \"x\""),
            ("default-network-opt", "x", "invalid value \"x\" for map option, should be root-key=key=value"),
            ("feature", "x=y", "strconv.ParseBool: parsing \"y\": invalid syntax"),
            ("default-address-pool", "x", "invalid field 'x' must be a key=value pair"),
            ("host-gateway-ip", "x", "ParseAddr(\"x\"): unable to parse IP"),
            ("node-generic-resource", "x", "invalid node-generic-resource format `x` expected `name=value`"),
            (
                "registry-mirror",
                "x",
                "invalid mirror: no scheme specified for \"x\": must use either 'https://' or 'http://'",
            ),
            (
                "registry-mirror",
                "https://a/x?y",
                "invalid mirror: query or fragment at end of the URI \"https://a/x?y\"",
            ),
            ("host", "x://y", "invalid bind address (x://y): unsupported proto 'x'"),
        ] {
            let flag = FLAGS.iter().find(|f| f.name == name).expect("a flag");
            assert_eq!(check(flag, value), Err(want.to_owned()), "--{name} {value}");
        }
        for (name, value) in [
            ("default-address-pool", "base=10.0.0.0/8,size=24"),
            ("add-runtime", "a=/b"),
            ("insecure-registry", "http://x"),
            ("metrics-addr", "x"),
            ("log-opt", "x"),
        ] {
            let flag = FLAGS.iter().find(|f| f.name == name).expect("a flag");
            assert_eq!(check(flag, value), Ok(()), "--{name} {value}");
        }
    }
}
