//! `daemon.json`: its keys become the same texts that flags give.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::flags::Given;
use super::table::{FLAGS, Flag, KEYS_ONLY, Kind};

/// A configuration file that cannot be used. The texts are dockerd's.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("invalid JSON: {0}")]
    Json(String),
    #[error("the following directives don't match any configuration option: {0}")]
    Unknown(String),
    #[error("the following directives are specified both as a flag and in the configuration file: {0}")]
    Conflicts(String),
    #[error("invalid JSON: json: cannot unmarshal {given} into Go struct field Config.{key} of type {want}")]
    Type { key: String, given: String, want: &'static str },
    #[error("invalid JSON: {0}")]
    Value(String),
}

/// Key → values. Keys that no flag has keep their own name.
pub(super) type FileValues = BTreeMap<String, Vec<String>>;

/// Keys whose value is a map of its own, not a group of settings.
const MAPS: &[&str] =
    &["log-opts", "default-network-opts", "features", "runtimes", "default-ulimits", "builder", "nri-opts"];

/// Keys that may be given as a flag too: both count.
const BOTH: &[&str] = &["runtimes"];

/// Reads the file's text and holds it against the flags.
pub(super) fn read(text: &str, given: &Given) -> Result<FileValues, FileError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(FileValues::new());
    }
    let object = match serde_json::from_str(text).map_err(|e| FileError::Json(syntax(text, &e)))? {
        Value::Object(object) => object,
        other => {
            let given = type_of(&other);
            let message = format!("json: cannot unmarshal {given} into Go value of type map[string]interface {{}}");
            return Err(FileError::Json(message));
        }
    };
    let mut flat = Map::new();
    for (key, value) in object {
        match value {
            Value::Object(group) if !MAPS.contains(&key.as_str()) => flat.extend(group),
            value => {
                flat.insert(key, value);
            }
        }
    }
    let by_key = |key: &str| FLAGS.iter().find(|f| !f.key.is_empty() && f.key == key);
    let unknown: Vec<&str> = flat
        .keys()
        .map(String::as_str)
        .filter(|k| by_key(k).is_none() && !KEYS_ONLY.iter().any(|(key, _)| key == k))
        .collect();
    if !unknown.is_empty() {
        return Err(FileError::Unknown(unknown.join(", ")));
    }
    let conflicts: Vec<String> = flat
        .iter()
        .filter_map(|(key, value)| {
            let flag = by_key(key).filter(|f| given.set(f.name) && !BOTH.contains(&key.as_str()))?;
            Some(format!("{key}: (from flag: {}, from file: {})", shown(flag, given), shown_value(key, value)))
        })
        .collect();
    if !conflicts.is_empty() {
        return Err(FileError::Conflicts(conflicts.join(", ")));
    }
    flat.iter().map(|(key, value)| Ok((key.clone(), texts(key, by_key(key), value)?))).collect()
}

/// What is wrong with a text that is no JSON, in Go's words where they are known.
fn syntax(text: &str, e: &serde_json::Error) -> String {
    let at = text.lines().nth(e.line().saturating_sub(1)).and_then(|l| l.chars().nth(e.column().saturating_sub(1)));
    match (e.classify(), at) {
        (serde_json::error::Category::Eof, _) => "unexpected end of JSON input".to_owned(),
        (_, Some(c)) if e.to_string().starts_with("trailing characters") => {
            format!("invalid character '{c}' after top-level value")
        }
        _ => e.to_string(),
    }
}

/// A flag's value as Go prints it.
fn shown(flag: &Flag, given: &Given) -> String {
    let values: Vec<&str> = given.all(flag.name).collect();
    match flag.kind {
        // Mirrors are kept with the slash that their paths begin with.
        Kind::List if flag.name == "registry-mirror" => {
            let mirrors = values.iter().map(|v| format!("{}/", v.trim_end_matches('/')));
            format!("[{}]", mirrors.collect::<Vec<_>>().join(" "))
        }
        Kind::List => format!("[{}]", values.join(" ")),
        Kind::Map if flag.name == "default-network-opt" => {
            let nested = values.iter().map(|v| v.replacen('=', ":map[", 1).replacen('=', ":", 1) + "]");
            format!("map[{}]", nested.collect::<Vec<_>>().join(" "))
        }
        Kind::Map => format!("map[{}]", values.join(" ").replace('=', ":")),
        _ if flag.name == "default-shm-size" => {
            let bytes = values.last().and_then(|v| units::size::ram_in_bytes(v).ok()).unwrap_or(0);
            units::size::bytes_size(bytes as f64)
        }
        _ if flag.name.ends_with("-proxy") => masked(values.last().unwrap_or(&"")),
        _ => (*values.last().unwrap_or(&"")).to_owned(),
    }
}

