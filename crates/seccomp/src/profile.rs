//! Docker's default profile (`profile.txt`), resolved for one container.

use oci::runtime::{Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOp, SeccompRule};

use crate::Arch;

const PROFILE: &str = include_str!("profile.txt");
const EPERM: u32 = 1;

/// Major and minor version of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion(pub u32, pub u32);

impl KernelVersion {
    /// Reads the start of `uname -r`; an unreadable one is the oldest.
    pub fn parse(release: &str) -> Self {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
        Self(numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

/// The default profile for a container with these capabilities (`CAP_…`) on this kernel.
pub fn docker_default(caps: &[String], kernel: KernelVersion, arch: Arch) -> Seccomp {
    let mut syscalls: Vec<SeccompRule> = Vec::new();
    let mut head_before = "";
    for line in PROFILE.lines().filter(|l| !l.starts_with('#')) {
        let Some((head, names)) = line.split_once(':') else { continue };
        let names = names.split_whitespace().map(str::to_owned);
        if head == head_before
            && let Some(rule) = syscalls.last_mut()
        {
            rule.names.extend(names);
            continue;
        }
        if let Some(mut rule) = resolve(head, caps, kernel, arch) {
            rule.names.extend(names);
            syscalls.push(rule);
            head_before = head;
        } else {
            head_before = "";
        }
    }
    let mut architectures = vec![arch.to_oci()];
    if arch == Arch::X86_64 {
        architectures.extend([Arch::X86.to_oci(), Arch::X32.to_oci()]);
    } else if arch == Arch::Aarch64 {
        // There is no table for it yet: its programs are killed.
        architectures.push(SeccompArch::Arm);
    }
    Seccomp {
        default_action: SeccompAction::Errno,
        default_errno_ret: Some(EPERM),
        architectures,
        flags: None,
        listener_path: String::new(),
        listener_metadata: String::new(),
        syscalls,
    }
}

/// A rule without names, if its conditions hold.
fn resolve(head: &str, caps: &[String], kernel: KernelVersion, arch: Arch) -> Option<SeccompRule> {
    let mut words = head.split(' ');
    let action = match words.next()? {
        "allow" => SeccompAction::Allow,
        _ => SeccompAction::Errno,
    };
    let mut rule = SeccompRule { names: Vec::new(), action, errno_ret: None, args: Vec::new() };
    for word in words {
        let (key, value) = word.split_once('=')?;
        let has_arch = || value.split(',').any(|a| a == arch.go_name());
        let has_cap = |c: &str| {
            caps.iter().any(|have| have.strip_prefix("CAP_").is_some_and(|have| have.eq_ignore_ascii_case(c)))
        };
        let holds = match key {
            "arch" => has_arch(),
            "-arch" => !has_arch(),
            // All that are listed for "only with", none of them for "only without".
            "cap" => value.split(',').all(has_cap),
            "-cap" => !value.split(',').any(has_cap),
            "kernel" => kernel >= KernelVersion::parse(value),
            "errno" => {
                rule.errno_ret = value.parse().ok();
                true
            }
            "arg" => {
                rule.args.push(argument(value)?);
                true
            }
            _ => false,
        };
        if !holds {
            return None;
        }
    }
    Some(rule)
}

/// `index,operator,value[,second value]`.
fn argument(text: &str) -> Option<SeccompArg> {
    let mut parts = text.split(',');
    let index = parts.next()?.parse().ok()?;
    let op = match parts.next()? {
        "<" => SeccompOp::LessThan,
        "==" => SeccompOp::EqualTo,
        ">" => SeccompOp::GreaterThan,
        "&==" => SeccompOp::MaskedEqual,
        _ => return None,
    };
    let value = parts.next()?.parse().ok()?;
    Some(SeccompArg { index, value, value_two: parts.next().and_then(|v| v.parse().ok()), op })
}
