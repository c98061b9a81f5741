use std::net::IpAddr;

use network::{EndpointSpec, IpamPoolSpec, NetworkSpec, Protocol, Service};

use crate::fixture::*;

fn named(name: &str) -> NetworkSpec {
    NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() }
}

async fn create(service: &Service, spec: NetworkSpec) -> id::NetworkId {
    service.create(spec).await.expect("network").id
}

fn with_subnet(name: &str, subnet: &str) -> NetworkSpec {
    let pool = IpamPoolSpec { subnet: Some(subnet.parse().expect("net")), ..IpamPoolSpec::default() };
    NetworkSpec { ipam: vec![pool], ..named(name) }
}

fn dig(arguments: &str) -> String {
    sh(&format!("dig +short +time=2 +tries=1 @127.0.0.11 {arguments} || true")).trim().to_owned()
}

#[test]
fn names_are_known_on_user_networks_only() {
    on_host(|host| async move {
        let service = host.service().await;
        create(&service, named("net1")).await;
        let mut wish = spec(1, &["net1"]);
        wish.endpoints[0].aliases = vec!["web".to_owned()];
        let one = service.sandbox_create(wish).await.expect("first");
        let mut wish = spec(2, &["net1"]);
        wish.endpoints[0].links = vec!["c1:linked".to_owned()];
        let two = service.sandbox_create(wish).await.expect("second");
        let other = service.sandbox_create(spec(3, &["bridge"])).await.expect("on the default bridge");
        assert_eq!(one.endpoints[0].dns_names, ["c1", "web", container(1).short()]);
        assert!(two.resolv_conf.contains("nameserver 127.0.0.11\n"));
        assert!(!other.resolv_conf.contains("127.0.0.11"));
        assert_eq!(ip(&one).to_string(), "172.18.0.2");
        for name in ["c1", "web", "WEB", container(1).short(), "c1.net1", "linked", "c1 +tcp"] {
            assert_eq!(inside(&two, || dig(name)), "172.18.0.2", "{name}");
        }
        assert_eq!(inside(&two, || dig("-x 172.18.0.2")), "c1.net1.");
        assert_eq!(inside(&two, || dig("c1 AAAA")), "");
        assert_eq!(inside(&one, || dig("linked")), "", "a link is its owner's");
        assert_eq!(inside(&one, || dig("c3")), "", "not on this network");
        // A container may run a name server of its own.
        inside(&one, || std::net::UdpSocket::bind("0.0.0.0:53").expect("port 53 is free"));
        service.rename(&container(1), "renamed");
        assert_eq!(inside(&two, || dig("renamed")), "172.18.0.2");
        assert_eq!(inside(&two, || dig("c1")), "");
        service.sandbox_release(&container(1));
        assert_eq!(inside(&two, || dig("web")), "", "gone");
        service.shutdown().await;
    });
}

#[test]
fn questions_for_others_are_forwarded_unless_the_network_is_internal() {
    on_host(|host| async move {
        // The neighbour is the name server outside.
        let server = host.as_neighbour(|| std::net::UdpSocket::bind("192.0.2.2:53").expect("bind"));
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = server.recv_from(&mut buffer) {
                let end = 12 + buffer[12..length].iter().position(|b| *b == 0).unwrap_or(0) + 5;
                let mut answer = buffer[..end].to_vec();
                answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 9, 8, 7, 6]);
                let _ = server.send_to(&answer, client);
            }
        });
        let service = host.service().await;
        create(&service, named("open")).await;
        create(&service, NetworkSpec { internal: true, ..named("closed") }).await;
        let dns = network::DnsSpec { servers: vec!["192.0.2.2".parse().expect("ip")], ..Default::default() };
        let open = service.sandbox_create(network::SandboxSpec { dns: dns.clone(), ..spec(1, &["open"]) }).await;
        let closed = service.sandbox_create(network::SandboxSpec { dns, ..spec(2, &["closed"]) }).await;
        assert_eq!(inside(&open.expect("open"), || dig("example.com")), "9.8.7.6");
        let closed = closed.expect("closed");
        assert_eq!(inside(&closed, || dig("example.com")), "");
        assert_eq!(inside(&closed, || dig("c2")), ip(&closed).to_string());
        service.shutdown().await;
    });
}

