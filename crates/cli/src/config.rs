//! `~/.docker/config.json` and the contexts beside it.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Map, Value, json};

use crate::console;
use crate::failure::{Failure, Result, go_io};

/// The key of Docker Hub's credentials.
pub(crate) const HUB: &str = "https://index.docker.io/v1/";

/// The configuration of the user.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) dir: PathBuf,
    pub(crate) values: Map<String, Value>,
}

/// What is known of a registry's user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) identity_token: String,
    pub(crate) server: String,
}

impl Credentials {
    /// As they lie in the file, under `auths`.
    pub(crate) fn entry(&self) -> Value {
        let mut entry = json!({});
        if self.identity_token.is_empty() {
            entry["auth"] = STANDARD.encode(format!("{}:{}", self.username, self.password)).into();
        } else {
            entry["auth"] = STANDARD.encode(format!("{}:", self.username)).into();
            entry["identitytoken"] = self.identity_token.clone().into();
        }
        entry
    }

    /// The `X-Registry-Auth` header.
    pub(crate) fn header(&self) -> String {
        let mut object = Map::new();
        let mut add = |key: &str, value: &str| {
            if !value.is_empty() {
                object.insert(key.to_owned(), Value::String(value.to_owned()));
            }
        };
        add("username", &self.username);
        add("password", &self.password);
        add("serveraddress", &self.server);
        add("identitytoken", &self.identity_token);
        URL_SAFE.encode(Value::Object(object).to_string())
    }
}

/// The directory of the configuration: the flag, `DOCKER_CONFIG`, `~/.docker`.
pub(crate) fn directory(flag: Option<&str>) -> PathBuf {
    let from_env = std::env::var("DOCKER_CONFIG").ok().filter(|d| !d.is_empty());
    match flag.map(str::to_owned).or(from_env) {
        Some(dir) => PathBuf::from(dir),
        None => home().join(".docker"),
    }
}

/// The user's home: `HOME`, else the entry of `/etc/passwd`.
pub(crate) fn home() -> PathBuf {
    if let Ok(home) = std::env::var("HOME")
        && !home.is_empty()
    {
        return PathBuf::from(home);
    }
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = passwd.lines().map(|l| l.split(':').collect::<Vec<_>>()).find(|f| f.get(2) == Some(&uid.as_str()));
    entry.and_then(|f| f.get(5).map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("/"))
}

impl Config {
    /// Reads the file; one that is missing is empty, one that is broken is said to be so and taken as empty.
    pub(crate) fn load(dir: PathBuf) -> Self {
        let path = dir.join("config.json");
        let values = match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(Value::Object(values)) => values,
                Ok(_) => Map::new(),
                Err(e) => {
                    console::err(&format!("WARNING: Error parsing config file ({}): {e}", path.display()));
                    Map::new()
                }
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(e) => {
                let path = path.display();
                console::err(&format!("WARNING: Error loading config file: open {path}: {}", go_io(&e)));
                Map::new()
            }
        };
        Self { dir, values }
    }

    /// A text of the configuration, empty when unset.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.values.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// `HttpHeaders`.
    pub(crate) fn http_headers(&self) -> Vec<(String, String)> {
        let headers = self.values.get("HttpHeaders").and_then(Value::as_object);
        let pairs = headers.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
        pairs.filter(|(k, _)| !k.eq_ignore_ascii_case("user-agent")).collect()
    }

    /// Writes the file: temporary beside it, then renamed; readable by its owner alone.
    pub(crate) fn save(&self) -> Result<()> {
        fs::create_dir_all(&self.dir)?;
        let path = fs::canonicalize(self.dir.join("config.json")).unwrap_or_else(|_| self.dir.join("config.json"));
        let temporary = path.with_extension(format!("json{}", std::process::id()));
        let text = pretty(&Value::Object(self.values.clone()), "\t");
        let mode = fs::metadata(&path).map_or(0o600, |m| m.permissions().mode() & 0o777);
        let write = || -> std::io::Result<()> {
            use std::io::Write as _;
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|e| Failure::new(format!("Error saving credentials: {}", go_io(&e))))
    }

    /// The credentials of a registry, from the file or a helper.
    pub(crate) fn credentials(&self, server: &str) -> Credentials {
        if let Some(helper) = self.helper(server) {
            return helper_get(&helper, server).unwrap_or_default();
        }
        let auths = self.values.get("auths").and_then(Value::as_object);
        let bare = |url: &str| {
            let url = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
            url.split('/').next().unwrap_or_default().to_owned()
        };
        let entry =
            auths.and_then(|a| a.get(server).or_else(|| a.iter().find(|(k, _)| bare(k) == server).map(|(_, v)| v)));
        entry.map_or_else(Credentials::default, |entry| from_entry(entry, server))
    }

    /// Those of every registry that the file or its helpers know.
    pub(crate) fn all_credentials(&self) -> Result<Vec<Credentials>> {
        let keys = |key: &str| {
            let object = self.values.get(key).and_then(Value::as_object);
            object.into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>()
        };
        let mut servers = keys("auths");
        servers.extend(keys("credHelpers"));
        if let Some(store) = self.values.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty()) {
            let listed: Value = serde_json::from_str(&helper_run(store, "list", "unused")?).unwrap_or_default();
            servers.extend(listed.as_object().into_iter().flat_map(Map::keys).cloned());
        }
        servers.sort();
        servers.dedup();
        let all = servers.iter().map(|server| self.credentials(server));
        Ok(all.filter(|c| !c.username.is_empty() || !c.identity_token.is_empty()).collect())
    }

    fn helper(&self, server: &str) -> Option<String> {
        let own = self.values.get("credHelpers").and_then(|h| h.get(server)).and_then(Value::as_str);
        let chosen = own.or_else(|| self.values.get("credsStore").and_then(Value::as_str));
        chosen.filter(|name| !name.is_empty()).map(str::to_owned)
    }

    /// Keeps credentials. Gives whether they lie unencrypted in the file.
    pub(crate) fn store(&mut self, credentials: &Credentials) -> Result<bool> {
        if let Some(helper) = self.helper(&credentials.server) {
            helper_store(&helper, credentials)?;
            self.entry(&credentials.server, json!({}));
            self.save()?;
            return Ok(false);
        }
        self.entry(&credentials.server, credentials.entry());
        self.save()?;
        Ok(true)
    }

    fn entry(&mut self, server: &str, entry: Value) {
        let auths = self.values.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        auths[server] = entry;
    }

    /// Forgets credentials; gives whether there were any.
    pub(crate) fn erase(&mut self, server: &str) -> Result<bool> {
        let from_helper = match self.helper(server) {
            Some(helper) => helper_run(&helper, "erase", server).is_ok(),
            None => false,
        };
        let known =
            self.values.get_mut("auths").and_then(Value::as_object_mut).is_some_and(|a| a.remove(server).is_some());
        if known {
            self.save()?;
        }
        Ok(known || from_helper)
    }
}

