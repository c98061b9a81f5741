//! config.json of a bundle.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oci_suite::fuzz::config(data));
