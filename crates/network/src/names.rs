//! Who is called what, as one container sees it.

use std::net::IpAddr;

use id::ContainerId;

use crate::state::{Entry, State};
use crate::{EndpointState, SandboxSpec};

/// The aliases that `links` give to another container: `container[:alias]`.
fn linked<'a>(links: &'a [String], alias: &'a str) -> impl Iterator<Item = &'a str> {
    links.iter().filter_map(move |link| {
        let (target, name) = link.split_once(':').unwrap_or((link, link));
        let target = target.trim_start_matches('/');
        let name = name.rsplit('/').next().unwrap_or(name);
        name.eq_ignore_ascii_case(alias).then_some(target)
    })
}

fn ips(endpoint: &EndpointState) -> impl Iterator<Item = IpAddr> {
    let v4 = endpoint.ipv4.map(|(ip, _)| IpAddr::V4(ip));
    let v6 = endpoint.ipv6.map(|(ip, _)| IpAddr::V6(ip));
    v4.into_iter().chain(v6)
}

fn called(entry: &Entry, endpoint: &EndpointState, name: &str) -> bool {
    endpoint.dns_names.iter().any(|n| n.eq_ignore_ascii_case(name)) || entry.record.spec.container_id.as_str() == name
}

/// A name may be qualified by the network's: `web.net1`.
fn split_network<'a>(name: &'a str, network: &str) -> Option<&'a str> {
    let rest = name.len().checked_sub(network.len() + 1)?;
    let (head, tail) = name.split_at_checked(rest)?;
    tail.strip_prefix('.').filter(|t| t.eq_ignore_ascii_case(network)).map(|_| head)
}

impl State {
    /// The addresses that `name` has for a container; `None` if it is no name of its networks.
    pub(crate) fn addresses_for(&self, container: &ContainerId, name: &str) -> Option<Vec<IpAddr>> {
        let me = self.sandboxes.get(container)?;
        let mut out: Vec<IpAddr> = Vec::new();
        let mut known = false;
        for (mine, spec) in me.user_endpoints() {
            let Some(network) = self.networks.get(&mine.network_id) else { continue };
            let bare = split_network(name, &network.record.name);
            let links: &[String] = spec.map_or(&[], |s| s.links.as_slice());
            let targets: Vec<&str> = linked(links, name).collect();
            for other in network.members.keys().filter_map(|id| self.sandboxes.get(id)) {
                let theirs = other.record.state.endpoints.iter().filter(|e| e.network_id == mine.network_id);
                for endpoint in theirs {
                    let by_link = targets.iter().any(|t| called(other, endpoint, t));
                    if by_link || called(other, endpoint, name) || bare.is_some_and(|b| called(other, endpoint, b)) {
                        known = true;
                        out.extend(ips(endpoint));
                    }
                }
            }
        }
        out.dedup();
        known.then_some(out)
    }

    /// The names that an address has for a container; `None` if it is nobody's on its networks.
    pub(crate) fn pointers_for(&self, container: &ContainerId, ip: IpAddr) -> Option<Vec<String>> {
        let me = self.sandboxes.get(container)?;
        for (mine, _) in me.user_endpoints() {
            let Some(network) = self.networks.get(&mine.network_id) else { continue };
            for other in network.members.keys().filter_map(|id| self.sandboxes.get(id)) {
                let hit = other
                    .record
                    .state
                    .endpoints
                    .iter()
                    .any(|e| e.network_id == mine.network_id && ips(e).any(|own| own == ip));
                if hit {
                    return Some(vec![format!("{}.{}", other.record.spec.name, network.record.name)]);
                }
            }
        }
        None
    }
}

impl Entry {
    /// Endpoints with name service, and the wishes they came from.
    fn user_endpoints(&self) -> impl Iterator<Item = (&EndpointState, Option<&crate::EndpointSpec>)> {
        let specs = &self.record.spec.endpoints;
        self.record.state.endpoints.iter().filter(|e| !e.dns_names.is_empty()).map(move |e| {
            let spec = specs.iter().find(|s| s.network == e.network_name || s.network == e.network_id.as_str());
            (e, spec)
        })
    }

    /// Whether the container needs the embedded name server.
    pub(crate) fn wants_resolver(endpoints: &[EndpointState]) -> bool {
        endpoints.iter().any(|e| !e.dns_names.is_empty())
    }
}

/// Name and, if it is not the short id, host name.
pub(crate) fn own_names(spec: &SandboxSpec) -> Vec<String> {
    vec![spec.name.clone(), spec.hostname.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_name_their_targets() {
        let links = ["db:database".to_owned(), "/web".to_owned(), "x:/me/y".to_owned()];
        assert_eq!(linked(&links, "database").collect::<Vec<_>>(), ["db"]);
        assert_eq!(linked(&links, "y").collect::<Vec<_>>(), ["x"]);
        assert_eq!(linked(&links, "db").count(), 0);
    }

    #[test]
    fn names_may_be_qualified() {
        assert_eq!(split_network("web.net1", "net1"), Some("web"));
        assert_eq!(split_network("web.net2", "net1"), None);
        assert_eq!(split_network("net1", "net1"), None);
        assert_eq!(split_network("é.net1", "net1"), Some("é"));
    }
}
