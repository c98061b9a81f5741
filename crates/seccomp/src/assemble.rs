//! Classic BPF (include/uapi/linux/{filter,bpf_common}.h).

use std::collections::BTreeMap;

/// `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Insn {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

pub(crate) const LD_ABS: u16 = 0x20;
pub(crate) const JA: u16 = 0x05;
pub(crate) const JEQ: u16 = 0x15;
pub(crate) const JGT: u16 = 0x25;
pub(crate) const JGE: u16 = 0x35;
pub(crate) const AND: u16 = 0x54;
pub(crate) const RET: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
pub(crate) const NR: u32 = 0;
pub(crate) const ARCH: u32 = 4;
pub(crate) const ARGS: u32 = 16;

pub(crate) fn op(code: u16, k: u32) -> Insn {
    Insn { code, jt: 0, jf: 0, k }
}

/// `if A <code> k then yes else no`, with the two branches laid out behind; long ones are reached by an unconditional
/// jump, because a conditional one reaches 255 instructions at most.
pub(crate) fn branch(code: u16, k: u32, yes: Vec<Insn>, no: Vec<Insn>) -> Vec<Insn> {
    let mut out = Vec::with_capacity(yes.len() + no.len() + 2);
    // `no` comes first: fall through when false.
    match u8::try_from(no.len()) {
        Ok(skip) => out.push(Insn { code, jt: skip, jf: 0, k }),
        Err(_) => {
            out.push(Insn { code, jt: 0, jf: 1, k });
            out.push(op(JA, u32::try_from(no.len()).unwrap_or(u32::MAX)));
        }
    }
    out.extend(no);
    out.extend(yes);
    out
}

/// The bytes as seccomp(2) takes them, in the machine's own order.
pub(crate) fn bytes(program: &[Insn]) -> Vec<u8> {
    let mut out = Vec::with_capacity(program.len() * 8);
    for i in program {
        out.extend(i.code.to_ne_bytes());
        out.extend([i.jt, i.jf]);
        out.extend(i.k.to_ne_bytes());
    }
    out
}

/// The same program with few returns: a jump to a return goes to one that others jump to already, and what nothing leads to
/// any more is left out. Loading costs time for every instruction.
pub(crate) fn shrink(mut program: Vec<Insn>) -> Vec<Insn> {
    share_returns(&mut program);
    let reached = reached(&program);
    // Where each instruction goes to.
    let mut place = Vec::with_capacity(program.len() + 1);
    let mut next = 0;
    for is_reached in &reached {
        place.push(next);
        next += usize::from(*is_reached);
    }
    let skip = |at: usize, offset: usize| place[at + 1 + offset] - place[at] - 1;
    let mut out = Vec::with_capacity(next);
    for (at, insn) in program.iter().enumerate().filter(|(at, _)| reached[*at]) {
        let mut insn = *insn;
        if is_branch(insn) {
            // They only get shorter.
            insn.jt = u8::try_from(skip(at, insn.jt.into())).unwrap_or(insn.jt);
            insn.jf = u8::try_from(skip(at, insn.jf.into())).unwrap_or(insn.jf);
        } else if insn.code == JA {
            insn.k = u32::try_from(skip(at, insn.k as usize)).unwrap_or(insn.k);
        }
        out.push(insn);
    }
    out
}

fn is_branch(insn: Insn) -> bool {
    matches!(insn.code, JEQ | JGT | JGE)
}

/// Lets jumps to equal returns meet at the farthest of them that is in reach.
fn share_returns(program: &mut [Insn]) {
    let mut meeting: BTreeMap<u32, usize> = BTreeMap::new();
    for at in 0..program.len() {
        let insn = program[at];
        if insn.code == JA {
            if let Some(value) = returned(program, at) {
                program[at] = op(RET, value);
            }
        } else if is_branch(insn) {
            let mut end = |offset: u8| {
                let Some(value) = returned(program, at + 1 + usize::from(offset)) else { return offset };
                let reach = at + 1..program.len().min(at + 2 + usize::from(u8::MAX));
                let known = meeting.get(&value).copied().filter(|to| reach.contains(to));
                let to = known.or_else(|| reach.rev().find(|to| program[*to] == op(RET, value)));
                let Some((to, short)) = to.and_then(|to| Some((to, u8::try_from(to - at - 1).ok()?))) else {
                    return offset;
                };
                meeting.insert(value, to);
                short
            };
            let (jt, jf) = (end(insn.jt), end(insn.jf));
            program[at] = Insn { jt, jf, ..insn };
        }
    }
}

/// What is returned from an instruction on, where nothing but jumps lies before that.
fn returned(program: &[Insn], mut at: usize) -> Option<u32> {
    loop {
        match program.get(at) {
            Some(Insn { code: RET, k, .. }) => return Some(*k),
            Some(Insn { code: JA, k, .. }) => at += 1 + *k as usize,
            _ => return None,
        }
    }
}

/// Which instructions can be come by. Jumps lead forward only.
fn reached(program: &[Insn]) -> Vec<bool> {
    let mut reached = vec![false; program.len()];
    let mark = |at: usize, reached: &mut Vec<bool>| {
        if let Some(mark) = reached.get_mut(at) {
            *mark = true;
        }
    };
    mark(0, &mut reached);
    for (at, insn) in program.iter().enumerate() {
        if !reached[at] {
            continue;
        }
        match insn.code {
            RET => {}
            JA => mark(at + 1 + insn.k as usize, &mut reached),
            _ if is_branch(*insn) => {
                mark(at + 1 + usize::from(insn.jt), &mut reached);
                mark(at + 1 + usize::from(insn.jf), &mut reached);
            }
            _ => mark(at + 1, &mut reached),
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program made of tests and returns gives for a number.
    fn run(program: &[Insn], a: u32) -> u32 {
        let mut at = 0;
        loop {
            let Insn { code, jt, jf, k } = program[at];
            at += 1;
            let holds = match code {
                RET => return k,
                JA => {
                    at += k as usize;
                    continue;
                }
                JEQ => a == k,
                JGT => a > k,
                _ => a >= k,
            };
            at += usize::from(if holds { jt } else { jf });
        }
    }

    /// A tree of tests over numbers below `span`.
    fn tree(random: &mut impl FnMut(u32) -> u32, depth: u32, span: u32) -> Vec<Insn> {
        if depth == 0 {
            return vec![op(RET, random(4))];
        }
        let code = [JEQ, JGT, JGE][random(3) as usize];
        let k = random(span);
        branch(code, k, tree(random, depth - 1, span), tree(random, depth - 1, span))
    }

    #[test]
    fn a_shorter_program_decides_the_same() {
        let mut state = 7_u64;
        let mut random = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 33).unwrap() % below
        };
        for depth in 0..=9 {
            for _ in 0..20 {
                let long = tree(&mut random, depth, 500);
                let short = shrink(long.clone());
                assert!(short.len() <= long.len());
                assert!(depth < 7 || short.len() * 5 < long.len() * 3, "{} of {}", short.len(), long.len());
                for a in 0..=500 {
                    assert_eq!(run(&short, a), run(&long, a), "{long:?} at {a}");
                }
            }
        }
    }
}
