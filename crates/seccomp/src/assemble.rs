//! Classic BPF (include/uapi/linux/{filter,bpf_common}.h).

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
