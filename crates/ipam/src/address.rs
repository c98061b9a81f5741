//! Finding a free address.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::Error;

/// Where a network's addresses come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The subnet.
    pub subnet: IpNet,
    /// A part of it that addresses are given out from, if not all.
    pub part: Option<IpNet>,
    /// Addresses never given out: gateway, auxiliary ones.
    pub reserved: BTreeSet<IpAddr>,
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

impl Range {
    fn address(&self, number: u128) -> IpAddr {
        match self.subnet {
            IpNet::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
            IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }

    /// First and last number that hosts may have: no network and no broadcast address.
    fn bounds(&self, net: IpNet) -> (u128, u128) {
        let (mut first, mut last) = (number(net.network()), number(net.broadcast()));
        let (lowest, highest) = (number(self.subnet.network()), number(self.subnet.broadcast()));
        let tiny = self.subnet.max_prefix_len() - self.subnet.prefix_len() < 2;
        if !tiny {
            first = first.max(lowest + 1);
            if self.subnet.addr().is_ipv4() {
                last = last.min(highest - 1);
            }
        }
        (first, last)
    }

    /// The lowest free address. `used` must be those in use now.
    pub fn next(&self, used: &BTreeSet<IpAddr>, network: &str) -> Result<IpAddr, Error> {
        let (first, last) = self.bounds(self.part.unwrap_or(self.subnet));
        let mut candidate = first;
        let busy = used.range(self.address(first)..);
        for ip in merge(busy, self.reserved.range(self.address(first)..)) {
            match number(ip) {
                n if n < candidate => {}
                n if n == candidate => candidate += 1,
                _ => break,
            }
        }
        if candidate > last {
            let family = if self.subnet.addr().is_ipv4() { 4 } else { 6 };
            return Err(Error::NoAddress(family, network.to_owned()));
        }
        Ok(self.address(candidate))
    }

    /// Whether this very address can be given out.
    pub fn check(&self, wanted: IpAddr, used: &BTreeSet<IpAddr>) -> Result<(), Error> {
        let (first, last) = self.bounds(self.subnet);
        let n = number(wanted);
        if wanted.is_ipv4() != self.subnet.addr().is_ipv4() || n < first || n > last {
            return Err(Error::OutOfRange);
        }
        if used.contains(&wanted) || self.reserved.contains(&wanted) {
            return Err(Error::InUse);
        }
        Ok(())
    }

    /// How many addresses are used (network, broadcast and reserved ones included) and how many can still be given out.
    pub fn usage(&self, used: &BTreeSet<IpAddr>) -> (u64, u64) {
        let clamp = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
        let (first, last) = self.bounds(self.part.unwrap_or(self.subnet));
        let all = number(self.subnet.broadcast()) - number(self.subnet.network());
        let (lowest, highest) = self.bounds(self.subnet);
        // `all` is one less than the number of addresses, which may not fit.
        let edges = all - (highest - lowest);
        let busy: BTreeSet<&IpAddr> =
            used.iter().chain(&self.reserved).filter(|ip| self.subnet.contains(*ip)).collect();
        let inside = busy.iter().filter(|ip| (first..=last).contains(&number(***ip))).count();
        let free = (last - first).saturating_add(1).saturating_sub(inside as u128);
        (clamp(edges + busy.len() as u128), clamp(free))
    }
}

/// Two sorted sequences as one.
fn merge<'a>(a: impl Iterator<Item = &'a IpAddr>, b: impl Iterator<Item = &'a IpAddr>) -> impl Iterator<Item = IpAddr> {
    let (mut a, mut b) = (a.copied().peekable(), b.copied().peekable());
    std::iter::from_fn(move || match (a.peek(), b.peek()) {
        (Some(x), Some(y)) if x <= y => a.next(),
        (_, Some(_)) => b.next(),
        _ => a.next(),
    })
}

/// The hardware address that belongs to an IPv4 address: `02:42:` and its four bytes. An address that is used again thus
/// keeps its hardware address, and no neighbour's cache goes stale.
pub fn mac_for(ip: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = ip.octets();
    [0x02, 0x42, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(subnet: &str, part: Option<&str>, reserved: &[&str]) -> Range {
        Range {
            subnet: subnet.parse().expect("net"),
            part: part.map(|p| p.parse().expect("net")),
            reserved: set(reserved),
        }
    }

    fn set(ips: &[&str]) -> BTreeSet<IpAddr> {
        ips.iter().map(|ip| ip.parse().expect("ip")).collect()
    }

    #[test]
    fn the_lowest_free_address_is_given_out() {
        let r = range("10.0.0.0/24", None, &["10.0.0.1"]);
        let next = |used: &[&str]| r.next(&set(used), "n").expect("free").to_string();
        assert_eq!(next(&[]), "10.0.0.2");
        assert_eq!(next(&["10.0.0.2", "10.0.0.4"]), "10.0.0.3");
        assert_eq!(next(&["10.0.0.3"]), "10.0.0.2");
        let v6 = range("fd00::/64", None, &["fd00::1"]);
        assert_eq!(v6.next(&BTreeSet::new(), "n").expect("free").to_string(), "fd00::2");
    }

    #[test]
    fn a_small_subnet_runs_out_and_recovers() {
        let r = range("10.0.0.0/29", None, &["10.0.0.1"]);
        let mut used = BTreeSet::new();
        while let Ok(ip) = r.next(&used, "n (id)") {
            assert!(used.insert(ip));
        }
        assert_eq!(used.len(), 5);
        assert_eq!(r.usage(&used), (8, 0));
        let text = "no available IPv4 addresses on this network's address pools: n (id)";
        assert_eq!(r.next(&used, "n (id)").expect_err("full").to_string(), text);
        used.remove(&"10.0.0.4".parse().expect("ip"));
        assert_eq!(r.next(&used, "n").expect("free").to_string(), "10.0.0.4");
    }

    #[test]
    fn parts_bound_what_is_given_out_but_not_what_is_asked_for() {
        let r = range("10.0.0.0/16", Some("10.0.5.0/30"), &["10.0.0.1"]);
        assert_eq!(r.next(&set(&["10.0.5.0"]), "n").expect("free").to_string(), "10.0.5.1");
        assert_eq!(r.check("10.0.9.9".parse().expect("ip"), &BTreeSet::new()), Ok(()));
        assert_eq!(r.check("10.0.0.1".parse().expect("ip"), &BTreeSet::new()), Err(Error::InUse));
        assert_eq!(r.check("10.1.0.1".parse().expect("ip"), &BTreeSet::new()), Err(Error::OutOfRange));
        assert_eq!(r.check("10.0.255.255".parse().expect("ip"), &BTreeSet::new()), Err(Error::OutOfRange));
    }
}
