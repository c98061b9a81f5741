//! Host names without the C library (this program is linked statically): `/etc/hosts`, then the resolvers of
//! `/etc/resolv.conf` over UDP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

/// Addresses of a name, best first; empty when it has none.
pub(crate) fn resolve(name: &str) -> Vec<IpAddr> {
    if let Ok(ip) = name.parse() {
        return vec![ip];
    }
    let from_file = std::fs::read_to_string("/etc/hosts").map(|text| hosts_entries(&text, name)).unwrap_or_default();
    if !from_file.is_empty() {
        return from_file;
    }
    if name == "localhost" {
        return vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    }
    let conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    for server in nameservers(&conf) {
        for kind in [1, 28] {
            let found = ask(server, name, kind).unwrap_or_default();
            if !found.is_empty() {
                return found;
            }
        }
    }
    Vec::new()
}

fn hosts_entries(text: &str, name: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let matching = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let ip: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(ip)
    });
    matching.collect()
}

fn nameservers(text: &str) -> Vec<IpAddr> {
    text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok()).collect()
}

fn ask(server: IpAddr, name: &str, kind: u16) -> std::io::Result<Vec<IpAddr>> {
    let local: IpAddr =
        if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((local, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    socket.connect((server, 53))?;
    let id = socket.local_addr()?.port();
    socket.send(&question(id, name, kind))?;
    let mut reply = [0; 1500];
    let got = socket.recv(&mut reply)?;
    Ok(answers(&reply[..got], id, kind).unwrap_or_default())
}

fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut packet = Vec::with_capacity(name.len() + 18);
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let label = &label.as_bytes()[..label.len().min(63)];
        packet.push(u8::try_from(label.len()).unwrap_or(63));
        packet.extend_from_slice(label);
    }
    packet.push(0);
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet
}

fn answers(packet: &[u8], id: u16, kind: u16) -> Option<Vec<IpAddr>> {
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    if word(0)? != id {
        return None;
    }
    let count = word(6)?;
    let mut at = skip_name(packet, 12)? + 4;
    let mut found = Vec::new();
    for _ in 0..count {
        at = skip_name(packet, at)?;
        let (rtype, length) = (word(at)?, usize::from(word(at + 8)?));
        let data = packet.get(at + 10..at + 10 + length)?;
        if rtype == kind {
            if let Ok(v4) = <[u8; 4]>::try_from(data) {
                found.push(IpAddr::from(v4));
            } else if let Ok(v6) = <[u8; 16]>::try_from(data) {
                found.push(IpAddr::from(v6));
            }
        }
        at += 10 + length;
    }
    Some(found)
}

fn skip_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_file() {
        assert_eq!(hosts_entries("1.2.3.4 a b # c\n::1 c", "B"), ["1.2.3.4".parse::<IpAddr>().unwrap()]);
        assert!(hosts_entries("1.2.3.4 a # c", "c").is_empty());
    }

    #[test]
    fn reads_answers() {
        let mut packet = question(7, "a.b", 1);
        packet[7] = 1;
        packet.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1]);
        assert_eq!(answers(&packet, 7, 1).unwrap(), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert!(answers(&packet[..20], 7, 1).is_none());
    }
}
