//! `hosts.toml`: which hosts serve a registry, in what order, and how far each is trusted (containerd's file, which
//! Docker reads too: `<certs.d>/<host[:port]>/hosts.toml`).

mod toml;

use std::io;
use std::path::{Path, PathBuf};

use hyper::header::{HeaderName, HeaderValue};

use crate::Error;
use toml::{Pair, Value};

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// What a host may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// Manifests and blobs by digest.
    pub(crate) pull: bool,
    /// What a tag means.
    pub(crate) resolve: bool,
    /// Taking content.
    pub(crate) push: bool,
}

impl Capabilities {
    /// Everything.
    pub(crate) const ALL: Self = Self { pull: true, resolve: true, push: true };
    /// All that a mirror is for.
    pub(crate) const READ: Self = Self { push: false, ..Self::ALL };
}

/// Certificates for one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostTls {
    /// Do not check its certificate.
    pub(crate) skip_verify: bool,
    /// Files of authorities.
    pub(crate) authorities: Vec<PathBuf>,
    /// Client certificate and key; in one file if the second is `None`.
    pub(crate) identity: Option<(PathBuf, Option<PathBuf>)>,
}

/// One host of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HostEntry {
    /// As written: `https://host[:port][/path]`.
    pub(crate) url: String,
    pub(crate) capabilities: Capabilities,
    pub(crate) tls: HostTls,
    /// The path of the URL stands for `/v2`.
    pub(crate) override_path: bool,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct HostsFile {
    /// To be asked first, in order.
    pub(crate) hosts: Vec<HostEntry>,
    /// The last resort; its URL is empty if the file names none (then the registry itself).
    pub(crate) server: Option<HostEntry>,
}

/// The file for a registry (`docker.io`, `host:port`, …), if there is one.
pub(crate) fn read(certs_dir: &Path, domain: &str) -> Result<Option<HostsFile>, Error> {
    let mut names = vec![domain.to_owned()];
    if domain.contains(':') {
        // Where a colon cannot be in a name.
        names.push(format!("{}_", domain.replace(':', "_")));
    }
    names.push("_default".to_owned());
    for name in names {
        let dir = certs_dir.join(name);
        let path = dir.join("hosts.toml");
        let bad = |why: String| Error::Config { what: "hosts file", value: path.display().to_string(), why };
        match std::fs::metadata(&path) {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(e) => return Err(bad(e.to_string())),
            Ok(meta) if meta.len() > FILE_MAX => return Err(bad(format!("larger than {FILE_MAX} bytes"))),
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path).map_err(|e| bad(e.to_string()))?;
        return parse(&text, &dir).map(Some).map_err(bad);
    }
    Ok(None)
}

fn parse(text: &str, dir: &Path) -> Result<HostsFile, String> {
    let (tables, pairs) = toml::parse(text)?;
    let mut urls: Vec<&String> = Vec::new();
    for path in tables.iter().chain(pairs.iter().map(|p| &p.path)) {
        if let [host, url, ..] = path.as_slice()
            && host == "host"
            && !urls.contains(&url)
        {
            urls.push(url);
        }
    }
    let mut file = HostsFile::default();
    for url in urls {
        let own = |p: &&Pair| p.path.len() > 2 && p.path[0] == "host" && p.path[1] == *url;
        file.hosts.push(entry(url, pairs.iter().filter(own), 2, dir)?);
    }
    let server = pairs.iter().find(|p| p.path == ["server"]);
    let url = server.map(|p| p.value.text().ok_or("server must be a string")).transpose()?.unwrap_or_default();
    file.server = Some(entry(url, pairs.iter().filter(|p| p.path[0] != "host"), 0, dir)?);
    Ok(file)
}

fn entry<'p>(url: &str, pairs: impl Iterator<Item = &'p Pair>, depth: usize, dir: &Path) -> Result<HostEntry, String> {
    let mut entry = HostEntry {
        url: url.to_owned(),
        capabilities: Capabilities::ALL,
        tls: HostTls::default(),
        override_path: false,
        headers: Vec::new(),
    };
    for pair in pairs {
        let flag = || match pair.value {
            Value::Flag(b) => Ok(b),
            _ => Err(format!("{} must be true or false", pair.path.join("."))),
        };
        match pair.path[depth..].iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["capabilities"] => entry.capabilities = capabilities(&pair.value)?,
            ["ca"] => entry.tls.authorities = texts(&pair.value)?.iter().map(|p| dir.join(p)).collect(),
            ["client"] => entry.tls.identity = identity(&pair.value, dir)?,
            ["skip_verify"] => entry.tls.skip_verify = flag()?,
            ["override_path"] => entry.override_path = flag()?,
            ["header"] => {
                let Value::Table(table) = &pair.value else { return Err("header must be a table".to_owned()) };
                for (name, value) in table {
                    header(&mut entry.headers, name, value)?;
                }
            }
            ["header", name] => header(&mut entry.headers, name, &pair.value)?,
            // `server`, timeouts, and what later versions know.
            _ => {}
        }
    }
    Ok(entry)
}

