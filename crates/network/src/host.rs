//! The host's side: bridges, forwarding, interface settings.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use netlink::MacAddr;
use netlink::route::{Batch, Bridge, LinkChange, LinkKind, LinkRef, NewLink, Socket};

use crate::Error;

/// What a bridge is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BridgePlan {
    pub(crate) name: String,
    pub(crate) mtu: Option<u32>,
    /// The host's addresses in the network.
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) ipv6: bool,
    /// Localhost publishing leaves over it.
    pub(crate) route_localnet: bool,
}

/// The daemon's own network namespace.
#[derive(Debug)]
pub(crate) struct Host {
    route: Mutex<Socket>,
}

fn refused(what: &'static str) -> impl Fn(netlink::Error) -> Error {
    move |source| Error::Netlink { what, source }
}

/// Random bytes from the kernel.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let got = rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())
            .map_err(|e| Error::Namespace { what: "get random bytes", source: e.into() })?;
        filled += got;
    }
    Ok(bytes)
}

/// Writes a setting below `/proc/sys/net` in the calling thread's network namespace.
pub(crate) fn sysctl(path: &str, value: &str) -> io::Result<()> {
    std::fs::write(Path::new("/proc/sys/net").join(path), value)
}

fn read_sysctl(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(Path::new("/proc/sys/net").join(path)).ok()?;
    Some(text.trim().to_owned())
}

/// The range that the kernel takes unchosen ports from; Docker's default if it does not tell.
pub(crate) fn ephemeral_ports() -> (u16, u16) {
    let text = read_sysctl("ipv4/ip_local_port_range").unwrap_or_default();
    let mut words = text.split_whitespace().map(str::parse::<u16>);
    match (words.next(), words.next()) {
        (Some(Ok(low)), Some(Ok(high))) if low < high => (low, high),
        _ => (49153, 65535),
    }
}

impl Host {
    /// Must be called by a thread in the daemon's network namespace.
    pub(crate) fn open() -> Result<Self, Error> {
        Ok(Self { route: Mutex::new(Socket::open().map_err(refused("open a netlink socket"))?) })
    }

    pub(crate) fn route(&self) -> MutexGuard<'_, Socket> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a batch on the host.
    pub(crate) fn execute(&self, what: &'static str, batch: &Batch) -> Result<(), Error> {
        self.route().execute(batch).map_err(refused(what))
    }

