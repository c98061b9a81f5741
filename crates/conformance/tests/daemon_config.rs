//! Every key of `daemon.json` and every flag of the daemon, each alone, wrong, and both at once, through `--validate`.
//!
//! `cases/daemon_config.txt` has a row for each: the file, the flags, and what is said first. Rows that begin with `*`
//! are not Debian's dockerd's (older than the key, or a capability that is refused here); all others are:
//! `UNDER_TEST=docker` runs them against it.

#![expect(clippy::print_stderr, reason = "a test")]

use std::process::Command;
use testkit::{EngineKind, place};

#[test]
fn every_key_and_flag_is_taken_or_refused() {
    let dir = place::test_dir().join(format!("daemon-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("daemon.json");
    let engine = EngineKind::from_env();
    let mut wrong = Vec::new();
    let (mut rows, mut number) = (0, 0);
    for line in include_str!("../cases/daemon_config.txt").lines() {
        let Some((row, ours_only)) = (match line.strip_prefix("* ") {
            Some(row) => Some((row, true)),
            None => line.strip_prefix("  ").map(|row| (row, false)),
        }) else {
            continue;
        };
        // Ours is asked about every row by a unit test of `gantry`; this shows that the program asks the same.
        number += 1;
        if if engine == EngineKind::Gantry { number % 16 != 0 } else { ours_only } {
            continue;
        }
        let [json, flags, want] = row.split(" ;; ").collect::<Vec<_>>()[..] else { panic!("no row: {line}") };
        std::fs::write(&file, json).unwrap();
        let mut command = match engine {
            EngineKind::Gantry => {
                let mut command = Command::new(place::gantry().unwrap());
                command.arg("daemon");
                command
            }
            _ => Command::new(place::peer("docker/usr/sbin/dockerd").unwrap()),
        };
        command.args(["--validate", "--config-file"]).arg(&file).args(flags.split_whitespace());
        command.env("HOME", "/nonexistent").env_remove("DOCKER_CERT_PATH").env_remove("DOCKER_CONFIG");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let noise = |l: &&str| !l.trim().is_empty() && !l.starts_with("time=") && !l.starts_with("Flag --");
        let said = said.lines().find(noise).unwrap_or_default();
        let said = said.strip_prefix("Status: ").unwrap_or(said).replace(file.to_str().unwrap(), "{file}");
        let want = want.replace("{home}", "/nonexistent");
        if said != want || output.status.success() != (want == "configuration OK") {
            wrong.push(format!("{json} {flags}\n  want {want}\n  said {said} ({})", output.status));
        }
        rows += 1;
    }
    std::fs::remove_dir_all(&dir).unwrap();
    eprintln!("{rows} rows");
    assert!(rows > 20 && wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
}