fn texts(value: &Value) -> Result<Vec<&str>, String> {
    let list = match value {
        Value::List(list) => list.iter().map(Value::text).collect(),
        one => one.text().map(|t| vec![t]),
    };
    list.ok_or_else(|| "expected a string or a list of strings".to_owned())
}

fn capabilities(value: &Value) -> Result<Capabilities, String> {
    let mut found = Capabilities { pull: false, resolve: false, push: false };
    for name in texts(value)? {
        match name.to_ascii_lowercase().as_str() {
            "pull" => found.pull = true,
            "resolve" => found.resolve = true,
            "push" => found.push = true,
            "referrers" => {}
            other => return Err(format!("unknown capability {other}")),
        }
    }
    Ok(found)
}

/// `"both.pem"`, `["both.pem"]`, or `[["cert.pem", "key.pem"]]`; of several the first counts.
fn identity(value: &Value, dir: &Path) -> Result<Option<(PathBuf, Option<PathBuf>)>, String> {
    let pair = match value {
        Value::List(list) => match list.first() {
            None => return Ok(None),
            Some(first) => texts(first)?,
        },
        one => texts(one)?,
    };
    match pair.as_slice() {
        [both] => Ok(Some((dir.join(both), None))),
        [cert, key] => Ok(Some((dir.join(cert), Some(dir.join(key)).filter(|_| !key.is_empty())))),
        _ => Err("client must be a certificate and a key".to_owned()),
    }
}

fn header(out: &mut Vec<(HeaderName, HeaderValue)>, name: &str, value: &Value) -> Result<(), String> {
    let bad = || format!("invalid header {name}");
    let header = HeaderName::try_from(name).map_err(|_| bad())?;
    for text in texts(value)? {
        out.push((header.clone(), HeaderValue::try_from(text).map_err(|_| bad())?));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        server = "https://origin.example"
        ca = "origin.crt"

        [host."http://mirror.example:5000"]
          capabilities = ["pull", "resolve"]

        [host."https://b.example/path"]
          capabilities = ["pull"]
          override_path = true
          skip_verify = true
          client = [["c.cert", "/abs/c.key"]]
          [host."https://b.example/path".header]
            x-one = "1"
            x-two = ["a", "b"]
    "#;

    #[test]
    fn hosts_come_in_order_with_their_settings() {
        let file = parse(FILE, Path::new("/d")).expect("parses");
        let [mirror, b] = file.hosts.as_slice() else { panic!("{file:?}") };
        assert_eq!((mirror.url.as_str(), mirror.capabilities), ("http://mirror.example:5000", Capabilities::READ));
        assert_eq!(b.capabilities, Capabilities { pull: true, resolve: false, push: false });
        assert!(b.override_path && b.tls.skip_verify);
        assert_eq!(b.tls.identity, Some(("/d/c.cert".into(), Some("/abs/c.key".into()))));
        let headers: Vec<&str> = b.headers.iter().map(|(_, v)| v.to_str().expect("text")).collect();
        assert_eq!(headers, ["1", "a", "b"]);
        let server = file.server.expect("server");
        assert_eq!(
            (server.url.as_str(), server.tls.authorities),
            ("https://origin.example", vec!["/d/origin.crt".into()])
        );
    }

    #[test]
    fn the_directory_of_a_registry_is_found() {
        let tmp = tempfile::tempdir().expect("dir");
        let put = |dir: &str, text: &str| {
            std::fs::create_dir_all(tmp.path().join(dir)).expect("dir");
            std::fs::write(tmp.path().join(dir).join("hosts.toml"), text).expect("file");
        };
        let url = |domain: &str| {
            let file = read(tmp.path(), domain).expect("reads");
            file.and_then(|f| Some(f.server?.url)).unwrap_or_default()
        };
        assert_eq!(url("a.example"), "");
        put("_default", "server = \"https://default\"");
        put("a.example", "server = \"https://a\"");
        put("b.example_5000_", "server = \"https://b\"");
        assert_eq!((url("a.example").as_str(), url("b.example:5000").as_str()), ("https://a", "https://b"));
        assert_eq!(url("c.example"), "https://default");
        put("bad.example", "server = ");
        let e = read(tmp.path(), "bad.example").expect_err("is refused").to_string();
        assert!(e.ends_with("hosts.toml\": line 1: expected a value"), "{e}");
    }
}
