//! Cutting subnets for new networks.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::Error;

/// A range and the size of the networks that are cut from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The range.
    pub base: IpNet,
    /// Prefix length of each network.
    pub size: u8,
}

/// Docker's pools (172.17–31/16, 192.168.0.0/16 by /20), and behind them a reserve of 32 768 small networks for hosts
/// where Docker would give up.
pub fn default_pools() -> Vec<Pool> {
    let pool =
        |a, b, prefix, size| Pool { base: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), prefix)), size };
    let mut pools: Vec<Pool> = (17..32).map(|b| pool(172, b, 16, 16)).collect();
    pools.push(pool(192, 168, 16, 20));
    pools.push(pool(10, 128, 9, 24));
    pools
}

/// Whether two networks share an address.
pub fn overlaps(a: IpNet, b: IpNet) -> bool {
    match (a, b) {
        (IpNet::V4(a), IpNet::V4(b)) => a.contains(&b.network()) || b.contains(&a.network()),
        (IpNet::V6(a), IpNet::V6(b)) => a.contains(&b.network()) || b.contains(&a.network()),
        _ => false,
    }
}

/// The first free IPv4 subnet. `taken` are other networks and whatever the host routes elsewhere (no default routes).
pub fn next_subnet4(pools: &[Pool], taken: &[Ipv4Net]) -> Result<Ipv4Net, Error> {
    let busy = merged(taken);
    for pool in pools {
        let IpNet::V4(base) = pool.base else { continue };
        if pool.size < base.prefix_len() || pool.size > 30 {
            continue;
        }
        let step = 1_u64 << (32 - u32::from(pool.size));
        let end = u64::from(u32::from(base.broadcast()));
        let mut first = u64::from(u32::from(base.network()));
        while first + step - 1 <= end {
            let last = first + step - 1;
            // Disjoint and sorted: the first one that ends not before the candidate begins is the only one in the way.
            let next = busy.partition_point(|(_, to)| u64::from(*to) < first);
            match busy.get(next).filter(|(from, _)| u64::from(*from) <= last).map(|(_, to)| u64::from(*to)) {
                // Behind the obstacle, at the next multiple of the size.
                Some(to) => first += ((to - first) / step + 1) * step,
                None => {
                    let network = Ipv4Addr::from(u32::try_from(first).unwrap_or(u32::MAX));
                    return Ipv4Net::new(network, pool.size).map_err(|_| Error::PoolsExhausted);
                }
            }
        }
    }
    Err(Error::PoolsExhausted)
}

/// The ranges of the networks, sorted and joined where they overlap.
fn merged(nets: &[Ipv4Net]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> =
        nets.iter().filter(|n| n.prefix_len() != 0).map(|n| (n.network().into(), n.broadcast().into())).collect();
    ranges.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match out.last_mut() {
            Some((_, end)) if from <= *end => *end = (*end).max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// The first free IPv6 subnet: of the pools, or a /64 of the host's own unique local prefix (RFC 4193), which `host`
/// (40 bits) makes.
pub fn next_subnet6(pools: &[Pool], host: u64, taken: &[Ipv6Net]) -> Result<Ipv6Net, Error> {
    let own = 0xfd_u128 << 120 | u128::from(host & 0xff_ffff_ffff) << 80;
    let own = Pool { base: IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from(own), 48)), size: 64 };
    for pool in pools.iter().chain(std::iter::once(&own)) {
        let IpNet::V6(base) = pool.base else { continue };
        if pool.size < base.prefix_len() || pool.size > 126 {
            continue;
        }
        let step = 1_u128 << (128 - u32::from(pool.size));
        let (mut first, end) = (u128::from(base.network()), u128::from(base.broadcast()));
        while first <= end {
            let candidate = Ipv6Net::new_assert(Ipv6Addr::from(first), pool.size);
            let hit = taken.iter().find(|t| t.prefix_len() != 0 && overlaps(IpNet::V6(**t), IpNet::V6(candidate)));
            let Some(hit) = hit else { return Ok(candidate) };
            let behind = u128::from(hit.broadcast()).max(u128::from(candidate.broadcast()));
            match ((behind - first) / step).checked_add(1).and_then(|n| first.checked_add(n.checked_mul(step)?)) {
                Some(next) => first = next,
                None => break,
            }
        }
    }
    Err(Error::PoolsExhausted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(list: &[&str]) -> Vec<Ipv4Net> {
        list.iter().map(|n| n.parse().expect("net")).collect()
    }

    #[test]
    fn subnets_come_in_dockers_order() {
        let pools = default_pools();
        let check = |taken: &[&str], want: &str| {
            assert_eq!(next_subnet4(&pools, &nets(taken)).expect(want).to_string(), want, "{taken:?}");
        };
        check(&[], "172.17.0.0/16");
        check(&["172.17.0.0/16"], "172.18.0.0/16");
        check(&["172.17.0.0/16", "172.19.0.0/16"], "172.18.0.0/16");
        check(&["172.16.0.0/12"], "192.168.0.0/20");
        check(&["172.16.0.0/12", "192.168.5.4/32"], "192.168.16.0/20");
        check(&["172.16.0.0/12", "192.168.0.0/16"], "10.128.0.0/24");
        check(&["0.0.0.0/0"], "172.17.0.0/16");
    }

    #[test]
    fn thousands_of_networks_fit() {
        let mut taken = Vec::new();
        for _ in 0..3000 {
            let next = next_subnet4(&default_pools(), &taken).expect("free subnet");
            assert!(!taken.contains(&next));
            taken.push(next);
        }
        assert_eq!(next_subnet4(&[], &[]), Err(Error::PoolsExhausted));
    }

    #[test]
    fn ipv6_subnets_are_unique_local() {
        let first = next_subnet6(&default_pools(), 0x12_3456_789a, &[]).expect("subnet");
        assert_eq!(first.to_string(), "fd12:3456:789a::/64");
        let second = next_subnet6(&default_pools(), 0x12_3456_789a, &[first]).expect("subnet");
        assert_eq!(second.to_string(), "fd12:3456:789a:1::/64");
    }
}
