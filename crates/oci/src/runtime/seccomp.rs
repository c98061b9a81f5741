//! System call filters (runtime-spec config-linux.md, "Seccomp").

use serde::{Deserialize, Serialize};

use crate::nullable;

/// A system call filter, in the terms of libseccomp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// What happens to a call that no rule matches.
    pub default_action: SeccompAction,
    /// errno of that action; EPERM when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// Architectures filtered; others kill the caller. The native one is always there.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<SeccompArch>,
    /// As `SECCOMP_FILTER_FLAG_LOG`. When absent a runtime chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// Socket that gets the listener of notifying rules.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub listener_path: String,
    /// Handed to it.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub listener_metadata: String,
    /// Rules.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<SeccompRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeccompRule {
    /// System calls by name; unknown ones are ignored.
    #[serde(default, deserialize_with = "nullable")]
    pub names: Vec<String>,
    /// What happens.
    pub action: SeccompAction,
    /// errno, or the number given to a tracer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// Conditions on arguments; all must hold.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<SeccompArg>,
}

/// A condition on one argument, compared as 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeccompArg {
    /// Which argument, 0 to 5.
    pub index: u32,
    /// What it is compared with; the mask for [`SeccompOp::MaskedEqual`].
    pub value: u64,
    /// What the masked argument is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_two: Option<u64>,
    /// Comparison.
    pub op: SeccompOp,
}

/// What happens to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SeccompAction {
    /// Kills the thread (alias of [`Self::KillThread`]).
    #[serde(rename = "SCMP_ACT_KILL")]
    Kill,
    /// Kills the process.
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    /// Kills the thread.
    #[serde(rename = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    /// Sends SIGSYS.
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    /// Fails with an errno.
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    /// Tells a tracer.
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    /// Lets it through.
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    /// Lets it through and logs it.
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    /// Asks the listener.
    #[serde(rename = "SCMP_ACT_NOTIFY")]
    Notify,
}

/// Comparison of an argument with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SeccompOp {
    /// Not equal.
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    /// Less than.
    #[serde(rename = "SCMP_CMP_LT")]
    LessThan,
    /// Less or equal.
    #[serde(rename = "SCMP_CMP_LE")]
    LessEqual,
    /// Equal.
    #[serde(rename = "SCMP_CMP_EQ")]
    EqualTo,
    /// Greater or equal.
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterEqual,
    /// Greater than.
    #[serde(rename = "SCMP_CMP_GT")]
    GreaterThan,
    /// Equal after masking with the first value.
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

/// Architectures (audit architectures) by libseccomp's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SeccompArch {
    /// 32-bit x86.
    #[serde(rename = "SCMP_ARCH_X86")]
    X86,
    /// 64-bit x86.
    #[serde(rename = "SCMP_ARCH_X86_64")]
    X86_64,
    /// 64-bit x86 with 32-bit pointers.
    #[serde(rename = "SCMP_ARCH_X32")]
    X32,
    /// 32-bit ARM.
    #[serde(rename = "SCMP_ARCH_ARM")]
    Arm,
    /// 64-bit ARM.
    #[serde(rename = "SCMP_ARCH_AARCH64")]
    Aarch64,
    /// MIPS.
    #[serde(rename = "SCMP_ARCH_MIPS")]
    Mips,
    /// MIPS 64.
    #[serde(rename = "SCMP_ARCH_MIPS64")]
    Mips64,
    /// MIPS n32.
    #[serde(rename = "SCMP_ARCH_MIPS64N32")]
    Mips64N32,
    /// little-endian MIPS.
    #[serde(rename = "SCMP_ARCH_MIPSEL")]
    Mipsel,
    /// little-endian MIPS 64.
    #[serde(rename = "SCMP_ARCH_MIPSEL64")]
    Mipsel64,
    /// little-endian MIPS n32.
    #[serde(rename = "SCMP_ARCH_MIPSEL64N32")]
    Mipsel64N32,
    /// PowerPC.
    #[serde(rename = "SCMP_ARCH_PPC")]
    Ppc,
    /// PowerPC 64.
    #[serde(rename = "SCMP_ARCH_PPC64")]
    Ppc64,
    /// little-endian PowerPC 64.
    #[serde(rename = "SCMP_ARCH_PPC64LE")]
    Ppc64le,
    /// S/390.
    #[serde(rename = "SCMP_ARCH_S390")]
    S390,
    /// z/Architecture.
    #[serde(rename = "SCMP_ARCH_S390X")]
    S390x,
    /// PA-RISC.
    #[serde(rename = "SCMP_ARCH_PARISC")]
    Parisc,
    /// PA-RISC 64.
    #[serde(rename = "SCMP_ARCH_PARISC64")]
    Parisc64,
    /// RISC-V 64.
    #[serde(rename = "SCMP_ARCH_RISCV64")]
    Riscv64,
    /// LoongArch 64.
    #[serde(rename = "SCMP_ARCH_LOONGARCH64")]
    Loongarch64,
    /// Motorola 68000.
    #[serde(rename = "SCMP_ARCH_M68K")]
    M68k,
    /// SuperH.
    #[serde(rename = "SCMP_ARCH_SH")]
    Sh,
    /// big-endian SuperH.
    #[serde(rename = "SCMP_ARCH_SHEB")]
    Sheb,
}
