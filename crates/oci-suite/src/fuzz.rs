//! What hostile documents must not do: panic, or read back as something else. Bodies of the targets in `fuzz/`, and of a
//! test that mutates the committed corpora without any tool.

use oci::runtime::Spec;
use seccomp::{Arch, KernelVersion};

/// config.json: what is read can be written, reads back as the same, and its filter compiles or is refused.
pub fn config(data: &[u8]) {
    match oci::json::read::<Spec>(data) {
        Err(error) => assert!(!error.to_string().is_empty(), "an error without words"),
        Ok(spec) => {
            let text = serde_json::to_vec(&spec).unwrap_or_default();
            let again = oci::json::read::<Spec>(&text).ok();
            assert_eq!(again.as_ref(), Some(&spec), "what was written reads as something else");
            if let Some(filter) = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref()) {
                let _ = seccomp::compile(filter, Arch::X86_64);
            }
        }
    }
}

/// A profile: whatever it selects compiles or is refused, for each architecture.
pub fn seccomp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for caps in [&[][..], &["CAP_SYS_ADMIN".to_owned(), "CAP_BPF".to_owned()][..]] {
            if let Ok(Some(filter)) = ::seccomp::from_json(text, caps, KernelVersion(6, 1), arch) {
                let _ = ::seccomp::compile(&filter, arch);
            }
        }
    }
}

/// Random numbers that are the same every time (xorshift64*).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Starts a sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `end`, 0 for an empty range.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap_or(0);
        number.checked_rem(end).unwrap_or(0)
    }
}

/// Pieces of JSON and of both formats that mutations put in.
const PIECES: [&str; 28] = [
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "1.5",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "[]",
    "{}",
    "[[[[[[",
    "{\"a\":",
    "}",
    "]",
    ",",
    ":",
    "\\",
    "\u{ff}",
    "\"SCMP_ACT_NOTIFY\"",
    "\"SCMP_CMP_MASKED_EQ\"",
    "\"SCMP_ARCH_X32\"",
    "\"CAP_SYS_ADMIN\"",
    "4294967295",
    "/../",
];

/// A document changed in one to eight places.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let pick = random.below(seeds.len());
    let mut data = seeds.get(pick).cloned().unwrap_or_default();
    for _ in 0..=random.below(8) {
        let at = random.below(data.len() + 1);
        let end = (at + random.below(24)).min(data.len());
        match random.below(6) {
            0 => {
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => drop(data.drain(at..end)),
            2 => {
                let piece = PIECES.get(random.below(PIECES.len())).copied().unwrap_or_default();
                drop(data.splice(at..at, piece.bytes()));
            }
            3 => {
                // A value gives way to a piece: from here to the next comma.
                let stop = data.iter().skip(at).position(|b| matches!(b, b',' | b'}' | b']')).map_or(end, |n| at + n);
                let piece = PIECES.get(random.below(PIECES.len())).copied().unwrap_or_default();
                drop(data.splice(at..stop, piece.bytes()));
            }
            4 => {
                let copy: Vec<u8> = data.get(at..end).unwrap_or_default().to_vec();
                let to = random.below(data.len() + 1);
                drop(data.splice(to..to, copy));
            }
            _ => data.truncate(at.max(1)),
        }
    }
    data
}
