use super::*;
use crate::Publish;

fn network(bridge: &str, net: &str) -> Network {
    let net: Ipv4Net = net.parse().expect("net");
    Network {
        bridge: bridge.to_owned(),
        ipv4: Some((net, net.hosts().next())),
        ipv6: None,
        masquerade: true,
        host_ipv4: None,
        host_ipv6: None,
        internal: false,
        icc: true,
        mode4: GatewayMode::Nat,
        mode6: GatewayMode::Nat,
        trusted_interfaces: Vec::new(),
    }
}

fn desired(networks: Vec<Network>, published: Vec<Publish>) -> Desired {
    Desired {
        table: "gantry".to_owned(),
        ipv4: true,
        ipv6: true,
        drop_foreign: false,
        hairpin_by_proxy: true,
        allow_direct: false,
        networks,
        published,
    }
}

fn chain<'a>(set: &'a Ruleset, name: &str) -> Vec<&'a str> {
    set.chains.get(name).map(|c| c.rules.iter().map(|r| r.text.as_str()).collect()).unwrap_or_default()
}

#[test]
fn the_default_bridge_with_one_port() {
    let publish = |host_ip: &str| Publish {
        bridge: "docker0".to_owned(),
        protocol: 6,
        host_ip: host_ip.parse().expect("ip"),
        host_port: 8080,
        container_ip: "172.17.0.2".parse().expect("ip"),
        container_port: 80,
        translate: true,
    };
    let set = plan(&desired(vec![network("docker0", "172.17.0.0/16")], vec![publish("0.0.0.0"), publish("127.0.0.1")]));
    assert_eq!(set.to_string(), include_str!("default_bridge.txt"));
}

#[test]
fn an_internal_network_has_no_way_in_or_out() {
    let mut internal = network("br0", "10.1.0.0/24");
    internal.internal = true;
    let set = plan(&desired(vec![internal], Vec::new()));
    assert_eq!(chain(&set, "from-br0"), ["oifname != \"br0\" counter drop"]);
    assert_eq!(chain(&set, "to-br0"), ["iifname \"br0\" accept", "counter drop"]);
    assert!(!set.chains.contains_key("masquerade4-br0"));
    assert_eq!(set.elements["internal"].len(), 1);
}

#[test]
fn without_icc_only_published_ports_are_reached_from_the_same_bridge() {
    let mut quiet = network("br0", "10.1.0.0/24");
    quiet.icc = false;
    let set = plan(&desired(vec![quiet], Vec::new()));
    let rules = chain(&set, "to-br0");
    assert_eq!(rules[1], "iifname \"br0\" ct status dnat accept");
    assert_eq!(rules[2], "iifname \"br0\" counter drop");
}

#[test]
fn a_routed_network_is_opened_but_not_translated() {
    let mut routed = network("br0", "10.1.0.0/24");
    routed.mode4 = GatewayMode::Routed;
    let set = plan(&desired(vec![routed], Vec::new()));
    assert!(chain(&set, "to-br0").contains(&"meta nfproto ipv4 ip daddr . meta l4proto . th dport @open4 accept"));
    assert!(!set.chains.contains_key("masquerade4-br0"));
    assert!(!set.chains.contains_key("direct4-br0"));
}
