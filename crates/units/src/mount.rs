//! The `--mount` grammar (comma-separated `key=value`) and the checks both sides make of a mount.

use std::collections::BTreeMap;

use error::{ErrorKind, HasKind};
use thiserror::Error;

use crate::gofmt::quote;
use crate::num::parse_uint;
use crate::size::ram_in_bytes;
use crate::volume::clean_path;

/// What kind of thing is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume, named or anonymous.
    Volume,
    /// A fresh tmpfs.
    Tmpfs,
    /// An image's file system.
    Image,
    /// Another type, left to the engine to refuse or support (`npipe`, `cluster`, typing errors).
    Other(String),
}

impl MountKind {
    /// Docker's name of the type.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bind => "bind",
            Self::Volume => "volume",
            Self::Tmpfs => "tmpfs",
            Self::Image => "image",
            Self::Other(name) => name,
        }
    }

    /// Reads Docker's name of the type.
    pub fn parse(text: &str) -> Self {
        match text {
            "bind" => Self::Bind,
            "volume" => Self::Volume,
            "tmpfs" => Self::Tmpfs,
            "image" => Self::Image,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The engine's objection to a mount.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MountConfigError {
    /// Options of another type are set.
    #[error("invalid mount config for type \"{kind}\": field {field} must not be specified")]
    Exclusive {
        /// The field that is too many.
        field: &'static str,
        /// The mount's type.
        kind: &'static str,
    },
    /// A needed field is empty.
    #[error("invalid mount config for type \"{kind}\": field {field} must not be empty")]
    Missing {
        /// The field.
        field: &'static str,
        /// The mount's type.
        kind: String,
    },
    /// The target is the root of the container.
    #[error("invalid mount config for type \"{kind}\": invalid specification: destination can't be '/'")]
    TargetIsRoot {
        /// The mount's type.
        kind: String,
    },
    /// A path that is not absolute.
    #[error("invalid mount config for type \"{kind}\": invalid mount path: '{path}' mount path must be absolute")]
    NotAbsolute {
        /// The path.
        path: String,
        /// The mount's type.
        kind: String,
    },
}

impl HasKind for MountConfigError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// The engine's checks of a mount's target.
pub fn validate_target(target: &str, kind: &str) -> Result<(), MountConfigError> {
    let kind = || kind.to_owned();
    if target.is_empty() {
        return Err(MountConfigError::Missing { field: "Target", kind: kind() });
    }
    if clean_path(target) == "/" {
        return Err(MountConfigError::TargetIsRoot { kind: kind() });
    }
    if !target.starts_with('/') {
        return Err(MountConfigError::NotAbsolute { path: target.to_owned(), kind: kind() });
    }
    Ok(())
}

/// A `--mount` value that cannot be used (the client's words).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MountError {
    /// Nothing given.
    #[error("value is empty")]
    Empty,
    /// Quotes out of place.
    #[error("parse error on line 1, column {column}: {reason}")]
    Csv {
        /// Where, counted from 1.
        column: usize,
        /// What.
        reason: &'static str,
    },
    /// Blanks around a key.
    #[error("invalid option '{key}' in '{field}': option should not have whitespace")]
    KeyBlank {
        /// The key, trimmed.
        key: String,
        /// The field as given.
        field: String,
    },
    /// `key=` without a value.
    #[error("invalid value for '{key}': value is empty")]
    ValueEmpty {
        /// The key.
        key: String,
    },
    /// Blanks around a value.
    #[error("invalid value for '{key}' in '{field}': value should not have whitespace")]
    ValueBlank {
        /// The key.
        key: String,
        /// The field as given.
        field: String,
    },
    /// A key that needs a value stands alone.
    #[error("invalid field '{field}' must be a key=value pair")]
    NoValue {
        /// The field as given.
        field: String,
    },
    /// Unknown key.
    #[error("unknown option '{key}' in '{field}'")]
    Unknown {
        /// The key.
        key: String,
        /// The field as given.
        field: String,
    },
    /// A value that does not fit its key.
    #[error("invalid value for {key}: {value}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// Not a boolean.
    #[error("invalid value for '{key}': invalid boolean value ({}): must be one of \"true\", \"1\", \"false\", or \"0\" (default \"true\")", quote(.value))]
    Bool {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// Not one of the recursion modes.
    #[error(
        "invalid value for bind-recursive: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
    )]
    Recursive {
        /// The value.
        value: String,
    },
    /// The older spelling.
    #[error("bind-nonrecursive is deprecated, use bind-recursive=disabled instead")]
    NonRecursive,
    /// `type=` is empty.
    #[error("type is required")]
    TypeRequired,
    /// Options of another type.
    #[error("cannot mix '{group}-*' options with mount type '{kind}'")]
    Mixed {
        /// The group of options.
        group: &'static str,
        /// The mount's type.
        kind: String,
    },
    /// One option needs another.
    #[error("option 'bind-recursive={mode}' requires '{needs}' to be specified in conjunction")]
    Requires {
        /// The recursion mode.
        mode: &'static str,
        /// What it needs.
        needs: &'static str,
    },
}

