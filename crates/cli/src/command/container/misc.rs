//! `docker commit`, `diff`, `export`, `port`, `top`.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use client::Query;
use serde_json::Value;

use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result, path_error};
use crate::flags::Matches;
use crate::format::{align, text};
use crate::reference::Reference;

/// `docker commit`
pub(super) fn commit(app: &App, m: &Matches) -> Result<()> {
    if m.given("pause") && m.given("no-pause") {
        return Err(Failure::new("conflicting options: --no-pause and --pause cannot be used together"));
    }
    let no_pause = if m.given("pause") { !m.on("pause") } else { m.on("no-pause") };
    let mut query = Query::new().with("author", m.text("author"));
    for change in m.all("change") {
        query.add("changes", change);
    }
    query = query.with("comment", m.text("message")).with("container", m.arg(0));
    if no_pause {
        query.add("pause", "0");
    }
    if m.arg(1).is_empty() {
        query = query.with("repo", "").with("tag", "");
    } else {
        let reference = Reference::parse(m.arg(1))?;
        if reference.digest.is_some() {
            return Err(Failure::new("refusing to create a tag with a digest reference"));
        }
        let reference = reference.with_default_tag();
        query.add("repo", &reference.name());
        query.add("tag", reference.tag.as_deref().unwrap_or_default());
    }
    let created = client::container::commit(app.client()?, &query, &Value::Null)?;
    console::line(text(&created, "Id"))
}

/// `docker diff`
pub(super) fn diff(app: &App, m: &Matches) -> Result<()> {
    if m.arg(0).is_empty() {
        return Err(Failure::new("container name cannot be empty"));
    }
    let changes = client::container::changes(app.client()?, m.arg(0))?;
    let mut out = String::new();
    for change in changes.as_array().into_iter().flatten() {
        let kind = match change["Kind"].as_i64() {
            Some(0) => "C",
            Some(1) => "A",
            _ => "D",
        };
        out.push_str(&format!("{kind} {}\n", text(change, "Path")));
    }
    console::out(&out)
}

/// `docker export`
pub(super) fn export(app: &App, m: &Matches) -> Result<()> {
    let output = Output::choose(m.text("output"), "export container")?;
    let response = client::container::export(app.client()?, m.arg(0))?;
    output.take(response.body)
}

/// Where a tar stream goes: stdout, or a file that appears only when it is whole.
pub(crate) enum Output {
    Stdout,
    File { temporary: PathBuf, path: PathBuf },
}

impl Output {
    /// The file of `-o`, else stdout unless that is a terminal.
    pub(crate) fn choose(path: &str, verb: &str) -> Result<Self> {
        if path.is_empty() {
            if console::stdout_is_terminal() {
                return Err(Failure::new("cowardly refusing to save to a terminal. Use the -o flag or redirect"));
            }
            return Ok(Self::Stdout);
        }
        let fail = |why: String| Failure::new(format!("failed to {verb}: {why}"));
        let path = PathBuf::from(path);
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        if !parent.is_dir() {
            return Err(fail(format!("invalid output path: stat {}: no such file or directory", parent.display())));
        }
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                return Err(fail(format!("invalid output path: cannot write to a directory: {}", path.display())));
            }
            Ok(meta) if !meta.is_file() => return Ok(Self::File { temporary: path.clone(), path }),
            _ => {}
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let temporary = path.with_file_name(format!(".tmp-{name}{}", std::process::id()));
        Ok(Self::File { temporary, path })
    }

    /// Copies the stream there.
    pub(crate) fn take(self, mut body: impl Read) -> Result<()> {
        let Self::File { temporary, path } = self else {
            let mut buffer = vec![0; 256 * 1024];
            loop {
                match body.read(&mut buffer)? {
                    0 => return Ok(()),
                    n => console::out_bytes(&buffer[..n])?,
                }
            }
        };
        let copied = (|| -> io::Result<()> {
            use std::os::unix::fs::OpenOptionsExt as _;
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            let mut buffer = vec![0; 256 * 1024];
            loop {
                match body.read(&mut buffer)? {
                    0 => break,
                    n => file.write_all(&buffer[..n])?,
                }
            }
            if temporary != path {
                file.sync_all()?;
                fs::rename(&temporary, &path)?;
            }
            Ok(())
        })();
        if copied.is_err() && temporary != path {
            let _ = fs::remove_file(&temporary);
        }
        copied.map_err(|e| path_error("write", &path, &e))
    }
}

/// `docker port`
pub(super) fn port(app: &App, m: &Matches) -> Result<()> {
    let container = client::container::inspect(app.client()?, m.arg(0), false)?;
    let ports = &container["NetworkSettings"]["Ports"];
    let address = |b: &Value| {
        let (ip, port) = (text(b, "HostIp"), text(b, "HostPort"));
        if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
    };
    let wanted = m.arg(1);
    let mut lines: Vec<String> = Vec::new();
    if wanted.is_empty() {
        for (port, bindings) in ports.as_object().into_iter().flatten() {
            lines.extend(bindings.as_array().into_iter().flatten().map(|b| format!("{port} -> {}", address(b))));
        }
    } else {
        let key = units::port::Port::parse(wanted)?.to_string();
        lines.extend(ports[&key].as_array().into_iter().flatten().map(address));
        if lines.is_empty() {
            return Err(Failure::new(format!("no public port '{wanted}' published for {}", m.arg(0))));
        }
    }
    lines.sort_by(|a, b| natural(a, b));
    if lines.is_empty() { Ok(()) } else { console::line(&lines.join("\n")) }
}

/// The order in which `2` comes before `10`.
pub(crate) fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        let (Some(p), Some(q)) = (x.first(), y.first()) else { return x.len().cmp(&y.len()) };
        if p.is_ascii_digit() && q.is_ascii_digit() {
            let run = |s: &[u8]| s.iter().take_while(|b| b.is_ascii_digit()).count();
            let (n, k) = (run(x), run(y));
            let strip = |s: &[u8]| s.iter().copied().skip_while(|b| *b == b'0').collect::<Vec<_>>();
            let (v, w) = (strip(&x[..n]), strip(&y[..k]));
            let order = v.len().cmp(&w.len()).then_with(|| v.cmp(&w)).then(n.cmp(&k));
            if order.is_ne() {
                return order;
            }
            (x, y) = (&x[n..], &y[k..]);
        } else if p == q {
            (x, y) = (&x[1..], &y[1..]);
        } else {
            return p.cmp(q);
        }
    }
}

/// `docker top`
pub(super) fn top(app: &App, m: &Matches) -> Result<()> {
    let list = client::container::top(app.client()?, m.arg(0), &m.args[1..].join(" "))?;
    let line = |row: &Value| {
        let cells: Vec<&str> = row.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        format!("{}\n", cells.join("\t"))
    };
    let mut out = line(&list["Titles"]);
    for process in list["Processes"].as_array().into_iter().flatten() {
        out.push_str(&line(process));
    }
    console::out(&align(&out, 20, 3))
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn natural_order() {
        let mut v = ["80/tcp -> 1", "8080/tcp", "443/tcp", "a10", "a2"];
        v.sort_by(|a, b| natural(a, b));
        assert_eq!(v, ["80/tcp -> 1", "443/tcp", "8080/tcp", "a2", "a10"]);
    }
}
