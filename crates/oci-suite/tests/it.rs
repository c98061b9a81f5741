//! Everything that runc or crun passed passes on ours: `yardstick.txt` says what that is.

use oci_suite::yardstick::Yardstick;
use std::collections::BTreeSet;
use std::process::Command;
use testkit::place;

#[test]
fn ours_passes_what_runc_or_crun_pass() {
    let here = place::project().join("crates/oci-suite");
    let shim = place::built("gantry-shim").unwrap();
    // By this name it has runc's command line.
    let dir = std::env::temp_dir().join(format!("oci-suite-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let program = dir.join("runc");
    std::fs::copy(shim, &program).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_oci-suite"))
        .arg(format!("ours={}", program.display()))
        .arg("--cases")
        .arg(here.join("cases"))
        .output()
        .unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let yardstick = Yardstick::parse(&std::fs::read_to_string(here.join("yardstick.txt")).unwrap());

    let (mut passed, mut faults, mut seen) = (0, Vec::new(), BTreeSet::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((verdict, rest)) = line.split_once(" - ours ") else { continue };
        let (name, skipped) = rest.split_once(" # SKIP").map_or((rest, false), |(name, _)| (name, true));
        seen.insert(name.to_owned());
        let mut why = String::new();
        while let Some(more) = lines.next_if(|l| l.starts_with("  # ")) {
            why.push_str(more);
            why.push('\n');
        }
        match yardstick.passable(name) {
            None => faults.push(format!("{name} is not in yardstick.txt: run oci-suite with runc and crun, --record")),
            _ if skipped => {}
            _ if verdict.starts_with("ok") => passed += 1,
            // The words of others for these are their own.
            Some(false) if name.starts_with("malformed.") => faults.push(format!("{name}\n{why}")),
            Some(true) => faults.push(format!("{name}\n{why}")),
            Some(false) => {}
        }
    }
    faults
        .extend(yardstick.passed.keys().filter(|name| !seen.contains(*name)).map(|name| format!("{name} did not run")));
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), String::from_utf8_lossy(&output.stderr));
    assert!(passed >= 300, "only {passed} cases passed:\n{text}");
}