#[test]
fn networks_are_kept_apart() {
    on_host(|host| async move {
        let service = host.service().await;
        for name in ["net1", "net2"] {
            create(&service, named(name)).await;
        }
        create(&service, NetworkSpec { internal: true, ..named("closed") }).await;
        let mut quiet = named("quiet");
        quiet.options.insert("com.docker.network.bridge.enable_icc".into(), "false".into());
        create(&service, quiet).await;
        let mut wish = spec(1, &["net1"]);
        wish.ports = vec![port(Protocol::Tcp, None, 8080, 80)];
        let one = service.sandbox_create(wish).await.expect("one");
        let two = service.sandbox_create(spec(2, &["net2"])).await.expect("two");
        let closed = service.sandbox_create(spec(3, &["closed"])).await.expect("closed");
        let closed2 = service.sandbox_create(spec(4, &["closed"])).await.expect("closed too");
        for sandbox in [&one, &two, &closed] {
            serve(sandbox, 80);
        }
        let to_one = format!("{}:80", ip(&one));
        assert_eq!(inside(&two, || tcp(&to_one)), None, "another network");
        assert!(inside(&two, || tcp("172.18.0.1:8080")).is_some(), "a published port by the host");
        assert_eq!(inside(&closed, || tcp(&to_one)), None);
        assert_eq!(inside(&closed, || tcp("172.18.0.1:8080")), None, "no way out, not even to published ports");
        let gateway = service.inspect("closed").expect("closed").ipam.expect("ipam")[0].gateway.expect("gateway");
        let listener = std::net::TcpListener::bind("0.0.0.0:7000").expect("a service of the host");
        assert_eq!(inside(&closed, || tcp(&format!("{gateway}:7000"))), None, "nor to the host");
        drop(listener);
        let to_closed = format!("{}:80", ip(&closed));
        assert!(inside(&closed2, || tcp(&to_closed)).is_some(), "members talk");
        assert!(tcp(&to_closed).is_some(), "the host reaches them");
        assert_eq!(inside(&two, || tcp(&to_closed)), None);
        assert_eq!(host.as_neighbour(|| tcp("192.0.2.9:1")), None);
        let routes = inside(&closed, || sh("ip route"));
        assert!(!routes.contains("default"), "{routes}");

        let mut wish = spec(5, &["quiet"]);
        wish.ports = vec![port(Protocol::Tcp, None, 8090, 80)];
        let loud = service.sandbox_create(wish).await.expect("quiet");
        serve(&loud, 80);
        let other = service.sandbox_create(spec(6, &["quiet"])).await.expect("quiet too");
        let to_loud = format!("{}:80", ip(&loud));
        assert_eq!(inside(&other, || tcp(&to_loud)), None, "icc=false");
        assert!(inside(&other, || tcp("172.18.0.1:8090")).is_some(), "published");
        service.shutdown().await;
    });
}

#[test]
fn ipv6_networks_have_both_families() {
    on_host(|host| async move {
        let service = host.service().await;
        create(&service, NetworkSpec { enable_ipv6: Some(true), ..named("dual") }).await;
        let mut wish = spec(1, &["dual"]);
        wish.ports = vec![port(Protocol::Tcp, None, 8080, 80)];
        let one = service.sandbox_create(wish).await.expect("one");
        serve(&one, 80);
        let two = service.sandbox_create(spec(2, &["dual"])).await.expect("two");
        let own = one.endpoints[0].ipv6.expect("IPv6").0;
        assert!(own.to_string().starts_with("fd") && own.to_string().ends_with("::2"), "{own}");
        assert_eq!(inside(&two, || tcp(&format!("[{own}]:80"))).map(|s| s.ends_with("::3")), Some(true));
        assert_eq!(inside(&two, || dig("c1 AAAA")), own.to_string());
        assert_eq!(host.as_neighbour(|| tcp("[2001:db8::1]:8080")).as_deref(), Some("2001:db8::2"), "at once");
        host.as_neighbour(|| sh("ip -6 route add fd00::/8 via 2001:db8::1"));
        assert_eq!(host.as_neighbour(|| tcp(&format!("[{own}]:80"))), None, "no direct routing");
        assert!(tcp("[::1]:8080").is_some());
        let outside = host.as_neighbour(|| std::net::TcpListener::bind("[2001:db8::2]:99").expect("bind"));
        let seen = std::thread::spawn(move || outside.accept().expect("accept").1.ip().to_string());
        inside(&two, || std::net::TcpStream::connect("[2001:db8::2]:99").expect("out"));
        assert_eq!(seen.join().expect("thread"), "2001:db8::1", "masqueraded");
        service.shutdown().await;
    });
}

