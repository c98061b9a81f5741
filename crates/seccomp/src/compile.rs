//! Rules to program.

use std::collections::BTreeMap;

use oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOp};

use crate::assemble::{AND, ARCH, ARGS, Insn, JEQ, JGE, JGT, LD_ABS, NR, RET, branch, bytes, op, shrink};
use crate::multiplexed;
use crate::numbers::{Arch, Call, X32_BIT};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// `BPF_MAXINSNS`.
const MAX_INSTRUCTIONS: usize = 4096;

const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_KILL_THREAD: u32 = 0;
const RET_TRAP: u32 = 0x0003_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_LOG: u32 = 0x7ffc_0000;
const RET_ALLOW: u32 = 0x7fff_0000;

const SPEC_ALLOW: u32 = 1 << 2;

/// Flags of seccomp(2), `SECCOMP_FILTER_FLAG_*`.
const FLAGS: &[(&str, u32)] = &[
    ("SECCOMP_FILTER_FLAG_TSYNC", 0),
    ("SECCOMP_FILTER_FLAG_LOG", 1 << 1),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1 << 5),
];

/// A filter, ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Instructions, 8 bytes each.
    pub bytes: Vec<u8>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// Whether it asks for user notification, so that loading gives a listener.
    pub notify: bool,
}

/// Why rules are no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A flag that does not exist.
    #[error("seccomp flag {0:?} not known to seccomp")]
    Flag(String),
    /// An argument number above 5.
    #[error("seccomp rule for {name}: argument index {index} is out of range")]
    ArgIndex {
        /// The call.
        name: String,
        /// The index.
        index: u32,
    },
    /// More instructions than the kernel takes.
    #[error("seccomp filter of {0} instructions is too long")]
    TooLong(usize),
    /// Notification for everything would stop the runtime itself.
    #[error("SCMP_ACT_NOTIFY cannot be used as default action")]
    NotifyDefault,
    /// Notification of this call would stop a runtime while it hands the listener over: write(2) with runc, sendmsg(2)
    /// here.
    #[error("SCMP_ACT_NOTIFY cannot be used for the {name} syscall")]
    NotifyHandOver {
        /// The call.
        name: String,
    },
}

/// What happens to one system call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Always(u32),
    /// The first alternative whose conditions all hold; else the default.
    ByArgs(Vec<(Vec<SeccompArg>, u32)>),
}

/// Compiles a filter for this machine.
///
/// # Errors
/// [`CompileError`].
pub fn compile(spec: &Seccomp, native: Arch) -> Result<Program, CompileError> {
    let flags = flags(spec)?;
    check(spec)?;
    let mut archs: Vec<Arch> = spec.architectures.iter().filter_map(|a| Arch::from_oci(*a)).collect();
    if !archs.contains(&native) {
        archs.push(native);
    }
    let default = value(spec.default_action, spec.default_errno_ret);
    let named = look_up(spec);
    let tree = |arch: Arch| intervals_to_tree(&intervals(spec, &named, arch, default), default);
    // From the last test to the first; an architecture that is not listed is killed, as libseccomp does.
    let mut program = vec![op(RET, RET_KILL_THREAD)];
    let mut numbers_of = |audit: u32, body: Vec<Insn>| {
        let mut yes = vec![op(LD_ABS, NR)];
        yes.extend(body);
        program = branch(JEQ, audit, yes, std::mem::take(&mut program));
    };
    for arch in [Arch::X86, Arch::Aarch64] {
        if archs.contains(&arch) {
            numbers_of(arch.audit(), tree(arch));
        }
    }
    if archs.contains(&Arch::X86_64) || archs.contains(&Arch::X32) {
        let side = |arch| if archs.contains(&arch) { tree(arch) } else { vec![op(RET, RET_KILL_THREAD)] };
        numbers_of(Arch::X86_64.audit(), branch(JGE, X32_BIT, side(Arch::X32), side(Arch::X86_64)));
    }
    program.insert(0, op(LD_ABS, ARCH));
    let program = shrink(program);
    if program.len() > MAX_INSTRUCTIONS {
        return Err(CompileError::TooLong(program.len()));
    }
    let notify = spec.syscalls.iter().any(|r| r.action == SeccompAction::Notify);
    Ok(Program { bytes: bytes(&program), flags, notify })
}

/// A profile that says nothing of flags gets runc's choice.
fn flags(spec: &Seccomp) -> Result<u32, CompileError> {
    let Some(flags) = &spec.flags else { return Ok(SPEC_ALLOW) };
    flags.iter().try_fold(0, |all, flag| {
        let known = FLAGS.iter().find(|(name, _)| name == flag);
        known.map(|(_, bit)| all | bit).ok_or_else(|| CompileError::Flag(flag.clone()))
    })
}

