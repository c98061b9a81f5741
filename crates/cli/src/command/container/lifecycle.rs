//! `start`'s siblings: stop, restart, kill, pause, unpause, rm, rename, wait.

use std::sync::Arc;
use std::thread;

use client::{Client, Query};

use super::run::exit_status;
use crate::app::App;
use crate::command::each;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;

/// Does the same to many containers at a time; prints names and failures in order.
fn parallel(
    app: &App,
    m: &Matches,
    act: impl Fn(&Client, &str) -> client::Result<()> + Send + Sync + 'static,
) -> Result<()> {
    let client = app.client()?;
    if let [name] = m.args.as_slice() {
        act(client, name)?;
        return console::line(name);
    }
    client.api_version()?;
    let act = Arc::new(act);
    let mut outcomes: Vec<client::Result<()>> = Vec::new();
    for batch in m.args.chunks(50) {
        let running: Vec<_> = batch
            .iter()
            .map(|name| {
                let (client, act, name) = (Arc::clone(client), Arc::clone(&act), name.clone());
                thread::spawn(move || act(&client, &name))
            })
            .collect();
        outcomes.extend(running.into_iter().map(|t| t.join().unwrap_or(Err(client::Error::Eof))));
    }
    let mut outcomes = outcomes.into_iter();
    each(&m.args, |name| {
        outcomes.next().unwrap_or(Ok(()))?;
        console::line(name)
    })
}

/// `docker stop`
pub(super) fn stop(app: &App, m: &Matches) -> Result<()> {
    stop_or_restart(app, m, "stop")
}

/// `docker restart`
pub(super) fn restart(app: &App, m: &Matches) -> Result<()> {
    stop_or_restart(app, m, "restart")
}

fn stop_or_restart(app: &App, m: &Matches, verb: &'static str) -> Result<()> {
    if m.given("time") && m.given("timeout") {
        return Err(Failure::new("conflicting options: cannot specify both --timeout and --time"));
    }
    let timeout = if m.given("timeout") { Some(m.int("timeout")) } else { m.given("time").then(|| m.int("time")) };
    let signal = m.text("signal").to_owned();
    parallel(app, m, move |client, name| client::container::stop(client, name, verb, timeout, &signal))
}

/// `docker kill`
pub(super) fn kill(app: &App, m: &Matches) -> Result<()> {
    let signal = m.text("signal").to_owned();
    parallel(app, m, move |client, name| client::container::kill(client, name, &signal))
}

/// `docker pause`
pub(super) fn pause(app: &App, m: &Matches) -> Result<()> {
    parallel(app, m, |client, name| client::container::simple(client, name, "pause"))
}

/// `docker unpause`
pub(super) fn unpause(app: &App, m: &Matches) -> Result<()> {
    parallel(app, m, |client, name| client::container::simple(client, name, "unpause"))
}

/// `docker rm`
pub(super) fn remove(app: &App, m: &Matches) -> Result<()> {
    let force = m.on("force");
    let query = Query::new().with_flag("v", m.on("volumes")).with_flag("link", m.on("link")).with_flag("force", force);
    let act = move |client: &Client, name: &str| client::container::remove(client, name.trim_matches('/'), &query);
    let client = app.client()?;
    if m.args.len() > 1 && !force {
        return parallel(app, m, act);
    }
    each(&m.args, |name| {
        if name.trim_matches('/').is_empty() {
            return Err(Failure::new("container name cannot be empty"));
        }
        match act(client, name) {
            Err(e) if force && e.is_not_found() => {
                console::err(&e.to_string());
                Ok(())
            }
            other => {
                other?;
                console::line(name)
            }
        }
    })
}

/// `docker rename`
pub(super) fn rename(app: &App, m: &Matches) -> Result<()> {
    let (old, new) = (m.arg(0).trim(), m.arg(1).trim());
    if new.is_empty() {
        return Err(Failure::new("new name cannot be blank"));
    }
    client::container::rename(app.client()?, old, new)
        .map_err(|e| Failure::new(format!("failed to rename container: {e}")))
}

/// `docker wait`
pub(super) fn wait(app: &App, m: &Matches) -> Result<()> {
    let client = app.client()?;
    each(&m.args, |name| {
        let status = exit_status(client::container::wait_begin(client, name, "")?)?;
        console::line(&status.to_string())
    })
}
