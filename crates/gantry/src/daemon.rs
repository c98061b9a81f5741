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
            return ExitCode::from(125);
        }
    };
    if given.has("help") {
        return say(&flags::help());
    }
    if given.has("version") {
        return say(&format!("Docker version {VERSION}, build {BUILD}"));
    }
    match settings::load(&given).and_then(|settings| Ok((plan::plan(&settings)?, settings))) {
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
    #[test]
    fn daemon_and_command_line_speak_the_same_version() {
        assert_eq!(cli::API_VERSION, api_types::API_VERSION);
    }
}
