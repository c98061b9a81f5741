use network::Protocol::{Tcp, Udp};

use crate::fixture::*;

#[test]
fn published_ports_are_reached_from_everywhere_they_should() {
    on_host(|host| async move {
        let service = host.service().await;
        let mut wish = spec(1, &["bridge"]);
        wish.ports = vec![port(Tcp, None, 8080, 80), port(Udp, None, 8080, 80), port(Tcp, Some("127.0.0.1"), 8081, 80)];
        let one = service.sandbox_create(wish).await.expect("create");
        let bound: Vec<String> =
            one.ports.iter().map(|p| format!("{}:{}/{}", p.host_ip, p.host_port, p.protocol)).collect();
        assert_eq!(bound, ["0.0.0.0:8080/tcp", ":::8080/tcp", "127.0.0.1:8081/tcp", "0.0.0.0:8080/udp", ":::8080/udp"]);
        serve(&one, 80);
        let two = service.sandbox_create(spec(2, &["bridge"])).await.expect("second");

        let neighbour = |to: &'static str| host.as_neighbour(move || tcp(to));
        assert_eq!(neighbour("192.0.2.1:8080").as_deref(), Some("192.0.2.2"), "the client's address is kept");
        assert_eq!(host.as_neighbour(|| udp("192.0.2.1:8080")).as_deref(), Some("192.0.2.2"));
        assert_eq!(neighbour("[2001:db8::1]:8080").as_deref(), Some("172.17.0.1"), "IPv6 by the proxy");
        assert_eq!(host.as_neighbour(|| udp("[2001:db8::1]:8080")).as_deref(), Some("172.17.0.1"));
        assert_eq!(neighbour("172.17.0.2:80"), None, "no direct routing");
        assert_eq!(neighbour("192.0.2.1:8081"), None, "published for the host only");
        assert_eq!(neighbour("172.17.0.1:8080").as_deref(), Some("192.0.2.2"), "any address of the host");

        for to in ["127.0.0.1:8080", "127.0.0.1:8081", "192.0.2.1:8080", "[::1]:8080", "172.17.0.1:8080"] {
            assert!(tcp(to).is_some(), "host to {to}");
        }
        assert_eq!(udp("127.0.0.1:8080").as_deref(), Some("172.17.0.1"));
        assert_eq!(inside(&two, || tcp("172.17.0.1:8080")).as_deref(), Some("172.17.0.1"), "a neighbour by the host");
        assert_eq!(inside(&one, || tcp("192.0.2.1:8080")).as_deref(), Some("172.17.0.1"), "itself by the host");
        let loopback = inside(&two, || {
            sh("ip route add 127.0.0.0/8 via 172.17.0.1 table local; sysctl -qw net.ipv4.conf.all.route_localnet=1; \
                ip route del local 127.0.0.0/8 dev lo table local; ip addr del 127.0.0.1/8 dev lo");
            tcp("127.0.0.1:8081")
        });
        assert_eq!(loopback, None, "the host's localhost is not for containers");
        service.shutdown().await;
    });
}

#[test]
fn a_taken_port_fails_whole_and_leaves_nothing() {
    on_host(|host| async move {
        let service = host.service().await;
        let theirs = std::net::TcpListener::bind("0.0.0.0:8090").expect("bind");
        let mut wish = spec(1, &["bridge"]);
        wish.ports = vec![port(Tcp, None, 8089, 80), port(Tcp, None, 8090, 81)];
        let error = service.sandbox_create(wish.clone()).await.expect_err("taken by a process").to_string();
        assert!(error.starts_with("driver failed programming external connectivity on endpoint c1 ("), "{error}");
        let tail = "): failed to bind host port for 0.0.0.0:8090:172.17.0.2:81/tcp: address already in use";
        assert!(error.ends_with(tail), "{error}");
        assert!(service.sandbox(&container(1)).is_none());
        std::net::TcpListener::bind("0.0.0.0:8089").expect("the other port is free again");
        drop(theirs);
        let one = service.sandbox_create(wish.clone()).await.expect("now it can");
        assert_eq!(ip(&one).to_string(), "172.17.0.2", "the address had been given back");
        let taken = std::net::TcpListener::bind("0.0.0.0:8090").expect_err("held");
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        wish.container_id = container(2);
        wish.name = "c2".to_owned();
        let error = service.sandbox_create(wish).await.expect_err("taken by a container").to_string();
        assert!(error.ends_with("): Bind for 0.0.0.0:8089 failed: port is already allocated"), "{error}");
        let mut any = spec(3, &["bridge"]);
        any.ports = vec![port(Tcp, None, 0, 80), port(Udp, None, 0, 80)];
        let three = service.sandbox_create(any).await.expect("any port");
        assert!(three.ports.iter().all(|p| (32768..=60999).contains(&p.host_port)), "{:?}", three.ports);
        assert_eq!(three.ports[0].host_port, three.ports[1].host_port, "both families get one port");
        service.shutdown().await;
    });
}

