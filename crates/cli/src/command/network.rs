//! `docker network …`

use std::collections::BTreeMap;
use std::net::IpAddr;

use client::Query;
use serde_json::{Map, Value, json};
use units::env::split_pair;

use super::Handler;
use crate::app::App;
use crate::command::container::natural;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::{Listing, labels, row, short_id, template_of, text};

pub(super) fn handler(verb: &str) -> Option<Handler> {
    Some(match verb {
        "connect" => connect,
        "create" => create,
        "disconnect" => disconnect,
        "inspect" => inspect,
        "ls" => list,
        "prune" => super::prune::networks,
        "rm" => remove,
        _ => return None,
    })
}

const HEADERS: [(&str, &str); 9] = [
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

fn list(app: &App, m: &Matches) -> Result<()> {
    let given = m.text("format");
    let format = if given.is_empty() && !m.on("quiet") { app.config.text("networksFormat") } else { given };
    let (template, table) = match format {
        "" | "table" if m.on("quiet") => ("{{.ID}}".to_owned(), false),
        _ => template_of(format, "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}"),
    };
    let networks = client::network::list(app.client()?, &m.filters().to_json())?;
    let mut networks: Vec<&Value> = networks.as_array().into_iter().flatten().collect();
    networks.sort_by(|a, b| natural(text(a, "Name"), text(b, "Name")));
    let flag = |n: &Value, key: &str| (n[key] == Value::Bool(true)).to_string();
    let rows: Vec<Value> = networks
        .into_iter()
        .map(|n| {
            let id = text(n, "Id");
            row(&[
                ("ID", if m.on("no-trunc") { id } else { short_id(id) }.into()),
                ("Name", text(n, "Name").into()),
                ("Driver", text(n, "Driver").into()),
                ("Scope", text(n, "Scope").into()),
                // An engine that does not know the field has IPv4 on.
                ("IPv4", (n["EnableIPv4"] != Value::Bool(false)).to_string().into()),
                ("IPv6", flag(n, "EnableIPv6").into()),
                ("Internal", flag(n, "Internal").into()),
                ("Labels", labels(&n["Labels"]).into()),
                ("CreatedAt", created_at(text(n, "Created")).into()),
            ])
        })
        .collect();
    Listing { format: template, headers: &HEADERS, type_name: "*network.networkContext" }.print(table, &rows)
}

/// Go's rendering of a time, in the zone in which the engine gave it.
fn created_at(time: &str) -> String {
    let Ok(parsed) = time.parse::<jiff::Timestamp>() else { return time.to_owned() };
    units::timestamp::go_string(parsed, &jiff::tz::TimeZone::UTC)
}

fn inspect(app: &App, m: &Matches) -> Result<()> {
    let client = app.client()?;
    let query = Query::new().with_some("verbose", if m.on("verbose") { "true" } else { "" });
    super::inspect::show(&m.args, m.text("format"), |name| Ok(client::network::inspect(client, name, &query)?))
}

fn create(app: &App, m: &Matches) -> Result<()> {
    let mut body = json!({
        "Name": m.arg(0), "Driver": m.text("driver"), "Scope": m.text("scope"), "IPAM": ipam(m)?,
        "Internal": m.on("internal"), "Attachable": m.on("attachable"), "Ingress": m.on("ingress"),
        "ConfigOnly": m.on("config-only"), "ConfigFrom": null, "Options": pairs(&m.all("opt")), "Labels": pairs(&m.all("label")),
    });
    for (flag, key) in [("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")] {
        if m.given(flag) {
            body[key] = m.on(flag).into();
        }
    }
    if !m.text("config-from").is_empty() {
        body["ConfigFrom"] = json!({"Network": m.text("config-from")});
    }
    let created = client::network::create(app.client()?, &body)?;
    let warning = text(&created, "Warning");
    if !warning.is_empty() {
        console::err(&format!("WARNING: {warning}"));
    }
    console::line(text(&created, "Id"))
}

fn pairs(list: &[&str]) -> Value {
    json!(list.iter().map(|p| split_pair(p)).collect::<BTreeMap<_, _>>())
}

/// An address with a prefix length.
#[derive(Debug, Clone, Copy)]
struct Subnet {
    ip: IpAddr,
    bits: u8,
}

impl Subnet {
    fn parse(text: &str) -> Result<Self> {
        let quoted = units::gofmt::quote(text);
        let bad = || Failure::new(format!("netip.ParsePrefix({quoted}): unable to parse IP"));
        let no_slash = || Failure::new(format!("netip.ParsePrefix({quoted}): no '/'"));
        let (ip, bits) = text.split_once('/').ok_or_else(no_slash)?;
        let ip: IpAddr = ip.parse().map_err(|_| bad())?;
        let bits: u8 = bits.parse().map_err(|_| bad())?;
        if bits > if ip.is_ipv4() { 32 } else { 128 } {
            return Err(bad());
        }
        Ok(Self { ip, bits })
    }

    fn contains(&self, other: IpAddr) -> bool {
        let (a, b, width) = match (self.ip, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return false,
        };
        let shift = width - u32::from(self.bits);
        shift >= 128 || a.checked_shr(shift) == b.checked_shr(shift)
    }
}

#[derive(Debug, Clone, Default)]
struct Pool {
    subnet: String,
    range: String,
    gateway: String,
    auxiliary: BTreeMap<String, String>,
}

fn ipam(m: &Matches) -> Result<Value> {
    let (subnets, ranges, gateways) = (m.all("subnet"), m.all("ip-range"), m.all("gateway"));
    if subnets.len() < ranges.len() || subnets.len() < gateways.len() {
        return Err(Failure::new("every ip-range or gateway must have a corresponding subnet"));
    }
    let mut pools: Vec<(Subnet, Pool)> = Vec::new();
    for text in subnets {
        let subnet = Subnet::parse(text)?;
        if pools.iter().any(|(other, _)| other.contains(subnet.ip) || subnet.contains(other.ip)) {
            return Err(Failure::new("multiple overlapping subnet configuration is not supported"));
        }
        pools.push((subnet, Pool { subnet: text.to_owned(), ..Pool::default() }));
    }
    for text in ranges {
        let range = Subnet::parse(text)
            .map_err(|_| m.invalid("ip-range", text, &format!("invalid string being converted to CIDRs: {text}")))?;
        place(&mut pools, range.ip, "range", "ranges", text, |p| &mut p.range)?;
    }
    for text in gateways {
        let ip = text.trim().parse().map_err(|_| {
            m.invalid("gateway", text, &format!("invalid string being converted to IP address: {text}"))
        })?;
        place(&mut pools, ip, "gateway", "gateways", text, |p| &mut p.gateway)?;
    }
    for pair in m.all("aux-address") {
        let (name, address) = split_pair(pair);
        if address.is_empty() {
            continue;
        }
        let bad = || Failure::new(format!("ParseAddr({}): unable to parse IP", units::gofmt::quote(address)));
        let ip: IpAddr = address.parse().map_err(|_| bad())?;
        let slot = pools.iter_mut().find(|(s, _)| s.contains(ip));
        let (_, pool) = slot.ok_or_else(|| Failure::new(format!("no matching subnet for aux-address {address}")))?;
        pool.auxiliary.insert(name.to_owned(), address.to_owned());
    }
    let config: Vec<Value> = pools.iter().map(|(_, pool)| pool_json(pool)).collect();
    Ok(json!({"Driver": m.text("ipam-driver"), "Options": pairs(&m.all("ipam-opt")), "Config": config}))
}

fn pool_json(pool: &Pool) -> Value {
    let mut out = Map::new();
    for (key, value) in [("Subnet", &pool.subnet), ("IPRange", &pool.range), ("Gateway", &pool.gateway)] {
        if !value.is_empty() {
            out.insert(key.to_owned(), value.clone().into());
        }
    }
    if !pool.auxiliary.is_empty() {
        out.insert("AuxiliaryAddresses".to_owned(), json!(pool.auxiliary));
    }
    Value::Object(out)
}

/// Puts a range or gateway to the subnet it lies in.
fn place(
    pools: &mut [(Subnet, Pool)],
    ip: IpAddr,
    what: &str,
    plural: &str,
    text: &str,
    slot: fn(&mut Pool) -> &mut String,
) -> Result<()> {
    let found = pools.iter_mut().find(|(s, _)| s.contains(ip));
    let (_, pool) = found.ok_or_else(|| Failure::new(format!("no matching subnet for {what} {text}")))?;
    let subnet = pool.subnet.clone();
    let place = slot(pool);
    if !place.is_empty() {
        let relation = if what == "range" { "on the same subnet" } else { "for the same subnet" };
        return Err(Failure::new(format!(
            "cannot configure multiple {plural} ({text}, {place}) {relation} ({subnet})"
        )));
    }
    text.clone_into(place);
    Ok(())
}

fn connect(app: &App, m: &Matches) -> Result<()> {
    let mut options = BTreeMap::new();
    for option in m.all("driver-opt") {
        let pair = option.split_once('=').map(|(k, v)| (k.trim(), v.trim())).filter(|(k, _)| !k.is_empty());
        let (key, value) = pair.ok_or_else(|| Failure::new("invalid key/value pair format in driver options"))?;
        options.insert(key, value);
    }
    let mut config = Map::new();
    for (flag, key) in [("ip", "IPv4Address"), ("ip6", "IPv6Address")] {
        if let Some(ip) = m.get(flag) {
            config.insert(key.to_owned(), ip.into());
        }
    }
    if m.given("link-local-ip") {
        config.insert("LinkLocalIPs".to_owned(), json!(m.all("link-local-ip")));
    }
    let links = m.all("link");
    let body = json!({
        "Container": m.arg(1),
        "EndpointConfig": {
            "IPAMConfig": config, "Links": if links.is_empty() { Value::Null } else { json!(links) },
            "Aliases": m.all("alias"), "DriverOpts": options, "GwPriority": m.int("gw-priority"),
            "MacAddress": "", "NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "", "IPPrefixLen": 0,
            "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "DNSNames": null,
        },
    });
    Ok(client::network::connect(app.client()?, m.arg(0), &body)?)
}

fn disconnect(app: &App, m: &Matches) -> Result<()> {
    let body = json!({"Container": m.arg(1), "Force": m.on("force")});
    Ok(client::network::disconnect(app.client()?, m.arg(0), &body)?)
}

fn remove(app: &App, m: &Matches) -> Result<()> {
    const INGRESS: &str = "WARNING! Before removing the routing-mesh network, make sure all the nodes in your swarm run \
        the same docker engine version. Otherwise, removal may not be effective and functionality of newly create ingress \
        networks will be impaired.\nAre you sure you want to continue?";
    let client = app.client()?;
    let mut failed = false;
    for name in &m.args {
        let known = client::network::inspect(client, name, &Query::new());
        if known.is_ok_and(|n| n["Ingress"] == Value::Bool(true)) && !console::confirm(INGRESS)? {
            continue;
        }
        match client::network::remove(client, name) {
            Ok(()) => console::line(name)?,
            Err(e) if m.on("force") && e.is_not_found() => {}
            Err(e) => {
                console::err(&e.to_string());
                failed = true;
            }
        }
    }
    if failed { Err(Failure::new("exit status 1")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets() {
        let s = Subnet::parse("10.1.0.0/16").unwrap();
        assert!(s.contains("10.1.2.3".parse().unwrap()) && !s.contains("10.2.0.1".parse().unwrap()));
        assert!(Subnet::parse("0.0.0.0/0").unwrap().contains("9.9.9.9".parse().unwrap()));
        assert!(Subnet::parse("10.0.0.0").is_err());
    }
}
