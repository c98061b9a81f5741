use crate::wire::Writer;

const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;
pub(super) const LIST_ELEM: u16 = 1;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
const REG_VERDICT: u32 = 0;

/// A register of four bytes, 0 to 15; longer values take the following ones too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reg(pub u8);

impl Reg {
    fn number(self) -> u32 {
        8 + u32::from(self.0)
    }
}

/// What happens to a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Through with this base chain.
    Accept,
    /// Gone.
    Drop,
    /// Back to the calling chain.
    Return,
    /// Into a chain and back.
    Jump(String),
    /// Into a chain and not back.
    Goto(String),
}

impl Verdict {
    pub(super) fn write(&self, w: &mut Writer) {
        let (code, chain): (i32, _) = match self {
            Self::Accept => (1, None),
            Self::Drop => (0, None),
            Self::Return => (-5, None),
            Self::Jump(chain) => (-3, Some(chain)),
            Self::Goto(chain) => (-4, Some(chain)),
        };
        w.nest(DATA_VERDICT, |w| {
            w.attr(VERDICT_CODE, &code.to_be_bytes());
            if let Some(chain) = chain {
                w.attr_str(VERDICT_CHAIN, chain);
            }
        });
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

/// Facts beside the packet's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetaKey {
    /// Name of the interface it came in by (16 bytes).
    IifName,
    /// Name of the interface it goes out by (16 bytes).
    OifName,
    /// Kind of the interface it came in by (16 bytes).
    IifKind,
    /// Kind of the interface it goes out by (16 bytes).
    OifKind,
    /// IPv4 or IPv6 (one byte).
    NfProto,
    /// Transport protocol (one byte).
    L4Proto,
    /// Firewall mark (four bytes, host order).
    Mark,
}

/// Facts of connection tracking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CtKey {
    /// Bits of the connection's state (host order).
    State,
    /// Bits of its status (host order).
    Status,
}

/// Where a packet's bytes are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PayloadBase {
    /// The IP header.
    Network,
    /// The TCP, UDP or SCTP header.
    Transport,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cmp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
}

/// Which address is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NatKind {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// One step of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expr {
    /// Loads a fact.
    Meta(MetaKey, Reg),
    /// Loads a fact of connection tracking.
    Ct(CtKey, Reg),
    /// Loads bytes of the packet.
    Payload {
        /// Counted from here,
        base: PayloadBase,
        /// this far on,
        offset: u32,
        /// so many,
        length: u32,
        /// to here.
        to: Reg,
    },
    /// Loads the type of the destination address (`fib daddr type`; 2 is local), host order.
    FibDestinationType(Reg),
    /// Goes on only if a register compares so.
    Cmp(Reg, Cmp, Vec<u8>),
    /// Masks a register (`to = from & mask`).
    And {
        /// Source.
        from: Reg,
        /// Destination.
        to: Reg,
        /// As long as the value.
        mask: Vec<u8>,
    },
    /// Goes on only if the set has (or, inverted, has not) the key.
    InSet {
        /// The set's name.
        set: String,
        /// Where the key begins.
        key: Reg,
        /// The other way round.
        inverted: bool,
    },
    /// Looks the key up in a map and goes on with the data loaded.
    Map {
        /// The map's name.
        map: String,
        /// Where the key begins.
        key: Reg,
        /// Where the data goes.
        to: Reg,
    },
    /// Looks the key up in a verdict map and does what is found.
    VerdictMap {
        /// The map's name.
        map: String,
        /// Where the key begins.
        key: Reg,
    },
    /// Does it.
    Verdict(Verdict),
    /// Loads a constant.
    Immediate(Reg, Vec<u8>),
    /// Rewrites address and port.
    Nat {
        /// Source or destination.
        kind: NatKind,
        /// Address family: IPv6?
        v6: bool,
        /// Where the new address is.
        address: Reg,
        /// Where the new port is, if it is rewritten.
        port: Option<Reg>,
    },
    /// Rewrites the source to the outgoing interface's address.
    Masquerade,
    /// Counts packets and bytes.
    Counter,
}

