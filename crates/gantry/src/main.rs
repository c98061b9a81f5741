//! Gantry: the daemon and the command line in one program.

mod daemon;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let name = args.first().and_then(|a| Path::new(a).file_name()).unwrap_or_default();
    if name == "dockerd" {
        return daemon::main(&args[1..]);
    }
    if args.get(1).is_some_and(|a| a == "daemon") {
        return daemon::main(&args[2..]);
    }
    cli::main(args)
}
