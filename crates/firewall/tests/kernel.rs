//! The executor against a kernel, in network namespaces of its own (needs root).

use std::net::IpAddr;
use std::process::Command;

use firewall::{Desired, Executor, GatewayMode, Network, Publish, plan, publish_elements};

fn network(bridge: &str, net: &str) -> Network {
    let net: ipnet::Ipv4Net = net.parse().expect("net");
    Network {
        bridge: bridge.to_owned(),
        ipv4: Some((net, net.hosts().next())),
        ipv6: Some(("fd00:1::/64".parse().expect("net"), Some("fd00:1::1".parse().expect("ip")))),
        masquerade: true,
        host_ipv4: None,
        host_ipv6: None,
        internal: false,
        icc: true,
        mode4: GatewayMode::Nat,
        mode6: GatewayMode::Nat,
        trusted_interfaces: vec!["eth9".to_owned()],
    }
}

fn desired(networks: Vec<Network>) -> Desired {
    Desired {
        table: "gantry-test".to_owned(),
        ipv4: true,
        ipv6: true,
        drop_foreign: true,
        hairpin_by_proxy: true,
        allow_direct: false,
        networks,
        published: vec![publish("0.0.0.0", "172.17.0.2", 8080), publish("::", "fd00:1::2", 8080)],
    }
}

fn publish(host: &str, container: &str, port: u16) -> Publish {
    let ip = |s: &str| s.parse::<IpAddr>().expect("ip");
    Publish {
        bridge: "docker0".to_owned(),
        protocol: 6,
        host_ip: ip(host),
        host_port: port,
        container_ip: ip(container),
        container_port: 80,
        translate: true,
    }
}

fn nft(args: &[&str]) -> String {
    let out = Command::new("nft").args(args).output().expect("nft is installed");
    assert!(out.status.success(), "nft {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

#[test]
fn rules_are_installed_changed_checked_and_repaired() {
    sys::netns::in_new(|| {
        let mut executor = Executor::open().expect("socket");
        let one = plan(&desired(vec![network("docker0", "172.17.0.0/16")]));
        executor.install(&one).expect("install");
        executor.install(&one).expect("install over itself");
        let listed = nft(&["list", "table", "inet", "gantry-test"]);
        for part in [
            "tcp . 8080 : 172.17.0.2 . 80",
            "tcp . 8080 : fd00:1::2 . 80",
            "172.17.0.0/16 : goto direct4-docker0",
            "ct status dnat accept",
            "oifname != \"docker0\" masquerade",
            "fib daddr type local",
            "dnat ip to meta l4proto . th dport map @published4",
            "jump user-forward",
        ] {
            assert!(listed.contains(part), "{part:?} is missing in\n{listed}");
        }
        assert!(executor.is_intact().expect("check"));

        let mut other = network("br-1", "172.18.0.0/16");
        (other.ipv6, other.internal) = (None, true);
        let two = plan(&desired(vec![network("docker0", "172.17.0.0/16"), other]));
        executor.apply(&two).expect("apply");
        assert!(executor.is_intact().expect("check"));
        let listed = nft(&["list", "table", "inet", "gantry-test"]);
        assert!(listed.contains("chain to-br-1"), "{listed}");

        let more = publish_elements(&publish("127.0.0.1", "172.17.0.3", 81));
        executor.add(&more).expect("add");
        assert!(executor.is_intact().expect("check"));
        assert!(nft(&["list", "table", "inet", "gantry-test"]).contains("127.0.0.1 . tcp . 81 : 172.17.0.3 . 80"));
        executor.remove(&more).expect("remove");
        executor.remove(&more).expect("remove again");
        assert!(executor.is_intact().expect("check"));

        nft(&["add", "rule", "inet", "gantry-test", "user-forward", "counter", "accept"]);
        assert!(executor.is_intact().expect("the user's chain is the user's"));
        nft(&["flush", "chain", "inet", "gantry-test", "raw-prerouting"]);
        assert!(!executor.is_intact().expect("check"));
        executor.repair().expect("repair");
        assert!(executor.is_intact().expect("check"));
        let listed = nft(&["list", "chain", "inet", "gantry-test", "user-forward"]);
        assert!(listed.contains("accept"), "the user's rule survived: {listed}");

        executor.apply(&one).expect("back to one");
        assert!(executor.is_intact().expect("check"));
        assert!(!nft(&["list", "table", "inet", "gantry-test"]).contains("br-1"));
        nft(&["flush", "ruleset"]);
        assert!(!executor.is_intact().expect("check"));
        executor.repair().expect("repair from nothing");
        assert!(executor.is_intact().expect("check"));

        // Another daemon of another version left something of another shape.
        nft(&["flush", "ruleset"]);
        nft(&["add", "table", "inet", "gantry-test"]);
        nft(&["add", "set", "inet", "gantry-test", "bridges", "{ type ipv4_addr; }"]);
        Executor::open().expect("socket").install(&one).expect("starts afresh");
        executor.uninstall("gantry-test").expect("uninstall");
        assert!(!nft(&["list", "ruleset"]).contains("gantry-test"));
    })
    .expect("network namespace");
}

#[test]
#[expect(clippy::print_stdout, reason = "a measurement")]
fn elements_stay_cheap_when_there_are_many() {
    sys::netns::in_new(|| {
        let mut executor = Executor::open().expect("socket");
        executor.install(&plan(&desired(vec![network("docker0", "172.17.0.0/16")]))).expect("install");
        let start = std::time::Instant::now();
        for port in 10_000..14_000 {
            executor.add(&publish_elements(&publish("0.0.0.0", "172.17.0.3", port))).expect("add");
        }
        println!("4000 ports, one transaction each: {:?}", start.elapsed());
        assert!(executor.is_intact().expect("check"));
    })
    .expect("network namespace");
}
