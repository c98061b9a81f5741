//! From what is wanted to rules. Pure.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink::nft::{BaseChain, ChainKind, DataType, Element, ElementData, Hook, MapData, Set, Verdict};

use crate::names::{DNAT, FORWARD, INPUT, OUTPUT, POSTROUTING, PREROUTING, RAW, USER_CHAIN};
use crate::rule::ifname;
use crate::{Chain, Desired, GatewayMode, Network, Rule, Ruleset, publish};

const LOOPBACK4: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8);
const LOOPBACK6: Ipv6Net = Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128);
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The rules that achieve what is wanted.
pub fn plan(desired: &Desired) -> Ruleset {
    let mut set = Ruleset::new(&desired.table);
    declare_sets(&mut set);
    base_chains(&mut set, desired);
    for network in &desired.networks {
        add_network(&mut set, desired, network);
    }
    for published in desired.published.iter().filter(|p| wanted(desired, p.container_ip.is_ipv6())) {
        for (name, element) in publish::publish_elements(published) {
            insert(&mut set, name, element);
        }
    }
    set
}

fn wanted(desired: &Desired, v6: bool) -> bool {
    if v6 { desired.ipv6 } else { desired.ipv4 }
}

fn insert(set: &mut Ruleset, name: &str, element: Element) {
    set.elements.entry(name.to_owned()).or_default().insert(element.key.clone(), element);
}

fn declare_sets(set: &mut Ruleset) {
    let mut add = |s: Set| {
        set.sets.insert(s.name.clone(), s);
    };
    for s in publish::sets() {
        add(s);
    }
    let simple = |name: &str, key, data, interval| Set { name: name.to_owned(), key: vec![key], data, interval };
    add(simple("bridges", DataType::IfName, None, false));
    add(simple("internal", DataType::IfName, None, false));
    add(simple("to", DataType::IfName, Some(MapData::Verdict), false));
    add(simple("from", DataType::IfName, Some(MapData::Verdict), false));
    add(simple("direct4", DataType::Ipv4, Some(MapData::Verdict), true));
    add(simple("direct6", DataType::Ipv6, Some(MapData::Verdict), true));
    add(simple("masquerade4", DataType::Ipv4, Some(MapData::Verdict), true));
    add(simple("masquerade6", DataType::Ipv6, Some(MapData::Verdict), true));
}

fn base_chains(set: &mut Ruleset, desired: &Desired) {
    let families = || [false, true].into_iter().filter(|v6| wanted(desired, *v6));
    let mut base = |name: &str, kind, hook, priority, rules| {
        set.chains.insert(name.to_owned(), Chain { base: Some(BaseChain { kind, hook, priority }), rules });
    };
    let (filter, nat) = (ChainKind::Filter, ChainKind::Nat);

    let mut raw = Vec::new();
    if desired.ipv4 {
        // Bridges route 127/8 (localhost publishing): nobody behind them may use that.
        raw.push(Rule::new().iif_in("bridges").family(false).address_in(false, IpNet::V4(LOOPBACK4)).drop());
    }
    for v6 in families() {
        let map = if v6 { "direct6" } else { "direct4" };
        raw.push(Rule::new().family(v6).address_vmap(v6, false, map));
    }
    base(RAW, filter, Hook::Prerouting, -300, raw);

    let mut forward = vec![Rule::new().verdict(Verdict::Jump(USER_CHAIN.to_owned()))];
    forward.push(Rule::new().iif_vmap("from"));
    forward.push(Rule::new().oif_vmap("to"));
    if desired.drop_foreign {
        forward.push(Rule::new().bridge_kind(true).accept());
        forward.push(Rule::new().bridge_kind(false).accept());
        forward.push(Rule::new().family(false).drop());
    }
    base(FORWARD, filter, Hook::Forward, 0, forward);

    let internal = || Rule::new().iif_in("internal");
    let input = vec![
        internal().established().accept(),
        // Neighbour discovery must go on, or the host could not reach the containers either.
        internal().l4proto("ipv6-icmp", ICMPV6).accept(),
        internal().drop(),
    ];
    base(INPUT, filter, Hook::Input, 0, input);

    let jump = || Rule::new().verdict(Verdict::Jump(DNAT.to_owned()));
    let mut prerouting = Vec::new();
    if desired.ipv4 {
        prerouting.push(Rule::new().family(false).address_in(false, IpNet::V4(LOOPBACK4)).verdict(Verdict::Return));
    }
    if desired.hairpin_by_proxy {
        prerouting.push(Rule::new().own_service_in("own").verdict(Verdict::Return));
    }
    prerouting.push(jump());
    base(PREROUTING, nat, Hook::Prerouting, -100, prerouting);
    let mut output = Vec::new();
    if desired.ipv6 {
        // ::1 cannot leave the loopback interface: the userland proxy serves it.
        output.push(Rule::new().family(true).address_in(false, IpNet::V6(LOOPBACK6)).verdict(Verdict::Return));
    }
    output.push(jump());
    base(OUTPUT, nat, Hook::Output, -100, output);

    let mut postrouting = Vec::new();
    for v6 in families() {
        let map = if v6 { "masquerade6" } else { "masquerade4" };
        postrouting.push(Rule::new().family(v6).address_vmap(v6, true, map));
    }
    if desired.ipv4 {
        let loopback = Rule::new().family(false).address_in(true, IpNet::V4(LOOPBACK4));
        postrouting.push(loopback.oif_in("bridges").masquerade());
    }
    base(POSTROUTING, nat, Hook::Postrouting, 100, postrouting);

    let mut dnat = Vec::new();
    for v6 in families() {
        let (at, anywhere) = if v6 { ("published6-at", "published6") } else { ("published4-at", "published4") };
        dnat.push(Rule::new().family(v6).dnat_by(v6, true, at));
        dnat.push(Rule::new().family(v6).for_this_host().dnat_by(v6, false, anywhere));
    }
    set.chains.insert(DNAT.to_owned(), Chain { base: None, rules: dnat });
}

