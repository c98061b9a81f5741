//! The bridge driver's options (moby `libnetwork/drivers/bridge/labels.go`, `libnetwork/netlabel`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use firewall::GatewayMode;

use crate::error::InvalidSpec;

const NAME: &str = "com.docker.network.bridge.name";
const ICC: &str = "com.docker.network.bridge.enable_icc";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
const INHIBIT: &str = "com.docker.network.bridge.inhibit_ipv4";
const DEFAULT: &str = "com.docker.network.bridge.default_bridge";
const MODE4: &str = "com.docker.network.bridge.gateway_mode_ipv4";
const MODE6: &str = "com.docker.network.bridge.gateway_mode_ipv6";
const TRUSTED: &str = "com.docker.network.bridge.trusted_host_interfaces";
const MTU: &str = "com.docker.network.driver.mtu";
const PREFIX: &str = "com.docker.network.container_iface_prefix";
const HOST4: &str = "com.docker.network.host_ipv4";
const HOST6: &str = "com.docker.network.host_ipv6";

/// What the options of a bridge network mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BridgeSettings {
    pub(crate) bridge: Option<String>,
    pub(crate) icc: bool,
    pub(crate) masquerade: bool,
    pub(crate) binding: Option<IpAddr>,
    pub(crate) inhibit_ipv4: bool,
    pub(crate) mode4: GatewayMode,
    pub(crate) mode6: GatewayMode,
    pub(crate) trusted: Vec<String>,
    pub(crate) mtu: Option<u32>,
    pub(crate) prefix: String,
    pub(crate) host_ipv4: Option<Ipv4Addr>,
    pub(crate) host_ipv6: Option<Ipv6Addr>,
}

impl BridgeSettings {
    pub(crate) fn parse(options: &BTreeMap<String, String>) -> Result<Self, InvalidSpec> {
        let mut out = Self {
            bridge: None,
            icc: true,
            masquerade: true,
            binding: None,
            inhibit_ipv4: false,
            mode4: GatewayMode::Nat,
            mode6: GatewayMode::Nat,
            trusted: Vec::new(),
            mtu: None,
            prefix: "eth".to_owned(),
            host_ipv4: None,
            host_ipv6: None,
        };
        for (key, value) in options {
            match key.as_str() {
                NAME => out.bridge = Some(interface_name(value)?),
                ICC => out.icc = parse_bool(key, value)?,
                MASQUERADE => out.masquerade = parse_bool(key, value)?,
                INHIBIT => out.inhibit_ipv4 = parse_bool(key, value)?,
                DEFAULT => drop(parse_bool(key, value)?),
                BINDING => {
                    let ip: IpAddr = value.parse().map_err(|_| parse_error(key, value, "invalid ip"))?;
                    out.binding = (!ip.is_unspecified()).then_some(ip);
                }
                MODE4 => out.mode4 = gateway_mode(key, value)?,
                MODE6 => out.mode6 = gateway_mode(key, value)?,
                TRUSTED => out.trusted = value.split(':').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
                MTU => out.mtu = parse_mtu(key, value)?,
                PREFIX if !value.is_empty() => out.prefix.clone_from(value),
                HOST4 => out.host_ipv4 = Some(value.parse().map_err(|_| parse_error(key, value, "invalid ip"))?),
                HOST6 => out.host_ipv6 = Some(value.parse().map_err(|_| parse_error(key, value, "invalid ip"))?),
                _ => {}
            }
        }
        Ok(out)
    }
}

/// The options that the default bridge shows.
pub(crate) fn default_bridge(
    bridge: &str,
    icc: bool,
    masquerade: bool,
    binding: IpAddr,
    mtu: u32,
) -> BTreeMap<String, String> {
    let pairs = [
        (DEFAULT, "true".to_owned()),
        (ICC, icc.to_string()),
        (MASQUERADE, masquerade.to_string()),
        (BINDING, binding.to_string()),
        (NAME, bridge.to_owned()),
        (MTU, mtu.to_string()),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

fn parse_error(option: &str, value: &str, why: &str) -> InvalidSpec {
    InvalidSpec::Option { option: option.to_owned(), value: value.to_owned(), why: why.to_owned() }
}

/// Go's `strconv.ParseBool`.
fn parse_bool(option: &str, value: &str) -> Result<bool, InvalidSpec> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(parse_error(option, value, &format!("strconv.ParseBool: parsing \"{value}\": invalid syntax"))),
    }
}

fn parse_mtu(option: &str, value: &str) -> Result<Option<u32>, InvalidSpec> {
    let mtu: i64 = value
        .parse()
        .map_err(|_| parse_error(option, value, &format!("strconv.Atoi: parsing \"{value}\": invalid syntax")))?;
    let mtu = u32::try_from(mtu).map_err(|_| InvalidSpec::Mtu(value.to_owned()))?;
    Ok((mtu != 0).then_some(mtu))
}

fn gateway_mode(option: &str, value: &str) -> Result<GatewayMode, InvalidSpec> {
    match value {
        "nat" => Ok(GatewayMode::Nat),
        "nat-unprotected" => Ok(GatewayMode::NatUnprotected),
        "routed" => Ok(GatewayMode::Routed),
        "isolated" => Ok(GatewayMode::Isolated),
        _ => Err(parse_error(option, value, "unknown gateway mode")),
    }
}

/// Fits into the kernel's 15 characters and has no separators.
fn interface_name(name: &str) -> Result<String, InvalidSpec> {
    let bad = name.is_empty() || name.len() > 15 || name == "." || name == ".." || name.contains(['/', ':']);
    if bad || name.chars().any(char::is_whitespace) {
        return Err(InvalidSpec::BridgeName(name.to_owned()));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(key: &str, value: &str) -> String {
        let options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        BridgeSettings::parse(&options).expect_err("bad option").to_string()
    }

    #[test]
    fn bad_options_are_told_as_docker_does() {
        assert_eq!(
            error(MTU, "abc"),
            "failed to parse com.docker.network.driver.mtu value: abc (strconv.Atoi: parsing \"abc\": invalid syntax)"
        );
        assert_eq!(
            error(ICC, "abc"),
            "failed to parse com.docker.network.bridge.enable_icc value: abc (strconv.ParseBool: parsing \"abc\": invalid \
             syntax)"
        );
    }

    #[test]
    fn the_default_bridges_options_are_understood() {
        let options = default_bridge("docker0", false, true, IpAddr::from([0, 0, 0, 0]), 1450);
        let settings = BridgeSettings::parse(&options).expect("good");
        assert_eq!(settings.bridge.as_deref(), Some("docker0"));
        assert_eq!(
            (settings.icc, settings.masquerade, settings.mtu, settings.binding),
            (false, true, Some(1450), None)
        );
    }
}
