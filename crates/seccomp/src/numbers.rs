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
/// An architecture has not got the call.
const NONE: u16 = u16::MAX;

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    /// By [`Arch::column`].
    numbers: [u16; 4],
}

/// All calls, ascending by name. Read by the compiler of this program, not by the program.
static CALLS: [Call; count()] = parse();

/// Lines that are no comments.
const fn count() -> usize {
    let bytes = TABLE.as_bytes();
    let (mut at, mut lines) = (0, 0);
    while at < bytes.len() {
        if bytes[at] == b'\n' {
            lines += 1;
        }
        at += 1;
    }
    lines - 1
}

const fn parse() -> [Call; count()] {
    let bytes = TABLE.as_bytes();
    let mut calls = [const { Call { name: "", numbers: [NONE; 4] } }; count()];
    // The first line is a comment.
    let mut at = end_of(bytes, 0, b'\n') + 1;
    let mut line = 0;
    while line < calls.len() {
        let end = end_of(bytes, at, b' ');
        let (_, name) = TABLE.split_at(at);
        calls[line].name = name.split_at(end - at).0;
        at = end + 1;
        let mut column = 0;
        while column < 4 {
            let end = end_of(bytes, at, if column == 3 { b'\n' } else { b' ' });
            if bytes[at] != b'-' {
                let mut number = 0;
                while at < end {
                    number = number * 10 + (bytes[at] - b'0') as u16;
                    at += 1;
                }
                calls[line].numbers[column] = number;
            }
            at = end + 1;
            column += 1;
        }
        line += 1;
    }
    calls
}

const fn end_of(bytes: &[u8], mut at: usize, mark: u8) -> usize {
    while bytes[at] != mark {
        at += 1;
    }
    at
}

impl Call {
    /// By name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        CALLS.binary_search_by(|call| call.name.cmp(name)).ok().and_then(|at| CALLS.get(at))
    }

    /// As it reaches a filter.
    pub(crate) fn number(&self, arch: Arch) -> Option<u32> {
        let number = u32::from(*self.numbers.get(arch.column()).filter(|n| **n != NONE)?);
        Some(if arch == Arch::X32 { number | X32_BIT } else { number })
    }
}
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
            Self::X86_64 => 0,
            Self::X86 => 1,
            Self::X32 => 2,
            Self::Aarch64 => 3,
        }
    }
}

/// All calls of an architecture, with numbers as they reach a filter.
#[cfg(test)]
pub(crate) fn all(arch: Arch) -> impl Iterator<Item = (&'static str, u32)> {
    CALLS.iter().filter_map(move |call| Some((call.name, call.number(arch)?)))
}

/// The number of one call; `None` if the architecture has not got it.
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    Call::named(name)?.number(arch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_as_written() {
        assert!(CALLS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for (line, call) in TABLE.lines().filter(|l| !l.starts_with('#')).zip(&CALLS) {
            let numbers = call.numbers.map(|n| if n == NONE { "-".to_owned() } else { n.to_string() });
            assert_eq!(line, format!("{} {}", call.name, numbers.join(" ")));
        }
        assert_eq!(number(Arch::X32, "read"), Some(X32_BIT));
        assert_eq!(number(Arch::Aarch64, "open"), None);
    }
}
