use network::Protocol::Tcp;
use network::{NetworkSpec, Service};

use crate::fixture::*;

/// Ends a service as a crash would: nothing is tidied up, sockets and threads are gone.
async fn crash(service: Service) {
    drop(service);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
}

#[test]
fn running_containers_survive_a_crash_of_the_daemon() {
    on_host(|host| async move {
        let service = host.service().await;
        service.create(NetworkSpec { name: "net1".into(), ..Default::default() }).await.expect("network");
        let mut wish = spec(1, &["net1"]);
        wish.ports = vec![port(Tcp, None, 8080, 80)];
        let one = service.sandbox_create(wish).await.expect("one");
        serve(&one, 80);
        service.sandbox_create(spec(2, &["net1"])).await.expect("two");
        let three = service.sandbox_create(spec(3, &["bridge"])).await.expect("three");
        let before = service.inspect("net1").expect("network");
        crash(service).await;
        assert!(host.as_neighbour(|| tcp("192.0.2.1:8080")).is_some(), "published while nobody is there");

        let service = host.service().await;
        assert!(host.as_neighbour(|| tcp("192.0.2.1:8080")).is_some());
        assert_eq!(service.adopt(&container(1)).await.expect("adopted"), one);
        assert_eq!(service.inspect("net1").expect("network"), before);
        std::net::TcpListener::bind("0.0.0.0:8080").expect_err("held again");
        assert_eq!(inside(&one, || sh("dig +short @127.0.0.11 c2")).trim(), "172.18.0.3", "names again");
        let four = service.sandbox_create(spec(4, &["bridge"])).await.expect("four");
        assert_eq!(ip(&four).to_string(), "172.17.0.3", "the address of the third is taken");
        service.sweep(&[container(1), container(2)]).await.expect("sweep");
        assert!(service.sandbox(&container(3)).is_none());
        assert!(service.sandbox(&container(4)).is_some(), "not left by anybody");
        let path = three.netns_path.expect("path");
        eventually("the swept namespace is gone", || !exists(&path)).await;
        service.sandbox_release(&container(1));
        assert_eq!(host.as_neighbour(|| tcp("192.0.2.1:8080")), None);
        service.shutdown().await;
    });
}

#[test]
fn records_of_a_past_boot_are_cleared_away() {
    on_host(|host| async move {
        let service = host.service().await;
        let one = service.sandbox_create(spec(1, &["bridge"])).await.expect("one");
        crash(service).await;
        let path = one.netns_path.expect("path");
        rustix::mount::unmount(&path, rustix::mount::UnmountFlags::DETACH).expect("unmount");
        std::fs::write(host.dir.path().join("run/netns/stray"), "").expect("stray");
        std::fs::write(host.dir.path().join("run/network/broken.json"), "{").expect("broken");
        let service = host.service().await;
        assert!(service.adopt(&container(1)).await.is_err());
        let again = service.sandbox_create(spec(1, &["bridge"])).await.expect("again");
        assert_eq!(ip(&again).to_string(), "172.17.0.2");
        eventually("nothing stray", || std::fs::read_dir(service.netns_dir()).expect("dir").count() == 1).await;
        service.shutdown().await;
    });
}

#[test]
fn what_others_break_is_mended() {
    on_host(|host| async move {
        let service = host.service().await;
        let mut wish = spec(1, &["bridge"]);
        wish.ports = vec![port(Tcp, None, 8080, 80)];
        let one = service.sandbox_create(wish).await.expect("one");
        serve(&one, 80);
        let works = || host.as_neighbour(|| tcp("192.0.2.1:8080")).as_deref() == Some("192.0.2.2");
        eventually("the port is served", works).await;
        let breaks = [
            "nft flush ruleset",
            "ip link set docker0 down",
            "ip addr flush dev docker0",
            "ip link del docker0",
            "sysctl -qw net.ipv4.ip_forward=0",
        ];
        for command in breaks {
            sh(command);
            eventually(command, works).await;
        }
        sh(&format!("ip link del {}", service.sandbox(&container(1)).expect("sandbox").endpoints[0].host_if));
        eventually("the interface is replaced", works).await;
        assert!(inside(&one, || sh("ip route")).contains("default via 172.17.0.1 dev eth0"));
        service.shutdown().await;
    });
}

#[test]
fn two_daemons_live_side_by_side() {
    on_host(|host| async move {
        let first = host.service().await;
        let mut config = host.config();
        config.exec_root = host.dir.path().join("run2");
        config.data_root = host.dir.path().join("data2");
        config.bridge = Some("other0".to_owned());
        let store = std::sync::Arc::new(metastore::Db::in_memory().expect("store"));
        let second = Service::start(config, store).await.expect("second daemon");
        let subnet = second.inspect("bridge").expect("bridge").ipam.expect("ipam")[0].subnet.to_string();
        assert_eq!(subnet, "172.18.0.0/16");
        for (service, number, at) in [(&first, 1, 8080), (&second, 2, 8081)] {
            let mut wish = spec(number, &["bridge"]);
            wish.ports = vec![port(Tcp, None, at, 80)];
            serve(&service.sandbox_create(wish).await.expect("sandbox"), 80);
        }
        assert!(host.as_neighbour(|| tcp("192.0.2.1:8080")).is_some());
        assert!(host.as_neighbour(|| tcp("192.0.2.1:8081")).is_some());
        first.shutdown().await;
        second.shutdown().await;
    });
}
