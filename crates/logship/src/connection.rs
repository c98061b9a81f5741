//! Ways to a log receiver.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::ShipError;
use crate::failure::go_words;

/// A connection that takes longer to make, or a write that takes longer, has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where to, and how.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Udp { host: String, port: u16 },
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, config: Arc<ClientConfig> },
    Unix(String),
    Unixgram(String),
}

/// `host:port`, as Go joins them.
pub(crate) fn joined(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// An open way.
pub(crate) enum Connection {
    Stream(Box<dyn Duplex>),
    Udp(UdpSocket),
    Unixgram(UnixDatagram),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stream(_) => "Stream",
            Self::Udp(_) => "Udp",
            Self::Unixgram(_) => "Unixgram",
        })
    }
}

impl Target {
    pub(crate) async fn connect(&self) -> Result<Connection, ShipError> {
        match self {
            Self::Udp { host, port } => {
                let mut failure = None;
                for ip in addresses("udp", host).await? {
                    let any: IpAddr = if ip.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
                    let address = SocketAddr::new(ip, *port);
                    let bound = UdpSocket::bind((any, 0)).await;
                    match async { bound?.connect_to(address).await }.await {
                        Ok(socket) => return Ok(Connection::Udp(socket)),
                        Err(e) => failure = Some(dial("udp", address.to_string(), &e)),
                    }
                }
                Err(failure.unwrap_or_else(|| unknown("udp", host)))
            }
            Self::Tcp { host, port } => Ok(Connection::Stream(Box::new(tcp(host, *port).await?))),
            Self::Tls { host, port, config } => {
                let stream = tcp(host, *port).await?;
                let failed = |e: &io::Error| dial("tcp", joined(host, *port), e);
                let name = ServerName::try_from(host.clone()).map_err(|e| failed(&io::Error::other(e)))?;
                let shaken = timeout(PATIENCE, TlsConnector::from(config.clone()).connect(name, stream)).await;
                let stream = shaken.map_err(|e| failed(&e.into()))?.map_err(|e| failed(&e))?;
                Ok(Connection::Stream(Box::new(stream)))
            }
            Self::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(Connection::Stream(Box::new(stream))),
                Err(e) => Err(dial("unix", path.clone(), &e)),
            },
            Self::Unixgram(path) => {
                let socket = UnixDatagram::unbound().and_then(|s| s.connect(path).map(|()| s));
                socket.map(Connection::Unixgram).map_err(|e| dial("unixgram", path.clone(), &e))
            }
        }
    }
}

/// `connect` that gives the socket back.
trait ConnectTo: Sized {
    async fn connect_to(self, address: SocketAddr) -> io::Result<Self>;
}

impl ConnectTo for UdpSocket {
    async fn connect_to(self, address: SocketAddr) -> io::Result<Self> {
        self.connect(address).await?;
        Ok(self)
    }
}

impl Connection {
    /// Whether bounds of writes are kept.
    pub(crate) fn is_datagram(&self) -> bool {
        !matches!(self, Self::Stream(_))
    }

    /// Sends bytes: one datagram, or so much of a stream.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), ShipError> {
        let work = async {
            match self {
                Self::Stream(stream) => {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                }
                // A refusal tells of an earlier datagram: this one was not sent.
                Self::Udp(socket) => match socket.send(bytes).await {
                    Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => socket.send(bytes).await.map(drop),
                    other => other.map(drop),
                },
                Self::Unixgram(socket) => socket.send(bytes).await.map(drop),
            }
        };
        match timeout(PATIENCE, work).await {
            Ok(result) => result.map_err(ShipError::Send),
            Err(elapsed) => Err(ShipError::Send(elapsed.into())),
        }
    }

    /// Reads what the other side says: some bytes.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, ShipError> {
        let Self::Stream(stream) = self else { return Err(ShipError::Answer) };
        match timeout(PATIENCE, stream.read(buffer)).await {
            Ok(Ok(0)) => Err(ShipError::Send(io::ErrorKind::UnexpectedEof.into())),
            Ok(result) => result.map_err(ShipError::Send),
            Err(elapsed) => Err(ShipError::Send(elapsed.into())),
        }
    }

    /// Whether the other side has gone. A write to it would still succeed, and be lost.
    pub(crate) fn is_closed(&mut self) -> bool {
        let Self::Stream(stream) = self else { return false };
        let mut byte = [0_u8; 1];
        let mut buffer = tokio::io::ReadBuf::new(&mut byte);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(stream).poll_read(&mut context, &mut buffer) {
            std::task::Poll::Pending => false,
            std::task::Poll::Ready(Ok(())) => buffer.filled().is_empty(),
            std::task::Poll::Ready(Err(_)) => true,
        }
    }

    /// Ends it in order.
    pub(crate) async fn close(&mut self) {
        if let Self::Stream(stream) = self {
            let _ = timeout(PATIENCE, stream.shutdown()).await;
        }
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, ShipError> {
    let mut failure = None;
    for ip in addresses("tcp", host).await? {
        let address = SocketAddr::new(ip, port);
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => failure = Some(dial("tcp", address.to_string(), &e)),
            Err(elapsed) => failure = Some(dial("tcp", address.to_string(), &elapsed.into())),
        }
    }
    Err(failure.unwrap_or_else(|| unknown("tcp", host)))
}

async fn addresses(network: &'static str, host: &str) -> Result<Vec<IpAddr>, ShipError> {
    // Go takes no host to be this one.
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    registry_client::lookup(host).await.map_err(|e| ShipError::Lookup {
        network,
        host: host.to_owned(),
        reason: e.to_string(),
    })
}

fn dial(network: &'static str, address: String, error: &io::Error) -> ShipError {
    ShipError::Dial { network, address, reason: format!("connect: {}", go_words(error)) }
}

fn unknown(network: &'static str, host: &str) -> ShipError {
    ShipError::Lookup { network, host: host.to_owned(), reason: "no such host".to_owned() }
}
