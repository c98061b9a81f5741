//! Environment variables, labels and other `key=value` texts.

use error::{ErrorKind, HasKind};
use thiserror::Error;

/// A `key=value` text that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PairError {
    /// An environment variable without a name.
    #[error("invalid environment variable: {text}")]
    Env {
        /// What was given.
        text: String,
    },
    /// A label without a name.
    #[error("invalid label '{text}': empty name")]
    LabelName {
        /// What was given.
        text: String,
    },
    /// Blanks in a label's name.
    #[error("label '{key}' contains whitespaces")]
    LabelBlank {
        /// The name.
        key: String,
    },
    /// A line of a file without a name.
    #[error("no variable name on line '{line}'")]
    NoName {
        /// The line.
        line: String,
    },
    /// Blanks in a variable's name in a file.
    #[error("variable '{name}' contains whitespaces")]
    NameBlank {
        /// The name.
        name: String,
    },
    /// A file that is not UTF-8.
    #[error("invalid utf8 bytes at line {line}: {shown}")]
    Utf8 {
        /// Line number, from 1.
        line: usize,
        /// The line as Go prints bytes.
        shown: String,
    },
    /// A sysctl that containers may not set.
    #[error("sysctl '{text}' is not allowed")]
    Sysctl {
        /// What was given.
        text: String,
    },
    /// An extra host without an address.
    #[error("bad format for add-host: \"{text}\"")]
    ExtraHost {
        /// What was given.
        text: String,
    },
    /// An extra host with an address that is none.
    #[error("invalid IP address in add-host: \"{ip}\"")]
    ExtraHostIp {
        /// The address.
        ip: String,
    },
}

impl HasKind for PairError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// Reads `-e`: `k=v`, or `k` alone which takes its value from `lookup` (and stays bare when that has none).
pub fn parse_env(text: &str, lookup: impl FnOnce(&str) -> Option<String>) -> Result<String, PairError> {
    let key = text.split('=').next().unwrap_or_default();
    if key.is_empty() {
        return Err(PairError::Env { text: text.to_owned() });
    }
    if key.len() == text.len()
        && let Some(value) = lookup(key)
    {
        return Ok(format!("{key}={value}"));
    }
    Ok(text.to_owned())
}

/// Checks a `--label` value (`k` or `k=v`).
pub fn validate_label(text: &str) -> Result<(), PairError> {
    let key = text.split('=').next().unwrap_or_default().trim_start_matches([' ', '\t']);
    if key.is_empty() {
        return Err(PairError::LabelName { text: text.to_owned() });
    }
    if key.contains([' ', '\t']) {
        return Err(PairError::LabelBlank { key: key.to_owned() });
    }
    Ok(())
}

/// Splits at the first `=`; a text without one has an empty value.
pub fn split_pair(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((text, ""))
}

/// Where bare names of a file take their values from.
pub type Lookup<'a> = &'a mut dyn FnMut(&str) -> Option<String>;

/// Reads the contents of an `--env-file` or `--label-file`. Bare names take their value from `lookup` when it is
/// given, and are dropped when that has none.
pub fn parse_kv_file(contents: &[u8], mut lookup: Option<Lookup<'_>>) -> Result<Vec<String>, PairError> {
    let contents = contents.strip_prefix(b"\xef\xbb\xbf").unwrap_or(contents);
    let mut out = Vec::new();
    for (index, line) in contents.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line)
            .map_err(|_| PairError::Utf8 { line: index + 1, shown: format!("{line:?}").replace(',', "") })?;
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let name = text.split('=').next().unwrap_or_default();
        if name.is_empty() {
            return Err(PairError::NoName { line: text.to_owned() });
        }
        if name.contains([' ', '\t', '\n', '\r', '\x0b', '\x0c']) {
            return Err(PairError::NameBlank { name: name.to_owned() });
        }
        if name.len() < text.len() {
            out.push(text.to_owned());
            continue;
        }
        match &mut lookup {
            Some(lookup) => {
                if let Some(value) = lookup(name) {
                    out.push(format!("{name}={value}"));
                }
            }
            None => out.push(format!("{name}=")),
        }
    }
    Ok(out)
}

