//! Puts rulesets into the kernel, one transaction per change.

use std::collections::{BTreeMap, BTreeSet};

use netlink::nft::{Batch, Element, Socket};

use crate::names::USER_CHAIN;
use crate::{Error, Ruleset};

/// The owner of one table.
#[derive(Debug)]
pub struct Executor {
    socket: Socket,
    current: Option<Ruleset>,
}

impl Executor {
    /// Opens a socket in the calling thread's network namespace. Changes nothing.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open()?, current: None })
    }

    /// What is in the kernel as far as we know.
    pub fn current(&self) -> Option<&Ruleset> {
        self.current.as_ref()
    }

    /// Makes the table hold exactly this ruleset whatever is in it now, in one transaction: packets meet the old rules or
    /// the new ones. The user's chain stays.
    pub fn install(&mut self, ruleset: &Ruleset) -> Result<(), Error> {
        self.current = None;
        let batch = self.rebuild(ruleset)?;
        if let Err(first) = self.socket.execute(&batch) {
            // Something in the table is of another shape than ours (another version's chain or set).
            start_afresh(&mut self.socket, ruleset).map_err(|_| first)?;
        }
        self.current = Some(ruleset.clone());
        Ok(())
    }

    /// Goes from the installed ruleset to this one, touching only what differs.
    pub fn apply(&mut self, ruleset: &Ruleset) -> Result<(), Error> {
        let Some(current) = self.current.as_ref().filter(|c| c.table == ruleset.table) else {
            return self.install(ruleset);
        };
        let batch = difference(current, ruleset);
        if self.socket.execute(&batch).is_err() {
            // Somebody else was here: start afresh.
            return self.install(ruleset);
        }
        self.current = Some(ruleset.clone());
        Ok(())
    }

    /// Like [`Self::apply`], with the published ports that are installed now instead of the ruleset's.
    pub fn apply_networks(&mut self, mut ruleset: Ruleset) -> Result<(), Error> {
        if let Some(current) = &self.current {
            for set in crate::publish::sets() {
                ruleset.elements.remove(&set.name);
                if let Some(elements) = current.elements.get(&set.name) {
                    ruleset.elements.insert(set.name, elements.clone());
                }
            }
        }
        self.apply(&ruleset)
    }

    /// Adds elements to sets of the installed ruleset: all or none.
    pub fn add(&mut self, elements: &[(&'static str, Element)]) -> Result<(), Error> {
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let mut batch = Batch::new(current.family, &current.table);
        for (name, group) in by_set(elements) {
            if let Some(set) = current.sets.get(name) {
                batch.add_elements(set, &group);
            }
        }
        self.socket.execute(&batch)?;
        for (name, element) in elements {
            current.elements.entry((*name).to_owned()).or_default().insert(element.key.clone(), element.clone());
        }
        Ok(())
    }

    /// Removes elements; those that are gone already do not matter.
    pub fn remove(&mut self, elements: &[(&'static str, Element)]) -> Result<(), Error> {
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let mut batch = Batch::new(current.family, &current.table);
        for (name, element) in elements {
            if let Some(known) = current.elements.get_mut(*name) {
                known.remove(&element.key);
            }
        }
        for (name, group) in by_set(elements) {
            if let Some(set) = current.sets.get(name) {
                batch.delete_elements(set, &group);
            }
        }
        match self.socket.execute(&batch) {
            Err(e) if e.is_missing() => {
                for (name, element) in elements {
                    let Some(set) = current.sets.get(*name) else { continue };
                    let mut one = Batch::new(current.family, &current.table);
                    one.delete_elements(set, std::slice::from_ref(element));
                    match self.socket.execute(&one) {
                        Err(e) if !e.is_missing() => return Err(e.into()),
                        _ => {}
                    }
                }
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Whether the kernel still has what was installed: every chain with as many rules, every set with the same keys.
    pub fn is_intact(&mut self) -> Result<bool, Error> {
        let Some(current) = self.current.as_ref() else { return Ok(true) };
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for rule in self.socket.rules(current.family, &current.table)? {
            *counts.entry(rule.chain).or_default() += 1;
        }
        counts.remove(USER_CHAIN);
        let wanted = current.rule_counts();
        if counts.len() != wanted.len() || counts.iter().any(|(n, c)| wanted.get(n.as_str()) != Some(c)) {
            return Ok(false);
        }
        let chains: BTreeSet<String> =
            self.socket.chains(current.family, &current.table)?.into_iter().map(|c| c.name).collect();
        if current.chains.keys().any(|c| !chains.contains(c)) || !chains.contains(USER_CHAIN) {
            return Ok(false);
        }
        for (name, set) in &current.sets {
            let found = self.socket.element_keys(current.family, &current.table, name)?;
            let found: BTreeSet<&[u8]> = found.iter().map(Vec::as_slice).collect();
            let wanted = current.keys(name);
            // Ranges have more elements in the kernel (their ends).
            let same = if set.interval { wanted.is_subset(&found) } else { wanted == found };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Installs the same again.
    pub fn repair(&mut self) -> Result<(), Error> {
        match self.current.take() {
            Some(current) => {
                let result = self.install(&current);
                if result.is_err() {
                    self.current = Some(current);
                }
                result
            }
            None => Ok(()),
        }
    }

    /// Deletes the table with all that is in it.
    pub fn uninstall(&mut self, table: &str) -> Result<(), Error> {
        self.current = None;
        let mut batch = Batch::new(netlink::nft::Family::Inet, table);
        batch.delete_table();
        match self.socket.execute(&batch) {
            Err(e) if !e.is_missing() => Err(e.into()),
            _ => Ok(()),
        }
    }

    fn rebuild(&mut self, ruleset: &Ruleset) -> Result<Batch, Error> {
        let (family, table) = (ruleset.family, ruleset.table.as_str());
        let chains = self.socket.chains(family, table)?;
        let sets = self.socket.sets(family, table)?;
        let mut batch = Batch::new(family, table);
        batch.add_table();
        declare(&mut batch, ruleset);
        for chain in &chains {
            if chain.name != USER_CHAIN {
                batch.flush_chain(&chain.name);
            }
        }
        for set in &sets {
            batch.flush_set(set);
        }
        for chain in chains.iter().filter(|c| c.name != USER_CHAIN && !ruleset.chains.contains_key(&c.name)) {
            batch.delete_chain(&chain.name);
        }
        for set in sets.iter().filter(|s| !ruleset.sets.contains_key(*s)) {
            batch.delete_set(set);
        }
        fill(&mut batch, ruleset);
        Ok(batch)
    }
}

/// Deletes the table and builds it anew (in one transaction).
fn start_afresh(socket: &mut Socket, ruleset: &Ruleset) -> Result<(), netlink::Error> {
    let mut batch = Batch::new(ruleset.family, &ruleset.table);
    batch.add_table();
    batch.delete_table();
    batch.add_table();
    declare(&mut batch, ruleset);
    fill(&mut batch, ruleset);
    socket.execute(&batch)
}

/// Sets and chains without contents.
fn declare(batch: &mut Batch, ruleset: &Ruleset) {
    batch.add_chain(USER_CHAIN, None);
    for set in ruleset.sets.values() {
        batch.add_set(set);
    }
    for (name, chain) in &ruleset.chains {
        batch.add_chain(name, chain.base);
    }
}

/// Rules and elements.
fn fill(batch: &mut Batch, ruleset: &Ruleset) {
    for (name, chain) in &ruleset.chains {
        for rule in &chain.rules {
            batch.add_rule(name, &rule.exprs);
        }
    }
    for (name, elements) in &ruleset.elements {
        if let Some(set) = ruleset.sets.get(name) {
            let elements: Vec<Element> = elements.values().cloned().collect();
            batch.add_elements(set, &elements);
        }
    }
}

fn by_set(elements: &[(&'static str, Element)]) -> BTreeMap<&'static str, Vec<Element>> {
    let mut groups: BTreeMap<&'static str, Vec<Element>> = BTreeMap::new();
    for (name, element) in elements {
        let group = groups.entry(name).or_default();
        if !group.contains(element) {
            group.push(element.clone());
        }
    }
    groups
}

/// The way from one ruleset to another of the same table; both have the same sets.
fn difference(old: &Ruleset, new: &Ruleset) -> Batch {
    let mut batch = Batch::new(new.family, &new.table);
    for (name, set) in &new.sets {
        if !old.sets.contains_key(name) {
            batch.add_set(set);
        }
    }
    for (name, chain) in &new.chains {
        if !old.chains.contains_key(name) {
            batch.add_chain(name, chain.base);
        }
    }
    for (name, chain) in &new.chains {
        match old.chains.get(name) {
            Some(before) if before == chain => continue,
            Some(_) => batch.flush_chain(name),
            None => {}
        }
        for rule in &chain.rules {
            batch.add_rule(name, &rule.exprs);
        }
    }
    let empty = BTreeMap::new();
    for (name, set) in &new.sets {
        let before = old.elements.get(name).unwrap_or(&empty);
        let after = new.elements.get(name).unwrap_or(&empty);
        let gone: Vec<Element> =
            before.iter().filter(|(k, e)| after.get(*k) != Some(e)).map(|(_, e)| e.clone()).collect();
        let come: Vec<Element> =
            after.iter().filter(|(k, e)| before.get(*k) != Some(e)).map(|(_, e)| e.clone()).collect();
        batch.delete_elements(set, &gone);
        batch.add_elements(set, &come);
    }
    let dead: Vec<&String> = old.chains.keys().filter(|c| !new.chains.contains_key(*c)).collect();
    for chain in &dead {
        batch.flush_chain(chain);
    }
    for chain in dead {
        batch.delete_chain(chain);
    }
    batch
}