#[test]
fn networks_come_and_go_while_containers_run() {
    on_host(|host| async move {
        let service = host.service().await;
        create(&service, with_subnet("a", "10.1.0.0/24")).await;
        create(&service, with_subnet("b", "10.2.0.0/24")).await;
        let peer = service.sandbox_create(spec(1, &["b"])).await.expect("peer");
        serve(&peer, 80);
        let mut wish = spec(2, &["a"]);
        wish.ports = vec![port(Protocol::Tcp, None, 8080, 80)];
        let two = service.sandbox_create(wish).await.expect("two");
        serve(&two, 80);
        assert_eq!(inside(&two, || tcp("10.2.0.2:80")), None);
        let mut join = EndpointSpec::new("b");
        join.ipv4 = Some("10.2.0.77".parse().expect("ip"));
        join.aliases = vec!["late".to_owned()];
        let endpoint = service.connect(&container(2), join).await.expect("connect");
        assert_eq!(
            (endpoint.if_name.as_str(), endpoint.ipv4.expect("address").0.to_string()),
            ("eth1", "10.2.0.77".into())
        );
        assert_eq!(inside(&two, || tcp("10.2.0.2:80")).as_deref(), Some("10.2.0.77"));
        assert_eq!(inside(&peer, || dig("late")), "10.2.0.77");
        let now = service.sandbox(&container(2)).expect("sandbox");
        assert_eq!(now.endpoints.len(), 2);
        assert!(now.hosts.contains("10.2.0.77\t"));
        let error = service.connect(&container(2), EndpointSpec::new("b")).await.expect_err("twice");
        assert_eq!(error.to_string(), "endpoint with name c2 already exists in network b");
        let error = service.remove("b").await.expect_err("in use").to_string();
        assert!(error.starts_with("error while removing network: network b has active endpoints (name:\"c1\" id:\""));

        // Without its first network it leaves, and is published, by the other one.
        service.disconnect(&container(2), "a", false).await.expect("disconnect");
        let routes = inside(&two, || sh("ip route"));
        assert!(routes.contains("default via 10.2.0.1 dev eth1"), "{routes}");
        assert!(host.as_neighbour(|| tcp("192.0.2.1:8080")).is_some(), "still published");
        let error = service.disconnect(&container(2), "a", false).await.expect_err("twice");
        assert!(error.to_string().ends_with("is not connected to network a"));
        service.remove("a").await.expect("nobody is on it");
        assert!(service.list().iter().all(|n| n.name != "a"));
        service.shutdown().await;
    });
}

#[test]
fn bad_networks_are_refused_in_dockers_words() {
    on_host(|host| async move {
        let service = host.service().await;
        create(&service, with_subnet("a", "10.1.0.0/24")).await;
        let check = async |spec: NetworkSpec, want: &str| {
            assert_eq!(service.create(spec).await.expect_err(want).to_string(), want);
        };
        check(named("a"), "network with name a already exists").await;
        check(named("bridge"), "operation is not permitted on predefined bridge network").await;
        check(named(""), "invalid name: name is empty").await;
        check(
            with_subnet("x", "10.1.0.0/16"),
            "invalid pool request: Pool overlaps with other one on this address space",
        )
        .await;
        check(
            with_subnet("x", "10.3.0.5/24"),
            "invalid network config:\ninvalid subnet 10.3.0.5/24: it should be 10.3.0.0/24",
        )
        .await;
        check(NetworkSpec { driver: "nope".into(), ..named("x") }, "plugin \"nope\" not found").await;
        check(NetworkSpec { enable_ipv4: Some(false), ..named("x") }, "IPv4 or IPv6 must be enabled").await;
        assert_eq!(service.list().len(), 4, "nothing half made");
        let error = service.remove("host").await.expect_err("predefined");
        assert_eq!(error.to_string(), "host is a pre-defined network and cannot be removed");
        let endpoint = |network: &str, ip: &str| EndpointSpec {
            ipv4: Some(ip.parse().expect("ip")),
            ..EndpointSpec::new(network)
        };
        create(&service, named("auto")).await;
        for (network, ip, want) in [
            (
                "auto",
                "1.2.3.4",
                "user specified IP address is supported only when connecting to networks with user configured subnets",
            ),
            ("a", "10.9.0.1", "no configured subnet or ip-range contain the IP address 10.9.0.1"),
        ] {
            let error = service.check_endpoint(&endpoint(network, ip)).expect_err(want).to_string();
            assert_eq!(error, format!("invalid endpoint settings:\n{want}"));
        }
        let mut wish = spec(1, &[]);
        wish.endpoints = vec![endpoint("a", "10.1.0.1")];
        assert_eq!(service.sandbox_create(wish).await.expect_err("gateway").to_string(), "Address already in use");
        let gone = service.prune(|view| view.name != "a").await.expect("prune");
        assert_eq!(gone.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["auto"]);
        service.shutdown().await;
    });
}

