use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const ANY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

fn request(protocol: Protocol, ip: IpAddr, ports: (u16, u16)) -> Request {
    let container = "172.17.0.2:80".parse().expect("address");
    Request { protocol, targets: vec![(ip, container)], ports, proxy: false }
}

/// Two ports in a row that nobody has.
fn free_port() -> u16 {
    loop {
        let socket = std::net::TcpListener::bind((LOOPBACK, 0)).expect("bind");
        let port = socket.local_addr().expect("address").port();
        if port < u16::MAX && std::net::TcpListener::bind((LOOPBACK, port + 1)).is_ok() {
            return port;
        }
    }
}

#[test]
fn a_port_is_had_by_one_at_a_time() {
    let set = PortSet::new((32768, 60999));
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let port = free_port();
        let lease = set.lease(&request(protocol, LOOPBACK, (port, port))).expect("free");
        for ip in [LOOPBACK, ANY] {
            let error = set.lease(&request(protocol, ip, (port, port))).expect_err("taken");
            assert_eq!(error.to_string(), format!("Bind for {ip}:{port} failed: port is already allocated"));
        }
        drop(lease);
        set.lease(&request(protocol, LOOPBACK, (port, port))).expect("free again");
    }
}

#[test]
fn other_processes_and_containers_conflict_both_ways() {
    let set = PortSet::new((32768, 60999));
    let theirs = std::net::TcpListener::bind((LOOPBACK, 0)).expect("bind");
    let port = theirs.local_addr().expect("address").port();
    let error = set.lease(&request(Protocol::Tcp, LOOPBACK, (port, port))).expect_err("taken by a process");
    let want = format!("failed to bind host port for 127.0.0.1:{port}:172.17.0.2:80/tcp: address already in use");
    assert_eq!(error.to_string(), want);
    drop(theirs);
    let _lease = set.lease(&request(Protocol::Tcp, LOOPBACK, (port, port))).expect("free");
    let error = std::net::TcpListener::bind((LOOPBACK, port)).expect_err("held");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn ranges_give_the_first_free_port_and_run_out() {
    let set = PortSet::new((32768, 60999));
    let port = free_port();
    let wanted = request(Protocol::Tcp, LOOPBACK, (port, port + 1));
    let a = set.lease(&wanted).expect("first");
    let b = set.lease(&wanted).expect("second");
    assert_eq!((a.port, b.port), (port, port + 1));
    assert_eq!(set.lease(&wanted).expect_err("none left").to_string(), "all ports are allocated");
}

#[test]
fn unchosen_ports_come_in_a_row() {
    let set = PortSet::new((42768, 60999));
    let wanted = request(Protocol::Udp, LOOPBACK, (0, 0));
    let a = set.lease(&wanted).expect("first").port;
    let b = set.lease(&wanted).expect("second").port;
    assert!(a >= 42768 && b > a, "{a} {b}");
}

#[test]
fn one_of_many_racers_wins() {
    let set = PortSet::new((32768, 60999));
    let port = free_port();
    let wins = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                if let Ok(lease) = set.lease(&request(Protocol::Tcp, LOOPBACK, (port, port))) {
                    wins.lock().expect("lock").push(lease);
                }
            });
        }
    });
    assert_eq!(wins.lock().expect("lock").len(), 1);
}
