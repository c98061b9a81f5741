//! `docker run` and `docker create`.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use client::{Client, Query, Response};
use serde_json::Value;

use super::api_socket;
use super::signals::{self, Subject};
use super::spec::{self, Plan};
use super::streams::{self, Happened, Session};
use super::terminal::parse_keys;
use crate::app::App;
use crate::config::exists;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::text;
use crate::progress::{self, Target};
use crate::reference::Reference;

/// `docker create`
pub(super) fn create(app: &App, m: &Matches) -> Result<()> {
    let plan = prepare(app, m, "create")?;
    let id = create_container(app, m, &plan)?;
    console::line(&id)
}

/// `docker run`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let mut plan = prepare(app, m, "run")?;
    if m.on("detach") {
        if m.given("attach") {
            return Err(Failure::new("conflicting options: cannot specify both --attach and --detach"));
        }
        (plan.attach_stdin, plan.attach_stdout, plan.attach_stderr) = (false, false, false);
        for key in ["AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"] {
            plan.body[key] = Value::Bool(false);
        }
    } else if plan.attach_stdin && plan.tty && !console::stdin_is_terminal() {
        return Err(Failure::new(NO_TERMINAL));
    }
    let keys = detach_keys(app, m)?;
    let id = create_container(app, m, &plan).map_err(|f| status_failure(f, "run"))?;
    if plan.attach_stdin || plan.attach_stdout || plan.attach_stderr {
        return foreground(app, m, &plan, &id, &keys);
    }
    console::line(&id)?;
    let client = app.client()?;
    client::container::start(client, &id, &Query::new()).map_err(|e| status_failure(e.into(), "run"))
}

/// What is said when `-it` is given and nobody is there to type.
pub(super) const NO_TERMINAL: &str = "cannot attach stdin to a TTY-enabled container because stdin is not a terminal";

/// The detach keys: flag, configuration, default. Gives the text for the engine, too.
pub(super) fn detach_keys(app: &App, m: &Matches) -> Result<(String, Vec<u8>)> {
    let flag = m.text("detach-keys");
    let keys = if flag.is_empty() { app.config.text("detachKeys") } else { flag };
    Ok((keys.to_owned(), parse_keys(keys)?))
}

fn with_help(failure: Failure, verb: &str) -> Failure {
    let text = format!("docker: {}\n\nRun 'docker {verb} --help' for more information", failure.text);
    Failure { text, ..failure }
}

/// Exit codes: 127 when the command is not there, 126 when it cannot be run, else 125.
fn status_failure(failure: Failure, verb: &str) -> Failure {
    let any = |words: &[&str]| words.iter().any(|w| failure.text.contains(w));
    let code =
        if any(&["executable file not found", "no such file or directory", "system cannot find the file specified"]) {
            127
        } else if any(&["permission denied", "is a directory"]) {
            126
        } else {
            125
        };
    with_help(failure, verb).with_code(code)
}

fn prepare(app: &App, m: &Matches, verb: &str) -> Result<Plan> {
    let refuse = |f: Failure| with_help(f, verb).with_code(125);
    let pull = m.text("pull");
    if !matches!(pull, "always" | "missing" | "never" | "") {
        return Err(refuse(Failure::new(format!(
            "invalid pull option: '{pull}': must be one of \"always\", \"missing\" or \"never\""
        ))));
    }
    let plan = spec::plan(m, proxy_variables(app, m)?).map_err(refuse)?;
    let reached = app.client()?.ping().map(drop).map_err(Failure::from);
    reached.map_err(|f| if verb == "run" { refuse(f) } else { f })?;
    Ok(plan)
}

