//! Asking the servers outside, with failover.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::message::{self, MESSAGE_MAX};

/// A server that has not answered after this long gets competition.
const PATIENCE: Duration = Duration::from_millis(600);
/// Nobody has answered after this long: the question failed.
const GIVE_UP: Duration = Duration::from_secs(4);
/// How long a server that failed is asked last.
const PENALTY: Duration = Duration::from_secs(15);
const PORT: u16 = 53;

/// The servers of one sandbox.
#[derive(Debug)]
pub struct Upstream {
    servers: Vec<SocketAddr>,
    /// Until when each one is asked last.
    shunned: Mutex<Vec<Option<Instant>>>,
}

impl Upstream {
    /// Servers in order of preference, at port 53.
    pub fn new(servers: impl IntoIterator<Item = IpAddr>) -> Self {
        Self::at(servers.into_iter().map(|ip| SocketAddr::new(ip, PORT)))
    }

    /// Servers in order of preference.
    pub fn at(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        let servers: Vec<SocketAddr> = servers.into_iter().collect();
        let shunned = Mutex::new(vec![None; servers.len()]);
        Self { servers, shunned }
    }

    fn order(&self) -> Vec<usize> {
        let now = Instant::now();
        let shunned = self.shunned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut order: Vec<usize> = (0..self.servers.len()).collect();
        order.sort_by_key(|i| shunned[*i].is_some_and(|until| until > now));
        order
    }

    fn note(&self, server: usize, failed: bool) {
        let until = failed.then(|| Instant::now() + PENALTY);
        if let Some(slot) = self.shunned.lock().unwrap_or_else(PoisonError::into_inner).get_mut(server) {
            *slot = until;
        }
    }

    /// The answer to a request, with the request's id; `None` if nobody gave one.
    pub(crate) async fn ask(&self, request: &[u8], tcp: bool) -> Option<Vec<u8>> {
        tokio::time::timeout(GIVE_UP, self.race(request, tcp)).await.ok().flatten()
    }

    async fn race(&self, request: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let mut running = JoinSet::new();
        let mut waiting = self.order().into_iter();
        let mut spare = None;
        let mut asked = Vec::new();
        loop {
            if let Some(server) = waiting.next() {
                let (address, request) = (self.servers[server], request.to_vec());
                asked.push(server);
                running.spawn(async move {
                    let answer = if tcp { ask_tcp(address, &request).await } else { ask_udp(address, &request).await };
                    (server, answer)
                });
            } else if running.is_empty() {
                return spare;
            }
            let more = waiting.len() > 0;
            let finished = if more {
                match tokio::time::timeout(PATIENCE, running.join_next()).await {
                    Ok(finished) => finished,
                    Err(_) => {
                        // Slow: remember it, and ask the next one too.
                        asked.iter().for_each(|s| self.note(*s, true));
                        continue;
                    }
                }
            } else {
                running.join_next().await
            };
            let Some(Ok((server, answer))) = finished else { continue };
            match answer {
                Ok(answer) if !message::is_server_failure(&answer) => {
                    self.note(server, false);
                    return Some(answer);
                }
                Ok(answer) => spare = Some(answer),
                Err(error) => {
                    tracing::debug!(server = %self.servers[server], %error, "name server");
                    self.note(server, true);
                }
            }
        }
    }
}

fn random_id() -> std::io::Result<[u8; 2]> {
    let mut id = [0; 2];
    rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty())?;
    Ok(id)
}

/// One question on a socket of its own: a random port and a random id.
async fn ask_udp(server: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: SocketAddr =
        if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    let id = random_id()?;
    let mut sent = request.to_vec();
    sent[..2].copy_from_slice(&id);
    socket.send(&sent).await?;
    let mut buffer = vec![0; MESSAGE_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = &buffer[..length];
        if answer.starts_with(&id) && message::same_question(&sent, answer) {
            let mut answer = answer.to_vec();
            answer[..2].copy_from_slice(&request[..2]);
            return Ok(answer);
        }
    }
}

async fn ask_tcp(server: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(request.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(request);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    if answer.starts_with(&request[..2]) && message::same_question(request, &answer) {
        Ok(answer)
    } else {
        Err(std::io::ErrorKind::InvalidData.into())
    }
}