fn from_entry(entry: &Value, server: &str) -> Credentials {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let decoded = STANDARD.decode(text("auth")).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded).into_owned();
    let (user, password) = decoded.split_once(':').unwrap_or((decoded.as_str(), ""));
    let pick = |decoded: &str, key: &str| if decoded.is_empty() { text(key) } else { decoded.to_owned() };
    Credentials {
        username: pick(user, "username"),
        password: pick(password.trim_end_matches('\0'), "password"),
        identity_token: text("identitytoken"),
        server: server.to_owned(),
    }
}

/// Runs `docker-credential-<name> <verb>` with text on its stdin.
fn helper_run(name: &str, verb: &str, input: &str) -> Result<String> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let program = format!("docker-credential-{name}");
    let fail = |e: &std::io::Error| Failure::new(format!("error getting credentials - err: {}, out: ``", go_io(e)));
    let mut child =
        Command::new(&program).arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|e| fail(&e))?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|e| fail(&e))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        Ok(text)
    } else {
        let code = output.status.code().unwrap_or(1);
        Err(Failure::new(format!("error getting credentials - err: exit status {code}, out: `{text}`")))
    }
}

fn helper_get(name: &str, server: &str) -> Result<Credentials> {
    let answer: Value = serde_json::from_str(&helper_run(name, "get", server)?).unwrap_or_default();
    let user = answer["Username"].as_str().unwrap_or_default();
    let secret = answer["Secret"].as_str().unwrap_or_default().to_owned();
    let server = server.to_owned();
    // A user of this name says that the secret is a token.
    Ok(if user == "<token>" {
        Credentials { identity_token: secret, server, ..Credentials::default() }
    } else {
        Credentials { username: user.to_owned(), password: secret, server, ..Credentials::default() }
    })
}

fn helper_store(name: &str, credentials: &Credentials) -> Result<()> {
    let (user, secret) = if credentials.identity_token.is_empty() {
        (credentials.username.as_str(), credentials.password.as_str())
    } else {
        ("<token>", credentials.identity_token.as_str())
    };
    let body = json!({"ServerURL": credentials.server, "Username": user, "Secret": secret});
    helper_run(name, "store", &body.to_string()).map(drop)
}

/// JSON with an indent of one's choice and Go's escapes.
pub(crate) fn pretty(value: &Value, indent: &str) -> String {
    let mut out = String::new();
    pretty_into(&mut out, value, indent, 0);
    out
}

fn pretty_into(out: &mut String, value: &Value, indent: &str, depth: usize) {
    let newline = |out: &mut String, depth: usize| {
        out.push('\n');
        for _ in 0..depth {
            out.push_str(indent);
        }
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                newline(out, depth + 1);
                pretty_into(out, item, indent, depth + 1);
            }
            newline(out, depth);
            out.push(']');
        }
        Value::Object(fields) if !fields.is_empty() => {
            out.push('{');
            for (i, (key, item)) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                newline(out, depth + 1);
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(": ");
                pretty_into(out, item, indent, depth + 1);
            }
            newline(out, depth);
            out.push('}');
        }
        other => out.push_str(&gotemplate::to_go_json(other)),
    }
}

/// Makes sure that a directory path is usable as such.
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_credentials() {
        let auth = STANDARD.encode("me:secret:x");
        let values = json!({"auths": {"https://r.example/v1/": {"auth": auth}, "t": {"auth": STANDARD.encode("u:"), "identitytoken": "tok"}}});
        let config = Config { dir: PathBuf::new(), values: values.as_object().unwrap().clone() };
        let found = config.credentials("r.example");
        assert_eq!((found.username.as_str(), found.password.as_str()), ("me", "secret:x"));
        assert_eq!(config.credentials("t").identity_token, "tok");
        assert_eq!(config.credentials("none"), Credentials::default());
    }

    #[test]
    fn indents() {
        assert_eq!(
            pretty(&json!({"a": [1, {}], "b": []}), "  "),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}"
        );
    }
}
