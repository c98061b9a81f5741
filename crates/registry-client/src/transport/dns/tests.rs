use super::*;

#[test]
fn files_are_read_as_resolv_conf_5_says() {
    let s = Settings::parse(
        "# x\nnameserver 192.0.2.1 ; c\nnameserver fe80::1%eth0\nsearch a.b. C.d\noptions ndots:2 timeout:1 x attempts:9\n",
    );
    assert_eq!(s.servers, ["192.0.2.1:53".parse().expect("v4"), "[fe80::1]:53".parse().expect("v6")]);
    assert_eq!((s.ndots, s.attempts, s.timeout.as_secs()), (2, 5, 1));
    assert_eq!(s.candidates("h", false), ["h.a.b", "h.c.d", "h"]);
    assert_eq!(s.candidates("h.x.y", false), ["h.x.y", "h.x.y.a.b", "h.x.y.c.d"]);
    assert_eq!(s.candidates("h", true), ["h"]);
    assert_eq!(
        from_hosts("127.0.0.1 localhost\n::1 localhost x\n1.2.3.4 R.example # y\n", "r.example"),
        ["1.2.3.4".parse::<IpAddr>().expect("ip")]
    );
}

/// A server that answers A questions about `r.test` by an alias and an address, over TCP only.
async fn server() -> SocketAddr {
    // The same port for both: another process may have the second one.
    let (udp, tcp, address) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("udp");
        let address = udp.local_addr().expect("address");
        if let Ok(tcp) = tokio::net::TcpListener::bind(address).await {
            break (udp, tcp, address);
        }
    };
    let reply = |query: &[u8], truncated: bool| {
        let a = query[query.len() - 3] == 1;
        let known = query[12..].starts_with(b"\x01r\x04test\0");
        let mut out = query.to_vec();
        out[2] = if truncated { 0x83 } else { 0x81 };
        out[3] = if known { 0x80 } else { 0x83 };
        if known && a && !truncated {
            out[7] = 2;
            out.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01c\xc0\x0e");
            out.extend_from_slice(b"\xc0\x24\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x01\x02\x03");
        }
        out
    };
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((n, from)) = udp.recv_from(&mut buffer).await {
            let forged = [&[0, 0][..], &reply(&buffer[..n], false)[2..]].concat();
            udp.send_to(&forged, from).await.expect("send");
            udp.send_to(&reply(&buffer[..n], buffer[12..].starts_with(b"\x01r")), from).await.expect("send");
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let mut query = vec![0; usize::from(stream.read_u16().await.expect("len"))];
            stream.read_exact(&mut query).await.expect("query");
            let out = reply(&query, false);
            stream.write_u16(out.len() as u16).await.expect("len");
            stream.write_all(&out).await.expect("reply");
        }
    });
    address
}

#[tokio::test]
async fn answers_come_over_udp_and_tcp() {
    let settings = Settings { servers: vec![server().await], ..Settings::parse("") };
    let resolver = Resolver::system();
    let ip: IpAddr = "10.1.2.3".parse().expect("ip");
    assert_eq!(resolver.ask_all(&settings, "r.test", Kind::A).await, Ok(vec![ip]));
    assert_eq!(resolver.ask_all(&settings, "r.test", Kind::Aaaa).await, Ok(vec![]));
    assert_eq!(resolver.ask_all(&settings, "other.test", Kind::A).await, Ok(vec![]));
    assert_eq!(resolver.lookup("127.0.0.9").await.expect("literal"), ["127.0.0.9".parse::<IpAddr>().expect("ip")]);
    assert!(resolver.lookup("localhost").await.expect("localhost").iter().all(IpAddr::is_loopback));
}

#[test]
fn hostile_replies_are_refused() {
    let query = wire::query(7, "r.test", Kind::A).expect("query");
    for len in 0..query.len() {
        assert_eq!(wire::parse(&query[..len], &query, Kind::A), None);
    }
    assert_eq!(wire::parse(&query, &query, Kind::A), None, "a question is no reply");
    let mut reply = query.clone();
    reply[2] |= 0x80;
    reply[7] = 200;
    assert_eq!(wire::parse(&reply, &query, Kind::A), None, "records are missing");
    assert!(wire::query(1, &"a".repeat(64), Kind::A).is_none());
    assert!(wire::query(1, "a..b", Kind::A).is_none());
}
