//! Reading `Binds` and `Mounts`; nothing is made or looked at but whether the sources of binds exist.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use spec::{ContainerSpec, MountSpec, MountType};
use units::mount::{MountKind, validate_target};
use units::volume::{BindSpec, Propagation, clean_path};
use volume::NewVolume;

use super::super::view::{MountPoint, Recursion};
use super::{Wanted, shown_mode};
use crate::Error;

/// All mounts of a declaration in its order, each destination once.
pub(super) fn wanted(spec: &ContainerSpec) -> Result<Vec<Wanted>, Error> {
    let mut all = Vec::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let duplicate = |destination: &str| Error::Invalid(format!("Duplicate mount point: {destination}"));
    let tmpfs: BTreeSet<String> = spec.host.tmpfs.iter().flatten().map(|(path, _)| clean_path(path)).collect();
    for bind in spec.host.binds.iter().flatten() {
        let wanted = from_bind(bind, &spec.host.volume_driver)?;
        let destination = wanted.point.destination.clone();
        if tmpfs.contains(&destination) || !taken.insert(destination.clone()) {
            return Err(duplicate(&destination));
        }
        all.push(wanted);
    }
    for mount in spec.host.mounts.iter().flatten() {
        let wanted = from_mount(mount)?;
        if !taken.insert(wanted.point.destination.clone()) {
            return Err(duplicate(&mount.target));
        }
        all.push(wanted);
    }
    Ok(all)
}

/// `[source:]target[:mode]`.
fn from_bind(bind: &str, volume_driver: &str) -> Result<Wanted, Error> {
    let parsed = BindSpec::parse(bind).map_err(|e| Error::Invalid(e.to_string()))?;
    let mut point = MountPoint {
        destination: parsed.target,
        mode: parsed.mode.text.clone(),
        rw: !parsed.mode.read_only,
        ..MountPoint::default()
    };
    if parsed.kind == MountKind::Bind {
        "bind".clone_into(&mut point.kind);
        point.source = parsed.source;
        point.propagation = parsed.mode.propagation.unwrap_or(Propagation::RPrivate).as_str().to_owned();
        point.create_source = true;
        return Ok(Wanted { point, volume: None });
    }
    "volume".clone_into(&mut point.kind);
    point.copy = !parsed.mode.no_copy;
    point.mode = shown_mode(&point.mode, volume_driver);
    let volume = NewVolume { name: parsed.source, driver: volume_driver.to_owned(), ..NewVolume::default() };
    Ok(Wanted { point, volume: Some(volume) })
}

fn from_mount(mount: &MountSpec) -> Result<Wanted, Error> {
    let kind = match &mount.kind {
        MountType::Bind => "bind",
        MountType::Tmpfs => "tmpfs",
        MountType::Volume => "volume",
        MountType::Image => "image",
        MountType::Cluster => "cluster",
        MountType::Npipe => "npipe",
        MountType::Unset => "",
        MountType::Other(other) => other,
    };
    let invalid = |why: &str| Error::Invalid(format!("invalid mount config for type \"{kind}\": {why}"));
    let misplaced = [
        ("BindOptions", mount.bind_options.is_some(), "bind"),
        ("VolumeOptions", mount.volume_options.is_some(), "volume"),
        ("ImageOptions", mount.image_options.is_some(), "image"),
        ("TmpfsOptions", mount.tmpfs_options.is_some(), "tmpfs"),
    ];
    if let Some((field, ..)) = misplaced.iter().find(|(_, given, fits)| *given && *fits != kind) {
        return Err(invalid(&format!("field {field} must not be specified")));
    }
    validate_target(&mount.target, kind).map_err(|e| Error::Invalid(e.to_string()))?;
    let point = MountPoint {
        kind: kind.to_owned(),
        destination: clean_path(&mount.target),
        rw: !mount.read_only,
        ..MountPoint::default()
    };
    let wanted = match mount.kind {
        MountType::Bind => bind(mount, point),
        MountType::Volume => volume(mount, point),
        MountType::Tmpfs if !mount.source.is_empty() => Err("field Source must not be specified".to_owned()),
        // The bundle makes these from the declaration.
        MountType::Tmpfs => Ok(Wanted { point, volume: None }),
        MountType::Image => image(mount, point),
        _ => Err("mount type unknown".to_owned()),
    };
    wanted.map_err(|why| invalid(&why))
}

fn absolute(path: &str) -> Result<(), String> {
    if path.starts_with('/') {
        return Ok(());
    }
    Err(format!("invalid mount path: '{path}' mount path must be absolute"))
}

fn bind(mount: &MountSpec, mut point: MountPoint) -> Result<Wanted, String> {
    if mount.source.is_empty() {
        return Err("field Source must not be empty".to_owned());
    }
    let options = mount.bind_options.clone().unwrap_or_default();
    let propagation = match options.propagation.as_str() {
        "" => Propagation::RPrivate,
        text => Propagation::parse(text).ok_or_else(|| format!("invalid propagation mode: {text}"))?,
    };
    absolute(&mount.source)?;
    if !options.create_mountpoint && !Path::new(&mount.source).exists() {
        return Err(format!("bind source path does not exist: {}", mount.source));
    }
    point.source = clean_path(&mount.source);
    propagation.as_str().clone_into(&mut point.propagation);
    point.create_source = options.create_mountpoint;
    point.recursion = Recursion {
        off: options.non_recursive,
        read_only_off: options.read_only_non_recursive,
        read_only_forced: options.read_only_force_recursive,
    };
    Ok(Wanted { point, volume: None })
}