impl HasKind for MountError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// `bind-*` options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindOptions {
    /// Propagation mode as given, lower case; empty for the default.
    pub propagation: String,
    /// Submounts are left out.
    pub non_recursive: bool,
    /// The source is created when it does not exist.
    pub create_mountpoint: bool,
    /// Read-only does not reach submounts.
    pub read_only_non_recursive: bool,
    /// Read-only must reach submounts.
    pub read_only_force_recursive: bool,
}

/// `volume-*` options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeOptions {
    /// No copy of the image's files into a new volume.
    pub no_copy: bool,
    /// Labels of a volume made on the way.
    pub labels: BTreeMap<String, String>,
    /// Volume driver and its options, if any was named.
    pub driver: Option<(String, BTreeMap<String, String>)>,
    /// Directory within the volume.
    pub subpath: String,
}

/// `tmpfs-*` options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TmpfsOptions {
    /// Size in bytes, 0 for the kernel's default.
    pub size_bytes: i64,
    /// Mode of the root directory, 0 for the default.
    pub mode: u32,
}

/// A parsed `--mount` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// The type.
    pub kind: MountKind,
    /// Host path, volume name or image. Paths beginning with `.` are the caller's to make absolute.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Read-only.
    pub read_only: bool,
    /// Consistency hint (macOS), passed on.
    pub consistency: String,
    /// `bind-*` options, if any was given.
    pub bind: Option<BindOptions>,
    /// `volume-*` options, if any was given.
    pub volume: Option<VolumeOptions>,
    /// `image-subpath`, if given.
    pub image_subpath: Option<String>,
    /// `tmpfs-*` options, if any was given.
    pub tmpfs: Option<TmpfsOptions>,
}

const BARE_KEYS: [&str; 5] = ["readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"];

