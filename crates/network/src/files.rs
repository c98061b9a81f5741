//! The contents of `/etc/hosts` and `/etc/resolv.conf`, by Docker's rules (moby `libnetwork/etchosts`,
//! `libnetwork/internal/resolvconf`).

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

use crate::{DnsSpec, Error};

const HOSTS_HEAD: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

const HOST_FILE: &str = "/etc/resolv.conf";
/// Where systemd-resolved keeps the servers behind its own loopback address.
const RESOLVED_FILE: &str = "/run/systemd/resolve/resolv.conf";
/// What Docker falls back to when the host's servers are of no use inside.
const FALLBACK: [IpAddr; 2] =
    [IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8)), IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 4, 4))];

/// Address of the embedded name server.
pub(crate) const EMBEDDED: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 11));

/// A parsed resolv.conf(5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResolvConf {
    pub(crate) path: String,
    pub(crate) servers: Vec<IpAddr>,
    pub(crate) search: Vec<String>,
    pub(crate) options: Vec<String>,
}

impl ResolvConf {
    /// The host's file.
    pub(crate) fn of_host() -> Self {
        let mut conf = Self::read(HOST_FILE);
        if matches!(conf.servers.as_slice(), [only] if *only == IpAddr::from([127, 0, 0, 53])) {
            let behind = Self::read(RESOLVED_FILE);
            if !behind.servers.is_empty() {
                conf = behind;
            }
        }
        conf
    }

    fn read(path: &str) -> Self {
        // A missing file means what an empty one does.
        let text = std::fs::read_to_string(Path::new(path)).unwrap_or_default();
        Self { path: path.to_owned(), ..Self::parse(&text) }
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A zone may follow a link-local address; such a server is of no use elsewhere.
                    conf.servers.extend(words.next().and_then(|w| w.parse::<IpAddr>().ok()));
                }
                Some("search" | "domain") => conf.search = words.map(str::to_owned).collect(),
                Some("options") => conf.options.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        conf
    }
}

/// Which resolv.conf a container gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResolvKind {
    /// The host's network: the host's own file.
    Host,
    /// Default bridge and none: servers that can be reached from inside.
    Legacy {
        /// Servers with IPv6 addresses are of use.
        ipv6: bool,
    },
    /// User-defined networks: the embedded server.
    Internal,
}

/// A container's resolv.conf, and the servers that the embedded one forwards to.
pub(crate) fn resolv_conf(host: &ResolvConf, dns: &DnsSpec, kind: ResolvKind) -> (String, Vec<IpAddr>) {
    let mut overrides = Vec::new();
    let mut pick = |name: &'static str, own: &[String], hosts: &[String]| {
        if own.is_empty() {
            return hosts.to_vec();
        }
        overrides.push(name);
        own.to_vec()
    };
    let servers: Vec<String> = dns.servers.iter().map(IpAddr::to_string).collect();
    let own_servers = !servers.is_empty();
    pick("nameservers", &servers, &[]);
    let mut search = pick("search", &dns.search, &host.search);
    if search.iter().any(|s| s == ".") && !dns.search.is_empty() {
        search.clear();
    }
    let own_ndots = dns.options.iter().any(|o| o.starts_with("ndots:"));
    let mut options = pick("options", &dns.options, &host.options);

    let upstream: Vec<IpAddr> = if own_servers { dns.servers.clone() } else { host.servers.clone() };
    let mut notes = Vec::new();
    let shown = match kind {
        ResolvKind::Host => {
            notes.push(format!("# Based on host file: '{}'", host.path));
            upstream.clone()
        }
        ResolvKind::Legacy { ipv6 } => {
            notes.push(format!("# Based on host file: '{}' (legacy)", host.path));
            let usable = |ip: &&IpAddr| own_servers || (!ip.is_loopback() && (ipv6 || ip.is_ipv4()));
            let mut usable: Vec<IpAddr> = upstream.iter().filter(usable).copied().collect();
            if usable.is_empty() {
                usable = FALLBACK.to_vec();
                notes.push("# Used default nameservers.".to_owned());
            }
            usable
        }
        ResolvKind::Internal => {
            notes.push(format!("# Based on host file: '{}' (internal resolver)", host.path));
            let listed: Vec<String> =
                upstream.iter().map(|ip| if own_servers { ip.to_string() } else { format!("host({ip})") }).collect();
            if listed.is_empty() {
                notes.push("# NO EXTERNAL NAMESERVERS DEFINED".to_owned());
            } else {
                notes.push(format!("# ExtServers: [{}]", listed.join(" ")));
            }
            vec![EMBEDDED]
        }
    };
    notes.push(format!("# Overrides: [{}]", overrides.join(" ")));
    if own_ndots {
        notes.push("# Option ndots from: override".to_owned());
    } else if options.iter().any(|o| o.starts_with("ndots:")) {
        notes.push("# Option ndots from: host".to_owned());
    } else if kind == ResolvKind::Internal {
        options.push("ndots:0".to_owned());
        notes.push("# Option ndots from: internal".to_owned());
    }
    (render(&shown, &search, &options, &notes), upstream)
}