/// Proxies of the configuration become variables, unless the user sets them.
fn proxy_variables(app: &App, m: &Matches) -> Result<Vec<String>> {
    let Some(proxies) = app.config.values.get("proxies") else { return Ok(Vec::new()) };
    let host = app.client()?.host().to_owned();
    let Some(chosen) = proxies.get(&host).or_else(|| proxies.get("default")) else { return Ok(Vec::new()) };
    let own = m.all("env");
    let mut out = Vec::new();
    for (key, name) in [
        ("httpProxy", "HTTP_PROXY"),
        ("httpsProxy", "HTTPS_PROXY"),
        ("noProxy", "NO_PROXY"),
        ("ftpProxy", "FTP_PROXY"),
        ("allProxy", "ALL_PROXY"),
    ] {
        let value = text(chosen, key);
        for name in [name.to_owned(), name.to_lowercase()] {
            let set = own.iter().any(|e| e.split('=').next() == Some(name.as_str()));
            if !value.is_empty() && !set {
                out.push(format!("{name}={value}"));
            }
        }
    }
    Ok(out)
}

/// Makes the container, pulling its image when that is missing, and writes the id file.
fn create_container(app: &App, m: &Matches, plan: &Plan) -> Result<String> {
    let id_file = IdFile::open(m.text("cidfile"))?;
    let reference = Reference::parse(&plan.image).map(Reference::with_default_tag);
    let is_id = plan.image.len() == 64 || plan.image.starts_with("sha256:");
    if let (Err(failure), false) = (&reference, is_id) {
        return Err(Failure::new(failure.text.clone()));
    }
    let platform = platform(m);
    let pull = m.text("pull");
    if pull == "always" {
        pull_image(app, m, &plan.image, &platform)?;
    }
    let client = app.client()?;
    let mut body = plan.body.clone();
    let (rows, cols) = console::terminal_size();
    body["HostConfig"]["ConsoleSize"] = serde_json::json!([rows, cols]);
    let logins = if m.on("use-api-socket") { api_socket::prepare(&mut body, &app.config)? } else { None };
    let name = m.text("name");
    let created = match client::container::create(client, name, &platform, &body) {
        Err(e) if e.is_not_found() && pull == "missing" && reference.is_ok() => {
            let shown = reference.as_ref().map(Reference::familiar).unwrap_or_default();
            if !m.on("quiet") {
                console::err(&format!("Unable to find image '{shown}' locally"));
            }
            pull_image(app, m, &plan.image, &platform)?;
            client::container::create(client, name, &platform, &body)?
        }
        other => other?,
    };
    for warning in created["Warnings"].as_array().into_iter().flatten() {
        console::err(&format!("WARNING: {}", warning.as_str().unwrap_or_default()));
    }
    let id = text(&created, "Id").to_owned();
    if let Some(logins) = logins {
        api_socket::place(client, &id, &logins)?;
    }
    id_file.write(&id)?;
    Ok(id)
}

fn platform(m: &Matches) -> String {
    m.get("platform").map(str::to_owned).or_else(|| crate::app::env("DOCKER_DEFAULT_PLATFORM")).unwrap_or_default()
}

fn pull_image(app: &App, m: &Matches, image: &str, platform: &str) -> Result<()> {
    let reference = Reference::parse(image)?.with_default_tag();
    let target = if m.on("quiet") { Target::Nowhere } else { Target::Stderr };
    let response = crate::command::image::pull_request(app, &reference, platform)?;
    progress::show(response.body, target, |_| {})
}

/// The file of `--cidfile`: must not be there before, and goes when no container was made.
struct IdFile {
    path: Option<PathBuf>,
}

impl IdFile {
    fn open(path: &str) -> Result<Self> {
        if path.is_empty() {
            return Ok(Self { path: None });
        }
        let file = PathBuf::from(path);
        if exists(&file) {
            return Err(Failure::new(format!(
                "container ID file found, make sure the other container isn't running or delete {path}"
            )));
        }
        let failed =
            |e| crate::failure::path_error("open", &file, &e).context("failed to create the container ID file");
        std::fs::File::create(&file).map_err(failed)?;
        Ok(Self { path: Some(file) })
    }

