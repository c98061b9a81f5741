//! Bundles: a directory with config.json.

use std::path::{Path, PathBuf};

use oci::runtime::{Process, Spec};

use crate::error::{Error, Result, io};

const CONFIG: &str = "config.json";

/// A bundle that was read.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// Absolute, without symbolic links.
    pub(crate) dir: PathBuf,
    pub(crate) rootfs: PathBuf,
    pub(crate) spec: Spec,
}

/// Reads and checks the bundle in a directory, the current one without.
pub(crate) fn load(dir: Option<&str>) -> Result<Bundle> {
    let dir = Path::new(dir.filter(|dir| !dir.is_empty()).unwrap_or("."));
    let dir = dir.canonicalize().map_err(io("chdir", dir))?;
    let path = dir.join(CONFIG);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NoSpec { path: PathBuf::from(CONFIG) });
        }
        other => other.map_err(io("open", &path))?,
    };
    let json = |source| Error::Document { what: format!("{} cannot be read", path.display()), source };
    let spec: Spec = oci::json::read(&text).map_err(json)?;
    check(spec.process.as_ref().ok_or(Error::NoProcess)?)?;
    let root = spec.root.as_ref().filter(|root| !root.path.is_empty()).ok_or(Error::NoRoot)?;
    let rootfs = dir.join(&root.path);
    // Only the root as a whole is named by a path; what is inside is found by descriptor.
    let rootfs = rootfs.canonicalize().map_err(io("lstat", &rootfs))?;
    Ok(Bundle { dir, rootfs, spec })
}

/// What a process must have.
pub(crate) fn check(process: &Process) -> Result<()> {
    if process.cwd.is_empty() {
        return Err(Error::NoCwd);
    }
    if !process.cwd.starts_with('/') {
        return Err(Error::RelativeCwd);
    }
    if process.args.is_empty() { Err(Error::NoArgs) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(config: &str) -> (tempfile::TempDir, Result<Bundle>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("rootfs")).unwrap();
        std::fs::write(dir.path().join(CONFIG), config).unwrap();
        let bundle = load(dir.path().to_str());
        (dir, bundle)
    }

    #[test]
    fn a_bundle() {
        let config = r#"{"ociVersion":"1.0.2","process":{"cwd":"/","args":["x"],"user":{"uid":0,"gid":0}},"root":{"path":"rootfs"}}"#;
        let (_dir, bundle) = bundle(config);
        let bundle = bundle.unwrap();
        assert_eq!(bundle.rootfs, bundle.dir.join("rootfs"));
    }

    #[test]
    fn faults() {
        let text = |config: &str| bundle(config).1.unwrap_err().to_string();
        assert_eq!(text(r#"{"ociVersion":"1.0.2"}"#), "process property must not be empty");
        assert_eq!(
            text(r#"{"ociVersion":"1","process":{"cwd":"x","args":["a"],"user":{"uid":0,"gid":0}}}"#),
            "Cwd must be an absolute path"
        );
        assert!(text("{").contains("config.json cannot be read: EOF"), "{}", text("{"));
        let dir = tempfile::tempdir().unwrap();
        let text = load(dir.path().to_str()).unwrap_err().to_string();
        assert_eq!(text, "JSON specification file config.json not found");
    }
}
