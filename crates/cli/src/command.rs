//! One function per command.

mod check;
pub(crate) mod container;
mod context;
mod events;
mod image;
mod info;
mod inspect;
mod login;
mod manifest;
mod network;
mod prune;
mod version;
mod volume;

use crate::app::App;
use crate::failure::{Failure, Result};
use crate::flags::Matches;

/// What runs a command.
type Handler = fn(&App, &Matches) -> Result<()>;

/// Runs a parsed command.
pub(crate) fn run(app: &App, matches: &Matches) -> Result<()> {
    let command = matches.command;
    match handler(&command.canonical) {
        Some(handler) => handler(app, matches),
        None => {
            Err(Failure::new(format!("docker: '{}' is not implemented in this version of Gantry", command.full_path())))
        }
    }
}

fn handler(canonical: &str) -> Option<Handler> {
    let (group, verb) = canonical.split_once(' ').unwrap_or((canonical, ""));
    match group {
        "container" => container::handler(verb),
        "image" => image::handler(verb),
        "manifest" => manifest::handler(verb),
        "network" => network::handler(verb),
        "volume" => volume::handler(verb),
        "context" => context::handler(verb),
        "system" => match verb {
            "info" => Some(info::run),
            "events" => Some(events::run),
            "df" => Some(info::disk_usage),
            "check" => Some(check::run),
            "prune" => Some(prune::system),
            _ => None,
        },
        "version" => Some(version::run),
        "inspect" => Some(inspect::any),
        "login" => Some(login::login),
        "logout" => Some(login::logout),
        "search" => Some(image::search),
        _ => None,
    }
}

/// Does something to each named object; every failure is printed, the last exit code is 1.
pub(crate) fn each(names: &[String], mut act: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut failures = Vec::new();
    for name in names {
        if let Err(failure) = act(name) {
            if failure.code == 141 {
                return Err(failure);
            }
            failures.push(failure.text);
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) }
}
