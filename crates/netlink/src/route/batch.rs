use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use ipnet::IpNet;

use crate::MacAddr;
use crate::wire::{self, F_ACK, F_CREATE, F_EXCL, F_REPLACE, F_REQUEST, Writer};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_NEWNEIGH: u16 = 28;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_STALE: u16 = 0x04;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_LINKINFO: u16 = 18;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_NET_NS_PID: u16 = 19;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_BR_MCAST_SNOOPING: u16 = 23;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IFF_UP: u32 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
/// No duplicate address detection: the address can be used at once.
const IFA_F_NODAD: u32 = 0x02;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const AF_BRIDGE: u8 = 7;

/// Which link is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRef<'a> {
    /// By its name.
    Name(&'a str),
    /// By its index.
    Index(u32),
}

impl std::fmt::Display for LinkRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => write!(f, "#{index}"),
        }
    }
}

/// Another network namespace.
#[derive(Debug, Clone, Copy)]
pub enum Namespace<'a> {
    /// A handle of it.
    Fd(BorrowedFd<'a>),
    /// That of a process.
    Pid(u32),
}

/// Which link-local IPv6 address an interface makes for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddrGen {
    /// From its hardware address.
    Eui64,
    /// None.
    None,
}

/// What to change of a link (or how a new one is to be).
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkChange<'a> {
    /// Administratively up or down.
    pub up: Option<bool>,
    /// New name.
    pub name: Option<&'a str>,
    /// Hardware address.
    pub mac: Option<MacAddr>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// Index of the bridge to be a port of; 0 takes it off its bridge.
    pub master: Option<u32>,
    /// Moves it there.
    pub namespace: Option<Namespace<'a>>,
    /// Link-local addresses.
    pub addr_gen: Option<AddrGen>,
}

/// Settings of a bridge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bridge {
    /// Multicast snooping (kernel's default: on).
    pub multicast_snooping: Option<bool>,
}

/// The kinds of link that can be made.
#[derive(Debug, Clone, Copy)]
pub enum LinkKind<'a> {
    /// A switch.
    Bridge(Bridge),
    /// A pair; the other end is made with these settings (its namespace included).
    Veth(LinkChange<'a>),
    /// Goes nowhere.
    Dummy,
}

/// A link to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewLink<'a> {
    /// What it is.
    pub kind: LinkKind<'a>,
    /// Name and the rest.
    pub with: LinkChange<'a>,
}

/// A route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// Over whom; `None`: directly reachable.
    pub gateway: Option<IpAddr>,
    /// Index of the interface.
    pub link: u32,
}

/// Operations that are sent together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    writer: Writer,
    operations: Vec<(usize, &'static str, String)>,
}

impl Batch {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations are in it.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Makes a link (and its peer); fails if the name is taken.
    pub fn add_link(&mut self, link: &NewLink<'_>) -> &mut Self {
        let subject = link.with.name.unwrap_or_default();
        self.operation("add link", subject, RTM_NEWLINK, F_CREATE | F_EXCL, |w| {
            w.raw(&ifinfo(0, link.with.up));
            change_attrs(w, &link.with);
            w.nest(IFLA_LINKINFO, |w| match &link.kind {
                LinkKind::Bridge(bridge) => {
                    w.attr_str(IFLA_INFO_KIND, "bridge");
                    if let Some(on) = bridge.multicast_snooping {
                        w.nest(IFLA_INFO_DATA, |w| w.attr(IFLA_BR_MCAST_SNOOPING, &[u8::from(on)]));
                    }
                }
                LinkKind::Dummy => w.attr_str(IFLA_INFO_KIND, "dummy"),
                LinkKind::Veth(peer) => {
                    w.attr_str(IFLA_INFO_KIND, "veth");
                    w.nest(IFLA_INFO_DATA, |w| {
                        w.nest(VETH_INFO_PEER, |w| {
                            w.raw(&ifinfo(0, peer.up));
                            change_attrs(w, peer);
                        });
                    });
                }
            });
        })
    }

    /// Changes a link.
    pub fn set_link(&mut self, link: LinkRef<'_>, change: &LinkChange<'_>) -> &mut Self {
        self.operation("set link", &link.to_string(), RTM_SETLINK, 0, |w| {
            match link {
                LinkRef::Index(index) => w.raw(&ifinfo(index, change.up)),
                LinkRef::Name(name) => {
                    w.raw(&ifinfo(0, change.up));
                    w.attr_str(IFLA_IFNAME, name);
                }
            }
            change_attrs(w, change);
        })
    }