fn volume(mount: &MountSpec, mut point: MountPoint) -> Result<Wanted, String> {
    let options = mount.volume_options.clone().unwrap_or_default();
    if !options.subpath.is_empty() {
        if mount.source.is_empty() {
            return Err("must not set Subpath when using anonymous volumes".to_owned());
        }
        check_subpath(&options.subpath)?;
    }
    let driver = options.driver_config.unwrap_or_default();
    point.copy = !options.no_copy;
    point.mode = shown_mode("", &driver.name);
    point.subpath = options.subpath;
    let volume = NewVolume {
        name: mount.source.clone(),
        driver: driver.name,
        options: driver.options.unwrap_or_default(),
        labels: options.labels.unwrap_or_default(),
    };
    Ok(Wanted { point, volume: Some(volume) })
}

fn image(mount: &MountSpec, mut point: MountPoint) -> Result<Wanted, String> {
    if mount.source.is_empty() {
        return Err("field Source must not be empty".to_owned());
    }
    let options = mount.image_options.clone().unwrap_or_default();
    if !options.subpath.is_empty() {
        check_subpath(&options.subpath)?;
    }
    point.source.clone_from(&mount.source);
    Propagation::RPrivate.as_str().clone_into(&mut point.propagation);
    point.rw = false;
    point.subpath = options.subpath;
    Ok(Wanted { point, volume: None })
}

/// As Go's `filepath.IsLocal`: relative, and never above where it begins.
fn check_subpath(path: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    for part in Path::new(path).components() {
        let next = match part {
            Component::Normal(_) => depth.checked_add(1),
            Component::CurDir => Some(depth),
            Component::ParentDir => depth.checked_sub(1),
            Component::RootDir | Component::Prefix(_) => None,
        };
        depth = next.ok_or("subpath must be a relative path within the volume")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(mount: &MountSpec) -> String {
        from_mount(mount).expect_err("refused").to_string()
    }

    #[test]
    fn binds_are_read() {
        let point = from_bind("/a/../b/:/x//y:ro,rslave", "").expect("valid").point;
        assert_eq!((point.source.as_str(), point.destination.as_str()), ("/b", "/x/y"));
        assert_eq!((point.rw, point.propagation.as_str(), point.mode.as_str()), (false, "rslave", "ro,rslave"));
        assert_eq!(from_bind("/a:/b", "").expect("valid").point.propagation, "rprivate");
        let named = from_bind("data:/x:ro", "other").expect("valid");
        assert_eq!((named.point.kind.as_str(), named.point.mode.as_str()), ("volume", "ro"));
        assert_eq!(named.volume.map(|v| (v.name, v.driver)), Some(("data".to_owned(), "other".to_owned())));
        assert_eq!(from_bind("data:/x", "").expect("valid").point.mode, "z");
        assert!(!from_bind("data:/x:nocopy", "").expect("valid").point.copy);
        for bad in ["", ":/b", "/a:b", "/a:/", "/a:/b:ro:x", "/a:/b:what", "data:/x:rshared", "/a:/b:nocopy"] {
            assert!(from_bind(bad, "").is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_target_twice_is_refused() {
        let mut spec = ContainerSpec::default();
        spec.host.binds = Some(vec!["/a:/x".to_owned(), "b:/x/".to_owned()]);
        assert_eq!(wanted(&spec).expect_err("duplicate").to_string(), "Duplicate mount point: /x");
    }

    #[test]
    fn mounts_are_checked_in_dockers_words() {
        let mount = |kind, source: &str, target: &str| MountSpec {
            kind,
            source: source.to_owned(),
            target: target.to_owned(),
            ..MountSpec::default()
        };
        for (mount, want) in [
            (mount(MountType::Bind, "/no/such/dir", "/x"), "bind\": bind source path does not exist: /no/such/dir"),
            (mount(MountType::Bind, "", "/x"), "bind\": field Source must not be empty"),
            (mount(MountType::Bind, "/", "x"), "bind\": invalid mount path: 'x' mount path must be absolute"),
            (mount(MountType::Volume, "v", ""), "volume\": field Target must not be empty"),
            (mount(MountType::Tmpfs, "v", "/x"), "tmpfs\": field Source must not be specified"),
            (mount(MountType::Cluster, "v", "/x"), "cluster\": mount type unknown"),
            (mount(MountType::Other("odd".into()), "v", "/x"), "odd\": mount type unknown"),
            (
                MountSpec {
                    volume_options: Some(spec::VolumeOptions { subpath: "../x".into(), ..Default::default() }),
                    ..mount(MountType::Volume, "v", "/x")
                },
                "volume\": subpath must be a relative path within the volume",
            ),
            (
                MountSpec {
                    volume_options: Some(spec::VolumeOptions { subpath: "x".into(), ..Default::default() }),
                    ..mount(MountType::Volume, "", "/x")
                },
                "volume\": must not set Subpath when using anonymous volumes",
            ),
            (
                MountSpec { bind_options: Some(spec::BindOptions::default()), ..mount(MountType::Volume, "v", "/x") },
                "volume\": field BindOptions must not be specified",
            ),
        ] {
            assert_eq!(text(&mount), format!("invalid mount config for type \"{want}"));
        }
    }

    #[test]
    fn subpaths_stay_inside() {
        for good in ["a", "a/b", "./a", "a/..", "a/../b"] {
            assert!(check_subpath(good).is_ok(), "{good}");
        }
        for bad in ["/a", "..", "a/../..", "../a"] {
            assert!(check_subpath(bad).is_err(), "{bad}");
        }
    }
}
