//! Docker's command line: a table of commands and flags, one function per command, one printer.
//!
//! Nothing here knows a socket: the engine is reached through [`client`]. No runtime is started, and nothing is read
//! or asked before it is needed, so that short commands stay short.

mod app;
mod command;
mod config;
mod console;
mod failure;
mod flags;
mod format;
mod help;
mod plugin;
mod progress;
mod reference;
mod table;

pub use app::VERSION;
pub use client::API_VERSION;

use std::ffi::OsString;
use std::process::ExitCode;

use app::App;
use failure::{Failure, Result};
use table::root;

/// Runs the command line; `args` begins with the program's name.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let args: Vec<String> = args.into_iter().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text.is_empty() {
                console::err(&failure.text);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let globals = flags::parse(root(), args, false)?;
    if globals.on("version") {
        return console::line(&format!("Docker version {}, build {}", app::VERSION, app::BUILD));
    }
    let mut rest: &[String] = &globals.args.clone();
    let help_first = globals.help;
    let mut command = root();
    if rest.first().is_some_and(|w| w == "help") {
        return help_topic(&rest[1..]);
    }
    while command.group {
        let Some((word, tail)) = rest.split_first() else { break };
        if word.starts_with('-') {
            break;
        }
        let Some(child) = command.child(word) else {
            if command.path.is_empty() {
                let config = config::Config::load(config::directory(globals.get("config")));
                if let Some(path) = plugin::find(&config, word) {
                    return plugin::become_plugin(&path, args);
                }
            }
            if help_first {
                break;
            }
            return Err(unknown(command, word));
        };
        command = child;
        rest = tail;
    }
    if help_first {
        return console::out(&help::screen(command));
    }
    let app = App::new(globals);
    if matches!(command.canonical.as_str(), "image build" | "bake")
        && let Some(path) = plugin::find(&app.config, "buildx")
    {
        return plugin::become_plugin(&path, &buildx_args(args, command, rest));
    }
    let matches = if command.path.is_empty() {
        flags::parse(command, &[], false)?
    } else {
        // Whether the engine has the command comes before how it was typed.
        match flags::parse(command, rest, command.interspersed) {
            Ok(matches) => matches,
            Err(failure) => return Err(app.check_command(command).err().unwrap_or(failure)),
        }
    };
    if matches.help {
        return console::out(&help::screen(command));
    }
    if command.group {
        return match matches.args.first() {
            Some(word) => Err(unknown(command, word)),
            None => {
                console::err_bytes(help::screen(command).as_bytes());
                Ok(())
            }
        };
    }
    app.check_command(command)?;
    flags::check_arity(command, matches.args.len())?;
    app.check_flags(&matches)?;
    command::run(&app, &matches)
}

/// `docker -H x build -t y .` becomes `docker -H x buildx build -t y .`
fn buildx_args(args: &[String], command: &table::Command, rest: &[String]) -> Vec<String> {
    let before = args.len() - rest.len() - command.path.len();
    let verb = if command.canonical == "bake" { "bake" } else { "build" };
    let words = ["buildx".to_owned(), verb.to_owned()];
    args[..before].iter().cloned().chain(words).chain(rest.iter().cloned()).collect()
}

fn unknown(command: &table::Command, word: &str) -> Failure {
    let path = command.full_path();
    if command.path.is_empty() {
        return Failure::new(format!(
            "docker: unknown command: docker {word}\n\nRun 'docker --help' for more information"
        ));
    }
    let usage = command.use_line();
    Failure::new(format!(
        "docker: unknown command: {path} {word}\n\nUsage:  {usage}\n\nRun '{path} --help' for more information"
    ))
}

fn help_topic(words: &[String]) -> Result<()> {
    let mut command = root();
    for word in words {
        command =
            command.child(word).ok_or_else(|| Failure::new(format!("unknown help topic: {}", words.join(" "))))?;
    }
    console::out(&help::screen(command))
}
