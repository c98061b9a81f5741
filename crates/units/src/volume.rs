//! `-v` / `HostConfig.Binds` / `--volumes-from` values.

use error::{ErrorKind, HasKind};
use thiserror::Error;

use crate::mount::{MountConfigError, MountKind};

/// A bind or volume specification that cannot be used (the engine's words).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VolumeError {
    /// Malformed as a whole.
    #[error("invalid volume specification: '{spec}'")]
    Spec {
        /// The whole specification.
        spec: String,
    },
    /// Unknown or contradictory options after the last colon.
    #[error("invalid mode: {mode}")]
    Mode {
        /// The options.
        mode: String,
    },
    /// Well-formed, but a part is not acceptable.
    #[error("invalid volume specification: '{spec}': {source}")]
    Config {
        /// The whole specification.
        spec: String,
        /// What is wrong with it.
        source: MountConfigError,
    },
    /// `--volumes-from` without a name.
    #[error("volumes-from specification cannot be an empty string")]
    EmptyFrom,
    /// The client's reading of `-v` failed.
    #[error("invalid empty volume spec")]
    Empty,
    /// The client's reading of `-v` failed.
    #[error("invalid spec: {spec}: empty section between colons")]
    EmptySection {
        /// The whole specification.
        spec: String,
    },
    /// The client's reading of `-v` failed.
    #[error("invalid spec: {spec}: too many colons")]
    TooManyColons {
        /// The whole specification.
        spec: String,
    },
}

impl HasKind for VolumeError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// Mount propagation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// `private`
    Private,
    /// `rprivate`, the default
    RPrivate,
    /// `slave`
    Slave,
    /// `rslave`
    RSlave,
    /// `shared`
    Shared,
    /// `rshared`
    RShared,
}

impl Propagation {
    /// Reads Docker's name of a propagation mode.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "private" => Self::Private,
            "rprivate" => Self::RPrivate,
            "slave" => Self::Slave,
            "rslave" => Self::RSlave,
            "shared" => Self::Shared,
            "rshared" => Self::RShared,
            _ => return None,
        })
    }

    /// Docker's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::RPrivate => "rprivate",
            Self::Slave => "slave",
            Self::RSlave => "rslave",
            Self::Shared => "shared",
            Self::RShared => "rshared",
        }
    }
}

/// SELinux relabelling asked for by `z` / `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relabel {
    /// `z`: shared between containers.
    Shared,
    /// `Z`: this container's alone.
    Private,
}

/// The options after the second colon of `-v`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mode {
    /// The text as given (shown by inspect).
    pub text: String,
    /// `ro`.
    pub read_only: bool,
    /// A propagation mode, if one was given.
    pub propagation: Option<Propagation>,
    /// `z` / `Z`.
    pub relabel: Option<Relabel>,
    /// `nocopy`.
    pub no_copy: bool,
}

impl Mode {
    /// Reads a comma list; at most one of each kind.
    pub fn parse(text: &str) -> Result<Self, VolumeError> {
        let bad = || VolumeError::Mode { mode: text.to_owned() };
        let mut mode = Self { text: text.to_owned(), ..Self::default() };
        if text.is_empty() {
            return Ok(mode);
        }
        let (mut rw, mut copy, mut consistency) = (false, false, false);
        for option in text.split(',') {
            let repeated = match option {
                "ro" | "rw" => {
                    mode.read_only = option == "ro";
                    std::mem::replace(&mut rw, true)
                }
                "nocopy" => {
                    mode.no_copy = true;
                    std::mem::replace(&mut copy, true)
                }
                "z" => mode.relabel.replace(Relabel::Shared).is_some(),
                "Z" => mode.relabel.replace(Relabel::Private).is_some(),
                "consistent" | "cached" | "delegated" => std::mem::replace(&mut consistency, true),
                other => mode.propagation.replace(Propagation::parse(other).ok_or_else(bad)?).is_some(),
            };
            if repeated {
                return Err(bad());
            }
        }
        Ok(mode)
    }
}

/// A `Binds` entry as the engine reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindSpec {
    /// Bind when the source is an absolute path, else volume.
    pub kind: MountKind,
    /// Host path or volume name; empty for an anonymous volume.
    pub source: String,
    /// Absolute path in the container, cleaned.
    pub target: String,
    /// The options.
    pub mode: Mode,
}

impl BindSpec {
    /// Reads `target`, `source:target` or `source:target:mode` as the engine does.
    pub fn parse(spec: &str) -> Result<Self, VolumeError> {
        let bad = || VolumeError::Spec { spec: spec.to_owned() };
        let parts: Vec<&str> = spec.splitn(4, ':').collect();
        let (source, target, mode) = match parts.as_slice() {
            ["", ..] => return Err(bad()),
            [target] => ("", *target, ""),
            [_, mode] if Mode::parse(mode).is_ok() => return Err(bad()),
            [source, target] => (*source, *target, ""),
            [source, target, mode] => (*source, *target, *mode),
            _ => return Err(bad()),
        };
        let mode = Mode::parse(mode)?;
        let kind = if source.starts_with('/') { MountKind::Bind } else { MountKind::Volume };
        let config = |source| VolumeError::Config { spec: spec.to_owned(), source };
        if kind == MountKind::Volume && mode.propagation.is_some() {
            return Err(config(MountConfigError::Exclusive { field: "BindOptions", kind: "volume" }));
        }
        if kind == MountKind::Bind && mode.no_copy {
            return Err(config(MountConfigError::Exclusive { field: "VolumeOptions", kind: "bind" }));
        }
        crate::mount::validate_target(target, kind.as_str()).map_err(config)?;
        let source = if kind == MountKind::Bind { clean_path(source) } else { source.to_owned() };
        Ok(Self { kind, source, target: clean_path(target), mode })
    }
}

