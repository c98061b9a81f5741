use super::*;
use hickory_proto::op::{Message, OpCode, Query};
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

struct Web;

impl Names for Web {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        (name == "web").then(|| vec![IpAddr::from([10, 0, 0, 2])])
    }
    fn pointers(&self, _: IpAddr) -> Option<Vec<String>> {
        None
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn ask(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("name"), kind));
    message.to_vec().expect("encodes")
}

fn reply_to(request: &[u8], code: ResponseCode, size: usize) -> Vec<u8> {
    let request = Message::from_vec(request).expect("parses");
    let mut reply = Message::response(request.metadata.id, OpCode::Query);
    reply.metadata.response_code = code;
    reply.add_queries(request.queries.iter().cloned());
    if code == ResponseCode::NoError {
        let name = request.queries[0].name().clone();
        reply.add_answer(Record::from_rdata(name.clone(), 60, RData::A(A::new(1, 2, 3, 4))));
        for _ in 0..size / 100 {
            let text = TXT::new(vec!["x".repeat(90)]);
            reply.add_answer(Record::from_rdata(name.clone(), 60, RData::TXT(text)));
        }
    }
    reply.to_vec().expect("encodes")
}

/// A server outside that answers everything with `code`, UDP and TCP on one port.
async fn outside(code: ResponseCode, size: usize) -> SocketAddr {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind((LOOPBACK, 0)).await.expect("bind");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("address")).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().expect("address");
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while let Ok((length, client)) = udp.recv_from(&mut buffer).await {
            let _ = udp.send_to(&reply_to(&buffer[..length], code, size), client).await;
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.expect("length");
            let mut request = vec![0; usize::from(length)];
            stream.read_exact(&mut request).await.expect("request");
            let answer = reply_to(&request, code, size);
            stream.write_u16(u16::try_from(answer.len()).expect("short")).await.expect("write");
            stream.write_all(&answer).await.expect("write");
        }
    });
    address
}

fn serve(upstream: Vec<SocketAddr>) -> (Server, SocketAddr, SocketAddr) {
    let sockets = Sockets::bind(LOOPBACK).expect("bind");
    let (udp, tcp) = (sockets.udp().expect("address"), sockets.tcp().expect("address"));
    (Server::start(sockets, Arc::new(Web), Upstream::at(upstream)).expect("start"), udp, tcp)
}

async fn exchange(server: SocketAddr, request: &[u8]) -> Message {
    let client = UdpSocket::bind((LOOPBACK, 0)).await.expect("bind");
    client.send_to(request, server).await.expect("send");
    let mut buffer = vec![0; MESSAGE_MAX];
    let received = tokio::time::timeout(Duration::from_secs(5), client.recv(&mut buffer)).await;
    let length = received.expect("an answer in time").expect("receive");
    assert!(length <= 512, "no more than a plain client takes");
    let answer = Message::from_vec(&buffer[..length]).expect("parses");
    assert_eq!(buffer[..2], request[..2], "the client's id");
    answer
}

#[tokio::test]
async fn members_are_known_and_others_forwarded() {
    let (_server, udp, _) = serve(vec![outside(ResponseCode::NoError, 0).await]);
    let got = exchange(udp, &ask("web.", RecordType::A)).await;
    assert_eq!(got.answers[0].data, RData::A(A::new(10, 0, 0, 2)));
    let got = exchange(udp, &ask("example.com.", RecordType::A)).await;
    assert_eq!(got.answers[0].data, RData::A(A::new(1, 2, 3, 4)));
}

#[tokio::test]
async fn a_dead_server_is_asked_only_once() {
    let dead = UdpSocket::bind((LOOPBACK, 0)).await.expect("bind");
    let (_server, udp, _) = serve(vec![dead.local_addr().expect("address"), outside(ResponseCode::NoError, 0).await]);
    let got = exchange(udp, &ask("example.com.", RecordType::A)).await;
    assert_eq!(got.answers.len(), 1);
    let mut buffer = vec![0; MESSAGE_MAX];
    assert!(dead.try_recv(&mut buffer).is_ok(), "it was asked first");
    while dead.try_recv(&mut buffer).is_ok() {}
    exchange(udp, &ask("example.org.", RecordType::A)).await;
    assert!(dead.try_recv(&mut buffer).is_err(), "it is passed over from now on");
}

#[tokio::test]
async fn a_failing_server_is_passed_over_but_a_denial_counts() {
    let (refusing, good) = (outside(ResponseCode::ServFail, 0).await, outside(ResponseCode::NoError, 0).await);
    let (_server, udp, _) = serve(vec![refusing, good]);
    assert_eq!(exchange(udp, &ask("a.", RecordType::A)).await.answers.len(), 1);
    let (_server, udp, _) = serve(vec![outside(ResponseCode::NXDomain, 0).await, good]);
    assert_eq!(exchange(udp, &ask("a.", RecordType::A)).await.metadata.response_code, ResponseCode::NXDomain);
    let (_server, udp, _) = serve(Vec::new());
    assert_eq!(exchange(udp, &ask("a.", RecordType::A)).await.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn long_answers_come_by_tcp() {
    let (_server, udp, tcp) = serve(vec![outside(ResponseCode::NoError, 3000).await]);
    let request = ask("long.", RecordType::A);
    let short = exchange(udp, &request).await;
    assert!(short.metadata.truncation);
    let mut stream = TcpStream::connect(tcp).await.expect("connect");
    stream.write_u16(u16::try_from(request.len()).expect("short")).await.expect("write");
    stream.write_all(&request).await.expect("write");
    let length = stream.read_u16().await.expect("length");
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.expect("answer");
    let whole = Message::from_vec(&answer).expect("parses");
    assert_eq!(whole.answers.len(), 31);
    assert!(!whole.metadata.truncation);
}
