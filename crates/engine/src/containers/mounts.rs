//! From what the user declares (`Binds`, `Mounts`, the image's volumes) to mount points.

use std::path::Path;

use spec::{ContainerSpec, MountSpec, MountType};

use super::view::MountPoint;
use crate::{Error, files};

/// Resolves all mounts of a declaration; missing bind sources of `Binds` are made, as Docker does.
pub(crate) fn resolve(spec: &ContainerSpec) -> Result<Vec<MountPoint>, Error> {
    let mut points: Vec<MountPoint> = Vec::new();
    for bind in spec.host.binds.iter().flatten() {
        add(&mut points, from_bind(bind)?)?;
    }
    for mount in spec.host.mounts.iter().flatten() {
        if let Some(point) = from_mount(mount)? {
            add(&mut points, point)?;
        }
    }
    Ok(points)
}

/// Makes the missing sources of binds that were declared the old way (`-v`).
pub(crate) fn make_sources(spec: &ContainerSpec, points: &[MountPoint]) -> Result<(), Error> {
    let declared = spec.host.binds.iter().flatten();
    for source in declared.filter_map(|b| b.split(':').next()) {
        if points.iter().any(|p| p.source == source) && !Path::new(source).exists() {
            files::make_dir(Path::new(source), 0o755)?;
        }
    }
    Ok(())
}

fn add(points: &mut Vec<MountPoint>, point: MountPoint) -> Result<(), Error> {
    if points.iter().any(|p| p.destination == point.destination) {
        return Err(Error::Invalid(format!("Duplicate mount point: {}", point.destination)));
    }
    points.push(point);
    Ok(())
}

/// `source:target[:mode]`.
fn from_bind(bind: &str) -> Result<MountPoint, Error> {
    let invalid = |why: &str| Error::Invalid(format!("invalid volume specification: '{bind}'{why}"));
    let mut parts = bind.split(':');
    let (source, target, mode) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(source), Some(target), mode, None) if !source.is_empty() => (source, target, mode.unwrap_or("")),
        _ => return Err(invalid("")),
    };
    if !target.starts_with('/') {
        return Err(invalid(&format!(
            ": invalid mount config for type \"bind\": invalid mount path: '{target}' mount path must be absolute"
        )));
    }
    let destination = clean(target);
    if destination == "/" {
        return Err(invalid(
            ": invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
        ));
    }
    if !source.starts_with('/') {
        return Err(Error::NotImplemented("mounting a named volume"));
    }
    let (mut rw, mut propagation) = (true, String::new());
    for option in mode.split(',').filter(|o| !o.is_empty()) {
        match option {
            "ro" => rw = false,
            "rw" | "z" | "Z" | "nocopy" | "cached" | "delegated" | "consistent" => {}
            "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" => option.clone_into(&mut propagation),
            _ => return Err(Error::Invalid(format!("invalid mode: {mode}"))),
        }
    }
    Ok(MountPoint {
        kind: "bind".to_owned(),
        name: String::new(),
        source: clean(source),
        destination,
        driver: String::new(),
        mode: mode.to_owned(),
        rw,
        propagation: if propagation.is_empty() { "rprivate".to_owned() } else { propagation },
    })
}

fn from_mount(mount: &MountSpec) -> Result<Option<MountPoint>, Error> {
    let kind = match &mount.kind {
        MountType::Bind => "bind",
        // The bundle makes these from the declaration; they are no mount points of the host.
        MountType::Tmpfs => return Ok(None),
        MountType::Volume => return Err(Error::NotImplemented("mounting a named volume")),
        MountType::Image => return Err(Error::NotImplemented("mounting an image")),
        MountType::Cluster => return Err(Error::NotImplemented("mounting a cluster volume")),
        MountType::Npipe => return Err(Error::Invalid(invalid_mount("npipe", "mount type unknown"))),
        MountType::Unset => return Err(Error::Invalid(invalid_mount("", "mount type unknown"))),
        MountType::Other(other) => return Err(Error::Invalid(invalid_mount(other, "mount type unknown"))),
    };
    let invalid = |why: &str| Error::Invalid(invalid_mount(kind, why));
    if mount.target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    if !mount.target.starts_with('/') {
        return Err(invalid(&format!("invalid mount path: '{}' mount path must be absolute", mount.target)));
    }
    let destination = clean(&mount.target);
    if destination == "/" {
        return Err(invalid("invalid specification: destination can't be '/'"));
    }
    if mount.source.is_empty() {
        return Err(invalid("field Source must not be empty"));
    }
    if !mount.source.starts_with('/') {
        return Err(invalid(&format!("invalid mount path: '{}' mount path must be absolute", mount.source)));
    }
    let options = mount.bind_options.clone().unwrap_or_default();
    if !Path::new(&mount.source).exists() {
        if !options.create_mountpoint {
            return Err(invalid(&format!("bind source path does not exist: {}", mount.source)));
        }
        files::make_dir(Path::new(&mount.source), 0o755)?;
    }
    Ok(Some(MountPoint {
        kind: kind.to_owned(),
        name: String::new(),
        source: clean(&mount.source),
        destination,
        driver: String::new(),
        mode: String::new(),
        rw: !mount.read_only,
        propagation: if options.propagation.is_empty() { "rprivate".to_owned() } else { options.propagation },
    }))
}

fn invalid_mount(kind: &str, why: &str) -> String {
    format!("invalid mount config for type \"{kind}\": {why}")
}

/// Lexical clean-up of an absolute path, as Go's `filepath.Clean`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_are_read() {
        let point = from_bind("/a/../b/:/x//y:ro,rslave").expect("valid");
        assert_eq!((point.source.as_str(), point.destination.as_str()), ("/b", "/x/y"));
        assert_eq!((point.rw, point.propagation.as_str(), point.mode.as_str()), (false, "rslave", "ro,rslave"));
        assert_eq!(from_bind("/a:/b").expect("valid").propagation, "rprivate");
        for bad in ["", "/a", ":/b", "/a:b", "/a:/", "/a:/b:ro:x", "/a:/b:what"] {
            assert!(from_bind(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_target_twice_is_refused() {
        let mut spec = ContainerSpec::default();
        spec.host.binds = Some(vec!["/a:/x".to_owned(), "/b:/x/".to_owned()]);
        assert_eq!(resolve(&spec).expect_err("duplicate").to_string(), "Duplicate mount point: /x");
    }
}