fn check(spec: &Seccomp) -> Result<(), CompileError> {
    if spec.default_action == SeccompAction::Notify {
        return Err(CompileError::NotifyDefault);
    }
    for rule in &spec.syscalls {
        if rule.action == SeccompAction::Notify
            && let Some(name) = rule.names.iter().find(|n| matches!(n.as_str(), "write" | "sendmsg"))
        {
            return Err(CompileError::NotifyHandOver { name: name.clone() });
        }
        if let Some(arg) = rule.args.iter().find(|a| a.index > 5) {
            let name = rule.names.first().cloned().unwrap_or_default();
            return Err(CompileError::ArgIndex { name, index: arg.index });
        }
    }
    Ok(())
}

fn value(action: SeccompAction, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(EPERM) & 0xffff;
    match action {
        SeccompAction::Kill | SeccompAction::KillThread => RET_KILL_THREAD,
        SeccompAction::KillProcess => RET_KILL_PROCESS,
        SeccompAction::Trap => RET_TRAP,
        SeccompAction::Errno => RET_ERRNO | data,
        SeccompAction::Trace => RET_TRACE | data,
        SeccompAction::Allow => RET_ALLOW,
        SeccompAction::Log => RET_LOG,
        SeccompAction::Notify => RET_USER_NOTIF,
    }
}

/// The calls of every rule, with what is behind a multiplexer; names that no architecture knows are left out.
type Named = Vec<Vec<(&'static Call, Option<(&'static Call, u64)>)>>;

fn look_up(spec: &Seccomp) -> Named {
    let one = |name: &String| {
        let behind = multiplexed::behind(name).and_then(|(outer, value)| Some((Call::named(outer)?, value)));
        Some((Call::named(name)?, behind))
    };
    spec.syscalls.iter().map(|rule| rule.names.iter().filter_map(one).collect()).collect()
}

/// The fate of every call that rules speak about.
fn fates(spec: &Seccomp, named: &Named, arch: Arch, default: u32) -> BTreeMap<u32, Fate> {
    let mut fates: BTreeMap<u32, Fate> = BTreeMap::new();
    for (rule, calls) in spec.syscalls.iter().zip(named) {
        let action = value(rule.action, rule.errno_ret);
        // A rule that says what happens anyway is no rule (libseccomp refuses it, runc leaves it out).
        if action == default {
            continue;
        }
        let mut put = |call: &Call, args: &[SeccompArg]| {
            if let Some(number) = call.number(arch) {
                add(fates.entry(number).or_insert_with(|| Fate::ByArgs(Vec::new())), args, action);
            }
        };
        for (call, behind) in calls {
            put(call, &rule.args);
            // Behind a multiplexer only the call itself can be told, not its arguments, which are in memory.
            if let Some((multiplexer, value)) = *behind
                && arch == Arch::X86
                && rule.args.is_empty()
            {
                let arg = SeccompArg { index: 0, value, value_two: None, op: SeccompOp::EqualTo };
                put(multiplexer, &[arg]);
            }
        }
    }
    fates
}

fn add(fate: &mut Fate, args: &[SeccompArg], action: u32) {
    let Fate::ByArgs(alternatives) = fate else { return };
    if args.is_empty() {
        *fate = Fate::Always(action);
        return;
    }
    // As runc: several conditions on one argument are alternatives, on different ones they hold together.
    let repeated = (0..6).any(|i| args.iter().filter(|a| a.index == i).count() > 1);
    if repeated {
        alternatives.extend(args.iter().map(|arg| (vec![*arg], action)));
    } else {
        alternatives.push((args.to_vec(), action));
    }
}

/// Starts of intervals of call numbers with equal fate, in order; the first starts at the architecture's zero.
fn intervals(spec: &Seccomp, named: &Named, arch: Arch, default: u32) -> Vec<(u32, Fate)> {
    let fates = fates(spec, named, arch, default);
    let zero = if arch == Arch::X32 { X32_BIT } else { 0 };
    let otherwise = Fate::Always(default);
    let mut out: Vec<(u32, Fate)> = vec![(zero, otherwise.clone())];
    let mut put = |start: u32, fate: Fate| match out.last_mut() {
        Some((last, old)) if *last == start => *old = fate,
        Some((_, old)) if *old == fate => {}
        _ => out.push((start, fate)),
    };
    for (number, fate) in &fates {
        put(*number, fate.clone());
        put(number + 1, fates.get(&(number + 1)).cloned().unwrap_or_else(|| otherwise.clone()));
    }
    // Calls younger than every rule do not exist for the program (as runc since 1.0.0-rc93): C libraries fall back on
    // ENOSYS, not on EPERM. Not so where unknown calls are let through, or told to a tracer that knows them.
    let lets_through = matches!(spec.default_action, SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace);
    let newest = named.iter().flatten().filter_map(|(call, _)| call.number(arch)).max();
    if let Some(newest) = newest.filter(|_| !lets_through) {
        put(newest + 1, Fate::Always(RET_ERRNO | ENOSYS));
    }
    out
}