#[test]
fn a_subnet_that_the_host_routes_is_left_alone() {
    on_host(|host| async move {
        sh("ip route add 172.18.0.0/16 via 192.0.2.2; ip route add 172.20.5.0/24 via 192.0.2.2");
        let service = host.service().await;
        for (name, want) in [("a", "172.19.0.0/16"), ("b", "172.21.0.0/16")] {
            create(&service, named(name)).await;
            let pools = service.inspect(name).expect("network").ipam.expect("ipam");
            assert_eq!(pools[0].subnet.to_string(), want);
            assert_eq!(pools[0].gateway.map(|g: IpAddr| g.to_string()), Some(want.replace("0.0/16", "0.1")));
        }
        service.shutdown().await;
    });
}

#[test]
fn several_networks_at_once_have_one_way_out() {
    on_host(|host| async move {
        let service = host.service().await;
        for (name, subnet) in [("a", "10.1.0.0/24"), ("b", "10.2.0.0/24")] {
            create(&service, with_subnet(name, subnet)).await;
        }
        let both = service.sandbox_create(spec(1, &["b", "a"])).await.expect("both");
        let names: Vec<&str> = both.endpoints.iter().map(|e| e.if_name.as_str()).collect();
        assert_eq!(names, ["eth0", "eth1"]);
        let routes = inside(&both, || sh("ip route"));
        assert!(routes.contains("default via 10.1.0.1 dev eth0"), "the first name: {routes}");
        let mut wish = spec(2, &["a", "b"]);
        wish.endpoints[1].gw_priority = 1;
        wish.endpoints[1].driver_opts.insert("com.docker.network.endpoint.ifname".into(), "lan".into());
        let sysctl = "net.ipv4.conf.IFNAME.log_martians=1";
        wish.endpoints[1].driver_opts.insert("com.docker.network.endpoint.sysctls".into(), sysctl.into());
        wish.endpoints[1].mac = Some("02:00:00:00:00:09".parse().expect("mac"));
        wish.ports = vec![port(Protocol::Tcp, None, 8080, 80)];
        let chosen = service.sandbox_create(wish).await.expect("chosen");
        serve(&chosen, 80);
        let seen = inside(&chosen, || sh("ip route; ip link show lan; cat /proc/sys/net/ipv4/conf/lan/log_martians"));
        assert!(seen.contains("default via 10.2.0.1 dev lan") && seen.contains("02:00:00:00:00:09"), "{seen}");
        assert!(seen.ends_with("1\n"), "{seen}");
        assert!(host.as_neighbour(|| tcp("192.0.2.1:8080")).is_some());
        service.shutdown().await;
    });
}

#[test]
fn a_routed_network_keeps_addresses_and_opens_only_published_ports() {
    on_host(|host| async move {
        let service = host.service().await;
        let mut routed = with_subnet("routed", "10.1.0.0/24");
        routed.options.insert("com.docker.network.bridge.gateway_mode_ipv4".into(), "routed".into());
        create(&service, routed).await;
        let mut wish = spec(1, &["routed"]);
        wish.ports = vec![port(Protocol::Tcp, None, 8080, 80)];
        let one = service.sandbox_create(wish).await.expect("one");
        serve(&one, 80);
        serve(&one, 81);
        assert_eq!(host.as_neighbour(|| tcp("10.1.0.2:80")).as_deref(), Some("192.0.2.2"));
        assert_eq!(host.as_neighbour(|| tcp("10.1.0.2:81")), None);
        let outside = host.as_neighbour(|| std::net::TcpListener::bind("192.0.2.2:99").expect("bind"));
        let seen = std::thread::spawn(move || outside.accept().expect("accept").1.ip().to_string());
        inside(&one, || std::net::TcpStream::connect("192.0.2.2:99").expect("out"));
        assert_eq!(seen.join().expect("thread"), "10.1.0.2", "not masqueraded");
        service.shutdown().await;
    });
}
