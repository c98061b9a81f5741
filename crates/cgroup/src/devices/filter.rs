//! A device policy as eBPF. The context is `struct bpf_cgroup_dev_ctx { u32 access_type, major, minor }`, where
//! `access_type` is `access << 16 | type` (include/uapi/linux/bpf.h).

use super::{Key, MKNOD, Policy, READ, WRITE};

/// One instruction as the kernel takes it.
pub(crate) type Insn = [u8; 8];

const LDX_W: u8 = 0x61;
const ALU_MOV_REG: u8 = 0xbc;
const ALU_AND_IMM: u8 = 0x54;
const ALU_RSH_IMM: u8 = 0x74;
const JEQ_IMM: u8 = 0x15;
const JNE_IMM: u8 = 0x55;
const JNE_REG: u8 = 0x5d;
const MOV_IMM: u8 = 0xb7;
const EXIT: u8 = 0x95;

const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;
const CTX: u8 = 1;

fn insn(code: u8, dst: u8, src: u8, offset: i16, imm: i32) -> Insn {
    let (o, i) = (offset.to_ne_bytes(), imm.to_ne_bytes());
    [code, src << 4 | dst, o[0], o[1], i[0], i[1], i[2], i[3]]
}

/// `BPF_DEVCG_ACC_*`.
fn kernel_access(bits: u8) -> i32 {
    i32::from(bits & MKNOD != 0) | i32::from(bits & READ != 0) << 1 | i32::from(bits & WRITE != 0) << 2
}

/// Compiles a policy. Returns 1 (allowed) or 0.
pub(crate) fn compile(policy: &Policy) -> Vec<Insn> {
    let mut out = vec![
        insn(LDX_W, TYPE, CTX, 0, 0),
        insn(ALU_AND_IMM, TYPE, 0, 0, 0xffff),
        insn(LDX_W, ACCESS, CTX, 0, 0),
        insn(ALU_RSH_IMM, ACCESS, 0, 0, 16),
        insn(LDX_W, MAJOR, CTX, 4, 0),
        insn(LDX_W, MINOR, CTX, 8, 0),
    ];
    for (key, bits) in &policy.exceptions {
        out.extend(exception(policy.default_allow, key, *bits));
    }
    out.push(insn(MOV_IMM, 0, 0, 0, i32::from(policy.default_allow)));
    out.push(insn(EXIT, 0, 0, 0, 0));
    out
}

/// The test of one exception; falls through to the next when it does not apply.
fn exception(default_allow: bool, key: &Key, bits: u8) -> Vec<Insn> {
    // Conditional jumps get their distance once the length of the block is known.
    let mut block = vec![insn(JNE_IMM, TYPE, 0, 0, if key.block { 1 } else { 2 })];
    block.push(insn(ALU_MOV_REG, SCRATCH, ACCESS, 0, 0));
    block.push(insn(ALU_AND_IMM, SCRATCH, 0, 0, kernel_access(bits)));
    if default_allow {
        // Denied as soon as one of the wanted kinds of access is.
        block.push(insn(JEQ_IMM, SCRATCH, 0, 0, 0));
    } else {
        // Allowed only if all of them are.
        block.push(insn(JNE_REG, SCRATCH, ACCESS, 0, 0));
    }
    for (register, number) in [(MAJOR, key.major), (MINOR, key.minor)] {
        if let Some(number) = number.and_then(|n| i32::try_from(n).ok()) {
            block.push(insn(JNE_IMM, register, 0, 0, number));
        }
    }
    block.push(insn(MOV_IMM, 0, 0, 0, i32::from(!default_allow)));
    block.push(insn(EXIT, 0, 0, 0, 0));
    let length = block.len();
    for (at, instruction) in block.iter_mut().enumerate() {
        if matches!(instruction[0], JEQ_IMM | JNE_IMM | JNE_REG) {
            let distance = i16::try_from(length - at - 1).unwrap_or(i16::MAX).to_ne_bytes();
            (instruction[2], instruction[3]) = (distance[0], distance[1]);
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::default_rules;

    /// What the kernel would do: only the instructions used above.
    fn run(program: &[Insn], block: bool, access: u8, major: i32, minor: i32) -> bool {
        let ctx = [kernel_access(access) << 16 | if block { 1 } else { 2 }, major, minor];
        let (mut r, mut pc) = ([0_i64; 11], 0_i64);
        loop {
            let i = program[usize::try_from(pc).expect("in range")];
            let (dst, src) = (usize::from(i[1] & 15), usize::from(i[1] >> 4));
            let offset = i64::from(i16::from_ne_bytes([i[2], i[3]]));
            let imm = i64::from(i32::from_ne_bytes([i[4], i[5], i[6], i[7]]));
            pc += 1;
            match i[0] {
                LDX_W => r[dst] = i64::from(ctx[usize::try_from(offset / 4).expect("field")]),
                ALU_MOV_REG => r[dst] = r[src],
                ALU_AND_IMM => r[dst] &= imm,
                ALU_RSH_IMM => r[dst] >>= imm,
                MOV_IMM => r[dst] = imm,
                JEQ_IMM if r[dst] == imm => pc += offset,
                JNE_IMM if r[dst] != imm => pc += offset,
                JNE_REG if r[dst] != r[src] => pc += offset,
                JEQ_IMM | JNE_IMM | JNE_REG => {}
                EXIT => return r[0] == 1,
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn the_default_policy_allows_the_harmless_only() {
        let program = compile(&Policy::from_rules(&default_rules()).expect("valid"));
        assert!(run(&program, false, READ | WRITE, 1, 3));
        assert!(run(&program, false, READ, 136, 7));
        assert!(run(&program, true, MKNOD, 8, 0));
        assert!(!run(&program, true, READ, 8, 0));
        assert!(!run(&program, false, READ, 1, 1));
        assert!(!run(&program, true, READ | MKNOD, 8, 0));
    }

    #[test]
    fn exceptions_from_allow_all_deny() {
        let rule = |allow, kind, major, access: &str| oci::runtime::DeviceRule {
            allow,
            r#type: kind,
            major,
            access: access.to_owned(),
            ..Default::default()
        };
        let block = Some(oci::runtime::DeviceRuleType::Block);
        let rules = [rule(true, None, None, "rwm"), rule(false, block, Some(8), "w")];
        let program = compile(&Policy::from_rules(&rules).expect("valid"));
        assert!(run(&program, true, READ, 8, 1));
        assert!(!run(&program, true, READ | WRITE, 8, 1));
        assert!(run(&program, false, WRITE, 8, 1));
    }
}
