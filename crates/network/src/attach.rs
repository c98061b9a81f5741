//! Putting an endpoint's interface into a namespace, and taking it out. Each step is one batch.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink::route::{Batch, LinkChange, LinkRef, Route, Socket};

use crate::host::{Host, sysctl};
use crate::namespace::Pair;
use crate::state::{EndpointPlan, LinkPlan, gateway_endpoint};
use crate::{EndpointState, Error};

/// Where an endpoint's default route leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gateway {
    pub(crate) ip: IpAddr,
    pub(crate) link: u32,
}

fn any4() -> IpNet {
    IpNet::V4(Ipv4Net::default())
}

fn any6() -> IpNet {
    IpNet::V6(Ipv6Net::default())
}

/// The IPv6 switch and the user's own settings of an interface: files, so they need a thread inside.
fn interface_settings(namespace: BorrowedFd<'_>, plan: &EndpointPlan, link: &LinkPlan) -> Result<(), Error> {
    let ipv6 = plan.state.ipv6.is_some() || link.link_local.iter().any(IpAddr::is_ipv6);
    if !ipv6 && link.sysctls.is_empty() {
        return Ok(());
    }
    let name = &plan.state.if_name;
    let work = || -> std::io::Result<()> {
        if ipv6 {
            sysctl(&format!("ipv6/conf/{name}/disable_ipv6"), "0")?;
        }
        for setting in link.sysctls.split(',').filter(|s| !s.is_empty()) {
            let (key, value) = setting.split_once('=').ok_or(std::io::ErrorKind::InvalidInput)?;
            let path = key.strip_prefix("net.").ok_or(std::io::ErrorKind::InvalidInput)?;
            // The name may have dots of its own: it goes in behind the translation, and cannot lead elsewhere.
            if path.contains(['/']) || path.contains("..") {
                return Err(std::io::ErrorKind::InvalidInput.into());
            }
            sysctl(&path.replace('.', "/").replace("IFNAME", name), value)?;
        }
        Ok(())
    };
    let what = "set up the interface";
    sys::netns::within(namespace, work).and_then(|inner| inner).map_err(|source| Error::Namespace { what, source })
}

/// Gives the container's end its name and addresses, and both ends life; the host's end last.
pub(crate) fn attach(
    host: &Host,
    namespace: BorrowedFd<'_>,
    inside: &mut Socket,
    plan: &EndpointPlan,
    link: &LinkPlan,
    pair: &Pair,
    gateways: &[Gateway],
) -> Result<(), Error> {
    let state = &plan.state;
    let renamed = state.if_name != "eth0" || !link.sysctls.is_empty() || state.ipv6.is_some();
    if renamed {
        let mut batch = Batch::new();
        let change = LinkChange { name: Some(&state.if_name), ..LinkChange::default() };
        batch.set_link(LinkRef::Index(pair.index), &change);
        inside.execute(&batch).map_err(|source| Error::Netlink { what: "name the interface", source })?;
        interface_settings(namespace, plan, link)?;
    }
    let mut batch = Batch::new();
    let change = LinkChange { up: Some(true), mac: state.mac, mtu: link.mtu, ..LinkChange::default() };
    batch.set_link(LinkRef::Index(pair.index), &change);
    if let Some(net) = state.ipv4.and_then(|(ip, p)| Ipv4Net::new(ip, p).ok()) {
        batch.add_address(pair.index, IpNet::V4(net));
    }
    if let Some(net) = state.ipv6.and_then(|(ip, p)| Ipv6Net::new(ip, p).ok()) {
        batch.add_address(pair.index, IpNet::V6(net));
    }
    for ip in &link.link_local {
        batch.add_address(pair.index, link_local_net(*ip));
    }
    default_routes(&mut batch, gateways);
    inside.execute(&batch).map_err(|source| Error::Netlink { what: "set up the interface", source })?;

    let mut batch = Batch::new();
    let joined = LinkChange { master: Some(link.bridge_index), mtu: link.mtu, ..LinkChange::default() };
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    if link.isolated || link.hairpin {
        // A port of the bridge first, then what sort of port, and life only then.
        batch.set_link(LinkRef::Name(&pair.host_if), &joined);
        port_settings(&mut batch, host, link, &pair.host_if);
        batch.set_link(LinkRef::Name(&pair.host_if), &up);
    } else {
        batch.set_link(LinkRef::Name(&pair.host_if), &LinkChange { up: up.up, ..joined });
    }
    // The address may have been somebody else's a moment ago; and the first packet need not wait for an answer.
    if let Some(mac) = state.mac {
        let ips = state.ipv4.map(|(ip, _)| IpAddr::V4(ip)).into_iter().chain(state.ipv6.map(|(ip, _)| IpAddr::V6(ip)));
        for ip in ips {
            batch.add_neighbour(link.bridge_index, ip, mac);
        }
    }
    host.execute("connect the interface to its bridge", &batch)?;
    // The first packet must not be lost because the kernel has not yet noticed that the two ends are up.
    for name in [&pair.host_if, &link.bridge] {
        if let Err(error) = sys::netns::settle_carrier(name) {
            tracing::debug!(name, %error, "carrier not settled");
        }
    }
    Ok(())
}

