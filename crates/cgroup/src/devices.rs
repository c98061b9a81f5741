//! Which devices a container may use: the list of rules as a policy, written to `devices.{allow,deny}` on v1 and
//! compiled to a BPF program on v2 (Documentation/bpf/prog_cgroup_sysctl.rst's sibling, `BPF_PROG_TYPE_CGROUP_DEVICE`).

mod filter;

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::path::Path;

use oci::runtime::{DeviceRule, DeviceRuleType};
use rustix::fs::{Mode, OFlags};

use crate::{Error, Result};

pub(crate) const READ: u8 = 1;
pub(crate) const WRITE: u8 = 2;
pub(crate) const MKNOD: u8 = 4;

/// Which devices an exception is about; `None` is "any".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) block: bool,
    pub(crate) major: Option<i64>,
    pub(crate) minor: Option<i64>,
}

/// A default and the exceptions from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) default_allow: bool,
    /// Access bits that are the other way round.
    pub(crate) exceptions: BTreeMap<Key, u8>,
}

impl Policy {
    /// Folds rules in their order: a later one wins.
    pub(crate) fn from_rules(rules: &[DeviceRule]) -> Result<Self> {
        let mut policy = Self { default_allow: false, exceptions: BTreeMap::new() };
        for rule in rules {
            let access = parse_access(&rule.access)?;
            let number = |n: Option<i64>| n.filter(|n| *n >= 0);
            let (major, minor) = (number(rule.major), number(rule.minor));
            match rule.r#type {
                None | Some(DeviceRuleType::All)
                    if major.is_none() && minor.is_none() && access == READ | WRITE | MKNOD =>
                {
                    policy = Self { default_allow: rule.allow, exceptions: BTreeMap::new() };
                }
                None | Some(DeviceRuleType::All) => {
                    policy.add(rule.allow, Key { block: false, major, minor }, access);
                    policy.add(rule.allow, Key { block: true, major, minor }, access);
                }
                Some(kind) => {
                    policy.add(rule.allow, Key { block: kind == DeviceRuleType::Block, major, minor }, access);
                }
            }
        }
        Ok(policy)
    }

    fn add(&mut self, allow: bool, key: Key, access: u8) {
        if allow != self.default_allow {
            *self.exceptions.entry(key).or_default() |= access;
            return;
        }
        // Back to the default: as the kernel does, only for the very same device.
        if let Some(bits) = self.exceptions.get_mut(&key) {
            *bits &= !access;
            if *bits == 0 {
                self.exceptions.remove(&key);
            }
        }
    }

    /// Reads `devices.list`. An allow-all list does not show its exceptions.
    pub(crate) fn parse_v1(list: &str) -> Option<Self> {
        let mut policy = Self { default_allow: false, exceptions: BTreeMap::new() };
        for line in list.lines() {
            let mut words = line.split(' ');
            let (kind, numbers, access) = (words.next()?, words.next()?, words.next()?);
            if kind == "a" {
                return Some(Self { default_allow: true, exceptions: BTreeMap::new() });
            }
            let (major, minor) = numbers.split_once(':')?;
            let number = |n: &str| if n == "*" { Some(None) } else { n.parse().ok().map(Some) };
            let key = Key { block: kind == "b", major: number(major)?, minor: number(minor)? };
            policy.exceptions.insert(key, parse_access(access).ok()?);
        }
        Some(policy)
    }

    /// What to write to get from this state to `wanted`: (allow, line) in order.
    pub(crate) fn v1_transition(&self, wanted: &Self) -> Vec<(bool, String)> {
        let line = |key: &Key, bits: u8| {
            let number = |n: Option<i64>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
            let kind = if key.block { 'b' } else { 'c' };
            format!("{kind} {}:{} {}", number(key.major), number(key.minor), access_text(bits))
        };
        let mut steps = Vec::new();
        if wanted.default_allow || self.default_allow {
            steps.push((wanted.default_allow, "a".to_owned()));
            steps.extend(wanted.exceptions.iter().map(|(key, bits)| (!wanted.default_allow, line(key, *bits))));
            return steps;
        }
        let missing = |from: &Self, key: &Key, bits: u8| bits & !from.exceptions.get(key).copied().unwrap_or(0);
        for (key, bits) in &self.exceptions {
            let gone = missing(wanted, key, *bits);
            if gone != 0 {
                steps.push((false, line(key, gone)));
            }
        }
        for (key, bits) in &wanted.exceptions {
            let new = missing(self, key, *bits);
            if new != 0 {
                steps.push((true, line(key, new)));
            }
        }
        steps
    }
}