fn render(servers: &[IpAddr], search: &[String], options: &[String], notes: &[String]) -> String {
    let mut out = "# Generated by Docker Engine.\n\
        # This file can be edited; Docker Engine will not make further changes once it\n\
        # has been modified.\n\n"
        .to_owned();
    for server in servers {
        let _ = writeln!(out, "nameserver {server}");
    }
    if !search.is_empty() {
        let _ = writeln!(out, "search {}", search.join(" "));
    }
    if !options.is_empty() {
        let _ = writeln!(out, "options {}", options.join(" "));
    }
    out.push('\n');
    for note in notes {
        let _ = writeln!(out, "{note}");
    }
    out
}

/// One line of `/etc/hosts`.
pub(crate) type HostsEntry = (IpAddr, String);

/// A container's `/etc/hosts`: fixed names, extra ones, links, and the container itself on each of its addresses.
pub(crate) fn hosts(entries: &[HostsEntry]) -> String {
    let mut out = HOSTS_HEAD.to_owned();
    for (ip, names) in entries {
        let _ = writeln!(out, "{ip}\t{names}");
    }
    out
}

/// The host's own `/etc/hosts`, for containers in the host's network.
pub(crate) fn hosts_of_host() -> String {
    std::fs::read_to_string("/etc/hosts").unwrap_or_else(|_| HOSTS_HEAD.to_owned())
}

/// How a container calls itself: `host.domain host`, or as typed.
pub(crate) fn own_names(hostname: &str, domainname: &str) -> String {
    if !domainname.is_empty() {
        return format!("{hostname}.{domainname} {hostname}");
    }
    match hostname.split_once('.') {
        Some((short, _)) if !short.is_empty() => format!("{hostname} {short}"),
        _ => hostname.to_owned(),
    }
}