/// What a port of the bridge is set to beside being one.
pub(crate) fn port_settings(batch: &mut Batch, host: &Host, link: &LinkPlan, host_if: &str) {
    if !link.isolated && !link.hairpin {
        return;
    }
    let Some(index) = host.index(host_if) else { return };
    if link.isolated {
        batch.isolate_port(index, true);
    }
    if link.hairpin {
        batch.hairpin_port(index, true);
    }
}

/// Docker's prefix lengths for addresses of the link.
fn link_local_net(ip: IpAddr) -> IpNet {
    match ip {
        IpAddr::V4(ip) => IpNet::V4(Ipv4Net::new(ip, 16).unwrap_or(Ipv4Net::from(ip))),
        IpAddr::V6(ip) => IpNet::V6(Ipv6Net::new(ip, 64).unwrap_or(Ipv6Net::from(ip))),
    }
}

fn default_routes(batch: &mut Batch, gateways: &[Gateway]) {
    for gateway in gateways {
        let destination = if gateway.ip.is_ipv4() { any4() } else { any6() };
        batch.add_route(&Route { destination, gateway: Some(gateway.ip), link: gateway.link });
    }
}

/// The default routes that go over this endpoint, given all endpoints of the sandbox.
pub(crate) fn gateways_over(endpoint: &EndpointState, all: &[EndpointState], link: u32) -> Vec<Gateway> {
    let mut out = Vec::new();
    let chosen = |v6| gateway_endpoint(all, v6).is_some_and(|e| e.endpoint_id == endpoint.endpoint_id);
    if let Some(ip) = endpoint.gateway.filter(|_| chosen(false)) {
        out.push(Gateway { ip: IpAddr::V4(ip), link });
    }
    if let Some(ip) = endpoint.gateway6.filter(|_| chosen(true)) {
        out.push(Gateway { ip: IpAddr::V6(ip), link });
    }
    out
}

/// Makes the default routes those of the endpoints as they are now.
pub(crate) fn reroute(inside: &mut Socket, endpoints: &[EndpointState]) -> Result<(), Error> {
    let failed = |source| Error::Netlink { what: "change the default route", source };
    let links = inside.links().map_err(failed)?;
    let mut wanted = Vec::new();
    for endpoint in endpoints {
        if let Some(link) = links.iter().find(|l| l.name == endpoint.if_name) {
            wanted.extend(gateways_over(endpoint, endpoints, link.index));
        }
    }
    let mut batch = Batch::new();
    for route in inside.routes().map_err(failed)? {
        let default = route.destination.prefix_len() == 0 && route.gateway.is_some();
        let stays = wanted.iter().any(|w| Some(w.ip) == route.gateway && Some(w.link) == route.link);
        if default && !stays {
            let link = route.link.unwrap_or_default();
            batch.delete_route(&Route { destination: route.destination, gateway: route.gateway, link });
        }
    }
    default_routes(&mut batch, &wanted);
    inside.execute(&batch).map_err(failed)
}
