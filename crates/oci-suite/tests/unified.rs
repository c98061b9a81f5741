//! The cases of cgroup v2 in a virtual machine (`unified.sh`), when `GANTRY_TEST_VM` is set: it takes minutes under emulation.

#![expect(clippy::print_stdout, reason = "says that it is skipped")]

use oci_suite::yardstick::Yardstick;
use std::process::Command;
use testkit::place;

/// Exit status of the script where something is missing.
const MISSING: i32 = 77;

#[test]
fn ours_passes_on_v2_what_runc_or_crun_pass() {
    if std::env::var_os("GANTRY_TEST_VM").is_none() {
        println!("skipped: GANTRY_TEST_VM is not set");
        return;
    }
    let here = place::project().join("crates/oci-suite");
    let shim = place::built("gantry-shim").unwrap();
    let output = Command::new(here.join("unified.sh"))
        .arg(format!("ours={}", shim.display()))
        .args(["--filter", "unified.,unified-update."])
        .env("BUILT", shim.parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() == Some(MISSING) {
        println!("{text}");
        return;
    }
    let yardstick = Yardstick::parse(&std::fs::read_to_string(here.join("yardstick.txt")).unwrap());
    let passed =
        |name: &str| text.lines().any(|line| line.starts_with("ok ") && line.ends_with(&format!(" - ours {name}")));
    let wanted = |name: &&String| name.starts_with("unified") && yardstick.passable(name) == Some(true);
    let names: Vec<&String> = yardstick.passed.keys().filter(wanted).collect();
    assert!(names.len() >= 70, "only {} cases are known", names.len());
    let failed: Vec<_> = names.into_iter().filter(|name| !passed(name)).collect();
    assert!(failed.is_empty(), "{failed:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
}