    /// The index of a link.
    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        sys::netns::interface_index(name)
    }

    /// Makes a bridge, or makes an existing one be as planned. Returns its index.
    pub(crate) fn ensure_bridge(&self, plan: &BridgePlan) -> Result<u32, Error> {
        let mut route = self.route();
        let existing = route.link(&plan.name).map_err(refused("list links"))?;
        let created = existing.is_none();
        if let Some(link) = &existing
            && link.kind != "bridge"
        {
            return Err(Error::NotABridge(plan.name.clone()));
        }
        if created {
            let [a, b, c, d] = random()?;
            let with = LinkChange {
                name: Some(&plan.name),
                // A chosen address is fixed: it does not follow that of the ports.
                mac: Some(MacAddr([0x02, 0x42, a, b, c, d])),
                mtu: plan.mtu,
                ..LinkChange::default()
            };
            let mut batch = Batch::new();
            batch.add_link(&NewLink { kind: LinkKind::Bridge(Bridge::default()), with });
            route.execute(&batch).map_err(refused("create bridge"))?;
        }
        let index = self.index(&plan.name).ok_or_else(|| Error::NotABridge(plan.name.clone()))?;
        configure_bridge_sysctls(plan);
        let mut batch = Batch::new();
        let wanted: BTreeSet<IpNet> = plan.addresses.iter().copied().collect();
        if !created {
            for address in route.addresses_of(index).map_err(refused("list addresses"))? {
                if !address.link_local && !wanted.contains(&address.address) {
                    batch.delete_address(index, address.address);
                }
            }
            if let (Some(mtu), Some(link)) = (plan.mtu, &existing)
                && link.mtu != mtu
            {
                batch.set_link(LinkRef::Index(index), &LinkChange { mtu: Some(mtu), ..LinkChange::default() });
            }
        }
        for address in &wanted {
            batch.add_address(index, *address);
        }
        batch.set_link(LinkRef::Index(index), &LinkChange { up: Some(true), ..LinkChange::default() });
        if let Err(source) = route.execute(&batch) {
            if created {
                let mut undo = Batch::new();
                undo.delete_link(LinkRef::Index(index));
                let _ = route.execute(&undo);
            }
            return Err(Error::Netlink { what: "configure bridge", source });
        }
        Ok(index)
    }

    /// Deletes a link; it may be gone already.
    pub(crate) fn delete_link(&self, name: &str) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.delete_link(LinkRef::Name(name));
        match self.route().execute(&batch) {
            Err(e) if !e.is_missing() => Err(Error::Netlink { what: "delete link", source: e }),
            _ => Ok(()),
        }
    }

    /// Takes interfaces out of service at once: whatever lives behind them is not heard of again.
    pub(crate) fn silence(&self, names: &[String]) {
        let mut batch = Batch::new();
        for name in names {
            batch.set_link(LinkRef::Name(name), &LinkChange { up: Some(false), ..LinkChange::default() });
        }
        if let Err(error) = self.route().execute(&batch)
            && !error.is_missing()
        {
            tracing::warn!(%error, "interface not taken down");
        }
    }

    /// Networks that the host has an address in or a route to, default routes left out.
    pub(crate) fn occupied(&self) -> Result<Vec<IpNet>, Error> {
        let mut route = self.route();
        let addresses = route.addresses().map_err(refused("list addresses"))?;
        let routes = route.routes().map_err(refused("list routes"))?;
        let nets = addresses.iter().filter(|a| !a.link_local).map(|a| a.address.trunc());
        Ok(nets.chain(routes.iter().map(|r| r.destination)).filter(|n| n.prefix_len() != 0).collect())
    }

    /// The addresses of a link.
    pub(crate) fn addresses_of(&self, name: &str) -> Result<Vec<IpNet>, Error> {
        let Some(index) = self.index(name) else { return Ok(Vec::new()) };
        let addresses = self.route().addresses_of(index).map_err(refused("list addresses"))?;
        Ok(addresses.iter().filter(|a| !a.link_local).map(|a| a.address).collect())
    }

    /// Turns IPv4 forwarding on; whether it was off.
    pub(crate) fn enable_forwarding4(&self) -> Result<bool, Error> {
        if read_sysctl("ipv4/ip_forward").as_deref() == Some("1") {
            return Ok(false);
        }
        sysctl("ipv4/ip_forward", "1")
            .map_err(|source| Error::Namespace { what: "turn on IPv4 forwarding", source })?;
        Ok(true)
    }

    /// Turns IPv6 forwarding on.
    pub(crate) fn enable_forwarding6(&self) -> Result<(), Error> {
        for scope in ["default", "all"] {
            let path = format!("ipv6/conf/{scope}/forwarding");
            if read_sysctl(&path).as_deref() != Some("1") {
                sysctl(&path, "1").map_err(|source| Error::Namespace { what: "turn on IPv6 forwarding", source })?;
            }
        }
        Ok(())
    }
}

/// Settings that netlink has no message for. None of them is worth failing for: a kernel without IPv6 has no such files.
fn configure_bridge_sysctls(plan: &BridgePlan) {
    let name = &plan.name;
    let v6 = [("accept_ra", "0"), ("disable_ipv6", if plan.ipv6 { "0" } else { "1" })];
    let mut settings: Vec<(String, &str)> =
        v6.iter().map(|(key, value)| (format!("ipv6/conf/{name}/{key}"), *value)).collect();
    if plan.route_localnet {
        settings.push((format!("ipv4/conf/{name}/route_localnet"), "1"));
    }
    for (path, value) in settings {
        if read_sysctl(&path).is_some_and(|old| old != value)
            && let Err(error) = sysctl(&path, value)
        {
            tracing::warn!(path, value, %error, "interface setting not made");
        }
    }
}

/// Whether the host can listen on IPv6.
pub(crate) fn has_ipv6() -> bool {
    std::net::UdpSocket::bind((IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), 0)).is_ok()
}
