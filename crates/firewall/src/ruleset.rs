//! A plan as a value: chains with rules, sets with elements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use netlink::nft::{BaseChain, ChainKind, DataType, Element, ElementData, Family, Hook, MapData, Set};

use crate::Rule;

/// A chain and its rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// Its hook, if it is a base chain.
    pub base: Option<BaseChain>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruleset {
    /// Address family of the table.
    pub family: Family,
    /// Its name.
    pub table: String,
    /// Chains by name, ours only.
    pub chains: BTreeMap<String, Chain>,
    /// Sets by name.
    pub sets: BTreeMap<String, Set>,
    /// Elements by set and key.
    pub elements: BTreeMap<String, BTreeMap<Vec<u8>, Element>>,
}

impl Ruleset {
    pub(crate) fn new(table: &str) -> Self {
        Self {
            family: Family::Inet,
            table: table.to_owned(),
            chains: BTreeMap::new(),
            sets: BTreeMap::new(),
            elements: BTreeMap::new(),
        }
    }

    /// How many rules each chain has.
    pub(crate) fn rule_counts(&self) -> BTreeMap<&str, usize> {
        self.chains.iter().filter(|(_, c)| !c.rules.is_empty()).map(|(n, c)| (n.as_str(), c.rules.len())).collect()
    }

    pub(crate) fn keys(&self, set: &str) -> BTreeSet<&[u8]> {
        self.elements.get(set).into_iter().flat_map(|e| e.keys().map(Vec::as_slice)).collect()
    }
}

/// As `nft list table` shows it.
impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table {} {} {{", self.family.as_str(), self.table)?;
        for (name, set) in &self.sets {
            let word = if set.data.is_some() { "map" } else { "set" };
            write!(f, "\t{word} {name} {{ type {}", types(&set.key))?;
            match &set.data {
                Some(MapData::Verdict) => f.write_str(" : verdict;")?,
                Some(MapData::Values(values)) => write!(f, " : {};", types(values))?,
                None => f.write_str(";")?,
            }
            if set.interval {
                f.write_str(" flags interval;")?;
            }
            f.write_str("\n")?;
            for element in self.elements.get(name).into_iter().flat_map(BTreeMap::values) {
                writeln!(f, "\t\t{}", element_text(set, element))?;
            }
            f.write_str("\t}\n")?;
        }
        for (name, chain) in &self.chains {
            writeln!(f, "\tchain {name} {{")?;
            if let Some(base) = &chain.base {
                writeln!(f, "\t\t{}", base_text(base))?;
            }
            for rule in &chain.rules {
                writeln!(f, "\t\t{}", rule.text)?;
            }
            f.write_str("\t}\n")?;
        }
        f.write_str("}\n")
    }
}

fn types(types: &[DataType]) -> String {
    types.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(" . ")
}

fn base_text(base: &BaseChain) -> String {
    let kind = match base.kind {
        ChainKind::Filter => "filter",
        ChainKind::Nat => "nat",
    };
    let hook = match base.hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
    };
    format!("type {kind} hook {hook} priority {}; policy accept;", base.priority)
}

fn element_text(set: &Set, element: &Element) -> String {
    let mut text = values(&set.key, &element.key);
    if let Some(last) = &element.last {
        text = format!("{text}-{}", values(&set.key, last));
    }
    match (&element.data, &set.data) {
        (Some(ElementData::Verdict(verdict)), _) => format!("{text} : {verdict}"),
        (Some(ElementData::Value(value)), Some(MapData::Values(kinds))) => format!("{text} : {}", values(kinds, value)),
        _ => text,
    }
}

fn values(types: &[DataType], mut bytes: &[u8]) -> String {
    let mut out = Vec::new();
    for kind in types {
        let (value, rest) = bytes.split_at(kind.length().next_multiple_of(4).min(bytes.len()));
        bytes = rest;
        out.push(match kind {
            DataType::Ipv4 => value.first_chunk::<4>().map(|o| Ipv4Addr::from(*o).to_string()).unwrap_or_default(),
            DataType::Ipv6 => value.first_chunk::<16>().map(|o| Ipv6Addr::from(*o).to_string()).unwrap_or_default(),
            DataType::Proto => match value.first() {
                Some(6) => "tcp".to_owned(),
                Some(17) => "udp".to_owned(),
                Some(132) => "sctp".to_owned(),
                other => other.copied().unwrap_or_default().to_string(),
            },
            DataType::Port => value.first_chunk::<2>().map(|o| u16::from_be_bytes(*o).to_string()).unwrap_or_default(),
            DataType::IfName => {
                let name = value.split(|b| *b == 0).next().unwrap_or_default();
                format!("\"{}\"", String::from_utf8_lossy(name))
            }
        });
    }
    out.join(" . ")
}