fn add_network(set: &mut Ruleset, desired: &Desired, network: &Network) {
    let bridge = &network.bridge;
    let name_key = || Element { key: ifname(bridge), last: None, data: None };
    insert(set, "bridges", name_key());
    if network.internal {
        insert(set, "internal", name_key());
        let chain = format!("from-{bridge}");
        let rules = vec![Rule::new().oif_not(bridge).drop()];
        set.chains.insert(chain.clone(), Chain { base: None, rules });
        let data = Some(ElementData::Verdict(Verdict::Jump(chain)));
        insert(set, "from", Element { data, ..name_key() });
    }
    let to = format!("to-{bridge}");
    set.chains.insert(to.clone(), Chain { base: None, rules: to_rules(desired, network) });
    insert(set, "to", Element { data: Some(ElementData::Verdict(Verdict::Goto(to))), ..name_key() });
    if let Some((net, gateway)) = network.ipv4.filter(|_| desired.ipv4) {
        add_subnet(set, desired, network, IpNet::V4(net), gateway.map(IpAddr::V4));
    }
    if let Some((net, gateway)) = network.ipv6.filter(|_| desired.ipv6) {
        add_subnet(set, desired, network, IpNet::V6(net), gateway.map(IpAddr::V6));
    }
}

/// What may be forwarded to the containers of a network.
fn to_rules(desired: &Desired, network: &Network) -> Vec<Rule> {
    let own = || Rule::new().iif(&network.bridge);
    if network.internal {
        return vec![own().accept(), Rule::new().drop()];
    }
    let mut rules = vec![Rule::new().established().accept()];
    if network.icc {
        rules.push(own().accept());
    } else {
        rules.push(own().dnatted().accept());
        rules.push(own().drop());
    }
    rules.push(Rule::new().dnatted().accept());
    for (v6, mode) in [(false, network.mode4), (true, network.mode6)] {
        let present = if v6 { network.ipv6.is_some() && desired.ipv6 } else { network.ipv4.is_some() && desired.ipv4 };
        if !present {
            continue;
        }
        let open = if v6 { "open6" } else { "open4" };
        match mode {
            GatewayMode::NatUnprotected => rules.push(Rule::new().family(v6).accept()),
            GatewayMode::Routed => {
                let (name, number) = if v6 { ("ipv6-icmp", ICMPV6) } else { ("icmp", ICMP) };
                rules.push(Rule::new().family(v6).l4proto(name, number).accept());
                rules.push(Rule::new().family(v6).service_in(v6, open).accept());
            }
            GatewayMode::Nat if desired.allow_direct => {
                rules.push(Rule::new().family(v6).service_in(v6, open).accept());
            }
            GatewayMode::Nat => {
                for trusted in &network.trusted_interfaces {
                    rules.push(Rule::new().iif(trusted).family(v6).service_in(v6, open).accept());
                }
            }
            GatewayMode::Isolated => {}
        }
    }
    rules.push(Rule::new().drop());
    rules
}

fn range(net: IpNet, verdict: Verdict) -> Element {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    Element {
        key: octets(net.network()),
        last: Some(octets(net.broadcast())),
        data: Some(ElementData::Verdict(verdict)),
    }
}

fn add_subnet(set: &mut Ruleset, desired: &Desired, network: &Network, net: IpNet, gateway: Option<IpAddr>) {
    let bridge = &network.bridge;
    let v6 = net.addr().is_ipv6();
    let mode = if v6 { network.mode6 } else { network.mode4 };
    let family = if v6 { "6" } else { "4" };
    let guarded = network.internal || !desired.allow_direct;
    if guarded && matches!(mode, GatewayMode::Nat | GatewayMode::Isolated) {
        let chain = format!("direct{family}-{bridge}");
        let mut rules = vec![Rule::new().iif(bridge).verdict(Verdict::Return)];
        if let Some(gateway) = gateway {
            rules.push(Rule::new().address_in(false, IpNet::from(gateway)).verdict(Verdict::Return));
        }
        for trusted in &network.trusted_interfaces {
            rules.push(Rule::new().iif(trusted).verdict(Verdict::Return));
        }
        rules.push(Rule::new().drop());
        set.chains.insert(chain.clone(), Chain { base: None, rules });
        insert(set, &format!("direct{family}"), range(net, Verdict::Goto(chain)));
    }
    if !network.internal && matches!(mode, GatewayMode::Nat | GatewayMode::NatUnprotected) {
        let chain = format!("masquerade{family}-{bridge}");
        let mut rules = Vec::new();
        if network.masquerade {
            let leaving = Rule::new().oif_not(bridge);
            let host = if v6 { network.host_ipv6.map(IpAddr::V6) } else { network.host_ipv4.map(IpAddr::V4) };
            rules.push(match host {
                Some(host) => leaving.snat(host),
                None => leaving.masquerade(),
            });
        }
        // A container that reaches a neighbour through a published port: the answer must come back through the host.
        rules.push(Rule::new().dnatted().masquerade());
        set.chains.insert(chain.clone(), Chain { base: None, rules });
        insert(set, &format!("masquerade{family}"), range(net, Verdict::Goto(chain)));
    }
}

#[cfg(test)]
mod tests;
