//! Seccomp profiles of users.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oci_suite::fuzz::seccomp(data));
