use crate::fixture::*;

#[test]
fn containers_on_the_default_bridge_reach_each_other_and_the_world() {
    on_host(|host| async move {
        let service = host.service().await;
        let view = service.inspect("bridge").expect("default bridge");
        assert_eq!(view.ipam.as_ref().expect("ipam")[0].subnet.to_string(), "172.17.0.0/16");
        let one = service.sandbox_create(spec(1, &["bridge"])).await.expect("first");
        let two = service.sandbox_create(spec(2, &["bridge"])).await.expect("second");
        assert_eq!((ip(&one).to_string(), ip(&two).to_string()), ("172.17.0.2".into(), "172.17.0.3".into()));
        assert_eq!(one.endpoints[0].mac.expect("mac").to_string(), "02:42:ac:11:00:02");
        assert_eq!(one.endpoints[0].gateway.expect("gateway").to_string(), "172.17.0.1");
        assert!(one.hosts.ends_with(&format!("172.17.0.2\t{}\n", container(1).short())), "{}", one.hosts);
        serve(&one, 80);
        assert_eq!(inside(&two, || tcp("172.17.0.2:80")).as_deref(), Some("172.17.0.3"));
        assert_eq!(tcp("172.17.0.2:80").as_deref(), Some("172.17.0.1"), "from the host");
        let outside = host.as_neighbour(|| std::net::TcpListener::bind("192.0.2.2:99").expect("bind"));
        let seen = std::thread::spawn(move || outside.accept().expect("accept").1.ip().to_string());
        inside(&two, || std::net::TcpStream::connect("192.0.2.2:99").expect("reach the world"));
        assert_eq!(seen.join().expect("thread"), "192.0.2.1", "masqueraded");
        assert_eq!(host.as_neighbour(|| tcp("172.17.0.2:80")), None, "unpublished");
        let links = inside(&one, || sh("ip -o -6 addr show dev eth0"));
        assert!(links.is_empty(), "no IPv6 without a network that has it: {links}");
        let view = service.inspect("bridge").expect("default bridge");
        assert_eq!(view.containers[&container(1)].ipv4_address, "172.17.0.2/16");
        service.shutdown().await;
    });
}

#[test]
fn a_released_sandbox_leaves_nothing_behind() {
    on_host(|host| async move {
        let service = host.service().await;
        let before = sh("nft list table inet $(nft list tables | awk '{print $3}') | grep -v '^\tcounter'");
        for round in 0..20 {
            let mut wish = spec(1, &["bridge"]);
            wish.ports = vec![port(network::Protocol::Tcp, None, 8080, 80)];
            let sandbox = service.sandbox_create(wish).await.expect("create");
            assert_eq!(ip(&sandbox).to_string(), "172.17.0.2", "round {round}");
            let path = sandbox.netns_path.clone().expect("path");
            assert!(exists(&path));
            service.sandbox_release(&container(1));
            assert!(std::net::TcpListener::bind("0.0.0.0:8080").is_ok(), "the port is free at once");
            eventually("the namespace file is gone", || !exists(&path)).await;
        }
        service.shutdown().await;
        eventually("no interface is left", || !sh("ip -o link").contains("veth")).await;
        assert_eq!(sh("nft list table inet $(nft list tables | awk '{print $3}') | grep -v '^\tcounter'"), before);
        assert_eq!(std::fs::read_dir(service.netns_dir()).expect("dir").count(), 0);
        assert!(service.sandbox(&container(1)).is_none());
    });
}

#[test]
fn other_modes_have_what_they_should() {
    on_host(|host| async move {
        let service = host.service().await;
        let none = service.sandbox_create(spec(1, &["none"])).await.expect("none");
        let links = inside(&none, || sh("ip -o link"));
        assert_eq!(links.lines().count(), 1, "only lo: {links}");
        assert!(none.hosts.ends_with("ip6-allrouters\n"), "no address of its own: {}", none.hosts);
        let mut wish = spec(2, &[]);
        wish.mode = network::SandboxMode::Host;
        let shared = service.sandbox_create(wish).await.expect("host");
        assert_eq!(shared.netns_path, None);
        assert_eq!(service.inspect("host").expect("host").containers.len(), 1);
        let mut wish = spec(3, &[]);
        wish.mode = network::SandboxMode::Container(container(1));
        let joined = service.sandbox_create(wish).await.expect("container");
        assert_eq!(joined.netns_path, none.netns_path);
        let error = service.sandbox_create(spec(1, &["none"])).await.expect_err("twice");
        assert!(matches!(error, network::Error::SandboxExists(_)));
        let error = service.sandbox_create(spec(4, &["nope"])).await.expect_err("no such network");
        assert_eq!(error.to_string(), "network nope not found");
        service.shutdown().await;
    });
}

#[test]
fn addresses_run_out_and_come_back() {
    on_host(|host| async move {
        let mut config = host.config();
        config.bip = Some("10.9.0.1/29".parse().expect("net"));
        config.bridge = Some("small0".to_owned());
        let service = host.service_with(config).await;
        for number in 1..=5 {
            service.sandbox_create(spec(number, &["bridge"])).await.expect("free address");
        }
        let error = service.sandbox_create(spec(6, &["bridge"])).await.expect_err("full");
        assert!(error.to_string().starts_with("no available IPv4 addresses on this network's address pools: bridge ("));
        service.sandbox_release(&container(3));
        let again = service.sandbox_create(spec(7, &["bridge"])).await.expect("room again");
        assert_eq!(ip(&again).to_string(), "10.9.0.4");
        for _ in 0..200 {
            service.sandbox_release(&container(7));
            service.sandbox_create(spec(7, &["bridge"])).await.expect("no leak");
        }
        service.shutdown().await;
    });
}

#[test]
fn the_default_bridge_can_have_ipv6_and_links() {
    on_host(|host| async move {
        let mut config = host.config();
        config.ipv6 = true;
        config.fixed_cidr_v6 = Some("fd00:aa::/64".parse().expect("net"));
        config.userland_proxy = false;
        let service = host.service_with(config).await;
        let mut wish = spec(1, &["bridge"]);
        wish.ports = vec![port(network::Protocol::Tcp, None, 8080, 80)];
        let one = service.sandbox_create(wish).await.expect("one");
        assert_eq!(one.endpoints[0].ipv6.expect("IPv6").0.to_string(), "fd00:aa::2");
        serve(&one, 80);
        assert_eq!(host.as_neighbour(|| tcp("[2001:db8::1]:8080")).as_deref(), Some("2001:db8::2"), "at once");
        assert!(inside(&one, || tcp("192.0.2.1:8080")).is_some(), "itself by the host, without the proxy");
        let mut wish = spec(2, &["bridge"]);
        wish.links = vec![(container(1), vec!["db".to_owned(), "c1".to_owned()])];
        wish.extra_hosts = vec!["gw:host-gateway".to_owned()];
        let two = service.sandbox_create(wish).await.expect("two");
        assert!(two.hosts.contains("172.17.0.1\tgw\n") && two.hosts.contains("172.17.0.2\tdb c1\n"), "{}", two.hosts);
        service.shutdown().await;
    });
}