fn intervals_to_tree(intervals: &[(u32, Fate)], default: u32) -> Vec<Insn> {
    match intervals {
        [] => vec![op(RET, default)],
        [(_, Fate::Always(action))] => vec![op(RET, *action)],
        [(_, Fate::ByArgs(alternatives))] => by_args(alternatives, default),
        _ => {
            let (left, right) = intervals.split_at(intervals.len() / 2);
            branch(JGE, right[0].0, intervals_to_tree(right, default), intervals_to_tree(left, default))
        }
    }
}

/// One alternative after the other; where one does not hold, the next begins.
fn by_args(alternatives: &[(Vec<SeccompArg>, u32)], default: u32) -> Vec<Insn> {
    let mut out = Vec::new();
    for (args, action) in alternatives {
        out.extend(args.iter().rev().fold(vec![op(RET, *action)], |then, arg| condition(arg, then)));
    }
    out.push(op(RET, default));
    out
}

/// Where a comparison leads.
#[derive(Debug, Clone, Copy)]
enum To {
    /// To the comparison after it.
    Next,
    /// To what is done when the condition holds.
    Then,
    /// Behind that.
    End,
}

/// A comparison of 64 bits, half by half, before what is done when it holds.
fn condition(arg: &SeccompArg, then: Vec<Insn>) -> Vec<Insn> {
    use To::{End, Next, Then};
    let (mask, wanted) = match arg.op {
        SeccompOp::MaskedEqual => (arg.value, arg.value_two.unwrap_or(0)),
        _ => (u64::MAX, arg.value),
    };
    let tests: &[(bool, u16, To, To)] = match arg.op {
        SeccompOp::EqualTo | SeccompOp::MaskedEqual => &[(true, JEQ, Next, End), (false, JEQ, Then, End)],
        SeccompOp::NotEqual => &[(true, JEQ, Next, Then), (false, JEQ, End, Then)],
        SeccompOp::GreaterThan => &[(true, JGT, Then, Next), (true, JEQ, Next, End), (false, JGT, Then, End)],
        SeccompOp::GreaterEqual => &[(true, JGT, Then, Next), (true, JEQ, Next, End), (false, JGE, Then, End)],
        SeccompOp::LessEqual => &[(true, JGT, End, Next), (true, JEQ, Next, Then), (false, JGT, End, Then)],
        SeccompOp::LessThan => &[(true, JGT, End, Next), (true, JEQ, Next, Then), (false, JGE, End, Then)],
    };
    let half = |n: u64, high: bool| (if high { n >> 32 } else { n & 0xffff_ffff }) as u32;
    let mut out = Vec::new();
    let mut jumps = Vec::new();
    let mut loaded = None;
    for (high, code, yes, no) in tests {
        let (mask, wanted) = (half(mask, *high), half(wanted, *high));
        if mask == 0 && wanted == 0 && *high {
            // None of these bits is looked at.
            continue;
        }
        if loaded != Some(*high) {
            out.push(op(LD_ABS, offset(arg.index, *high)));
            if mask != u32::MAX {
                out.push(op(AND, mask));
            }
            loaded = Some(*high);
        }
        jumps.push((out.len(), *yes, *no));
        out.push(op(*code, wanted));
    }
    let (then_at, end_at) = (out.len(), out.len() + then.len());
    for (at, yes, no) in jumps {
        // At most six conditions of five instructions each lie between.
        let skip = |to| match to {
            Next => 0,
            Then => u8::try_from(then_at - at - 1).unwrap_or(u8::MAX),
            End => u8::try_from(end_at - at - 1).unwrap_or(u8::MAX),
        };
        out[at] = Insn { jt: skip(yes), jf: skip(no), ..out[at] };
    }
    out.extend(then);
    out
}

/// Offset of the high or the low half of an argument.
fn offset(index: u32, high: bool) -> u32 {
    let at = ARGS + index * 8;
    if high == cfg!(target_endian = "little") { at + 4 } else { at }
}
