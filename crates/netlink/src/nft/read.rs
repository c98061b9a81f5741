use crate::wire::{F_DUMP, F_REQUEST, Writer, attributes, be32_of, be64_of, text_of};

use super::Family;

const SUBSYSTEM: u16 = 10;
pub(super) const GETCHAIN: u16 = 4;
pub(super) const GETRULE: u16 = 7;
pub(super) const GETSET: u16 = 10;
pub(super) const GETSETELEM: u16 = 13;

/// A chain as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainInfo {
    /// Its name.
    pub name: String,
    /// Whether it hangs on a hook.
    pub base: bool,
}

/// A rule as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its chain.
    pub chain: String,
    /// Its number within the table.
    pub handle: u64,
}

pub(super) fn request(w: &mut Writer, sequence: u32, kind: u16, family: Family, names: &[(u16, &str)]) {
    let mark = w.begin(SUBSYSTEM << 8 | kind, F_REQUEST | F_DUMP, sequence);
    w.raw(&[family.number(), 0, 0, 0]);
    for (attribute, name) in names {
        w.attr_str(*attribute, name);
    }
    w.end(mark);
}

/// The attributes behind the nfgenmsg header.
fn body(payload: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    attributes(payload.get(4..).unwrap_or_default())
}

impl ChainInfo {
    pub(super) fn parse(payload: &[u8], table: &str) -> Option<Self> {
        let mut chain = Self { name: String::new(), base: false };
        for (kind, value) in body(payload) {
            match kind {
                1 if text_of(value) != table => return None,
                3 => chain.name = text_of(value).to_owned(),
                4 => chain.base = true,
                _ => {}
            }
        }
        Some(chain)
    }
}

impl RuleInfo {
    pub(super) fn parse(payload: &[u8], table: &str) -> Option<Self> {
        let mut rule = Self { chain: String::new(), handle: 0 };
        for (kind, value) in body(payload) {
            match kind {
                1 if text_of(value) != table => return None,
                2 => rule.chain = text_of(value).to_owned(),
                3 => rule.handle = be64_of(value),
                _ => {}
            }
        }
        Some(rule)
    }
}

pub(super) fn set_name(payload: &[u8], table: &str) -> Option<String> {
    let mut name = None;
    for (kind, value) in body(payload) {
        match kind {
            1 if text_of(value) != table => return None,
            2 => name = Some(text_of(value).to_owned()),
            // Anonymous sets belong to their rule.
            3 if be32_of(value) & 1 != 0 => return None,
            _ => {}
        }
    }
    name
}

pub(super) fn element_keys(payload: &[u8]) -> Vec<Vec<u8>> {
    let lists = body(payload).filter(|(kind, _)| *kind == 3);
    lists
        .flat_map(|(_, list)| attributes(list))
        .filter_map(|(_, element)| {
            let (_, key) = attributes(element).find(|(kind, _)| *kind == 1)?;
            let (_, value) = attributes(key).find(|(kind, _)| *kind == 1)?;
            let mut padded = Vec::new();
            super::Element::pad(&mut padded, value);
            Some(padded)
        })
        .collect()
}
