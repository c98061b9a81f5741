//! The host's ports of a sandbox.

use std::net::{IpAddr, SocketAddr};

use portmap::{Lease, Request};

use crate::inner::Inner;
use crate::record::SandboxRecord;
use crate::sandboxes::Partial;
use crate::state::gateway_endpoint;
use crate::{BoundPort, EndpointState, Error, PortSpec};

impl Inner {
    /// Takes the host's ports for a sandbox: those of the endpoint that gives the default route.
    pub(crate) fn lease_ports(&self, partial: &mut Partial) -> Result<(), Error> {
        let record = &mut partial.record;
        if record.spec.ports.is_empty() {
            return Ok(());
        }
        let endpoints = &record.state.endpoints;
        let Some(endpoint) = gateway_endpoint(endpoints, false).or_else(|| gateway_endpoint(endpoints, true)) else {
            return Ok(());
        };
        let endpoint = endpoint.clone();
        record.published_on = Some(endpoint.network_id.clone());
        let binding = {
            let state = self.state();
            let network = state.networks.get(&endpoint.network_id);
            network.map(|n| (n.settings.binding, n.settings.mode4, n.settings.mode6))
        };
        let Some((binding, mode4, mode6)) = binding else { return Ok(()) };
        let mut ports = record.spec.ports.clone();
        ports.sort_by_key(|p| (p.protocol, p.container_port, p.host_ip));
        for port in &ports {
            let routed = |v6| (if v6 { mode6 } else { mode4 }) == firewall::GatewayMode::Routed;
            let targets = self.targets(port, &endpoint, binding);
            for (ip, target) in targets.iter().filter(|(ip, _)| routed(ip.is_ipv6())) {
                // Nothing of the host is bound: the container's own port is what is reached.
                let (host_ip, host_port) = (*ip, 0);
                debug_assert_eq!(target.port(), port.container_port);
                let (protocol, container_port) = (port.protocol, port.container_port);
                record.state.ports.push(BoundPort { protocol, container_port, host_ip, host_port });
            }
            let bound: Vec<_> = targets.into_iter().filter(|(ip, _)| !routed(ip.is_ipv6())).collect();
            if bound.is_empty() {
                continue;
            }
            let proxy = self.config.userland_proxy;
            let request = Request { protocol: port.protocol, targets: bound, ports: port.host_ports, proxy };
            let lease = self.ports.lease(&request).map_err(|source| Error::Publish {
                container: record.spec.name.clone(),
                endpoint: endpoint.endpoint_id.to_string(),
                source,
            })?;
            record.state.ports.extend(lease.ips.iter().map(|ip| BoundPort {
                protocol: lease.protocol,
                container_port: port.container_port,
                host_ip: *ip,
                host_port: lease.port,
            }));
            partial.leases.push(lease);
        }
        Ok(())
    }

    /// Where one published port is bound, and where each binding leads.
    fn targets(&self, port: &PortSpec, endpoint: &EndpointState, binding: Option<IpAddr>) -> Vec<(IpAddr, SocketAddr)> {
        let v4 = endpoint.ipv4.map(|(ip, _)| IpAddr::V4(ip));
        let v6 = endpoint.ipv6.map(|(ip, _)| IpAddr::V6(ip));
        let any4 = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        let any6 = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        let wanted = port.host_ip.or(binding).unwrap_or(self.config.default_bind_ip);
        let everywhere = port.host_ip.is_none() && wanted == any4;
        let ips = if everywhere { vec![any4, any6] } else { vec![wanted] };
        let proxied = self.config.userland_proxy;
        ips.into_iter()
            .filter_map(|ip| {
                let (same, other) = if ip.is_ipv4() { (v4, v6) } else { (v6, v4) };
                if ip.is_ipv6() && everywhere && !self.host_has_ipv6 {
                    return None;
                }
                // The other family's container address is reached by the proxy; and IPv4 ports of containers without
                // IPv4 are nobody's wish unless they were asked for.
                let target = match (same, other.filter(|_| proxied)) {
                    (Some(ip), _) => ip,
                    (None, Some(other)) if ip.is_ipv6() || !everywhere => other,
                    (None, _) => return None,
                };
                Some((ip, SocketAddr::new(target, port.container_port)))
            })
            .collect()
    }

    /// Takes exactly the ports that a sandbox had, for an heir or after its address changed.
    pub(crate) fn lease_again(&self, record: &SandboxRecord) -> Vec<Lease> {
        let Some(endpoint) =
            record.state.endpoints.iter().find(|e| Some(&e.network_id) == record.published_on.as_ref())
        else {
            return Vec::new();
        };
        let v4 = endpoint.ipv4.map(|(ip, _)| IpAddr::V4(ip));
        let v6 = endpoint.ipv6.map(|(ip, _)| IpAddr::V6(ip));
        let mut leases = Vec::new();
        for port in record.state.ports.iter().filter(|p| p.host_port != 0) {
            let (same, other) = if port.host_ip.is_ipv4() { (v4, v6) } else { (v6, v4) };
            let Some(target) = same.or(other) else { continue };
            let request = Request {
                protocol: port.protocol,
                targets: vec![(port.host_ip, SocketAddr::new(target, port.container_port))],
                ports: (port.host_port, port.host_port),
                proxy: self.config.userland_proxy,
            };
            match self.ports.lease(&request) {
                Ok(lease) => leases.push(lease),
                // The packet filter still publishes it: better than refusing a running container.
                Err(error) => {
                    tracing::warn!(container = %record.spec.container_id, %error, "published port not held");
                }
            }
        }
        leases
    }
}
