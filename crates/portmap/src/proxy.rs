//! The userland proxy, in the daemon itself: copies what reaches the held socket to the container. The packet filter
//! translates nearly everything before it gets here; what remains is `::1`, and IPv6 to containers without it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
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

/// A socket that a task uses and its owner can close at any moment.
#[derive(Debug)]
struct Revocable<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Revocable<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Revocable<T> {
    fn new(socket: T) -> Self {
        Self(Arc::new(Mutex::new(Some(socket))))
    }

    fn revoke(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Polls the socket; `None` when it was closed.
    async fn poll<R>(&self, mut poll: impl FnMut(&T, &mut Context<'_>) -> Poll<R>) -> Option<R> {
        poll_fn(|context| match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(socket) => poll(socket, context).map(Some),
            None => Poll::Ready(None),
        })
        .await
    }

    /// Uses the socket now, if it is open.
    fn with<R>(&self, work: impl FnOnce(&T) -> R) -> Option<R> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(work)
    }
}

#[derive(Debug)]
enum Socket {
    /// Not served.
    Held {
        _port: HeldPort,
    },
    Tcp(Revocable<TcpListener>, AbortHandle),
    Udp(Revocable<UdpSocket>, AbortHandle),
}

/// A held port, served or only held. It is free again as soon as this is dropped.
#[derive(Debug)]
pub(crate) struct Guard(Socket);

impl Guard {
    /// Serves a port if asked to and if there is something to serve it with.
    pub(crate) fn new(port: HeldPort, target: SocketAddr, serve: bool) -> std::io::Result<Self> {
        if !serve || tokio::runtime::Handle::try_current().is_err() {
            return Ok(Self(Socket::Held { _port: port }));
        }
        Ok(Self(match port {
            HeldPort::Tcp(listener) => {
                let listener = Revocable::new(TcpListener::from_std(listener)?);
                let task = tokio::spawn(serve_tcp(listener.clone(), target)).abort_handle();
                Socket::Tcp(listener, task)
            }
            HeldPort::Udp(socket) => {
                let socket = Revocable::new(UdpSocket::from_std(socket)?);
                let task = tokio::spawn(serve_udp(socket.clone(), target)).abort_handle();
                Socket::Udp(socket, task)
            }
            port @ (HeldPort::Sctp(_) | HeldPort::Unsupported) => Socket::Held { _port: port },
        }))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        match &self.0 {
            Socket::Held { .. } => {}
            Socket::Tcp(listener, task) => {
                listener.revoke();
                task.abort();
            }
            Socket::Udp(socket, task) => {
                socket.revoke();
                task.abort();
            }
        }
    }
}

/// Connections end with the listener's task.
async fn serve_tcp(listener: Revocable<TcpListener>, target: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.poll(|l, context| l.poll_accept(context)) => match accepted {
                Some(Ok((client, _))) => {
                    connections.spawn(copy_tcp(client, target));
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "userland proxy: accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                None => return,
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

async fn serve_udp(socket: Revocable<UdpSocket>, target: SocketAddr) {
    let clients = Clients::default();
    let mut answers = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let received = tokio::select! {
            received = receive(&socket, &mut buffer) => received,
            Some(_) = answers.join_next() => continue,
        };
        let (length, client) = match received {
            Some(Ok(received)) => received,
            Some(Err(_)) => continue,
            None => return,
        };
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
                answers.spawn(answer_udp(socket.clone(), Arc::clone(&server), client, Arc::clone(&clients)));
                server
            }
        };
        let _ = server.send(&buffer[..length]).await;
    }
}

async fn receive(socket: &Revocable<UdpSocket>, buffer: &mut [u8]) -> Option<std::io::Result<(usize, SocketAddr)>> {
    let mut space = ReadBuf::new(buffer);
    let received = socket.poll(|s, context| s.poll_recv_from(context, &mut space)).await?;
    Some(received.map(|client| (space.filled().len(), client)))
}

async fn connect_udp(target: SocketAddr) -> Option<Arc<UdpSocket>> {
    let any: SocketAddr =
        if target.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
    let server = UdpSocket::bind(any).await.ok()?;
    server.connect(target).await.ok()?;
    Some(Arc::new(server))
}

/// Copies answers back until the client has been quiet for a while.
async fn answer_udp(socket: Revocable<UdpSocket>, server: Arc<UdpSocket>, client: SocketAddr, clients: Clients) {
    let mut buffer = vec![0; DATAGRAM];
    while let Ok(Ok(length)) = tokio::time::timeout(UDP_IDLE, server.recv(&mut buffer)).await {
        // A full buffer loses the datagram, as the network would.
        let _ = socket.with(|s| s.try_send_to(&buffer[..length], client));
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
        let guard = Guard::new(port, server.local_addr().expect("address"), true).expect("serve");
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
