use crate::wire::{self, F_ACK, F_APPEND, F_CREATE, F_REQUEST, Writer};

use super::expr::{LIST_ELEM, write_value};
use super::{Expr, Family, Verdict};

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

const NEWTABLE: u16 = 0;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
const DELCHAIN: u16 = 5;
const NEWRULE: u16 = 6;
const DELRULE: u16 = 8;
const NEWSET: u16 = 9;
const DELSET: u16 = 11;
const NEWSETELEM: u16 = 12;
const DELSETELEM: u16 = 14;

const SET_INTERVAL: u32 = 0x4;
const SET_MAP: u32 = 0x8;
const SET_CONCAT: u32 = 0x80;
const ELEM_INTERVAL_END: u32 = 1;
const DATA_TYPE_VERDICT: u32 = 0xffff_ff00;

/// Elements in one message: their list's length has 16 bits.
const ELEMENTS_MAX: usize = 256;

/// Chain types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainKind {
    /// `type filter`.
    Filter,
    /// `type nat`.
    Nat,
}

/// Where packets meet a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// For this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// Before leaving.
    Postrouting,
}

/// What makes a chain a base chain; its policy is always `accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BaseChain {
    /// Its type.
    pub kind: ChainKind,
    /// Its hook.
    pub hook: Hook,
    /// Its place among others at the hook; smaller is earlier.
    pub priority: i32,
}

/// Data types of keys and map data; the numbers tell nft(8) how to print them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `ipv4_addr`.
    Ipv4,
    /// `ipv6_addr`.
    Ipv6,
    /// `inet_proto`.
    Proto,
    /// `inet_service`.
    Port,
    /// `ifname`.
    IfName,
}

impl DataType {
    fn number(self) -> u32 {
        match self {
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Proto => 12,
            Self::Port => 13,
            Self::IfName => 41,
        }
    }

    /// Bytes without padding.
    pub fn length(self) -> usize {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 | Self::IfName => 16,
            Self::Proto => 1,
            Self::Port => 2,
        }
    }

    /// The word that nft(8) uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4_addr",
            Self::Ipv6 => "ipv6_addr",
            Self::Proto => "inet_proto",
            Self::Port => "inet_service",
            Self::IfName => "ifname",
        }
    }
}

/// What a map gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MapData {
    /// Verdicts.
    Verdict,
    /// Values.
    Values(Vec<DataType>),
}

/// A set, or a map if it has data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Key; more than one type is a concatenation.
    pub key: Vec<DataType>,
    /// Data of a map.
    pub data: Option<MapData>,
    /// Whether elements are ranges.
    pub interval: bool,
}

/// Data of a map's element.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ElementData {
    /// Of a verdict map.
    Verdict(Verdict),
    /// Padded as in registers.
    Value(Vec<u8>),
}

/// One element of a set or map; keys and values are padded as in registers ([`Element::pad`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Element {
    /// Its key, or the first of its range.
    pub key: Vec<u8>,
    /// The last of its range (sets with `interval`).
    pub last: Option<Vec<u8>>,
    /// Data of a map.
    pub data: Option<ElementData>,
}

impl Element {
    /// Appends one component of a key or value, padded to four bytes.
    pub fn pad(to: &mut Vec<u8>, component: &[u8]) {
        to.extend_from_slice(component);
        to.resize(to.len().next_multiple_of(4), 0);
    }
}

/// Changes of one table, applied together or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    family: Family,
    table: String,
    writer: Writer,
    operations: Vec<(usize, &'static str, String)>,
}

impl Batch {
    /// No changes yet.
    pub fn new(family: Family, table: &str) -> Self {
        Self { family, table: table.to_owned(), writer: Writer::default(), operations: Vec::new() }
    }

    /// How many operations are in it.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Makes sure that the table exists.
    pub fn add_table(&mut self) {
        let table = self.table.clone();
        self.operation("add table", &table, NEWTABLE, F_CREATE, |w, table| {
            w.attr_str(1, table);
            w.attr_be32(2, 0);
        });
    }

    /// Deletes the table and all that is in it.
    pub fn delete_table(&mut self) {
        let table = self.table.clone();
        self.operation("delete table", &table, DELTABLE, 0, |w, table| w.attr_str(1, table));
    }

