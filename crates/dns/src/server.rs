//! Listening inside a sandbox.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use crate::Upstream;
use crate::message::{self, Decision, MESSAGE_MAX};

/// Questions that one sandbox may have outside at a time, as Docker's.
const FORWARDED_MAX: usize = 1024;
/// Connections that one sandbox may have open.
const CONNECTIONS_MAX: usize = 128;
/// A connection without a question for this long is closed.
const TCP_IDLE: Duration = Duration::from_secs(10);

/// Who knows the members of the sandbox's networks.
pub trait Names: Send + Sync + 'static {
    /// The addresses of a name (any case, no final dot); `None` if it is nobody's here.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>>;
    /// The names of an address; `None` if it is nobody's here.
    fn pointers(&self, ip: IpAddr) -> Option<Vec<String>>;
}

/// Sockets of a name server, bound but not served.
#[derive(Debug)]
pub struct Sockets {
    udp: StdUdpSocket,
    tcp: StdTcpListener,
}

impl Sockets {
    /// Binds in the calling thread's network namespace, to ports that the kernel chooses.
    pub fn bind(ip: IpAddr) -> io::Result<Self> {
        let udp = StdUdpSocket::bind((ip, 0))?;
        let tcp = StdTcpListener::bind((ip, 0))?;
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok(Self { udp, tcp })
    }

    /// Where UDP is listened on.
    pub fn udp(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Where TCP is listened on.
    pub fn tcp(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

struct Shared {
    names: Arc<dyn Names>,
    upstream: Upstream,
    slots: Semaphore,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

/// A running name server; ends when dropped.
#[derive(Debug)]
pub struct Server {
    tasks: [AbortHandle; 2],
}

impl Server {
    /// Serves the sockets. Must be called inside a tokio runtime.
    pub fn start(sockets: Sockets, names: Arc<dyn Names>, upstream: Upstream) -> io::Result<Self> {
        let udp = Arc::new(UdpSocket::from_std(sockets.udp)?);
        let tcp = TcpListener::from_std(sockets.tcp)?;
        let shared = Arc::new(Shared { names, upstream, slots: Semaphore::new(FORWARDED_MAX) });
        let tasks = [
            tokio::spawn(serve_udp(udp, Arc::clone(&shared))).abort_handle(),
            tokio::spawn(serve_tcp(tcp, shared)).abort_handle(),
        ];
        Ok(Self { tasks })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Shared {
    async fn forward(&self, request: &[u8], tcp: bool) -> Vec<u8> {
        let Ok(_slot) = self.slots.try_acquire() else {
            return message::failure(request, ResponseCode::Refused);
        };
        let answer = self.upstream.ask(request, tcp).await;
        answer.unwrap_or_else(|| message::failure(request, ResponseCode::ServFail))
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut buffer = vec![0; MESSAGE_MAX];
    let mut forwarded = JoinSet::new();
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            Some(_) = forwarded.join_next() => continue,
        };
        let Ok((length, client)) = received else { continue };
        let request = &buffer[..length];
        match message::decide(request, shared.names.as_ref()) {
            Decision::Answer(answer) => {
                let _ = socket.send_to(&answer, client).await;
            }
            Decision::Forward { udp_limit } => {
                let (socket, shared, request) = (Arc::clone(&socket), Arc::clone(&shared), request.to_vec());
                forwarded.spawn(async move {
                    let mut answer = shared.forward(&request, false).await;
                    message::truncate(&mut answer, udp_limit);
                    let _ = socket.send_to(&answer, client).await;
                });
            }
            Decision::Ignore => {}
        }
    }
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&shared)));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    loop {
        let Ok(length) = tokio::time::timeout(TCP_IDLE, stream.read_u16()).await else { return Ok(()) };
        let mut request = vec![0; usize::from(length?)];
        stream.read_exact(&mut request).await?;
        let answer = match message::decide(&request, shared.names.as_ref()) {
            Decision::Answer(answer) => answer,
            Decision::Forward { .. } => shared.forward(&request, true).await,
            Decision::Ignore => return Ok(()),
        };
        let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&answer);
        stream.write_all(&framed).await?;
    }
}

#[cfg(test)]
mod tests;