/// Checks a `--sysctl` value against the namespaced sysctls.
pub fn validate_sysctl(text: &str) -> Result<(), PairError> {
    const ALLOWED: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    match text.split_once('=') {
        Some((key, _)) if ALLOWED.contains(&key) || key.starts_with("net.") || key.starts_with("fs.mqueue.") => Ok(()),
        _ => Err(PairError::Sysctl { text: text.to_owned() }),
    }
}

/// Checks an `--add-host` value and gives it in the form `host:ip` (`host-gateway` passes).
pub fn parse_extra_host(text: &str) -> Result<String, PairError> {
    let bad = || PairError::ExtraHost { text: text.to_owned() };
    let (name, mut ip) = match text.split_once('=') {
        Some((name, ip)) => {
            // Brackets of an IPv6 address are allowed with `=` only.
            let bare = ip.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|ip| ip.len() > 1);
            (name, bare.unwrap_or(ip))
        }
        None => text.split_once(':').ok_or_else(bad)?,
    };
    if name.is_empty() || ip.is_empty() {
        return Err(bad());
    }
    if !text.contains('=') && ip.len() > 2 && ip.starts_with('[') && ip.ends_with(']') {
        ip = &ip[1..ip.len() - 1];
    }
    if ip != "host-gateway" && ip.parse::<std::net::IpAddr>().is_err() {
        return Err(PairError::ExtraHostIp { ip: ip.to_owned() });
    }
    Ok(format!("{name}:{ip}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env() {
        assert_eq!(parse_env("A=b", |_| None).unwrap(), "A=b");
        assert_eq!(parse_env("A", |_| Some("x".into())).unwrap(), "A=x");
        assert_eq!(parse_env("A", |_| None).unwrap(), "A");
        assert_eq!(parse_env("=x", |_| None).unwrap_err().to_string(), "invalid environment variable: =x");
    }

    #[test]
    fn labels() {
        assert!(validate_label("a.b=c d").is_ok());
        assert_eq!(validate_label("=x").unwrap_err().to_string(), "invalid label '=x': empty name");
        assert_eq!(validate_label("a b=x").unwrap_err().to_string(), "label 'a b' contains whitespaces");
    }

    #[test]
    fn files() {
        let mut lookup = |k: &str| (k == "HOME").then(|| "/root".to_owned());
        let got = parse_kv_file(b"\xef\xbb\xbf# c\nA=1\n\n  B=2 x\r\nHOME\nNOPE\n", Some(&mut lookup)).unwrap();
        assert_eq!(got, ["A=1", "B=2 x", "HOME=/root"]);
        assert_eq!(parse_kv_file(b"A\n", None).unwrap(), ["A="]);
        assert_eq!(parse_kv_file(b"A B=x", None).unwrap_err().to_string(), "variable 'A B' contains whitespaces");
        assert_eq!(parse_kv_file(b"=x", None).unwrap_err().to_string(), "no variable name on line '=x'");
    }

    #[test]
    fn hosts() {
        assert_eq!(parse_extra_host("a:1.2.3.4").unwrap(), "a:1.2.3.4");
        assert_eq!(parse_extra_host("a=[::1]").unwrap(), "a:::1");
        assert_eq!(parse_extra_host("a:host-gateway").unwrap(), "a:host-gateway");
        assert_eq!(parse_extra_host("a").unwrap_err().to_string(), "bad format for add-host: \"a\"");
        assert_eq!(parse_extra_host("a:b").unwrap_err().to_string(), "invalid IP address in add-host: \"b\"");
    }

    #[test]
    fn sysctls() {
        assert!(validate_sysctl("net.ipv4.ip_forward=1").is_ok());
        assert_eq!(validate_sysctl("kernel.x=1").unwrap_err().to_string(), "sysctl 'kernel.x=1' is not allowed");
    }
}