impl MountSpec {
    /// Reads one `--mount` value.
    pub fn parse(text: &str) -> Result<Self, MountError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(MountError::Empty);
        }
        let mut mount = Self {
            kind: MountKind::Volume,
            source: String::new(),
            target: String::new(),
            read_only: false,
            consistency: String::new(),
            bind: None,
            volume: None,
            image_subpath: None,
            tmpfs: None,
        };
        for field in split_csv(text)? {
            mount.apply(&field)?;
        }
        mount.validate()?;
        Ok(mount)
    }

    fn apply(&mut self, field: &str) -> Result<(), MountError> {
        let (raw_key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field, None),
        };
        if raw_key.trim() != raw_key {
            return Err(MountError::KeyBlank { key: raw_key.trim().to_owned(), field: field.to_owned() });
        }
        if let Some(value) = value {
            let trimmed = value.trim();
            if trimmed.is_empty() {
                return Err(MountError::ValueEmpty { key: raw_key.to_owned() });
            }
            if trimmed != value {
                return Err(MountError::ValueBlank { key: raw_key.to_owned(), field: field.to_owned() });
            }
        }
        let key = raw_key.to_lowercase();
        if value.is_none() && !BARE_KEYS.contains(&key.as_str()) {
            return Err(MountError::NoValue { field: field.to_owned() });
        }
        self.set(&key, value, field)
    }

    fn set(&mut self, key: &str, given: Option<&str>, field: &str) -> Result<(), MountError> {
        let value = given.unwrap_or_default();
        match key {
            "type" => self.kind = MountKind::parse(&value.to_lowercase()),
            "source" | "src" => self.source = value.to_owned(),
            "target" | "dst" | "destination" => self.target = value.to_owned(),
            "readonly" | "ro" => self.read_only = boolean(key, given)?,
            "consistency" => self.consistency = value.to_lowercase(),
            "bind-propagation" => self.bind().propagation = value.to_lowercase(),
            "bind-nonrecursive" => return Err(MountError::NonRecursive),
            "bind-recursive" => match value {
                "enabled" => {}
                "disabled" => self.bind().non_recursive = true,
                "writable" => self.bind().read_only_non_recursive = true,
                "readonly" => self.bind().read_only_force_recursive = true,
                _ => return Err(MountError::Recursive { value: value.to_owned() }),
            },
            "bind-create-src" => self.bind().create_mountpoint = boolean(key, given)?,
            "volume-subpath" => self.volume().subpath = value.to_owned(),
            "volume-nocopy" => self.volume().no_copy = boolean(key, given)?,
            "volume-label" => add_pair(&mut self.volume().labels, value),
            "volume-driver" => self.driver().0 = value.to_owned(),
            "volume-opt" => add_pair(&mut self.driver().1, value),
            "image-subpath" => self.image_subpath = Some(value.to_owned()),
            "tmpfs-size" => {
                let bad = |_| MountError::Value { key: key.to_owned(), value: value.to_owned() };
                self.tmpfs().size_bytes = ram_in_bytes(value).map_err(bad)?;
            }
            "tmpfs-mode" => {
                let bad = || MountError::Value { key: key.to_owned(), value: value.to_owned() };
                let mode = parse_uint(value, 8, 32).map_err(|_| bad())?;
                self.tmpfs().mode = u32::try_from(mode).map_err(|_| bad())?;
            }
            _ => return Err(MountError::Unknown { key: key.to_owned(), field: field.to_owned() }),
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), MountError> {
        if self.kind.as_str().is_empty() {
            return Err(MountError::TypeRequired);
        }
        let mixed = |group| Err(MountError::Mixed { group, kind: self.kind.as_str().to_owned() });
        if self.kind != MountKind::Bind && self.bind.is_some() {
            return mixed("bind");
        }
        if self.kind != MountKind::Volume && self.volume.is_some() {
            return mixed("volume");
        }
        if self.kind != MountKind::Image && self.image_subpath.is_some() {
            return mixed("image");
        }
        if self.kind != MountKind::Tmpfs && self.tmpfs.is_some() {
            return mixed("tmpfs");
        }
        let Some(bind) = &self.bind else { return Ok(()) };
        if bind.read_only_non_recursive && !self.read_only {
            return Err(MountError::Requires { mode: "writable", needs: "readonly" });
        }
        if bind.read_only_force_recursive {
            if !self.read_only {
                return Err(MountError::Requires { mode: "readonly", needs: "readonly" });
            }
            if bind.propagation != "rprivate" {
                return Err(MountError::Requires { mode: "readonly", needs: "bind-propagation=rprivate" });
            }
        }
        Ok(())
    }

    fn bind(&mut self) -> &mut BindOptions {
        self.bind.get_or_insert_default()
    }

    fn volume(&mut self) -> &mut VolumeOptions {
        self.volume.get_or_insert_default()
    }

    fn driver(&mut self) -> &mut (String, BTreeMap<String, String>) {
        self.volume().driver.get_or_insert_default()
    }

    fn tmpfs(&mut self) -> &mut TmpfsOptions {
        self.tmpfs.get_or_insert_default()
    }
}