    /// Deletes a link. Waits in the kernel for grace periods: not for anybody's critical path.
    pub fn delete_link(&mut self, link: LinkRef<'_>) -> &mut Self {
        self.operation("delete link", &link.to_string(), RTM_DELLINK, 0, |w| match link {
            LinkRef::Index(index) => w.raw(&ifinfo(index, None)),
            LinkRef::Name(name) => {
                w.raw(&ifinfo(0, None));
                w.attr_str(IFLA_IFNAME, name);
            }
        })
    }

    /// Keeps a port of a bridge from talking to the bridge's other isolated ports (or lets it again).
    pub fn isolate_port(&mut self, link: u32, isolated: bool) -> &mut Self {
        self.operation("isolate port", &LinkRef::Index(link).to_string(), RTM_SETLINK, 0, |w| {
            let mut head = ifinfo(link, None);
            head[0] = AF_BRIDGE;
            w.raw(&head);
            w.nest(IFLA_PROTINFO, |w| w.attr(IFLA_BRPORT_ISOLATED, &[u8::from(isolated)]));
        })
    }

    /// Lets frames leave a port of a bridge by which they came in (or not).
    pub fn hairpin_port(&mut self, link: u32, hairpin: bool) -> &mut Self {
        self.operation("set hairpin mode", &LinkRef::Index(link).to_string(), RTM_SETLINK, 0, |w| {
            let mut head = ifinfo(link, None);
            head[0] = AF_BRIDGE;
            w.raw(&head);
            w.nest(IFLA_PROTINFO, |w| w.attr(IFLA_BRPORT_MODE, &[u8::from(hairpin)]));
        })
    }

    /// Gives a link an address, usable at once; replaces an equal one.
    pub fn add_address(&mut self, link: u32, address: IpNet) -> &mut Self {
        let subject = address.to_string();
        self.operation("add address", &subject, RTM_NEWADDR, F_CREATE | F_REPLACE, |w| {
            address_body(w, link, address);
            if let IpNet::V4(net) = address
                && net.prefix_len() < 31
            {
                w.attr(IFA_BROADCAST, &net.broadcast().octets());
            }
            if address.addr().is_ipv6() {
                w.attr_u32(IFA_FLAGS, IFA_F_NODAD);
            }
        })
    }

    /// Takes an address off a link.
    pub fn delete_address(&mut self, link: u32, address: IpNet) -> &mut Self {
        let subject = address.to_string();
        self.operation("delete address", &subject, RTM_DELADDR, 0, |w| address_body(w, link, address))
    }

    /// Adds a route or replaces the one to the same destination.
    pub fn add_route(&mut self, route: &Route) -> &mut Self {
        let subject = route.destination.to_string();
        self.operation("add route", &subject, RTM_NEWROUTE, F_CREATE | F_REPLACE, |w| route_body(w, route))
    }

    /// Deletes a route.
    pub fn delete_route(&mut self, route: &Route) -> &mut Self {
        let subject = route.destination.to_string();
        self.operation("delete route", &subject, RTM_DELROUTE, 0, |w| route_body(w, route))
    }

    /// Tells a neighbour's hardware address, so that nobody has to ask for it first; it is confirmed in the background
    /// when it is used (`NUD_STALE`).
    pub fn add_neighbour(&mut self, link: u32, address: IpAddr, mac: MacAddr) -> &mut Self {
        let subject = address.to_string();
        self.operation("add neighbour", &subject, RTM_NEWNEIGH, F_CREATE | F_REPLACE, |w| {
            let mut head = [0; 12];
            head[0] = family(address);
            head[4..8].copy_from_slice(&link.to_ne_bytes());
            head[8..10].copy_from_slice(&NUD_STALE.to_ne_bytes());
            w.raw(&head);
            with_octets(address, |octets| w.attr(NDA_DST, octets));
            w.attr(NDA_LLADDR, &mac.0);
        })
    }

    fn operation(
        &mut self,
        operation: &'static str,
        subject: &str,
        kind: u16,
        flags: u16,
        fill: impl FnOnce(&mut Writer),
    ) -> &mut Self {
        self.operations.push((self.writer.len(), operation, subject.to_owned()));
        let mark = self.writer.begin(kind, F_REQUEST | flags, 0);
        fill(&mut self.writer);
        self.writer.end(mark);
        self
    }

    /// The bytes, numbered from `first`; the last operation asks for an acknowledgement.
    pub(crate) fn encode(&self, first: u32) -> Vec<u8> {
        let mut bytes = self.writer.bytes.clone();
        let mut sequence = first;
        for (at, ..) in &self.operations {
            bytes[at + 8..at + 12].copy_from_slice(&sequence.to_ne_bytes());
            sequence = sequence.wrapping_add(1);
        }
        if let Some((at, ..)) = self.operations.last() {
            wire::add_flags(&mut bytes, *at, F_ACK);
        }
        bytes
    }

