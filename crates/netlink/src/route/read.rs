use std::net::IpAddr;

use ipnet::IpNet;

use crate::MacAddr;
use crate::wire::{F_DUMP, F_REQUEST, Writer, attributes, text_of, u32_of};

const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;

/// A link as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `bridge`, `veth`, … or empty for hardware.
    pub kind: String,
    /// Administratively up.
    pub up: bool,
    /// Bytes.
    pub mtu: u32,
    /// Index of its bridge.
    pub master: Option<u32>,
    /// Hardware address.
    pub mac: Option<MacAddr>,
}

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressInfo {
    /// Index of the link.
    pub link: u32,
    /// Address and prefix length.
    pub address: IpNet,
    /// Only valid on the link itself.
    pub link_local: bool,
}

/// A unicast route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInfo {
    /// Where to.
    pub destination: IpNet,
    /// Over whom.
    pub gateway: Option<IpAddr>,
    /// Index of the interface, if it has one.
    pub link: Option<u32>,
}

fn request(w: &mut Writer, kind: u16, sequence: u32, head: &[u8]) {
    let mark = w.begin(kind, F_REQUEST | F_DUMP, sequence);
    w.raw(head);
    w.end(mark);
}

pub(super) fn request_links(w: &mut Writer, sequence: u32) {
    request(w, RTM_GETLINK, sequence, &[0; 16]);
}

pub(super) fn request_link(w: &mut Writer, sequence: u32, name: &str) {
    let mark = w.begin(RTM_GETLINK, F_REQUEST, sequence);
    w.raw(&[0; 16]);
    w.attr_str(IFLA_IFNAME, name);
    w.end(mark);
}

pub(super) fn request_addresses(w: &mut Writer, sequence: u32, link: u32) {
    let mut head = [0; 8];
    head[4..8].copy_from_slice(&link.to_ne_bytes());
    request(w, RTM_GETADDR, sequence, &head);
}

pub(super) fn request_routes(w: &mut Writer, sequence: u32) {
    request(w, RTM_GETROUTE, sequence, &[0; 12]);
}

fn address_of(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => octets.first_chunk::<4>().map(|o| IpAddr::from(*o)),
        16 => octets.first_chunk::<16>().map(|o| IpAddr::from(*o)),
        _ => None,
    }
}

impl LinkInfo {
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let head = payload.first_chunk::<16>()?;
        let mut link = Self {
            index: u32_of(&head[4..8]),
            name: String::new(),
            kind: String::new(),
            up: u32_of(&head[8..12]) & 1 != 0,
            mtu: 0,
            master: None,
            mac: None,
        };
        for (kind, value) in attributes(&payload[16..]) {
            match kind {
                1 => link.mac = value.try_into().ok().map(MacAddr),
                3 => link.name = text_of(value).to_owned(),
                4 => link.mtu = u32_of(value),
                10 => link.master = Some(u32_of(value)),
                18 => {
                    let kind = attributes(value).find(|(k, _)| *k == 1);
                    link.kind = kind.map_or("", |(_, v)| text_of(v)).to_owned();
                }
                _ => {}
            }
        }
        Some(link)
    }
}

impl AddressInfo {
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let head = payload.first_chunk::<8>()?;
        let (mut address, mut local) = (None, None);
        for (kind, value) in attributes(&payload[8..]) {
            match kind {
                1 => address = address_of(value),
                2 => local = address_of(value),
                _ => {}
            }
        }
        Some(Self {
            link: u32_of(&head[4..8]),
            address: IpNet::new(local.or(address)?, head[1]).ok()?,
            link_local: head[3] == 253,
        })
    }
}

impl RouteInfo {
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let head = payload.first_chunk::<12>()?;
        let (family, prefix, table, kind) = (head[0], head[1], head[4], head[7]);
        if table != 254 || kind != 1 || !matches!(family, 2 | 10) {
            return None;
        }
        let any = if family == 2 { IpAddr::from([0; 4]) } else { IpAddr::from([0_u8; 16]) };
        let mut destination = any;
        let (mut gateway, mut link) = (None, None);
        for (kind, value) in attributes(&payload[12..]) {
            match kind {
                1 => destination = address_of(value)?,
                4 => link = Some(u32_of(value)),
                5 => gateway = address_of(value),
                _ => {}
            }
        }
        Some(Self { destination: IpNet::new(destination, prefix).ok()?, gateway, link })
    }
}
