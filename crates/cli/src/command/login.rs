//! `docker login` and `docker logout`.

use std::io::{self, Read as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use crate::app::App;
use crate::config::{Config, Credentials, HUB};
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::text;

/// `docker login`
pub(super) fn login(app: &App, m: &Matches) -> Result<()> {
    let (user, mut password) = (m.text("username").to_owned(), m.text("password").to_owned());
    let from_stdin = m.on("password-stdin") || password == "-";
    if from_stdin {
        if m.given("password") && password != "-" {
            return Err(Failure::new("conflicting options: cannot specify both --password and --password-stdin"));
        }
        if !m.given("username") {
            return Err(Failure::new("the --password-stdin option requires --username to be set"));
        }
    }
    for (flag, value) in [("username", &user), ("password", &password)] {
        if m.given(flag) && value.is_empty() {
            return Err(Failure::new(format!("{flag} is empty")));
        }
    }
    if !password.is_empty() && password != "-" {
        console::err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    if from_stdin {
        password = read_secret()?;
    }
    let server = match m.arg(0) {
        "" | "docker.io" => HUB.to_owned(),
        given => given.to_owned(),
    };
    let stored_key = if server == HUB { server.clone() } else { hostname(&server) };
    let stored = app.config.credentials(&stored_key);
    if user.is_empty() && password.is_empty() && !stored.username.is_empty() && !stored.password.is_empty() {
        console::err(&format!("Authenticating with existing credentials... [Username: {}]", stored.username));
        console::err("\nInfo → To login with a different account, run 'docker logout' followed by 'docker login'\n\n");
        match attempt(app, &stored) {
            Ok(status) => return if status.is_empty() { Ok(()) } else { console::line(&status) },
            Err(e) if e.status() == Some(401) => console::err("Stored credentials invalid or expired"),
            Err(e) => console::err(&format!("Login did not succeed, error: {e}")),
        }
    }
    if (user.is_empty() || password.is_empty()) && !console::stdin_is_terminal() {
        return Err(Failure::new("error: cannot perform an interactive login from a non-TTY device"));
    }
    let credentials = ask(user, password, &stored, &stored_key)?;
    let status = attempt(app, &credentials)?;
    if status.is_empty() { Ok(()) } else { console::line(&status) }
}

/// Asks the engine whether the credentials are good, and keeps them.
fn attempt(app: &App, credentials: &Credentials) -> client::Result<String> {
    let mut body = json!({
        "username": credentials.username, "password": credentials.password, "serveraddress": credentials.server,
    });
    if !credentials.identity_token.is_empty() {
        body["identitytoken"] = credentials.identity_token.clone().into();
    }
    let client = app.client().map_err(|f| client::Error::Connect { source: io::Error::other(f.text) })?;
    let answer: Value = client::system::login(client, &body)?;
    let token = text(&answer, "IdentityToken");
    let mut kept = credentials.clone();
    if !token.is_empty() {
        kept.password.clear();
        token.clone_into(&mut kept.identity_token);
    }
    let mut config = Config::load(app.config.dir.clone());
    match config.store(&kept) {
        Ok(plain) => {
            if plain {
                let path = config.dir.join("config.json");
                console::err(&format!(
                    "\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n",
                    path.display()
                ));
            }
            Ok(text(&answer, "Status").to_owned())
        }
        Err(failure) => Err(client::Error::Io(io::Error::other(failure.text))),
    }
}

fn read_secret() -> Result<String> {
    let mut secret = String::new();
    io::stdin().read_to_string(&mut secret)?;
    let bare = secret.strip_suffix("\r\n").or_else(|| secret.strip_suffix('\n')).or_else(|| secret.strip_suffix('\r'));
    let bare = bare.unwrap_or(&secret);
    if bare.trim().is_empty() { Err(Failure::new("password is empty")) } else { Ok(bare.to_owned()) }
}

fn ask(mut user: String, mut password: String, stored: &Credentials, server: &str) -> Result<Credentials> {
    if user.is_empty() {
        let known = &stored.username;
        console::out(&if known.is_empty() { "Username: ".to_owned() } else { format!("Username ({known}): ") })?;
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        line.trim().clone_into(&mut user);
        if user.is_empty() {
            known.clone_into(&mut user);
        }
        if user.is_empty() {
            return Err(Failure::new("error: username is required"));
        }
    }
    if password.is_empty() {
        console::out("Password: ")?;
        password = read_hidden()?;
        console::out("\n")?;
        if password.is_empty() {
            return Err(Failure::new("error: password is required"));
        }
    }
    Ok(Credentials { username: user, password, identity_token: String::new(), server: server.to_owned() })
}

/// A line from the terminal, not shown while it is typed.
fn read_hidden() -> Result<String> {
    let before = tcgetattr(io::stdin()).ok();
    if let Some(before) = &before {
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &hidden);
    }
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    if let Some(before) = &before {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
    }
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The host of an address, without scheme and path.
fn hostname(address: &str) -> String {
    let bare = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or(address);
    bare.split('/').next().unwrap_or_default().to_owned()
}

/// `docker logout`
pub(super) fn logout(app: &App, m: &Matches) -> Result<()> {
    let given = m.arg(0);
    let (shown, keys) = if given.is_empty() {
        (HUB.to_owned(), vec![HUB.to_owned()])
    } else {
        let host = hostname(given);
        (host.clone(), vec![given.to_owned(), host.clone(), format!("http://{host}"), format!("https://{host}")])
    };
    console::line(&format!("Removing login credentials for {shown}"))?;
    let mut config = Config::load(app.config.dir.clone());
    for key in keys {
        config.erase(&key)?;
    }
    Ok(())
}