fn shown_value(key: &str, value: &Value) -> String {
    match value {
        Value::String(s) if key.ends_with("-proxy") => masked(s),
        Value::String(s) => s.clone(),
        Value::Array(all) => {
            format!("[{}]", all.iter().map(|v| shown_value(key, v)).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            // Go prints maps by key.
            let mut all: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", shown_value(key, v))).collect();
            all.sort();
            format!("map[{}]", all.join(" "))
        }
        other => other.to_string(),
    }
}

/// A URL without the credentials in it.
pub(super) fn masked(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, host)) => format!("{scheme}://xxxxx:xxxxx@{host}"),
        None => url.to_owned(),
    }
}

/// A value as the texts that the flag would have been given.
fn texts(key: &str, flag: Option<&Flag>, value: &Value) -> Result<Vec<String>, FileError> {
    let wrong = |want| FileError::Type { key: key.to_owned(), given: type_of(value), want: go_type(key, want) };
    let kind = flag.map(|f| f.kind);
    let texts = match (kind, value) {
        (_, Value::Null) => Vec::new(),
        (None, Value::Object(_)) if key == "builder" => Vec::new(),
        (None, _) if key == "builder" => return Err(wrong("config.BuilderConfig")),
        (Some(Kind::Bool) | None, Value::Bool(b)) => vec![b.to_string()],
        (Some(Kind::Bool), _) => return Err(wrong("bool")),
        (Some(Kind::Number), Value::Number(n)) if n.is_i64() => vec![n.to_string()],
        (Some(Kind::Number), Value::Number(n)) => {
            return Err(FileError::Type {
                key: key.to_owned(),
                given: format!("number {n}"),
                want: go_type(key, "int"),
            });
        }
        (Some(Kind::Number), _) => return Err(wrong("int")),
        (Some(Kind::Text) | None, Value::String(s)) => vec![s.clone()],
        (Some(Kind::Text), Value::Number(n)) if key == "default-shm-size" => {
            return Err(FileError::Value(format!("invalid size: \"{n}\"")));
        }
        (None, Value::Number(n)) if key.starts_with("swarm-") => vec![n.to_string()],
        (Some(Kind::Text), Value::Object(map)) if key == "nri-opts" => {
            vec![format!("enable={}", map.get("enable").is_some_and(|v| *v == Value::Bool(true)))]
        }
        (Some(Kind::Text), _) => return Err(wrong("string")),
        (Some(Kind::List) | None, Value::Array(all)) => {
            let mut texts = Vec::new();
            for v in all {
                let given = || FileError::Type { key: key.to_owned(), given: type_of(v), want: "string" };
                texts.push(entry(key, v).ok_or_else(given)?);
            }
            texts
        }
        (Some(Kind::List), Value::Object(map)) if key == "default-ulimits" => map
            .iter()
            .map(|(name, v)| ulimit(name, v).ok_or_else(|| wrong("units.Ulimit")))
            .collect::<Result<_, _>>()?,
        (Some(Kind::List), Value::Object(map)) if key == "runtimes" => {
            map.iter().map(|(name, v)| runtime(name, v)).collect()
        }
        (Some(Kind::List), _) => return Err(wrong("[]string")),
        (Some(Kind::Map), Value::Object(map)) => entries(key, map)?,
        (Some(Kind::Map), _) => return Err(wrong("map[string]string")),
        (None, _) => return Err(wrong("string")),
    };
    let Some(flag) = flag else { return Ok(texts) };
    for text in &texts {
        check(flag, text)?;
    }
    Ok(texts)
}

