//! Containers made by this crate itself, as root. The runtime wants a process with one thread, so these tests bring
//! their own harness: one after the other, in namespaces of their own.

#![allow(clippy::print_stdout)]

mod cases;
mod fixture;

use std::panic::{AssertUnwindSafe, catch_unwind};

use fixture::Fixture;

fn main() {
    let filter: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    assert!(rustix::process::geteuid().is_root(), "these tests need root");
    fixture::own_namespaces();
    let (mut ran, mut failed) = (0, Vec::new());
    for (name, case) in cases::all() {
        if !filter.is_empty() && !filter.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        ran += 1;
        let fixture = Fixture::new();
        let outcome = catch_unwind(AssertUnwindSafe(|| case(&fixture)));
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        if outcome.is_err() {
            failed.push(name);
        }
    }
    fixture::clean_up();
    println!("\ntest result: {ran} ran, failed: {failed:?}");
    assert!(failed.is_empty());
}
