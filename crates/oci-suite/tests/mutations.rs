//! Thousands of changed specs and profiles: none makes a reader panic.

#![expect(clippy::unwrap_used, reason = "a test")]

use oci_suite::fuzz::{Random, config, mutate, seccomp};
use std::panic::{AssertUnwindSafe, catch_unwind};
use testkit::place;

fn all(corpus: &str, rounds: usize, read: fn(&[u8])) {
    let mut files: Vec<_> = std::fs::read_dir(place::project().join("fuzz/corpus").join(corpus))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(seeds.len() >= 3, "a corpus of {}", seeds.len());
    seeds.iter().for_each(|seed| read(seed));
    let mut random = Random::new(0x6761_6e74_7279);
    for round in 0..rounds {
        let data = mutate(&mut random, &seeds);
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&data)));
        assert!(outcome.is_ok(), "round {round} of {corpus}: {}", String::from_utf8_lossy(&data));
    }
}

#[test]
fn specs() {
    all("config", 6000, config);
}

#[test]
fn profiles() {
    all("seccomp", 3000, seccomp);
}
