//! The small static program beside the daemon: launcher of shims, and tiny init.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    let rest: Vec<_> = args.collect();
    let status = match rest.first().and_then(|a| a.to_str()) {
        _ if Path::new(&name).file_name().is_some_and(|n| n == "docker-init") => shim::tiny_init::run(&rest),
        Some("--init") => shim::tiny_init::run(rest.get(1..).unwrap_or_default()),
        Some("--launch") => {
            let rest: Vec<String> = rest.iter().map(|a| a.to_string_lossy().into_owned()).collect();
            shim::launcher::run(&rest)
        }
        Some("--version") => {
            say(&format!("gantry-shim {} (protocol {})", env!("CARGO_PKG_VERSION"), shim::PROTOCOL), 0)
        }
        _ => say("usage: gantry-shim --launch | --init [--] PROGRAM [ARG...] | --version", 1),
    };
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

#[expect(clippy::print_stdout, reason = "this is a command line")]
fn say(text: &str, status: i32) -> i32 {
    println!("{text}");
    status
}
