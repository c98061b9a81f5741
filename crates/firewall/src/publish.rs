//! Published ports as elements.

use std::net::IpAddr;

use netlink::nft::{DataType, Element, ElementData, MapData, Set};

use crate::Publish;
use crate::rule::ifname;

/// Names and types of the sets that published ports go into.
pub(crate) fn sets() -> [Set; 7] {
    use DataType::{IfName, Ipv4, Ipv6, Port, Proto};
    let set = |name: &str, key: Vec<DataType>, data: Option<Vec<DataType>>| Set {
        name: name.to_owned(),
        key,
        data: data.map(MapData::Values),
        interval: false,
    };
    [
        set("published4", vec![Proto, Port], Some(vec![Ipv4, Port])),
        set("published4-at", vec![Ipv4, Proto, Port], Some(vec![Ipv4, Port])),
        set("published6", vec![Proto, Port], Some(vec![Ipv6, Port])),
        set("published6-at", vec![Ipv6, Proto, Port], Some(vec![Ipv6, Port])),
        set("own", vec![IfName, Proto, Port], None),
        set("open4", vec![Ipv4, Proto, Port], None),
        set("open6", vec![Ipv6, Proto, Port], None),
    ]
}

fn pad_ip(to: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => Element::pad(to, &ip.octets()),
        IpAddr::V6(ip) => Element::pad(to, &ip.octets()),
    }
}

/// The elements that publish one port: set, element. Every one opens the container's port for direct routing where the
/// network allows that at all; with `translate`, a map element rewrites the destination.
pub fn publish_elements(publish: &Publish) -> Vec<(&'static str, Element)> {
    let v6 = publish.container_ip.is_ipv6();
    let service = |to: &mut Vec<u8>, port: u16| {
        Element::pad(to, &[publish.protocol]);
        Element::pad(to, &port.to_be_bytes());
    };
    let mut open = Vec::new();
    pad_ip(&mut open, publish.container_ip);
    service(&mut open, publish.container_port);
    let mut out = vec![(if v6 { "open6" } else { "open4" }, Element { key: open, last: None, data: None })];
    if publish.translate && publish.host_ip.is_ipv6() == v6 {
        let mut key = Vec::new();
        let everywhere = publish.host_ip.is_unspecified();
        if !everywhere {
            pad_ip(&mut key, publish.host_ip);
        }
        service(&mut key, publish.host_port);
        let mut value = Vec::new();
        pad_ip(&mut value, publish.container_ip);
        Element::pad(&mut value, &publish.container_port.to_be_bytes());
        let map = match (v6, everywhere) {
            (false, true) => "published4",
            (false, false) => "published4-at",
            (true, true) => "published6",
            (true, false) => "published6-at",
        };
        out.push((map, Element { key, last: None, data: Some(ElementData::Value(value)) }));
        let mut own = ifname(&publish.bridge);
        service(&mut own, publish.host_port);
        // With both families, or several addresses, the same element comes more than once: see `Executor::remove`.
        out.push(("own", Element { key: own, last: None, data: None }));
    }
    out
}