impl Expr {
    pub(super) fn write(&self, w: &mut Writer) {
        w.nest(LIST_ELEM, |w| {
            w.attr_str(EXPR_NAME, self.name());
            w.nest(EXPR_DATA, |w| self.write_data(w));
        });
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Meta(..) => "meta",
            Self::Ct(..) => "ct",
            Self::Payload { .. } => "payload",
            Self::FibDestinationType(_) => "fib",
            Self::Cmp(..) => "cmp",
            Self::And { .. } => "bitwise",
            Self::InSet { .. } | Self::Map { .. } | Self::VerdictMap { .. } => "lookup",
            Self::Verdict(_) | Self::Immediate(..) => "immediate",
            Self::Nat { .. } => "nat",
            Self::Masquerade => "masq",
            Self::Counter => "counter",
        }
    }

    fn write_data(&self, w: &mut Writer) {
        match self {
            Self::Meta(key, to) => {
                w.attr_be32(1, to.number());
                w.attr_be32(2, meta_number(*key));
            }
            Self::Ct(key, to) => {
                w.attr_be32(1, to.number());
                w.attr_be32(
                    2,
                    match key {
                        CtKey::State => 0,
                        CtKey::Status => 2,
                    },
                );
            }
            Self::Payload { base, offset, length, to } => {
                w.attr_be32(1, to.number());
                w.attr_be32(
                    2,
                    match base {
                        PayloadBase::Network => 1,
                        PayloadBase::Transport => 2,
                    },
                );
                w.attr_be32(3, *offset);
                w.attr_be32(4, *length);
            }
            Self::FibDestinationType(to) => {
                w.attr_be32(1, to.number());
                w.attr_be32(2, 3);
                w.attr_be32(3, 2);
            }
            Self::Cmp(from, op, value) => {
                w.attr_be32(1, from.number());
                w.attr_be32(2, if *op == Cmp::Eq { 0 } else { 1 });
                w.nest(3, |w| w.attr(DATA_VALUE, value));
            }
            Self::And { from, to, mask } => {
                w.attr_be32(1, from.number());
                w.attr_be32(2, to.number());
                w.attr_be32(3, u32::try_from(mask.len()).unwrap_or_default());
                w.nest(4, |w| w.attr(DATA_VALUE, mask));
                w.nest(5, |w| w.attr(DATA_VALUE, &vec![0; mask.len()]));
            }
            Self::InSet { set, key, inverted } => {
                w.attr_str(1, set);
                w.attr_be32(2, key.number());
                if *inverted {
                    w.attr_be32(5, 1);
                }
            }
            Self::Map { map, key, to } => {
                w.attr_str(1, map);
                w.attr_be32(2, key.number());
                w.attr_be32(3, to.number());
            }
            Self::VerdictMap { map, key } => {
                w.attr_str(1, map);
                w.attr_be32(2, key.number());
                w.attr_be32(3, REG_VERDICT);
            }
            Self::Verdict(verdict) => {
                w.attr_be32(1, REG_VERDICT);
                w.nest(2, |w| verdict.write(w));
            }
            Self::Immediate(to, value) => {
                w.attr_be32(1, to.number());
                w.nest(2, |w| w.attr(DATA_VALUE, value));
            }
            Self::Nat { kind, v6, address, port } => {
                w.attr_be32(1, if *kind == NatKind::Source { 0 } else { 1 });
                w.attr_be32(2, if *v6 { 10 } else { 2 });
                w.attr_be32(3, address.number());
                if let Some(port) = port {
                    w.attr_be32(5, port.number());
                }
            }
            Self::Masquerade | Self::Counter => {}
        }
    }
}

fn meta_number(key: MetaKey) -> u32 {
    match key {
        MetaKey::Mark => 3,
        MetaKey::IifName => 6,
        MetaKey::OifName => 7,
        MetaKey::NfProto => 15,
        MetaKey::L4Proto => 16,
        MetaKey::IifKind => 26,
        MetaKey::OifKind => 27,
    }
}

/// A value attribute within a data attribute of the given type.
pub(super) fn write_value(w: &mut Writer, attribute: u16, value: &[u8]) {
    w.nest(attribute, |w| w.attr(DATA_VALUE, value));
}