fn boolean(key: &str, value: Option<&str>) -> Result<bool, MountError> {
    match value {
        None | Some("1" | "true") => Ok(true),
        Some("0" | "false") => Ok(false),
        Some(other) => Err(MountError::Bool { key: key.to_owned(), value: other.to_owned() }),
    }
}

fn add_pair(map: &mut BTreeMap<String, String>, pair: &str) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if !key.is_empty() {
        map.insert(key.to_owned(), value.to_owned());
    }
}

/// One record of RFC 4180 text (Go's `encoding/csv` defaults).
pub fn split_csv(text: &str) -> Result<Vec<String>, MountError> {
    let text = text.split('\n').next().unwrap_or_default().trim_end_matches('\r');
    let bytes = text.as_bytes();
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&b'"') {
            let (field, next) = quoted_field(text, at)?;
            fields.push(field);
            at = next;
        } else {
            let end = text[at..].find(',').map_or(bytes.len(), |i| at + i);
            if let Some(i) = text[at..end].find('"') {
                return Err(MountError::Csv { column: at + i + 1, reason: "bare \" in non-quoted-field" });
            }
            fields.push(text[at..end].to_owned());
            at = end;
        }
        if at >= bytes.len() {
            return Ok(fields);
        }
        at += 1;
    }
}

fn quoted_field(text: &str, start: usize) -> Result<(String, usize), MountError> {
    let mut field = String::new();
    let mut at = start + 1;
    loop {
        let Some(i) = text[at..].find('"') else {
            return Err(MountError::Csv { column: text.len() + 1, reason: "extraneous or missing \" in quoted-field" });
        };
        field.push_str(&text[at..at + i]);
        at += i + 1;
        match text.as_bytes().get(at) {
            Some(b'"') => {
                field.push('"');
                at += 1;
            }
            None | Some(b',') => return Ok((field, at)),
            Some(_) => {
                return Err(MountError::Csv { column: at, reason: "extraneous or missing \" in quoted-field" });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_with_everything() {
        let m =
            MountSpec::parse("type=bind,src=/a,dst=/b,ro,bind-propagation=rprivate,bind-recursive=readonly").unwrap();
        assert_eq!(m.kind, MountKind::Bind);
        assert!(m.read_only && m.bind.unwrap().read_only_force_recursive);
    }

    #[test]
    fn volume_options() {
        let m = MountSpec::parse("src=v,target=/x,volume-label=a=b,volume-driver=local,\"volume-opt=o=a,b\"").unwrap();
        let volume = m.volume.unwrap();
        assert_eq!(volume.labels["a"], "b");
        assert_eq!(volume.driver.unwrap().1["o"], "a,b");
    }

    #[test]
    fn refuses() {
        for (text, want) in [
            ("", "value is empty"),
            ("type=volume,foo=bar", "unknown option 'foo' in 'foo=bar'"),
            ("type=volume,foo", "invalid field 'foo' must be a key=value pair"),
            ("type=bind,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"),
            ("type=tmpfs,dst=/x,tmpfs-size=foo", "invalid value for tmpfs-size: foo"),
            (
                "type=bind,ro=maybe",
                "invalid value for 'ro': invalid boolean value (\"maybe\"): must be one of \"true\", \"1\", \"false\", or \"0\" (default \"true\")",
            ),
            ("type=bind,src=", "invalid value for 'src': value is empty"),
            ("type=bind, src=/x", "invalid option 'src' in ' src=/x': option should not have whitespace"),
            (
                "type=bind,src=/x,dst=/y,bind-recursive=writable",
                "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
            ),
        ] {
            assert_eq!(MountSpec::parse(text).unwrap_err().to_string(), want, "{text}");
        }
    }
}
