//! Interfaces of the host that move into a container's network, with their addresses (runtime-spec config-linux.md,
//! "Network Devices"). Three kinds of messages of rtnetlink(7), written by hand, so that a shim stays small.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use oci::runtime::NetDevice;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use shim_proto::Step;

use crate::failure::{Context as _, Failure, Result, quoted};
use crate::foreign;

type Outcome<T> = std::result::Result<T, Errno>;

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const ERROR: u16 = 2;
const DONE: u16 = 3;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400 | 0x200;

const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;
const IFF_UP: u32 = 1;
/// `IFA_ADDRESS`, `IFA_LOCAL`, `IFA_BROADCAST`: what an address consists of.
const ADDRESS: [u16; 3] = [1, 2, 4];
const IFA_F_PERMANENT: u8 = 0x80;

/// Moves interfaces into the network of a process, and sets them up there.
pub(crate) fn enter(devices: &BTreeMap<String, NetDevice>, pid: i32) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let text = "network namespace of the container";
    let path = format!("/proc/{pid}/ns/net");
    let space =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).context(Step::Namespace, text)?;
    let inside = foreign::in_fork(|| {
        move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))?;
        Socket::open().map(|socket| socket.fd)
    });
    let mut inside = Socket::of(inside.context(Step::Namespace, text)?);
    let mut host = Socket::open().context(Step::Namespace, "netlink socket")?;
    for (name, device) in devices {
        let new = if device.name.is_empty() { name } else { &device.name };
        let failed = |what: &str| {
            let text = format!("failed to {what} network device {}", quoted(name));
            move |errno| Failure::new(Step::Namespace, text, errno).at(name.clone())
        };
        let index = host.index(name).map_err(failed("find"))?;
        let addresses = host.addresses(index).map_err(failed("list the addresses of"))?;
        host.change(index, 0, &[(IFLA_NET_NS_FD, &number(space.as_raw_fd())), (IFLA_IFNAME, &c_string(new))])
            .map_err(failed("move"))?;
        let index = inside.index(new).map_err(failed("find the moved"))?;
        for address in &addresses {
            inside.add(index, address).map_err(failed("give its addresses back to"))?;
        }
        inside.change(index, IFF_UP, &[]).map_err(failed("set up"))?;
    }
    Ok(())
}

fn number(value: i32) -> [u8; 4] {
    value.to_ne_bytes()
}

fn c_string(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// An address as it came: the fixed part and the attributes that make it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    family: u8,
    prefix: u8,
    scope: u8,
    attributes: Vec<(u16, Vec<u8>)>,
}

/// A netlink socket of one network namespace.
#[derive(Debug)]
struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