#[test]
fn a_hundred_racers_get_one_port_once() {
    on_host(|host| async move {
        let service = host.service().await;
        let mut racers = tokio::task::JoinSet::new();
        for number in 0..100 {
            let service = service.clone();
            racers.spawn(async move {
                let mut wish = spec(number, &["bridge"]);
                wish.ports = vec![port(Tcp, None, 8080, 80)];
                service.sandbox_create(wish).await.is_ok()
            });
        }
        let wins = racers.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(wins, 1);
        assert_eq!(service.inspect("bridge").expect("bridge").containers.len(), 1);
        let rules = sh("nft list ruleset");
        assert_eq!(rules.matches(" . 8080 : ").count(), 1, "{rules}");
        service.shutdown().await;
        eventually("only the winner's interface is left", || sh("ip -o link").matches("veth").count() == 1).await;
    });
}

#[test]
fn without_rules_everything_goes_by_the_proxy() {
    on_host(|host| async move {
        let mut config = host.config();
        (config.iptables, config.ip6tables) = (false, false);
        let service = host.service_with(config).await;
        let mut wish = spec(1, &["bridge"]);
        wish.ports = vec![port(Tcp, None, 8080, 80)];
        let one = service.sandbox_create(wish).await.expect("create");
        serve(&one, 80);
        assert_eq!(sh("nft list ruleset"), "");
        assert_eq!(host.as_neighbour(|| tcp("192.0.2.1:8080")).as_deref(), Some("172.17.0.1"));
        assert_eq!(host.as_neighbour(|| tcp("172.17.0.2:80")).as_deref(), Some("192.0.2.2"), "nobody forbids it");
        service.shutdown().await;
    });
}

#[test]
fn foreign_traffic_is_not_intercepted() {
    on_host(|host| async move {
        let service = host.service().await;
        let mut wish = spec(1, &["bridge"]);
        wish.ports = vec![port(Tcp, None, 8080, 80)];
        let one = service.sandbox_create(wish).await.expect("create");
        serve(&one, 80);
        // The neighbour reaches a third party through us, on the published port's number.
        let ((), third) = sys::netns::in_new(|| ()).expect("third party");
        let mut route = netlink::route::Socket::open().expect("socket");
        let mut batch = netlink::route::Batch::new();
        let there = netlink::route::Namespace::Fd(std::os::fd::AsFd::as_fd(&third));
        let peer = netlink::route::LinkChange { name: Some("lan3"), namespace: Some(there), ..Default::default() };
        let with = netlink::route::LinkChange { name: Some("lan2"), ..Default::default() };
        batch.add_link(&netlink::route::NewLink { kind: netlink::route::LinkKind::Veth(peer), with });
        route.execute(&batch).expect("third party's link");
        sh("ip addr add 198.51.100.1/24 dev lan2; ip link set lan2 up");
        let listener = sys::netns::within(std::os::fd::AsFd::as_fd(&third), || {
            sh("ip addr add 198.51.100.2/24 dev lan3; ip link set lan3 up; ip route add default via 198.51.100.1");
            std::net::TcpListener::bind("198.51.100.2:8080").expect("bind")
        })
        .expect("third party");
        std::thread::spawn(move || {
            while let Ok((mut client, _)) = listener.accept() {
                let _ = std::io::Write::write_all(&mut client, b"third");
            }
        });
        host.as_neighbour(|| sh("ip route add default via 192.0.2.1"));
        // Forwarding was off before us: what concerns no container is not forwarded now either.
        assert_eq!(host.as_neighbour(|| tcp("198.51.100.2:8080")), None);
        service.shutdown().await;
        drop(service);
        let mut config = host.config();
        config.ip_forward_no_drop = true;
        let service = host.service_with(config).await;
        assert_eq!(host.as_neighbour(|| tcp("198.51.100.2:8080")).as_deref(), Some("third"));
        service.shutdown().await;
    });
}