/// The type that a key has in dockerd where it is not that of its kind.
fn go_type(key: &str, usual: &'static str) -> &'static str {
    match key {
        "cpu-rt-period" | "cpu-rt-runtime" => "int64",
        "default-network-opts" => "map[string]map[string]string",
        "default-ulimits" => "map[string]*units.Ulimit",
        "dns" => "[]net.IP",
        "features" => "map[string]bool",
        "host-gateway-ips" => "[]netip.Addr",
        "log-format" => "log.OutputFormat",
        "runtimes" => "map[string]system.Runtime",
        "swarm-raft-election-tick" | "swarm-raft-heartbeat-tick" => "uint32",
        _ => usual,
    }
}

/// The entries of a map; those of a map of maps with both keys.
fn entries(key: &str, map: &Map<String, Value>) -> Result<Vec<String>, FileError> {
    let mut all = Vec::new();
    for (k, v) in map {
        match v {
            Value::Object(inner) => {
                all.extend(inner.iter().map(|(i, v)| format!("{k}={i}={}", shown_value(key, v))));
            }
            v if key == "features" && !v.is_boolean() => {
                return Err(FileError::Type { key: format!("{key}.{k}"), given: type_of(v), want: "bool" });
            }
            v => all.push(format!("{k}={}", shown_value(key, v))),
        }
    }
    Ok(all)
}

/// Values that have a type of their own in dockerd are refused while the file is read.
fn check(flag: &Flag, text: &str) -> Result<(), FileError> {
    let no_address = !text.is_empty() && text.parse::<std::net::IpAddr>().is_err();
    match flag.name {
        "dns" | "ip" | "default-gateway" | "default-gateway-v6" if no_address => {
            Err(FileError::Value(format!("invalid IP address: {text}")))
        }
        "host-gateway-ip" | "default-shm-size" | "default-address-pool" | "default-ulimit" => {
            super::values::check(flag, text).map_err(FileError::Value)
        }
        _ => Ok(()),
    }
}

/// A runtime as the flag gives it; as JSON with its name when there is more to say than its path.
fn runtime(name: &str, value: &Value) -> String {
    match value {
        Value::Object(said) if said.keys().any(|key| key != "path") => {
            let mut said = said.clone();
            said.insert("name".to_owned(), Value::String(name.to_owned()));
            Value::Object(said).to_string()
        }
        value => format!("{name}={}", value.get("path").and_then(Value::as_str).unwrap_or_default()),
    }
}

/// One entry of a list: a text, or an address pool.
fn entry(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Object(pool) if key == "default-address-pools" => {
            Some(format!("base={},size={}", pool.get("base")?.as_str()?, pool.get("size")?.as_i64()?))
        }
        _ => None,
    }
}

fn ulimit(name: &str, value: &Value) -> Option<String> {
    let soft = value.get("Soft")?.as_i64()?;
    let hard = value.get("Hard").map_or(Some(soft), Value::as_i64)?;
    Some(format!("{name}={soft}:{hard}"))
}

/// Go's name of a JSON type.
fn type_of(value: &Value) -> String {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::flags::parse;

    fn with(text: &str, args: &[&str]) -> Result<FileValues, String> {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        read(text, &parse(&args).expect("flags")).map_err(|e| e.to_string())
    }

    #[test]
    fn keys_become_the_values_of_flags() {
        let got = with(
            r#"{"debug": true, "hosts": ["unix:///a"], "mtu": 1400, "log-opts": {"max-size": "1m"},
               "proxies": {"http-proxy": "http://p"}, "default-shm-size": "1k",
               "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}],
               "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 9, "Soft": 8}},
               "default-network-opts": {"bridge": {"a": "b"}}, "builder": {"gc": {"enabled": true}}}"#,
            &[],
        )
        .expect("reads");
        let get = |k: &str| got[k].join(" ");
        assert_eq!((get("debug"), get("hosts"), get("mtu")), ("true".into(), "unix:///a".into(), "1400".into()));
        assert_eq!((get("log-opts"), get("http-proxy")), ("max-size=1m".into(), "http://p".into()));
        assert_eq!(get("default-address-pools"), "base=10.0.0.0/8,size=24");
        assert_eq!((get("default-ulimits"), get("default-shm-size")), ("nofile=8:9".into(), "1k".into()));
        assert_eq!(get("default-network-opts"), "bridge=a=b");
    }

    #[test]
    fn conflicts_and_unknown_keys_are_told_in_dockers_words() {
        let e = with(r#"{"nosuch": 1}"#, &[]);
        assert_eq!(e, Err("the following directives don't match any configuration option: nosuch".into()));
        let e = with(r#"{"hosts": ["unix:///b"], "debug": false}"#, &["-H", "unix:///a", "-D"]);
        let want = "the following directives are specified both as a flag and in the configuration file: \
                    hosts: (from flag: [unix:///a], from file: [unix:///b]), \
                    debug: (from flag: true, from file: false)";
        assert_eq!(e, Err(want.into()));
        let e = with(r#"{"http-proxy": "http://u:secret@p"}"#, &["--http-proxy", "http://u:hush@q"]).expect_err("both");
        assert!(!e.contains("secret") && !e.contains("hush"), "{e}");
        assert!(with("{", &[]).expect_err("no JSON").starts_with("invalid JSON: "));
        assert!(with(r#"{"debug": "yes"}"#, &[]).is_err());
        assert_eq!(with(" \n", &["-D"]), Ok(FileValues::new()));
    }
}