    /// Makes sure that a chain exists.
    pub fn add_chain(&mut self, name: &str, base: Option<BaseChain>) {
        self.operation("add chain", name, NEWCHAIN, F_CREATE, |w, table| {
            w.attr_str(1, table);
            w.attr_str(3, name);
            let Some(base) = base else { return };
            w.nest(4, |w| {
                let hook = match base.hook {
                    Hook::Prerouting => 0,
                    Hook::Input => 1,
                    Hook::Forward => 2,
                    Hook::Output => 3,
                    Hook::Postrouting => 4,
                };
                w.attr_be32(1, hook);
                w.attr(2, &base.priority.to_be_bytes());
            });
            w.attr_be32(5, 1);
            w.attr_str(
                7,
                match base.kind {
                    ChainKind::Filter => "filter",
                    ChainKind::Nat => "nat",
                },
            );
        });
    }

    /// Removes all rules of a chain.
    pub fn flush_chain(&mut self, name: &str) {
        self.operation("flush chain", name, DELRULE, 0, |w, table| {
            w.attr_str(1, table);
            w.attr_str(2, name);
        });
    }

    /// Deletes an empty chain that nothing refers to.
    pub fn delete_chain(&mut self, name: &str) {
        self.operation("delete chain", name, DELCHAIN, 0, |w, table| {
            w.attr_str(1, table);
            w.attr_str(3, name);
        });
    }

    /// Appends a rule.
    pub fn add_rule(&mut self, chain: &str, expressions: &[Expr]) {
        self.operation("add rule", chain, NEWRULE, F_CREATE | F_APPEND, |w, table| {
            w.attr_str(1, table);
            w.attr_str(2, chain);
            w.nest(4, |w| expressions.iter().for_each(|e| e.write(w)));
        });
    }

    /// Makes sure that a set or map exists.
    pub fn add_set(&mut self, set: &Set) {
        let id = u32::try_from(self.operations.len() + 1).unwrap_or(1);
        self.operation("add set", &set.name, NEWSET, F_CREATE, |w, table| {
            w.attr_str(1, table);
            w.attr_str(2, &set.name);
            let concatenated = set.key.len() > 1;
            let mut flags = 0;
            if set.interval {
                flags |= SET_INTERVAL;
                if concatenated {
                    flags |= SET_CONCAT;
                }
            }
            if set.data.is_some() {
                flags |= SET_MAP;
            }
            w.attr_be32(3, flags);
            let (kind, length) = type_of(&set.key);
            w.attr_be32(4, kind);
            w.attr_be32(5, length);
            match &set.data {
                Some(MapData::Verdict) => {
                    w.attr_be32(6, DATA_TYPE_VERDICT);
                    w.attr_be32(7, 0);
                }
                Some(MapData::Values(types)) => {
                    let (kind, length) = type_of(types);
                    w.attr_be32(6, kind);
                    w.attr_be32(7, length);
                }
                None => {}
            }
            if set.interval && concatenated {
                w.nest(9, |w| {
                    w.nest(2, |w| {
                        for field in &set.key {
                            w.nest(LIST_ELEM, |w| w.attr_be32(1, u32::try_from(field.length()).unwrap_or_default()));
                        }
                    });
                });
            }
            w.attr_be32(10, id);
            // For nft(8) only: names are in host order, all else in network order (libnftnl's udata: type, length, value).
            let order: u32 = if set.key == [DataType::IfName] { 1 } else { 2 };
            let mut user_data = vec![0, 4];
            user_data.extend_from_slice(&order.to_ne_bytes());
            w.attr(13, &user_data);
        });
    }

    /// Removes all elements of a set.
    pub fn flush_set(&mut self, name: &str) {
        self.operation("flush set", name, DELSETELEM, 0, |w, table| {
            w.attr_str(1, table);
            w.attr_str(2, name);
        });
    }

    /// Deletes a set that nothing refers to.
    pub fn delete_set(&mut self, name: &str) {
        self.operation("delete set", name, DELSET, 0, |w, table| {
            w.attr_str(1, table);
            w.attr_str(2, name);
        });
    }

    /// Adds elements; equal ones may be there.
    pub fn add_elements(&mut self, set: &Set, elements: &[Element]) {
        self.elements("add element", NEWSETELEM, F_CREATE, set, elements);
    }

    /// Deletes elements; all must be there.
    pub fn delete_elements(&mut self, set: &Set, elements: &[Element]) {
        self.elements("delete element", DELSETELEM, 0, set, elements);
    }

    fn elements(&mut self, operation: &'static str, kind: u16, flags: u16, set: &Set, elements: &[Element]) {
        for chunk in elements.chunks(ELEMENTS_MAX) {
            self.operation(operation, &set.name, kind, flags, |w, table| {
                w.attr_str(1, table);
                w.attr_str(2, &set.name);
                w.nest(3, |w| chunk.iter().for_each(|e| write_element(w, set, e)));
            });
        }
    }

