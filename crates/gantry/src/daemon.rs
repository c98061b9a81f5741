//! The daemon half: flags and `daemon.json` → settings → engine and listeners → until a signal ends it.

mod embedded;
mod file;
mod flags;
mod hosts;
mod journal;
mod metrics;
mod notify;
mod pidfile;
mod plan;
mod quiet;
mod run;
mod settings;
mod signals;
mod table;
mod validate;
mod values;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

/// The engine's version as clients see it, the same as the command line's.
///
/// Clients choose features by comparing this with Docker's versions, so it is the version of Docker whose behaviour
/// this is.
const VERSION: &str = cli::VERSION;
/// Source revision, or what stands for it.
const BUILD: &str = env!("GANTRY_BUILD_REVISION");
/// Version of this program itself.
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs the daemon; `args` are those behind its name.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    // An idle daemon keeps little for itself: this must come before there are threads.
    sys::memory::limit_arenas(2);
    let args: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let given = match flags::parse(&args) {
        Ok(given) => given,
        Err(e) => {
            complain(&format!("{e}\n\nUsage:  dockerd [OPTIONS]\n\nRun 'dockerd --help' for more information"));
            return ExitCode::FAILURE;
        }
    };
    if given.has("help") {
        return say(&flags::help());
    }
    if given.has("version") {
        return say(&format!("Docker version {VERSION}, build {BUILD}"));
    }
    match settings::load(&given).and_then(|settings| Ok((checked(&settings)?, settings))) {
        Err(e) => {
            complain(&format!("{e:#}"));
            ExitCode::FAILURE
        }
        Ok((_, settings)) if settings.on("validate") => {
            complain("configuration OK");
            ExitCode::SUCCESS
        }
        Ok((plan, settings)) => run::run(plan, settings),
    }
}

/// The plan; what files it names for TLS must be good.
fn checked(settings: &settings::Settings) -> Result<plan::Plan> {
    let plan = plan::plan(settings)?;
    if let Some(tls) = &plan.tls {
        api::http::server_config(tls).context("invalid TLS configuration")?;
    }
    Ok(plan)
}

fn say(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::{checked, flags, settings};

    /// What the daemon says first about this file and these flags.
    fn said(file: &std::path::Path, json: &str, line: &str) -> String {
        std::fs::write(file, json).expect("written");
        let mut args = vec![format!("--config-file={}", file.display())];
        args.extend(line.split_whitespace().map(str::to_owned));
        let said = match flags::parse(&args).map(|given| settings::load(&given).and_then(|s| checked(&s))) {
            Err(e) => e.to_string(),
            Ok(Err(e)) => format!("{e:#}"),
            Ok(Ok(_)) => "configuration OK".to_owned(),
        };
        said.replace(&file.display().to_string(), "{file}")
    }

    /// Every key and flag: alone, wrong, both at once; held against Debian's dockerd by `tests/daemon_config.rs` of
    /// `conformance`.
    #[test]
    fn every_key_and_flag_is_taken_or_refused() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = dir.path().join("daemon.json");
        let home = std::env::var("HOME").unwrap_or_default();
        let moved = ["DOCKER_CERT_PATH", "DOCKER_CONFIG"].iter().any(|v| std::env::var_os(v).is_some());
        let mut rows = 0;
        let mut wrong = Vec::new();
        for line in include_str!("../../conformance/cases/daemon_config.txt").lines() {
            let Some(row) = line.strip_prefix("* ").or_else(|| line.strip_prefix("  ")) else { continue };
            let [json, flags, want] = row.split(" ;; ").collect::<Vec<_>>()[..] else { panic!("no row: {line}") };
            rows += 1;
            if want.contains("{home}")
                && (moved || home.is_empty() || std::path::Path::new(&home).join(".docker").exists())
            {
                continue;
            }
            let (want, got) = (want.replace("{home}", &home), said(&file, json, flags));
            if got != want {
                wrong.push(format!("{json} {flags}\n  want {want}\n  said {got}"));
            }
        }
        assert!(rows > 400 && wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
    }

    /// None of the 96 keys and 92 flags is without a row.
    #[test]
    fn the_table_has_every_key_and_flag() {
        let cases = include_str!("../../conformance/cases/daemon_config.txt");
        for flag in
            super::table::FLAGS.iter().filter(|f| !matches!(f.name, "help" | "version" | "validate" | "config-file"))
        {
            let given =
                |l: &str| [" ", "="].iter().any(|end| format!("{l} ").contains(&format!("--{}{end}", flag.name)));
            assert!(cases.lines().any(given), "no row with --{}", flag.name);
            assert!(flag.key.is_empty() || cases.contains(&format!("\"{}\":", flag.key)), "no row with {}", flag.key);
        }
        for (key, _) in super::table::KEYS_ONLY {
            let ignored = ["deprecated-key-path"];
            assert!(ignored.contains(key) || cases.contains(&format!("\"{key}\":")), "no row with {key}");
        }
    }

    #[test]
    fn daemon_and_command_line_speak_the_same_version() {
        assert_eq!(cli::API_VERSION, api_types::API_VERSION);
    }
}
