//! `docker attach` and `docker start`.

use std::sync::Arc;
use std::sync::mpsc;

use client::Query;
use serde_json::Value;

use super::run::{NO_TERMINAL, detach_keys, exit_status, until_end, wait_begin, wait_in_background};
use super::signals::{self, Subject};
use super::streams::{self, Session};
use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::text;

/// `docker attach`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let (keys_text, keys) = detach_keys(app, m)?;
    let client = app.client()?;
    let container = inspect_running(app, m.arg(0))?;
    let id = text(&container, "Id").to_owned();
    let tty = container["Config"]["Tty"] == Value::Bool(true);
    let stdin = !m.on("no-stdin");
    if stdin && tty && !console::stdin_is_terminal() {
        return Err(Failure::new(NO_TERMINAL));
    }
    let waiting = wait_begin(client, &id, "")?;
    let caught = signals::catch()?;
    let resize = tty && console::stdout_is_terminal();
    let subject = Subject::Container(id.clone());
    signals::watch(caught, Arc::clone(client), subject.clone(), m.on("sig-proxy") && !tty, resize);
    let session = Session {
        stdin: stdin && container["Config"]["OpenStdin"] == Value::Bool(true),
        stdout: true,
        stderr: true,
        tty,
        keys,
    };
    let hijacked = client::container::attach(client, &id, &attach_query(&keys_text, session.stdin))?;
    inspect_running(app, &id)?;
    if resize {
        // A shell draws its prompt again only when the size has really changed.
        let (rows, cols) = console::terminal_size();
        let _ = client::container::resize(client, &id, rows + 1, cols + 1);
        signals::set_size_soon(client, &subject);
    }
    let (sender, receiver) = mpsc::channel();
    streams::begin(hijacked, &session, &sender);
    wait_in_background(waiting, sender);
    let outcome = until_end(&receiver, &session, false);
    streams::restore_terminal();
    outcome
}

fn attach_query(keys: &str, stdin: bool) -> Query {
    Query::new()
        .with_some("detachKeys", keys)
        .with_flag("stdin", stdin)
        .with("stdout", "1")
        .with("stderr", "1")
        .with("stream", "1")
}

fn inspect_running(app: &App, id: &str) -> Result<Value> {
    let container = client::container::inspect(app.client()?, id, false)?;
    let state = &container["State"];
    let refuse = |why: &str| Err(Failure::new(format!("cannot attach to a {why}")));
    if state["Running"] != Value::Bool(true) {
        return refuse("stopped container, start it first");
    }
    if state["Paused"] == Value::Bool(true) {
        return refuse("paused container, unpause it first");
    }
    if state["Restarting"] == Value::Bool(true) {
        return refuse("restarting container, wait until it is running");
    }
    Ok(container)
}

/// `docker start`
pub(super) fn start(app: &App, m: &Matches) -> Result<()> {
    let (keys_text, keys) = detach_keys(app, m)?;
    let client = app.client()?;
    if !(m.on("attach") || m.on("interactive")) {
        return start_detached(app, m);
    }
    if m.args.len() > 1 {
        return Err(Failure::new("you cannot start and attach multiple containers at once"));
    }
    let container = client::container::inspect(client, m.arg(0), false)?;
    let id = text(&container, "Id").to_owned();
    let tty = container["Config"]["Tty"] == Value::Bool(true);
    let remove = container["HostConfig"]["AutoRemove"] == Value::Bool(true);
    let stdin = m.on("interactive") && container["Config"]["OpenStdin"] == Value::Bool(true);
    let session = Session { stdin, stdout: true, stderr: true, tty, keys };
    let caught = signals::catch()?;
    let resize = tty && console::stdout_is_terminal();
    let subject = Subject::Container(id.clone());
    signals::watch(caught, Arc::clone(client), subject.clone(), !tty, resize);
    let hijacked = client::container::attach(client, &id, &attach_query(&keys_text, stdin))?;
    let (sender, receiver) = mpsc::channel();
    let waiting = wait_begin(client, &id, if remove { "removed" } else { "next-exit" })?;
    streams::begin(hijacked, &session, &sender);
    let query = Query::new()
        .with_some("checkpoint", m.text("checkpoint"))
        .with_some("checkpoint-dir", m.text("checkpoint-dir"));
    if let Err(e) = client::container::start(client, &id, &query) {
        streams::restore_terminal();
        if remove {
            let _ = exit_status(waiting);
        }
        return Err(e.into());
    }
    wait_in_background(waiting, sender);
    if resize {
        signals::set_size_soon(client, &subject);
    }
    let outcome = until_end(&receiver, &session, true);
    streams::restore_terminal();
    outcome
}

fn start_detached(app: &App, m: &Matches) -> Result<()> {
    let checkpoint = m.text("checkpoint");
    if !checkpoint.is_empty() && m.args.len() > 1 {
        return Err(Failure::new("you cannot restore multiple containers at once"));
    }
    let client = app.client()?;
    let query = Query::new().with_some("checkpoint", checkpoint).with_some("checkpoint-dir", m.text("checkpoint-dir"));
    let mut failed = Vec::new();
    for name in &m.args {
        match client::container::start(client, name, &query) {
            Ok(()) => console::line(name)?,
            Err(e) => {
                console::err(&e.to_string());
                failed.push(name.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("failed to start containers: {}", failed.join(", "))))
}
