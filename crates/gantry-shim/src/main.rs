//! The small static program beside the daemon: launcher of shims, tiny init, and runc's command line.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    let first = rest.first().and_then(|a| a.to_str());
    let program = Path::new(&name);
    let status = if program.file_name().is_some_and(|n| n == "docker-init") {
        shim::tiny_init::run(&rest)
    } else if runtime_cli::is_called(program) {
        runtime_cli::run(&name.to_string_lossy(), &rest)
    } else {
        let behind = rest.get(1..).unwrap_or_default();
        match first {
            Some("--init") => shim::tiny_init::run(behind),
            Some("--launch") => {
                let rest: Vec<String> = rest.iter().map(|a| a.to_string_lossy().into_owned()).collect();
                shim::launcher::run(&rest)
            }
            Some("--version") if behind.is_empty() => version(),
            Some("runtime") => runtime_cli::run(&name.to_string_lossy(), behind),
            Some(first) if runtime_cli::is_meant(first) => runtime_cli::run(&name.to_string_lossy(), &rest),
            _ => say(USAGE, 1),
        }
    };
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

const USAGE: &str = "usage: gantry-shim --launch | --init [--] PROGRAM [ARG...] | --version\n       \
                     gantry-shim [runtime] COMMAND ... (runc's command line; --help)";

/// Engines ask a runtime for its version by this option: the first line is ours, the others are runc's.
fn version() -> i32 {
    say(&format!("gantry-shim version {} (protocol {})", env!("CARGO_PKG_VERSION"), shim::PROTOCOL), 0);
    say(&runtime_cli::version_lines(), 0)
}

#[expect(clippy::print_stdout, reason = "this is a command line")]
fn say(text: &str, status: i32) -> i32 {
    println!("{text}");
    status
}