    fn write(mut self, id: &str) -> Result<()> {
        let Some(path) = self.path.take() else { return Ok(()) };
        std::fs::write(&path, id).map_err(|e| {
            crate::failure::path_error("write", &path, &e)
                .context(&format!("failed to write the container ID ({id}) to file"))
        })
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Attaches, starts, copies, and ends with the container's status.
fn foreground(app: &App, m: &Matches, plan: &Plan, id: &str, keys: &(String, Vec<u8>)) -> Result<()> {
    let client = app.client()?;
    let caught = signals::catch()?;
    let resize = plan.tty && console::stdout_is_terminal();
    let subject = Subject::Container(id.to_owned());
    signals::watch(caught, Arc::clone(client), subject.clone(), m.on("sig-proxy"), resize);
    let query = Query::new()
        .with_some("detachKeys", &keys.0)
        .with("stream", "1")
        .with_flag("stdin", plan.attach_stdin)
        .with_flag("stdout", plan.attach_stdout)
        .with_flag("stderr", plan.attach_stderr);
    let hijacked = client::container::attach(client, id, &query)?;
    let session = Session {
        stdin: plan.attach_stdin,
        stdout: plan.attach_stdout,
        stderr: plan.attach_stderr,
        tty: plan.tty,
        keys: keys.1.clone(),
    };
    let (sender, receiver) = mpsc::channel();
    let remove = m.on("rm");
    let waiting = wait_begin(client, id, if remove { "removed" } else { "next-exit" })?;
    streams::begin(hijacked, &session, &sender);
    wait_in_background(waiting, sender);
    if let Err(e) = client::container::start(client, id, &Query::new()) {
        streams::restore_terminal();
        if remove {
            // The engine removes what it could not start.
            drain_until_exit(&receiver);
        }
        return Err(status_failure(e.into(), "run"));
    }
    if resize {
        signals::set_size_soon(client, &subject);
    }
    let outcome = until_end(&receiver, &session, true);
    streams::restore_terminal();
    outcome
}

/// Registers the wait with the engine.
pub(super) fn wait_begin(client: &Arc<Client>, id: &str, condition: &str) -> Result<Response> {
    Ok(client::container::wait_begin(client, id, condition)?)
}

/// Reads the status when it comes.
pub(super) fn wait_in_background(response: Response, events: mpsc::Sender<Happened>) {
    let run = move || {
        let _ = events.send(Happened::Exited(exit_status(response)));
    };
    let _ = thread::Builder::new().name("wait".to_owned()).spawn(run);
}

/// The status in the body of a wait.
pub(super) fn exit_status(mut response: Response) -> Result<i64> {
    let mut body = Vec::new();
    response.body.read_to_end(&mut body)?;
    let value: Value = serde_json::from_slice(&body)
        .map_err(|_| Failure::new("Error waiting for container: unexpected EOF").with_code(125))?;
    let message = value["Error"]["Message"].as_str().unwrap_or_default();
    if !message.is_empty() {
        console::err(&format!("time=\"\" level=error msg=\"Error waiting for container: {message}\""));
        return Ok(125);
    }
    Ok(value["StatusCode"].as_i64().unwrap_or(0))
}

fn drain_until_exit(receiver: &mpsc::Receiver<Happened>) {
    while let Ok(happened) = receiver.recv() {
        if matches!(happened, Happened::Exited(_)) {
            return;
        }
    }
}

/// Waits for the end of output and container, or for the detach keys.
pub(super) fn until_end(receiver: &mpsc::Receiver<Happened>, session: &Session, quiet_detach: bool) -> Result<()> {
    let wants_output = session.stdout || session.stderr;
    let (mut output_ended, mut status) = (!wants_output, None);
    while let Ok(happened) = receiver.recv() {
        match happened {
            Happened::Detached if quiet_detach => return Ok(()),
            Happened::Detached => return Err(Failure::new("read escape sequence")),
            Happened::OutputEnded(outcome) => {
                outcome?;
                output_ended = true;
            }
            Happened::Exited(outcome) => status = Some(outcome?),
            Happened::InputEnded => {}
        }
        if output_ended && let Some(status) = status {
            return if status == 0 { Ok(()) } else { Err(Failure::exit(status)) };
        }
    }
    Ok(())
}
