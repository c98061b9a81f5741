//! The embedded name server of a sandbox: what it knows, and how 127.0.0.11:53 leads to it.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Weak};

use dns::{Names, Server, Sockets, Upstream};
use id::ContainerId;
use netlink::nft::{BaseChain, Batch, ChainKind, Cmp, Expr, Family, Hook, MetaKey, NatKind, PayloadBase, Reg, Socket};

use crate::Error;
use crate::files::EMBEDDED;
use crate::inner::Inner;

/// The table inside the container's namespace.
const TABLE: &str = "gantry-dns";
const CHAIN: &str = "output";
const PORT: u16 = 53;

/// What one container may know of its networks' members.
#[derive(Debug)]
struct View {
    service: Weak<Inner>,
    container: ContainerId,
}

impl Names for View {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.service.upgrade()?.state().addresses_for(&self.container, name)
    }

    fn pointers(&self, ip: IpAddr) -> Option<Vec<String>> {
        self.service.upgrade()?.state().pointers_for(&self.container, ip)
    }
}

/// Starts a container's name server inside its namespace. The server listens on ports of the kernel's choice, so that the
/// container is free to have a name server of its own; port 53 of the well-known address is translated to them.
pub(crate) fn start(
    service: &Arc<Inner>,
    container: &ContainerId,
    namespace: BorrowedFd<'_>,
    upstream: Vec<IpAddr>,
) -> Result<Server, Error> {
    let what = "start the name server";
    let io = |source| Error::Namespace { what, source };
    let (sockets, filter) = sys::netns::within(namespace, || {
        let sockets = Sockets::bind(EMBEDDED)?;
        Ok::<_, std::io::Error>((sockets, Socket::open()))
    })
    .and_then(|inner| inner)
    .map_err(io)?;
    let (udp, tcp) = (sockets.udp().map_err(io)?.port(), sockets.tcp().map_err(io)?.port());
    let mut filter = filter.map_err(|source| Error::Netlink { what, source })?;
    filter.execute(&redirect(udp, tcp)).map_err(|source| Error::Netlink { what, source })?;
    let view = View { service: Arc::downgrade(service), container: container.clone() };
    Server::start(sockets, Arc::new(view), Upstream::new(upstream)).map_err(io)
}

/// `ip daddr 127.0.0.11 meta l4proto udp th dport 53 dnat to 127.0.0.11:<port>`, and the same for TCP.
fn redirect(udp: u16, tcp: u16) -> Batch {
    let mut batch = Batch::new(Family::Ip, TABLE);
    // Whatever an earlier daemon left leads to ports that nobody listens on any more.
    batch.add_table();
    batch.delete_table();
    batch.add_table();
    batch.add_chain(CHAIN, Some(BaseChain { kind: ChainKind::Nat, hook: Hook::Output, priority: -100 }));
    let IpAddr::V4(address) = EMBEDDED else { return batch };
    for (protocol, port) in [(17, udp), (6, tcp)] {
        let load = |base, offset, length, to| Expr::Payload { base, offset, length, to };
        batch.add_rule(
            CHAIN,
            &[
                load(PayloadBase::Network, 16, 4, Reg(0)),
                Expr::Cmp(Reg(0), Cmp::Eq, address.octets().to_vec()),
                Expr::Meta(MetaKey::L4Proto, Reg(0)),
                Expr::Cmp(Reg(0), Cmp::Eq, vec![protocol]),
                load(PayloadBase::Transport, 2, 2, Reg(0)),
                Expr::Cmp(Reg(0), Cmp::Eq, PORT.to_be_bytes().to_vec()),
                Expr::Immediate(Reg(0), address.octets().to_vec()),
                Expr::Immediate(Reg(1), port.to_be_bytes().to_vec()),
                Expr::Nat { kind: NatKind::Destination, v6: false, address: Reg(0), port: Some(Reg(1)) },
            ],
        );
    }
    batch
}
