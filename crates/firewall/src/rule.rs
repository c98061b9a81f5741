//! A rule as text and as the kernel's expressions, built side by side.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink::nft::{Cmp, CtKey, Expr, MetaKey, NatKind, PayloadBase, Reg, Verdict};

const R0: Reg = Reg(0);
const R4: Reg = Reg(4);

/// `ct state established,related` (bits of nf_conntrack_common.h, shifted as nft does).
const STATE_ESTABLISHED_RELATED: u32 = 0x2 | 0x4;
/// IPS_DST_NAT.
const STATUS_DNAT: u32 = 1 << 5;
/// RTN_LOCAL.
const TYPE_LOCAL: u32 = 2;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// In nft(8)'s language (as near as is readable).
    pub text: String,
    /// For the kernel.
    pub exprs: Vec<Expr>,
}

/// An interface's name as a register holds it.
pub(crate) fn ifname(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

impl Rule {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn push(mut self, text: &str, exprs: impl IntoIterator<Item = Expr>) -> Self {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
        self.exprs.extend(exprs);
        self
    }

    /// Only IPv4 or only IPv6.
    pub(crate) fn family(self, v6: bool) -> Self {
        let (text, number) = if v6 { ("meta nfproto ipv6", 10) } else { ("meta nfproto ipv4", 2) };
        self.push(text, [Expr::Meta(MetaKey::NfProto, R0), Expr::Cmp(R0, Cmp::Eq, vec![number])])
    }

    pub(crate) fn iif(self, name: &str) -> Self {
        let text = format!("iifname \"{name}\"");
        self.push(&text, [Expr::Meta(MetaKey::IifName, R0), Expr::Cmp(R0, Cmp::Eq, ifname(name))])
    }

    pub(crate) fn oif_not(self, name: &str) -> Self {
        let text = format!("oifname != \"{name}\"");
        self.push(&text, [Expr::Meta(MetaKey::OifName, R0), Expr::Cmp(R0, Cmp::Ne, ifname(name))])
    }

    pub(crate) fn iif_in(self, set: &str) -> Self {
        let lookup = Expr::InSet { set: set.to_owned(), key: R0, inverted: false };
        self.push(&format!("iifname @{set}"), [Expr::Meta(MetaKey::IifName, R0), lookup])
    }

    pub(crate) fn oif_in(self, set: &str) -> Self {
        let lookup = Expr::InSet { set: set.to_owned(), key: R0, inverted: false };
        self.push(&format!("oifname @{set}"), [Expr::Meta(MetaKey::OifName, R0), lookup])
    }

    /// The interface is a bridge (anybody's).
    pub(crate) fn bridge_kind(self, incoming: bool) -> Self {
        let (text, key) = if incoming {
            ("meta iifkind \"bridge\"", MetaKey::IifKind)
        } else {
            ("meta oifkind \"bridge\"", MetaKey::OifKind)
        };
        self.push(text, [Expr::Meta(key, R0), Expr::Cmp(R0, Cmp::Eq, ifname("bridge"))])
    }

    pub(crate) fn iif_vmap(self, map: &str) -> Self {
        let lookup = Expr::VerdictMap { map: map.to_owned(), key: R0 };
        self.push(&format!("iifname vmap @{map}"), [Expr::Meta(MetaKey::IifName, R0), lookup])
    }

    pub(crate) fn oif_vmap(self, map: &str) -> Self {
        let lookup = Expr::VerdictMap { map: map.to_owned(), key: R0 };
        self.push(&format!("oifname vmap @{map}"), [Expr::Meta(MetaKey::OifName, R0), lookup])
    }

    fn load_address(v6: bool, source: bool, to: Reg) -> Expr {
        let (offset, length) = match (v6, source) {
            (false, true) => (12, 4),
            (false, false) => (16, 4),
            (true, true) => (8, 16),
            (true, false) => (24, 16),
        };
        Expr::Payload { base: PayloadBase::Network, offset, length, to }
    }

    /// Address decides by an interval map; the family must have been checked.
    pub(crate) fn address_vmap(self, v6: bool, source: bool, map: &str) -> Self {
        let lookup = Expr::VerdictMap { map: map.to_owned(), key: R0 };
        let text = format!("{} vmap @{map}", address_text(v6, source));
        self.push(&text, [Self::load_address(v6, source, R0), lookup])
    }

    /// Address lies in a network; the family must have been checked.
    pub(crate) fn address_in(self, source: bool, net: IpNet) -> Self {
        let (octets, mask) = match (net.network(), net.netmask()) {
            (IpAddr::V4(a), IpAddr::V4(m)) => (a.octets().to_vec(), m.octets().to_vec()),
            (IpAddr::V6(a), IpAddr::V6(m)) => (a.octets().to_vec(), m.octets().to_vec()),
            _ => return self,
        };
        let v6 = net.addr().is_ipv6();
        let shown =
            if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.trunc().to_string() };
        let text = format!("{} {shown}", address_text(v6, source));
        let mut exprs = vec![Self::load_address(v6, source, R0)];
        if net.prefix_len() < net.max_prefix_len() {
            exprs.push(Expr::And { from: R0, to: R0, mask });
        }
        exprs.push(Expr::Cmp(R0, Cmp::Eq, octets));
        self.push(&text, exprs)
    }

    pub(crate) fn established(self) -> Self {
        self.push("ct state established,related", bits(CtKey::State, STATE_ESTABLISHED_RELATED))
    }

    pub(crate) fn dnatted(self) -> Self {
        self.push("ct status dnat", bits(CtKey::Status, STATUS_DNAT))
    }

    pub(crate) fn l4proto(self, name: &str, number: u8) -> Self {
        let text = format!("meta l4proto {name}");
        self.push(&text, [Expr::Meta(MetaKey::L4Proto, R0), Expr::Cmp(R0, Cmp::Eq, vec![number])])
    }

    pub(crate) fn for_this_host(self) -> Self {
        let compare = Expr::Cmp(R0, Cmp::Eq, TYPE_LOCAL.to_ne_bytes().to_vec());
        self.push("fib daddr type local", [Expr::FibDestinationType(R0), compare])
    }

    /// Loads destination address (if asked for), protocol and destination port as a concatenated key; the register
    /// behind it is free.
    fn load_service(v6: bool, with_address: bool) -> (Vec<Expr>, String) {
        let mut exprs = Vec::new();
        let mut text = String::new();
        let mut next = 0;
        if with_address {
            exprs.push(Self::load_address(v6, false, R0));
            text = format!("{} . ", address_text(v6, false));
            next = if v6 { 4 } else { 1 };
        }
        exprs.push(Expr::Meta(MetaKey::L4Proto, Reg(next)));
        exprs.push(Expr::Payload { base: PayloadBase::Transport, offset: 2, length: 2, to: Reg(next + 1) });
        text.push_str("meta l4proto . th dport");
        (exprs, text)
    }

    /// Destination address, protocol and port are in a set.
    pub(crate) fn service_in(self, v6: bool, set: &str) -> Self {
        let (mut exprs, text) = Self::load_service(v6, true);
        exprs.push(Expr::InSet { set: set.to_owned(), key: R0, inverted: false });
        self.push(&format!("{text} @{set}"), exprs)
    }

    /// Incoming interface, protocol and port are in a set.
    pub(crate) fn own_service_in(self, set: &str) -> Self {
        let exprs = [
            Expr::Meta(MetaKey::IifName, R0),
            Expr::Meta(MetaKey::L4Proto, R4),
            Expr::Payload { base: PayloadBase::Transport, offset: 2, length: 2, to: Reg(5) },
            Expr::InSet { set: set.to_owned(), key: R0, inverted: false },
        ];
        self.push(&format!("iifname . meta l4proto . th dport @{set}"), exprs)
    }

    /// Rewrites the destination to what a map has for the service.
    pub(crate) fn dnat_by(self, v6: bool, with_address: bool, map: &str) -> Self {
        let (mut exprs, text) = Self::load_service(v6, with_address);
        // The map's data (address, port) goes behind the longest key.
        let address = Reg(8);
        exprs.push(Expr::Map { map: map.to_owned(), key: R0, to: address });
        let port = if v6 { Reg(12) } else { Reg(9) };
        exprs.push(Expr::Nat { kind: NatKind::Destination, v6, address, port: Some(port) });
        let family = if v6 { "ip6" } else { "ip" };
        self.push(&format!("dnat {family} to {text} map @{map}"), exprs)
    }

    pub(crate) fn snat(self, to: IpAddr) -> Self {
        let (v6, octets) = match to {
            IpAddr::V4(a) => (false, a.octets().to_vec()),
            IpAddr::V6(a) => (true, a.octets().to_vec()),
        };
        let family = if v6 { "ip6" } else { "ip" };
        let nat = Expr::Nat { kind: NatKind::Source, v6, address: R4, port: None };
        self.push(&format!("snat {family} to {to}"), [Expr::Immediate(R4, octets), nat])
    }

    pub(crate) fn masquerade(self) -> Self {
        self.push("masquerade", [Expr::Masquerade])
    }

    pub(crate) fn verdict(self, verdict: Verdict) -> Self {
        let text = verdict.to_string();
        self.push(&text, [Expr::Verdict(verdict)])
    }

    pub(crate) fn accept(self) -> Self {
        self.verdict(Verdict::Accept)
    }

    /// Counted, so that a user can see that it is our rule that drops.
    pub(crate) fn drop(self) -> Self {
        self.push("counter", [Expr::Counter]).verdict(Verdict::Drop)
    }
}

fn address_text(v6: bool, source: bool) -> &'static str {
    match (v6, source) {
        (false, true) => "ip saddr",
        (false, false) => "ip daddr",
        (true, true) => "ip6 saddr",
        (true, false) => "ip6 daddr",
    }
}

/// Any of the bits is set.
fn bits(key: CtKey, mask: u32) -> [Expr; 3] {
    [
        Expr::Ct(key, R0),
        Expr::And { from: R0, to: R0, mask: mask.to_ne_bytes().to_vec() },
        Expr::Cmp(R0, Cmp::Ne, vec![0; 4]),
    ]
}
