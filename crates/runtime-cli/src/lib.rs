//! runc's command line, so that other engines (podman, dockerd, containerd) can run their containers with our runtime.
//!
//! Synchronous, one thread, and no process stays: `create` leaves the container's first process waiting at a FIFO
//! (`store`), whoever called is its parent's heir. What a later command must know lies in one record per container below
//! `--root`. Options and their arity are data (`table`); errors carry runc's words, because engines match them.
//!
//! Inside: `parse` and `table` read the arguments, `commands` has one module per command, `store` the containers on disk,
//! `criu` checkpoints and restores; `launch` and `stay` start processes and wait for them, `own_program` keeps the runtime's
//! file out of their reach, `report` says what went wrong.

mod bundle;
mod cgroups;
mod commands;
mod console;
mod criu;
mod error;
mod help;
mod launch;
mod own_program;
mod parse;
mod process;
mod report;
mod signals;
mod stay;
mod store;
mod table;
mod terminal;

use std::ffi::OsString;
use std::path::Path;

use crate::error::Error;
use crate::parse::Matches;
use crate::report::Report;
use crate::store::Store;

/// What a command works with besides its own arguments.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) global: Matches,
}

/// Whether a program of this name is this command line: `runc`, `gantry-runc` and the like.
#[must_use]
pub fn is_called(program: &Path) -> bool {
    program.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with("runc"))
}

/// Whether a first argument is one of this command line: a command, or an option of all commands.
#[must_use]
pub fn is_meant(first: &str) -> bool {
    table::command(first).is_some() || table::is_global_option(first)
}

/// What `--version` says behind its first line.
#[must_use]
pub fn version_lines() -> String {
    format!("spec: {}", oci::runtime::VERSION)
}

/// Runs one command; gives the exit status of the process.
#[must_use]
pub fn run(program: &str, args: &[OsString]) -> i32 {
    let args: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (global, rest) = match parse::options(table::GLOBAL, &args, parse::Order::First) {
        Ok(parsed) => parsed.split(),
        Err(fault) => {
            help::incorrect(&fault.to_string(), None);
            return Report::default().fatal(&Error::Usage(fault), 1);
        }
    };
    let report = match Report::open(global.value("log"), global.value("log-format").unwrap_or("text")) {
        Ok(report) => report,
        Err(error) => return Report::default().fatal(&error, 1),
    };
    if global.flag("version") {
        return help::version();
    }
    if global.value("criu").is_some_and(|path| !path.is_empty()) {
        report.line("warning", "--criu is ignored: criu is found through $PATH");
    }
    let (name, rest) = match rest.split_first() {
        None => return help::general(),
        Some(_) if global.flag("help") => return help::general(),
        Some((name, rest)) if matches!(name.as_str(), "help" | "h") => return help::asked(rest.first(), &report),
        Some(split) => split,
    };
    let Some(command) = table::command(name) else {
        return report.fatal(&Error::NoHelpTopic { name: name.clone() }, 3);
    };
    let order = if command.reorder { parse::Order::Any } else { parse::Order::First };
    let mut matches = match parse::options(command.flags, rest, order) {
        Ok(parsed) if parsed.flag("help") => return help::command(command),
        Ok(parsed) => parsed,
        Err(fault) => {
            help::incorrect(&fault.to_string(), Some(command));
            return report.fatal(&Error::Usage(fault), 1);
        }
    };
    if let Some(error) = command.arguments.check(program, command.name, matches.args.len()) {
        help::arguments(command);
        return report.fatal(&error, 1);
    }
    if matches!(command.name, "create" | "run" | "exec" | "restore")
        && let Err(error) = own_program::protect()
    {
        return report.fatal(&error, if command.name == "exec" { 255 } else { 1 });
    }
    let store = match Store::new(global.value("root")) {
        Ok(store) => store,
        Err(error) => return report.fatal(&error, 1),
    };
    let context = Context { store, global };
    match (command.run)(&context, &mut matches) {
        Ok(status) => status,
        Err(error) => report.fatal(&error, if command.name == "exec" { 255 } else { 1 }),
    }
}
