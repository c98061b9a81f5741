//! System call numbers by name (`syscalls.txt`, from the kernel's headers).

use oci::runtime::SeccompArch;

/// An architecture that filters are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    X86_64,
    X86,
    X32,
    Aarch64,
}

const TABLE: &str = include_str!("syscalls.txt");
/// `__X32_SYSCALL_BIT` (arch/x86/include/uapi/asm/unistd.h).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

impl Arch {
    /// The architecture that this program was built for.
    pub fn native() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }

    /// `AUDIT_ARCH_*` (include/uapi/linux/audit.h): ELF machine with bits for width and byte order.
    pub fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    pub(crate) fn from_oci(arch: SeccompArch) -> Option<Self> {
        match arch {
            SeccompArch::X86_64 => Some(Self::X86_64),
            SeccompArch::X86 => Some(Self::X86),
            SeccompArch::X32 => Some(Self::X32),
            SeccompArch::Aarch64 => Some(Self::Aarch64),
            _ => None,
        }
    }

    pub(crate) fn to_oci(self) -> SeccompArch {
        match self {
            Self::X86_64 => SeccompArch::X86_64,
            Self::X86 => SeccompArch::X86,
            Self::X32 => SeccompArch::X32,
            Self::Aarch64 => SeccompArch::Aarch64,
        }
    }

    /// Go's name, as profiles write it.
    pub(crate) fn go_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::X86 => "x86",
            Self::X32 => "x32",
            Self::Aarch64 => "arm64",
        }
    }

    fn column(self) -> usize {
        match self {
            Self::X86_64 => 1,
            Self::X86 => 2,
            Self::X32 => 3,
            Self::Aarch64 => 4,
        }
    }
}

/// All calls of an architecture, with numbers as they reach a filter.
pub(crate) fn all(arch: Arch) -> impl Iterator<Item = (&'static str, u32)> {
    TABLE.lines().filter(|l| !l.starts_with('#')).filter_map(move |line| {
        let mut words = line.split(' ');
        let name = words.next()?;
        let number: u32 = words.nth(arch.column() - 1)?.parse().ok()?;
        Some((name, if arch == Arch::X32 { number | X32_BIT } else { number }))
    })
}

/// The number of one call; `None` if the architecture has not got it.
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    all(arch).find(|(n, _)| *n == name).map(|(_, number)| number)
}
