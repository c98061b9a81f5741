//! `docker exec`

use std::sync::Arc;
use std::sync::mpsc;

use serde_json::{Value, json};

use super::run::{NO_TERMINAL, detach_keys};
use super::signals::{self, Subject};
use super::streams::{self, Happened, Session};
use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result, path_error};
use crate::flags::Matches;
use crate::format::text;

/// `docker exec`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let (keys_text, keys) = detach_keys(app, m)?;
    let detach = m.on("detach");
    let tty = m.on("tty");
    let stdin = m.on("interactive") && !detach;
    let environment = environment(m)?;
    let client = app.client()?;
    client::container::inspect(client, m.arg(0), false)?;
    if stdin && tty && !console::stdin_is_terminal() {
        return Err(Failure::new(NO_TERMINAL));
    }
    let mut body = json!({
        "User": m.text("user"), "Privileged": m.on("privileged"), "Tty": tty,
        "AttachStdin": stdin, "AttachStderr": !detach, "AttachStdout": !detach, "Detach": false,
        "DetachKeys": keys_text,
        "Env": if environment.is_empty() { Value::Null } else { json!(environment) },
        "WorkingDir": m.text("workdir"),
        "Cmd": m.args[1..],
    });
    let (rows, cols) = console::terminal_size();
    let sized = tty && (rows, cols) != (0, 0);
    if sized {
        body["ConsoleSize"] = json!([rows, cols]);
    }
    let created = client::exec::create(client, m.arg(0), &body)?;
    let id = text(&created, "Id").to_owned();
    if id.is_empty() {
        return Err(Failure::new("exec ID empty"));
    }
    if detach {
        return Ok(client::exec::start_detached(client, &id, tty)?);
    }
    let session = Session { stdin, stdout: true, stderr: true, tty, keys };
    attached(app, &id, &session, sized.then_some([rows, cols]))
}

fn environment(m: &Matches) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for path in m.all("env-file") {
        let contents = std::fs::read(path).map_err(|e| path_error("open", path, &e))?;
        let mut lookup = |key: &str| std::env::var(key).ok();
        let parsed = units::env::parse_kv_file(&contents, Some(&mut lookup));
        all.extend(parsed.map_err(|e| Failure::new(format!("invalid env file ({path}): {e}")))?);
    }
    all.extend(m.all("env").into_iter().map(str::to_owned));
    Ok(all)
}

fn attached(app: &App, id: &str, session: &Session, size: Option<[u16; 2]>) -> Result<()> {
    let client = app.client()?;
    let resize = session.tty && console::stdin_is_terminal();
    if session.tty {
        let caught = signals::catch()?;
        signals::watch(caught, Arc::clone(client), Subject::Exec(id.to_owned()), false, resize);
    }
    let mut body = json!({"Detach": false, "Tty": session.tty});
    if let Some(size) = size {
        body["ConsoleSize"] = json!(size);
    }
    let hijacked = client::exec::start(client, id, &body)?;
    let (sender, receiver) = mpsc::channel();
    streams::begin(hijacked, session, &sender);
    if resize {
        signals::set_size_soon(client, &Subject::Exec(id.to_owned()));
    }
    let outcome = wait_for_end(&receiver);
    streams::restore_terminal();
    outcome?;
    let code = match client::exec::inspect(client, id) {
        Ok(exec) => exec["ExitCode"].as_i64().unwrap_or(0),
        Err(e) if e.is_connection() => -1,
        Err(e) => return Err(e.into()),
    };
    if code == 0 { Ok(()) } else { Err(Failure::exit(code)) }
}

fn wait_for_end(receiver: &mpsc::Receiver<Happened>) -> Result<()> {
    while let Ok(happened) = receiver.recv() {
        match happened {
            Happened::OutputEnded(outcome) => return outcome,
            Happened::Detached => return Err(Failure::new("read escape sequence")),
            Happened::InputEnded | Happened::Exited(_) => {}
        }
    }
    Ok(())
}
