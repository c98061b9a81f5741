//! Deterministic mutation of inputs: the same seed gives the same mutants on every machine, so a failure can be
//! repeated and a corpus grows by the inputs that once failed.

/// Numbers by xorshift (Marsaglia 2003); good enough to spread mutations.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed; any number will do.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n` (0 if `n` is 0).
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next_u64() % n).unwrap_or(0)
    }

    /// One of a list.
    ///
    /// # Panics
    /// If the list is empty.
    pub fn pick<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.below(list.len())]
    }
}

/// Changes bytes: flips, overwrites, inserts words from `words`, repeats, removes, cuts; one to four changes.
pub fn bytes(random: &mut Random, input: &[u8], words: &[&[u8]]) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(out.len());
        let end = (at + 1 + random.below(24)).min(out.len());
        match random.below(8) {
            0 if !out.is_empty() => out[at] ^= 1 << random.below(8),
            1 if !out.is_empty() => out[at] = *random.pick(&[0, 0x20, 0x2f, 0x30, 0x7f, 0x80, 0xff]),
            2 | 3 if !words.is_empty() => {
                let word = *random.pick(words);
                out.splice(at..at, word.iter().copied());
            }
            4 if !words.is_empty() => {
                let word = *random.pick(words);
                out.splice(at..end.max(at), word.iter().copied());
            }
            5 => {
                let piece = out[at..end.max(at)].to_vec();
                let times = 1 + random.below(40);
                out.splice(at..at, piece.repeat(times));
            }
            6 => drop(out.drain(at..end.max(at))),
            _ => out.truncate(at + 1),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_the_same_every_time_and_differ() {
        let make = |seed| {
            let mut random = Random::new(seed);
            (0..50).map(|_| bytes(&mut random, b"hello world", &[b"\"", b"[["])).collect::<Vec<_>>()
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
        assert!(make(3).iter().any(|m| m != b"hello world"));
        assert!(bytes(&mut Random::new(4), b"", &[]).len() < 2, "nothing can be made from nothing");
    }
}