impl Socket {
    fn open() -> Outcome<Self> {
        // NETLINK_ROUTE is protocol 0.
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None).map(Self::of)
    }

    fn of(fd: OwnedFd) -> Self {
        Self { fd, sequence: 0 }
    }

    /// Sends a request and gives the bodies of what is answered.
    fn request(&mut self, kind: u16, flags: u16, body: &[u8], attributes: &[(u16, &[u8])]) -> Outcome<Vec<Vec<u8>>> {
        self.sequence += 1;
        let message = encode(kind, flags | REQUEST, self.sequence, body, attributes);
        rustix::net::send(&self.fd, &message, SendFlags::empty())?;
        let mut bodies = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let (count, _) = rustix::net::recv(&self.fd, &mut buffer, RecvFlags::empty())?;
            let mut rest = buffer.get(..count).unwrap_or_default();
            while let Some((kind, sequence, body, next)) = message_of(rest) {
                rest = next;
                match kind {
                    _ if sequence != self.sequence => {}
                    ERROR => {
                        let code = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
                        return if code == 0 { Ok(bodies) } else { Err(Errno::from_raw_os_error(-code)) };
                    }
                    DONE => return Ok(bodies),
                    _ => bodies.push(body.to_vec()),
                }
            }
        }
    }

    fn index(&mut self, name: &str) -> Outcome<i32> {
        let found = self.request(GET_LINK, ACK, &link(0, 0), &[(IFLA_IFNAME, &c_string(name))])?;
        let index = found.first().and_then(|body| body.get(4..8)?.first_chunk().copied());
        index.map(i32::from_ne_bytes).ok_or(Errno::NODEV)
    }

    fn change(&mut self, index: i32, up: u32, attributes: &[(u16, &[u8])]) -> Outcome<()> {
        self.request(NEW_LINK, ACK, &link(index, up), attributes).map(drop)
    }

    /// The lasting addresses of an interface that are good beyond its link.
    fn addresses(&mut self, index: i32) -> Outcome<Vec<Address>> {
        let all = self.request(GET_ADDRESS, DUMP, &[0; 8], &[])?;
        Ok(all.iter().filter_map(|body| address_of(body, index)).collect())
    }

    fn add(&mut self, index: i32, address: &Address) -> Outcome<()> {
        let mut body = vec![address.family, address.prefix, IFA_F_PERMANENT, address.scope];
        body.extend(number(index));
        let attributes: Vec<(u16, &[u8])> = address.attributes.iter().map(|(k, v)| (*k, v.as_slice())).collect();
        match self.request(NEW_ADDRESS, ACK | CREATE, &body, &attributes) {
            Ok(_) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

/// `struct ifinfomsg`: flags `up` are set, no other is touched.
fn link(index: i32, up: u32) -> Vec<u8> {
    [&[0; 4][..], &number(index), &up.to_ne_bytes(), &up.to_ne_bytes()].concat()
}

fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

fn encode(kind: u16, flags: u16, sequence: u32, body: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(sequence.to_ne_bytes());
    out.extend([0; 4]);
    out.extend(body);
    for (kind, value) in attributes {
        out.extend(length(value.len() + 4).to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(*value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    let size = u32::try_from(out.len()).unwrap_or(u32::MAX).to_ne_bytes();
    if let Some(place) = out.first_chunk_mut() {
        *place = size;
    }
    out
}

/// Type, sequence number and body of the first message, and what comes behind it.
fn message_of(bytes: &[u8]) -> Option<(u16, u32, &[u8], &[u8])> {
    let size = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes(*bytes.get(4..6)?.first_chunk()?);
    let sequence = u32::from_ne_bytes(*bytes.get(8..12)?.first_chunk()?);
    let body = bytes.get(16..size)?;
    let next = bytes.get(size.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, sequence, body, next))
}

fn address_of(body: &[u8], wanted: i32) -> Option<Address> {
    const GLOBAL: u8 = 0;
    let [family, prefix, flags, scope] = *body.first_chunk()?;
    let index = i32::from_ne_bytes(*body.get(4..8)?.first_chunk()?);
    if index != wanted || scope != GLOBAL || flags & IFA_F_PERMANENT == 0 {
        return None;
    }
    let mut attributes = Vec::new();
    let mut rest = body.get(8..)?;
    while let Some(size) = rest.first_chunk().map(|bytes| usize::from(u16::from_ne_bytes(*bytes))) {
        let kind = u16::from_ne_bytes(*rest.get(2..4)?.first_chunk()?);
        let value = rest.get(4..size)?;
        if ADDRESS.contains(&kind) {
            attributes.push((kind, value.to_vec()));
        }
        rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(Address { family, prefix, scope, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_there_and_back() {
        let bytes = encode(NEW_LINK, ACK, 7, &link(3, IFF_UP), &[(IFLA_IFNAME, b"eth0\0")]);
        assert_eq!(bytes.len(), 16 + 16 + 12);
        let twice = [bytes.clone(), bytes].concat();
        let (kind, sequence, body, rest) = message_of(&twice).unwrap();
        assert_eq!((kind, sequence, body.len(), rest.len()), (NEW_LINK, 7, 28, 44));
        assert!(message_of(&twice[..10]).is_none() && message_of(&[]).is_none() && message_of(&[255; 20]).is_none());
    }

    #[test]
    fn addresses_that_last() {
        let body = |flags: u8, scope: u8| {
            let attributes =
                encode(0, 0, 0, &[], &[(1, &[10, 0, 0, 1]), (9, &[1]), (4, &[10, 0, 0, 255])]).split_off(16);
            [&[2, 24, flags, scope][..], &number(5), &attributes].concat()
        };
        let got = address_of(&body(IFA_F_PERMANENT, 0), 5).unwrap();
        assert_eq!(got.attributes, [(1, vec![10, 0, 0, 1]), (4, vec![10, 0, 0, 255])]);
        assert!(address_of(&body(0, 0), 5).is_none() && address_of(&body(IFA_F_PERMANENT, 253), 5).is_none());
        assert!(address_of(&body(IFA_F_PERMANENT, 0), 6).is_none());
        assert!(address_of(&[2, 24, 128, 0, 5, 0, 0, 0, 0, 0], 5).is_none_or(|a| a.attributes.is_empty()));
    }
}
