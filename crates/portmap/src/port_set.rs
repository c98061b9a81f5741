//! The books: which ports of the host are given to containers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Error, HeldPort, Protocol, proxy};

/// What one published port needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// tcp, udp or sctp.
    pub protocol: Protocol,
    /// Host address → where its traffic goes; all get the same port.
    pub targets: Vec<(IpAddr, SocketAddr)>,
    /// First and last acceptable port; `(0, 0)`: any of the host's ephemeral range.
    pub ports: (u16, u16),
    /// Serve what reaches the socket itself.
    pub proxy: bool,
}

type Taken = BTreeMap<(Protocol, u16), Vec<IpAddr>>;

#[derive(Debug)]
struct Books {
    taken: Taken,
    /// The last ephemeral port that was given out.
    last: u16,
}

/// All ports of the host that containers have.
#[derive(Debug, Clone)]
pub struct PortSet {
    books: Arc<Mutex<Books>>,
    ephemeral: (u16, u16),
}

/// A port that is held until this is dropped.
#[derive(Debug)]
pub struct Lease {
    /// Its protocol.
    pub protocol: Protocol,
    /// The port of the host.
    pub port: u16,
    /// The addresses of the host it is held at.
    pub ips: Vec<IpAddr>,
    held: Vec<proxy::Guard>,
    books: Arc<Mutex<Books>>,
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether two addresses of one port exclude each other.
fn clash(a: IpAddr, b: IpAddr) -> bool {
    a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
}

impl PortSet {
    /// Nothing taken; `ephemeral` is the range for ports that nobody chose (`net.ipv4.ip_local_port_range`).
    pub fn new(ephemeral: (u16, u16)) -> Self {
        let books = Books { taken: BTreeMap::new(), last: ephemeral.1 };
        Self { books: Arc::new(Mutex::new(books)), ephemeral }
    }

    /// Takes and holds a port. With `proxy` it must be called inside a tokio runtime.
    pub fn lease(&self, request: &Request) -> Result<Lease, Error> {
        let (first, last) = request.ports;
        if (first, last) == (0, 0) {
            return self.lease_ephemeral(request);
        }
        let mut failure = Error::Exhausted;
        for port in first..=last {
            match self.lease_at(request, port) {
                Ok(lease) => return Ok(lease),
                Err(e) if first == last => failure = e,
                // Only somebody else's possession makes the next port of the range worth a try.
                Err(e @ Error::Bind { .. }) if !in_use(&e) => return Err(e),
                Err(_) => {}
            }
        }
        Err(failure)
    }

    fn lease_ephemeral(&self, request: &Request) -> Result<Lease, Error> {
        let (low, high) = self.ephemeral;
        let start = {
            let mut books = lock(&self.books);
            books.last = if books.last >= high || books.last < low { low } else { books.last + 1 };
            books.last
        };
        for port in (start..=high).chain(low..start) {
            match self.lease_at(request, port) {
                Ok(lease) => {
                    lock(&self.books).last = port;
                    return Ok(lease);
                }
                Err(e @ Error::Bind { .. }) if !in_use(&e) => return Err(e),
                Err(_) => {}
            }
        }
        Err(Error::Exhausted)
    }

    /// Writes it into the books first, so that of two who want it one is told so without having touched a socket.
    fn lease_at(&self, request: &Request, port: u16) -> Result<Lease, Error> {
        let ips: Vec<IpAddr> = request.targets.iter().map(|(ip, _)| *ip).collect();
        {
            let mut books = lock(&self.books);
            let taken = books.taken.entry((request.protocol, port)).or_default();
            if let Some(ip) = ips.iter().find(|ip| taken.iter().any(|t| clash(*t, **ip))) {
                return Err(Error::Allocated { ip: *ip, port });
            }
            taken.extend(&ips);
        }
        let mut lease =
            Lease { protocol: request.protocol, port, ips, held: Vec::new(), books: Arc::clone(&self.books) };
        for (host_ip, container) in &request.targets {
            let held = HeldPort::bind(request.protocol, *host_ip, port)
                .and_then(|held| proxy::Guard::new(held, *container, request.proxy))
                .map_err(|source| Error::Bind {
                    host_ip: *host_ip,
                    host_port: port,
                    container: *container,
                    protocol: request.protocol,
                    source,
                })?;
            lease.held.push(held);
        }
        Ok(lease)
    }
}

fn in_use(error: &Error) -> bool {
    matches!(error, Error::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse)
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.held.clear();
        let mut books = lock(&self.books);
        if let Some(taken) = books.taken.get_mut(&(self.protocol, self.port)) {
            taken.retain(|ip| !self.ips.contains(ip));
            if taken.is_empty() {
                books.taken.remove(&(self.protocol, self.port));
            }
        }
    }
}

#[cfg(test)]
mod tests;