/// `name:address` or `name=address`; `host-gateway` stands for the given addresses.
pub(crate) fn extra_hosts(typed: &[String], gateways: &[IpAddr]) -> Result<Vec<HostsEntry>, Error> {
    let mut out = Vec::new();
    for entry in typed {
        let bad = || Error::InvalidExtraHost(entry.clone());
        let (name, address) = entry.split_once(['=', ':']).ok_or_else(bad)?;
        if name.is_empty() {
            return Err(bad());
        }
        if address == "host-gateway" {
            if gateways.is_empty() {
                return Err(Error::NoHostGateway);
            }
            out.extend(gateways.iter().map(|ip| (*ip, name.to_owned())));
            continue;
        }
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        out.push((bare.parse().map_err(|_| bad())?, name.to_owned()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> ResolvConf {
        let text = "# comment\nnameserver 127.0.0.1\nnameserver 10.255.255.53\nnameserver fd00::53\nsearch a.b c.d\noptions ndots:2 rotate\n";
        ResolvConf { path: "/etc/resolv.conf".to_owned(), ..ResolvConf::parse(text) }
    }

    #[test]
    fn the_default_bridge_leaves_out_what_cannot_be_reached() {
        let (text, _) = resolv_conf(&host(), &DnsSpec::default(), ResolvKind::Legacy { ipv6: false });
        assert_eq!(
            text,
            "# Generated by Docker Engine.\n# This file can be edited; Docker Engine will not make further changes once \
             it\n# has been modified.\n\nnameserver 10.255.255.53\nsearch a.b c.d\noptions ndots:2 rotate\n\n# Based on \
             host file: '/etc/resolv.conf' (legacy)\n# Overrides: []\n# Option ndots from: host\n"
        );
        let only_loopback = ResolvConf { servers: vec![EMBEDDED], ..ResolvConf::default() };
        let (text, _) = resolv_conf(&only_loopback, &DnsSpec::default(), ResolvKind::Legacy { ipv6: false });
        assert!(text.contains("nameserver 8.8.8.8\nnameserver 8.8.4.4\n"), "{text}");
    }

    #[test]
    fn user_networks_ask_the_embedded_server() {
        let plain = ResolvConf {
            path: "/etc/resolv.conf".to_owned(),
            servers: vec!["10.255.255.53".parse().expect("ip")],
            ..ResolvConf::default()
        };
        let (text, upstream) = resolv_conf(&plain, &DnsSpec::default(), ResolvKind::Internal);
        let tail = "nameserver 127.0.0.11\noptions ndots:0\n\n# Based on host file: '/etc/resolv.conf' (internal \
                    resolver)\n# ExtServers: [host(10.255.255.53)]\n# Overrides: []\n# Option ndots from: internal\n";
        assert!(text.ends_with(tail), "{text}");
        assert_eq!(upstream, plain.servers);
        let dns = DnsSpec {
            servers: vec!["9.9.9.9".parse().expect("ip")],
            search: vec!["foo.bar".to_owned()],
            options: vec!["ndots:3".to_owned()],
        };
        let (text, _) = resolv_conf(&plain, &dns, ResolvKind::Internal);
        let tail = "nameserver 127.0.0.11\nsearch foo.bar\noptions ndots:3\n\n# Based on host file: '/etc/resolv.conf' \
                    (internal resolver)\n# ExtServers: [9.9.9.9]\n# Overrides: [nameservers search options]\n# Option \
                    ndots from: override\n";
        assert!(text.ends_with(tail), "{text}");
    }

    #[test]
    fn a_dot_turns_searching_off() {
        let dns = DnsSpec { search: vec![".".to_owned()], ..DnsSpec::default() };
        let (text, _) = resolv_conf(&host(), &dns, ResolvKind::Legacy { ipv6: true });
        assert!(!text.contains("\nsearch"), "{text}");
        assert!(text.contains("# Overrides: [search]\n"));
    }

    #[test]
    fn extra_hosts_take_both_separators_and_the_gateway() {
        let gateway = [IpAddr::from([172, 17, 0, 1])];
        let typed = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let got = extra_hosts(&typed(&["a:1.2.3.4", "b=fd00::1", "c:fd00::2", "d:[::1]", "gw:host-gateway"]), &gateway);
        let lines: Vec<String> = got.expect("good").iter().map(|(ip, n)| format!("{ip} {n}")).collect();
        assert_eq!(lines, ["1.2.3.4 a", "fd00::1 b", "fd00::2 c", "::1 d", "172.17.0.1 gw"]);
        assert!(extra_hosts(&typed(&["a:b"]), &gateway).is_err());
        assert!(extra_hosts(&typed(&["gw:host-gateway"]), &[]).is_err());
    }

    #[test]
    fn a_container_knows_itself() {
        assert_eq!(own_names("hhost.dom", ""), "hhost.dom hhost");
        assert_eq!(own_names("h", "dom"), "h.dom h");
        assert_eq!(own_names("9bad554ec3aa", ""), "9bad554ec3aa");
    }
}