    fn operation(
        &mut self,
        operation: &'static str,
        subject: &str,
        kind: u16,
        flags: u16,
        fill: impl FnOnce(&mut Writer, &str),
    ) {
        self.operations.push((self.writer.len(), operation, subject.to_owned()));
        let mark = self.writer.begin(SUBSYSTEM << 8 | kind, F_REQUEST | flags, 0);
        self.writer.raw(&[self.family.number(), 0, 0, 0]);
        fill(&mut self.writer, &self.table);
        self.writer.end(mark);
    }

    /// The framed bytes, and the sequence number whose acknowledgement ends the exchange.
    pub(super) fn encode(&self, first: u32) -> (Vec<u8>, u32) {
        let mut out = Writer::default();
        let frame = |out: &mut Writer, kind: u16, sequence: u32| {
            let mark = out.begin(kind, F_REQUEST, sequence);
            out.raw(&[0, 0, 0, u8::try_from(SUBSYSTEM).unwrap_or_default()]);
            out.end(mark);
        };
        frame(&mut out, BATCH_BEGIN, first);
        let base = out.len();
        out.bytes.extend_from_slice(&self.writer.bytes);
        let mut sequence = first;
        for (at, ..) in &self.operations {
            sequence = sequence.wrapping_add(1);
            out.bytes[base + at + 8..base + at + 12].copy_from_slice(&sequence.to_ne_bytes());
        }
        if let Some((at, ..)) = self.operations.last() {
            wire::add_flags(&mut out.bytes, base + at, F_ACK);
        }
        frame(&mut out, BATCH_END, sequence.wrapping_add(1));
        (out.bytes, sequence)
    }

    /// Operation and subject of the message `at`, where 0 is the frame's beginning.
    pub(super) fn describe(&self, at: usize) -> (&'static str, String) {
        let found = at.checked_sub(1).and_then(|at| self.operations.get(at));
        found.map_or(("batch", self.table.clone()), |(_, operation, subject)| (*operation, subject.clone()))
    }
}

/// Number and padded length of a (concatenated) type.
fn type_of(types: &[DataType]) -> (u32, u32) {
    let number = types.iter().fold(0, |n, t| n << 6 | t.number());
    let length = match types {
        [one] => one.length(),
        many => many.iter().map(|t| t.length().next_multiple_of(4)).sum(),
    };
    (number, u32::try_from(length).unwrap_or_default())
}

/// Register-padded bytes without the padding that a single type has not got.
fn unpadded<'a>(types: &[DataType], bytes: &'a [u8]) -> &'a [u8] {
    match types {
        [one] => bytes.get(..one.length()).unwrap_or(bytes),
        _ => bytes,
    }
}

fn write_element(w: &mut Writer, set: &Set, element: &Element) {
    let key = unpadded(&set.key, &element.key);
    w.nest(LIST_ELEM, |w| {
        write_value(w, 1, key);
        if let (Some(last), true) = (&element.last, set.key.len() > 1) {
            write_value(w, 10, unpadded(&set.key, last));
        }
        match (&element.data, &set.data) {
            (Some(ElementData::Verdict(verdict)), _) => w.nest(2, |w| verdict.write(w)),
            (Some(ElementData::Value(value)), Some(MapData::Values(types))) => {
                write_value(w, 2, unpadded(types, value));
            }
            _ => {}
        }
    });
    // A range over one type is a pair of elements, the second one just behind the range.
    if let (Some(last), true, [_]) = (&element.last, set.interval, set.key.as_slice())
        && let Some(behind) = successor(unpadded(&set.key, last))
    {
        w.nest(LIST_ELEM, |w| {
            w.attr_be32(3, ELEM_INTERVAL_END);
            write_value(w, 1, &behind);
        });
    }
}

/// The next value in network order; `None` behind the last.
fn successor(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = value.to_vec();
    for byte in out.iter_mut().rev() {
        let (next, carry) = byte.overflowing_add(1);
        *byte = next;
        if !carry {
            return Some(out);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_behind_their_last_value() {
        assert_eq!(successor(&[172, 17, 255, 255]), Some(vec![172, 18, 0, 0]));
        assert_eq!(successor(&[255, 255]), None);
    }

    #[test]
    fn concatenated_types_are_padded() {
        use DataType::{Ipv4, Port, Proto};
        assert_eq!(type_of(&[Ipv4]), (7, 4));
        assert_eq!(type_of(&[Port]), (13, 2));
        assert_eq!(type_of(&[Ipv4, Proto, Port]), ((7 << 6 | 12) << 6 | 13, 12));
    }
}