/// A `--volumes-from` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumesFrom {
    /// Name or id of the other container.
    pub container: String,
    /// Whether its mounts become read-only.
    pub read_only: bool,
    /// The mode as given (`rw` when none was).
    pub mode: String,
}

impl VolumesFrom {
    /// Reads `container[:mode]`.
    pub fn parse(spec: &str) -> Result<Self, VolumeError> {
        if spec.is_empty() {
            return Err(VolumeError::EmptyFrom);
        }
        let (container, mode) = spec.split_once(':').unwrap_or((spec, ""));
        if mode.is_empty() {
            return Ok(Self { container: container.to_owned(), read_only: false, mode: "rw".to_owned() });
        }
        let parsed = Mode::parse(mode)?;
        if parsed.propagation.is_some() || parsed.no_copy {
            return Err(VolumeError::Mode { mode: mode.to_owned() });
        }
        Ok(Self { container: container.to_owned(), read_only: parsed.read_only, mode: mode.to_owned() })
    }
}

/// What the client must know of a `-v` value before it sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientVolume {
    /// Host path or volume name, empty for an anonymous volume.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Whether the source names a path rather than a volume.
    pub is_bind: bool,
}

/// Reads a `-v` value as the client does (any platform's paths, unknown options ignored).
pub fn parse_client_volume(spec: &str) -> Result<ClientVolume, VolumeError> {
    if spec.is_empty() {
        return Err(VolumeError::Empty);
    }
    if spec.len() <= 2 {
        return Ok(ClientVolume { source: String::new(), target: spec.to_owned(), is_bind: false });
    }
    let sections = client_sections(spec);
    let last = sections.len() - 1;
    let (mut source, mut target) = (String::new(), String::new());
    for (i, section) in sections.into_iter().enumerate() {
        if section.is_empty() {
            return Err(VolumeError::EmptySection { spec: spec.to_owned() });
        }
        if source.is_empty() && i == last {
            target = section;
        } else if source.is_empty() {
            source = section;
        } else if target.is_empty() {
            target = section;
        } else if i != last {
            return Err(VolumeError::TooManyColons { spec: spec.to_owned() });
        }
    }
    let is_bind = source.starts_with(['.', '/', '~']) || source.starts_with("\\\\") || is_drive(&source);
    Ok(ClientVolume { source, target, is_bind })
}

fn client_sections(spec: &str) -> Vec<String> {
    let mut sections = Vec::new();
    let mut buffer = String::new();
    for c in spec.chars() {
        let mut chars = buffer.chars();
        let drive = matches!((chars.next(), chars.next()), (Some(letter), None) if letter.is_alphabetic());
        if c == ':' && !drive {
            sections.push(std::mem::take(&mut buffer));
        } else {
            buffer.push(c);
        }
    }
    sections.push(buffer);
    sections
}

fn is_drive(source: &str) -> bool {
    let mut chars = source.chars();
    matches!((chars.next(), chars.next()), (Some(letter), Some(':')) if letter.is_alphabetic())
}

/// Go's `path.Clean`: no `.`, no `..` that can be resolved by text, no doubled or trailing slash.
pub fn clean_path(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            other => parts.push(other),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_reading() {
        let bind = BindSpec::parse("/a/../b:/c//d:ro,rslave,z").unwrap();
        assert_eq!((bind.kind, bind.source.as_str(), bind.target.as_str()), (MountKind::Bind, "/b", "/c/d"));
        assert!(bind.mode.read_only);
        assert_eq!(bind.mode.propagation, Some(Propagation::RSlave));
        assert_eq!(bind.mode.relabel, Some(Relabel::Shared));
        assert_eq!(BindSpec::parse("data:/x").unwrap().kind, MountKind::Volume);
        for (spec, want) in [
            ("", "invalid volume specification: ''"),
            (":/x", "invalid volume specification: ':/x'"),
            ("/x:ro", "invalid volume specification: '/x:ro'"),
            ("/a:/b:/c:/d", "invalid volume specification: '/a:/b:/c:/d'"),
            ("/a:/b:xx", "invalid mode: xx"),
            ("/a:/b:ro,rw", "invalid mode: ro,rw"),
            (
                "/a:/",
                "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
            ),
            (
                "/a:b",
                "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' mount path must be absolute",
            ),
        ] {
            assert_eq!(BindSpec::parse(spec).unwrap_err().to_string(), want, "{spec}");
        }
    }

    #[test]
    fn client_reading() {
        let v = parse_client_volume("/a:/b:ro").unwrap();
        assert_eq!((v.source.as_str(), v.target.as_str(), v.is_bind), ("/a", "/b", true));
        let v = parse_client_volume("/b").unwrap();
        assert_eq!((v.source.as_str(), v.target.as_str(), v.is_bind), ("", "/b", false));
        assert_eq!(
            parse_client_volume("/a::ro").unwrap_err().to_string(),
            "invalid spec: /a::ro: empty section between colons"
        );
    }

    #[test]
    fn from_containers() {
        assert_eq!(VolumesFrom::parse("c").unwrap().mode, "rw");
        assert!(VolumesFrom::parse("c:ro").unwrap().read_only);
        assert_eq!(VolumesFrom::parse("c:nocopy").unwrap_err().to_string(), "invalid mode: nocopy");
    }

    #[test]
    fn cleaning() {
        for (path, want) in [("/", "/"), ("/../a", "/a"), ("a/./b/..", "a"), ("", "."), ("../x", "../x")] {
            assert_eq!(clean_path(path), want);
        }
    }
}
