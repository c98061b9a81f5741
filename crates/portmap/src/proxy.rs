//! The userland proxy, in the daemon itself: copies what reaches the held socket to the container. The packet filter
//! translates nearly everything before it gets here; what remains is `::1`, and IPv6 to containers without it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};

use crate::HeldPort;

/// After this long without a datagram a client is forgotten.
const UDP_IDLE: Duration = Duration::from_secs(90);
/// Clients of one UDP port at a time.
const UDP_CLIENTS: usize = 4096;
const DATAGRAM: usize = 65536;
/// Pause after a failed accept (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A held port, served or only held; ends when dropped.
#[derive(Debug)]
pub(crate) enum Guard {
    Held { _port: HeldPort },
    Served { task: AbortHandle },
}

impl Guard {
    /// Serves a port if asked to and if there is something to serve it with.
    pub(crate) fn new(port: HeldPort, target: SocketAddr, serve: bool) -> Self {
        if !serve || tokio::runtime::Handle::try_current().is_err() {
            return Self::Held { _port: port };
        }
        let task = match port {
            HeldPort::Tcp(listener) => match TcpListener::from_std(listener) {
                Ok(listener) => tokio::spawn(serve_tcp(listener, target)),
                Err(error) => {
                    tracing::warn!(%target, %error, "userland proxy not started");
                    return Self::Held { _port: HeldPort::Unsupported };
                }
            },
            HeldPort::Udp(socket) => match UdpSocket::from_std(socket) {
                Ok(socket) => tokio::spawn(serve_udp(Arc::new(socket), target)),
                Err(error) => {
                    tracing::warn!(%target, %error, "userland proxy not started");
                    return Self::Held { _port: HeldPort::Unsupported };
                }
            },
            port @ (HeldPort::Sctp(_) | HeldPort::Unsupported) => return Self::Held { _port: port },
        };
        Self::Served { task: task.abort_handle() }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Self::Served { task } = self {
            task.abort();
        }
    }
}

/// Connections end with the listener's task.
async fn serve_tcp(listener: TcpListener, target: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(copy_tcp(client, target));
                }
                Err(error) => {
                    tracing::debug!(%error, "userland proxy: accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn copy_tcp(mut client: TcpStream, target: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

type Clients = Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>>;

async fn serve_udp(socket: Arc<UdpSocket>, target: SocketAddr) {
    let clients = Clients::default();
    let mut answers = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                let Ok((length, client)) = received else { continue };
                let known = clients.lock().unwrap_or_else(PoisonError::into_inner).get(&client).cloned();
                let server = match known {
                    Some(server) => server,
                    None => {
                        let Some(server) = connect_udp(target).await else { continue };
                        let mut table = clients.lock().unwrap_or_else(PoisonError::into_inner);
                        if table.len() >= UDP_CLIENTS {
                            continue;
                        }
                        table.insert(client, Arc::clone(&server));
                        drop(table);
                        answers.spawn(answer_udp(Arc::clone(&socket), Arc::clone(&server), client, Arc::clone(&clients)));
                        server
                    }
                };
                let _ = server.send(&buffer[..length]).await;
            }
            Some(_) = answers.join_next() => {}
        }
    }
}

async fn connect_udp(target: SocketAddr) -> Option<Arc<UdpSocket>> {
    let any: SocketAddr =
        if target.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
    let server = UdpSocket::bind(any).await.ok()?;
    server.connect(target).await.ok()?;
    Some(Arc::new(server))
}

/// Copies answers back until the client has been quiet for a while.
async fn answer_udp(socket: Arc<UdpSocket>, server: Arc<UdpSocket>, client: SocketAddr, clients: Clients) {
    let mut buffer = vec![0; DATAGRAM];
    while let Ok(Ok(length)) = tokio::time::timeout(UDP_IDLE, server.recv(&mut buffer)).await {
        let _ = socket.send_to(&buffer[..length], client).await;
    }
    clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&client);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn held(protocol: Protocol) -> (HeldPort, SocketAddr) {
        let port = HeldPort::bind(protocol, std::net::Ipv6Addr::LOCALHOST.into(), 0).expect("bind");
        let address = match &port {
            HeldPort::Tcp(l) => l.local_addr(),
            HeldPort::Udp(s) => s.local_addr(),
            HeldPort::Sctp(_) | HeldPort::Unsupported => unreachable!("not asked for"),
        };
        (port, address.expect("address"))
    }

    #[tokio::test]
    async fn tcp_is_copied_both_ways_with_half_close() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let (port, address) = held(Protocol::Tcp);
        let guard = Guard::new(port, server.local_addr().expect("address"), true);
        let mut client = TcpStream::connect(address).await.expect("connect");
        client.write_all(b"question").await.expect("write");
        client.shutdown().await.expect("half close");
        let (mut inside, _) = server.accept().await.expect("accept");
        let mut text = String::new();
        inside.read_to_string(&mut text).await.expect("read");
        assert_eq!(text, "question");
        inside.write_all(b"answer").await.expect("write");
        drop(inside);
        text.clear();
        client.read_to_string(&mut text).await.expect("read");
        assert_eq!(text, "answer");
        drop(guard);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(TcpStream::connect(address).await.is_err(), "the port is free");
    }

    #[tokio::test]
    async fn udp_answers_find_their_client() {
        let server = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
        let (port, address) = held(Protocol::Udp);
        let _guard = Guard::new(port, server.local_addr().expect("address"), true);
        let mut buffer = [0; 16];
        for text in [b"one", b"two"] {
            let client = UdpSocket::bind("[::1]:0").await.expect("bind");
            client.send_to(text, address).await.expect("send");
            let (length, from) = server.recv_from(&mut buffer).await.expect("receive");
            server.send_to(&buffer[..length], from).await.expect("answer");
            let (length, from) = client.recv_from(&mut buffer).await.expect("receive");
            assert_eq!((&buffer[..length], from), (&text[..], address));
        }
    }
}