    pub(crate) fn describe(&self, at: usize) -> (&'static str, String) {
        self.operations
            .get(at)
            .map_or(("batch", String::new()), |(_, operation, subject)| (*operation, subject.clone()))
    }
}

/// struct ifinfomsg.
fn ifinfo(index: u32, up: Option<bool>) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    if let Some(up) = up {
        let flags = if up { IFF_UP } else { 0 };
        bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
        bytes[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    }
    bytes
}

fn change_attrs(w: &mut Writer, change: &LinkChange<'_>) {
    if let Some(name) = change.name {
        w.attr_str(IFLA_IFNAME, name);
    }
    if let Some(mac) = change.mac {
        w.attr(IFLA_ADDRESS, &mac.0);
    }
    if let Some(mtu) = change.mtu {
        w.attr_u32(IFLA_MTU, mtu);
    }
    if let Some(master) = change.master {
        w.attr_u32(IFLA_MASTER, master);
    }
    match change.namespace {
        Some(Namespace::Fd(fd)) => w.attr(IFLA_NET_NS_FD, &fd.as_raw_fd().to_ne_bytes()),
        Some(Namespace::Pid(pid)) => w.attr_u32(IFLA_NET_NS_PID, pid),
        None => {}
    }
    if let Some(mode) = change.addr_gen {
        let mode = match mode {
            AddrGen::Eui64 => 0,
            AddrGen::None => 1,
        };
        w.nest(IFLA_AF_SPEC, |w| w.nest(u16::from(AF_INET6), |w| w.attr(IFLA_INET6_ADDR_GEN_MODE, &[mode])));
    }
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn with_octets<T>(address: IpAddr, f: impl FnOnce(&[u8]) -> T) -> T {
    match address {
        IpAddr::V4(a) => f(&a.octets()),
        IpAddr::V6(a) => f(&a.octets()),
    }
}

/// struct ifaddrmsg and the address itself.
fn address_body(w: &mut Writer, link: u32, address: IpNet) {
    let mut head = [0; 8];
    head[0] = family(address.addr());
    head[1] = address.prefix_len();
    if address.addr().is_ipv6() {
        head[2] = u8::try_from(IFA_F_NODAD).unwrap_or_default();
    }
    head[3] = match address.addr() {
        IpAddr::V4(a) if a.is_loopback() => 254,
        IpAddr::V6(a) if a.is_unicast_link_local() => RT_SCOPE_LINK,
        _ => RT_SCOPE_UNIVERSE,
    };
    head[4..8].copy_from_slice(&link.to_ne_bytes());
    w.raw(&head);
    with_octets(address.addr(), |octets| {
        w.attr(IFA_LOCAL, octets);
        w.attr(IFA_ADDRESS, octets);
    });
}

/// struct rtmsg and its attributes.
fn route_body(w: &mut Writer, route: &Route) {
    let scope =
        if route.gateway.is_some() || route.destination.addr().is_ipv6() { RT_SCOPE_UNIVERSE } else { RT_SCOPE_LINK };
    let prefix = route.destination.prefix_len();
    w.raw(&[
        family(route.destination.addr()),
        prefix,
        0,
        0,
        RT_TABLE_MAIN,
        RTPROT_BOOT,
        scope,
        RTN_UNICAST,
        0,
        0,
        0,
        0,
    ]);
    if prefix != 0 {
        with_octets(route.destination.network(), |octets| w.attr(RTA_DST, octets));
    }
    if let Some(gateway) = route.gateway {
        with_octets(gateway, |octets| w.attr(RTA_GATEWAY, octets));
    }
    w.attr_u32(RTA_OIF, route.link);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_numbered_and_only_the_last_is_acknowledged() {
        let mut batch = Batch::new();
        batch.set_link(LinkRef::Index(1), &LinkChange { up: Some(true), ..LinkChange::default() });
        batch.add_address(2, "172.17.0.2/16".parse().expect("address"));
        batch.add_route(&Route {
            destination: "0.0.0.0/0".parse().expect("net"),
            gateway: Some("172.17.0.1".parse().expect("ip")),
            link: 2,
        });
        let bytes = batch.encode(10);
        let all: Vec<_> = wire::messages(&bytes).map(|m| (m.kind, m.sequence, m.flags & F_ACK != 0)).collect();
        assert_eq!(all, [(RTM_SETLINK, 10, false), (RTM_NEWADDR, 11, false), (RTM_NEWROUTE, 12, true)]);
        assert_eq!(batch.describe(1), ("add address", "172.17.0.2/16".to_owned()));
    }
}