fn parse_access(text: &str) -> Result<u8> {
    if text.is_empty() {
        return Ok(READ | WRITE | MKNOD);
    }
    text.bytes().try_fold(0, |bits, letter| {
        Ok(bits
            | match letter {
                b'r' => READ,
                b'w' => WRITE,
                b'm' => MKNOD,
                _ => return Err(Error::InvalidDeviceAccess { access: text.to_owned() }),
            })
    })
}

fn access_text(bits: u8) -> String {
    [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')].iter().filter(|(bit, _)| bits & bit != 0).map(|(_, c)| c).collect()
}

/// Puts the policy in force on a v2 cgroup, in place of an earlier one.
pub(crate) fn attach(dir: &Path, policy: &Policy) -> Result<()> {
    let failed = |operation| move |errno| Error::DeviceFilter { operation, path: dir.into(), errno };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let group = rustix::fs::open(dir, flags, Mode::empty()).map_err(failed("open"))?;
    let old = sys::bpf::query_device_programs(group.as_fd()).map_err(failed("query"))?;
    let program = sys::bpf::load_device_program(&filter::compile(policy)).map_err(failed("load"))?;
    // The new one first: at no moment is the container without a filter.
    sys::bpf::attach_device_program(group.as_fd(), program.as_fd()).map_err(failed("attach"))?;
    for id in old {
        sys::bpf::detach_device_program(group.as_fd(), id).map_err(failed("detach"))?;
    }
    Ok(())
}

/// The rules of a container that says nothing: nodes may be made, and the harmless devices used.
#[must_use]
pub fn default_rules() -> Vec<DeviceRule> {
    let rule = |allow, r#type, major, minor, access: &str| DeviceRule {
        allow,
        r#type,
        major,
        minor,
        access: access.to_owned(),
    };
    let char = Some(DeviceRuleType::Char);
    let mut rules = vec![
        rule(false, None, None, None, "rwm"),
        rule(true, char, None, None, "m"),
        rule(true, Some(DeviceRuleType::Block), None, None, "m"),
    ];
    // null, zero, full, random, urandom, tty, console, ptmx, tun, pseudo terminals.
    let harmless = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (10, 200)]
        .map(|(major, minor)| (major, Some(minor)));
    for (major, minor) in harmless.into_iter().chain([(136, None)]) {
        rules.push(rule(true, char, Some(major), minor, "rwm"));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(list: &str) -> Policy {
        Policy::parse_v1(list).expect("parses")
    }

    #[test]
    fn rules_fold_in_order() {
        let rules = default_rules();
        let folded = Policy::from_rules(&rules).expect("valid");
        assert!(!folded.default_allow);
        assert_eq!(folded.exceptions.len(), 12);
        let all = DeviceRule { allow: true, ..DeviceRule::default() };
        let folded = Policy::from_rules(&[rules[1].clone(), all]).expect("valid");
        assert_eq!(folded, Policy { default_allow: true, exceptions: BTreeMap::new() });
        let bad = DeviceRule { access: "x".to_owned(), ..DeviceRule::default() };
        assert!(Policy::from_rules(&[bad]).is_err());
    }

    #[test]
    fn only_differences_are_written() {
        let from = policy("c 1:3 rwm\nb 8:0 r\n");
        let to = policy("c 1:3 rw\nc 5:* rwm\n");
        let want = [(false, "c 1:3 m"), (false, "b 8:0 r"), (true, "c 5:* rwm")];
        assert_eq!(from.v1_transition(&to), want.map(|(allow, line)| (allow, line.to_owned())));
        assert!(from.v1_transition(&from).is_empty());
        let open = policy("a *:* rwm\n");
        assert_eq!(open.v1_transition(&to)[0], (false, "a".to_owned()));
        assert_eq!(to.v1_transition(&open), [(true, "a".to_owned())]);
    }
}
