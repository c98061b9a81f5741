use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use oci::runtime::{IdMapping, Mount};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use serde_json::json;

use super::Case;
use crate::fixture::{Fixture, process, spec, spec_with};

pub(crate) const CASES: &[(&str, Case)] = &[
    ("mounts::ids_of_a_bind", ids_of_a_bind),
    ("mounts::ids_of_the_container", ids_of_the_container),
    ("mounts::ids_recursively", ids_recursively),
    ("mounts::copy_up", copy_up),
    ("mounts::recursive_attributes", recursive_attributes),
    ("mounts::propagation", propagation),
    ("mounts::devices_without_a_dev", devices_without_a_dev),
    ("mounts::odd_destinations", odd_destinations),
    ("mounts::user_namespace", user_namespace),
    ("mounts::without_privileges", without_privileges),
];

fn with(destination: &str, kind: &str, source: &Path, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        r#type: kind.into(),
        source: source.to_str().expect("path").into(),
        options: options.iter().map(|&o| o.to_owned()).collect(),
        ..Mount::default()
    }
}

fn map(container_id: u32, host_id: u32, size: u32) -> Vec<IdMapping> {
    vec![IdMapping { container_id, host_id, size }]
}

/// A directory with a file of somebody's.
fn volume(fixture: &Fixture, owner: u32) -> std::path::PathBuf {
    let dir = fixture.dir.path().join("volume");
    fs::create_dir_all(&dir).expect("directory");
    fs::write(dir.join("file"), "x").expect("file");
    chown(dir.join("file"), Some(owner), Some(owner)).expect("chown");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("chmod");
    dir
}

fn ids_of_a_bind(fixture: &Fixture) {
    let volume = volume(fixture, 1000);
    chown(&volume, Some(1000), Some(1000)).expect("chown");
    let mut spec = spec("stat -c %u:%g /v/file; touch /v/new; stat -c %u /v/new");
    let mut bind = with("/v", "bind", &volume, &["bind"]);
    bind.uid_mappings = map(1000, 0, 1);
    bind.gid_mappings = [map(1000, 5, 1), map(0, 0, 1)].concat();
    spec.mounts.push(bind.clone());
    assert_eq!(fixture.out(&spec), "0:5\n0\n");
    assert_eq!(fs::metadata(volume.join("new")).expect("made").uid(), 1000);
    bind.gid_mappings.clear();
    spec.mounts.pop();
    spec.mounts.push(bind);
    let text = "invalid mount \"/v\": id-mapped mounts must have both uid and gid mappings specified";
    assert_eq!(fixture.refused(&spec), text);
    spec.mounts.pop();
    spec.mounts.push(with("/v", "tmpfs", Path::new("tmpfs"), &["idmap"]));
    assert_eq!(fixture.refused(&spec), "invalid mount \"/v\": id-mapped mounts are only supported for bind-mounts");
}

fn in_user_namespace(script: &str) -> oci::runtime::Spec {
    spec_with(
        script,
        json!({"linux": {
            "namespaces": [{"type": "user"}],
            "uidMappings": [{"containerID": 0, "hostID": 100_000, "size": 65536}],
            "gidMappings": [{"containerID": 0, "hostID": 100_000, "size": 65536}],
        }}),
    )
}

fn ids_of_the_container(fixture: &Fixture) {
    let volume = volume(fixture, 1000);
    let script = "stat -c %u /v/file /plain/file; touch /v/new; stat -c %u /v/new";
    let mut spec = in_user_namespace(script);
    spec.mounts.push(with("/v", "bind", &volume, &["bind", "idmap"]));
    spec.mounts.push(with("/plain", "bind", &volume, &["bind"]));
    for point in ["v", "plain"] {
        fs::create_dir(fixture.root().join(point)).expect("directory");
    }
    assert_eq!(fixture.out(&spec), "1000\n65534\n0\n");
    assert_eq!(fs::metadata(volume.join("new")).expect("made").uid(), 0, "what its root makes is root's on the disk");
    let mut spec = crate::fixture::spec("true");
    spec.mounts.push(with("/v", "bind", &volume, &["bind", "idmap"]));
    assert!(fixture.refused(&spec).contains("without user namespace"));
}

fn ids_recursively(fixture: &Fixture) {
    let volume = volume(fixture, 1000);
    let inner = volume.join("inner");
    fs::create_dir(&inner).expect("directory");
    mount("tmpfs", &inner, "tmpfs", MountFlags::empty(), None).expect("tmpfs");
    fs::write(inner.join("file"), "x").expect("file");
    for (option, wanted) in [("ridmap", "7\n7\n"), ("idmap", "7\n0\n")] {
        let mut spec = spec("stat -c %u /v/dir /v/inner/file");
        let mut bind = with("/v", "bind", &volume, &["rbind", option]);
        bind.uid_mappings = map(0, 7, 1);
        bind.gid_mappings = map(0, 7, 1);
        fs::create_dir_all(volume.join("dir")).expect("directory");
        spec.mounts.push(bind);
        assert_eq!(fixture.out(&spec), wanted, "{option}");
    }
    unmount(&inner, UnmountFlags::DETACH).expect("unmount");
}

fn copy_up(fixture: &Fixture) {
    let data = fixture.root().join("data");
    fs::create_dir_all(data.join("sub")).expect("directory");
    fs::write(data.join("sub/file"), "content\n").expect("file");
    chown(data.join("sub/file"), Some(5), Some(6)).expect("chown");
    chown(&data, Some(7), Some(8)).expect("chown");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o711)).expect("chmod");
    symlink("/etc/shadow", data.join("link")).expect("link");
    let script = "cat /data/sub/file; stat -c %u:%g:%a /data /data/sub/file; readlink /data/link; touch /data/x; \
                  grep ' /data ' /proc/mounts | head -c 10";
    for (options, mode) in [(vec!["tmpcopyup"], "711"), (vec!["tmpcopyup", "mode=1750", "size=1m"], "1750")] {
        let mut spec = spec(script);
        spec.mounts.push(with("/data", "tmpfs", Path::new("tmpfs"), &options));
        let wanted = format!("content\n7:8:{mode}\n5:6:644\n/etc/shadow\ntmpfs /dat");
        assert_eq!(fixture.out(&spec), wanted);
    }
    assert!(!data.join("x").exists());
    let mut spec = spec("cat /data/sub/file; touch /data/y 2>/dev/null || echo no");
    spec.mounts.push(with("/data", "tmpfs", Path::new("tmpfs"), &["tmpcopyup", "ro"]));
    assert_eq!(fixture.out(&spec), "content\nno\n");
}

fn recursive_attributes(fixture: &Fixture) {
    let volume = volume(fixture, 0);
    let inner = volume.join("inner");
    fs::create_dir(&inner).expect("directory");
    mount("tmpfs", &inner, "tmpfs", MountFlags::empty(), None).expect("tmpfs");
    let run = |options: &[&str]| {
        let mut spec = spec("awk '$2 ~ /^.v/ {print $2, $4}' /proc/mounts");
        spec.mounts.push(with("/v", "bind", &volume, options));
        let out = fixture.out(&spec);
        out.lines().map(|l| l.split(',').take(5).collect::<Vec<_>>().join(",")).collect::<Vec<_>>()
    };
    let got = run(&["rbind", "rro", "rnosuid", "rnodev", "rnoexec", "rnoatime"]);
    assert_eq!(got, ["/v ro,nosuid,nodev,noexec,noatime", "/v/inner ro,nosuid,nodev,noexec,noatime"]);
    let got = run(&["rbind", "ro", "rnodev"]);
    assert!(got[0].starts_with("/v ro,nodev"), "{got:?}");
    assert!(got[1].starts_with("/v/inner rw,nodev"), "{got:?}");
    let got = run(&["rbind", "rro", "rrw"]);
    assert!(got[0].starts_with("/v rw") && got[1].starts_with("/v/inner rw"), "{got:?}");
    unmount(&inner, UnmountFlags::DETACH).expect("unmount");
    let mut spec = spec("grep ' /n ' /proc/mounts");
    spec.mounts.push(with("/n", "tmpfs", Path::new("tmpfs"), &["rro", "rnoexec"]));
    assert!(fixture.out(&spec).starts_with("tmpfs /n tmpfs ro,noexec"));
}

fn propagation(fixture: &Fixture) {
    let volume = volume(fixture, 0);
    mount("tmpfs", &volume, "tmpfs", MountFlags::empty(), None).expect("tmpfs");
    mount_change(&volume, MountPropagationFlags::SHARED).expect("shared");
    fs::create_dir(volume.join("late")).expect("directory");
    for (option, heard, field) in [
        ("rslave", true, "master:"),
        ("rshared", true, "shared:"),
        ("rprivate", false, ""),
        ("runbindable", false, "unbindable"),
    ] {
        let mut spec = spec("grep ' /v ' /proc/self/mountinfo; echo END; sleep 60");
        spec.mounts.push(with("/v", "bind", &volume, &["rbind", option]));
        let running = fixture.start(&spec).expect("starts");
        running.said();
        mount("tmpfs", volume.join("late"), "tmpfs", MountFlags::empty(), None).expect("tmpfs");
        let out = running.exec(&process("grep -c ' /v/late ' /proc/self/mountinfo")).expect("exec").out;
        assert_eq!(out.trim(), if heard { "1" } else { "0" }, "{option}");
        unmount(volume.join("late"), UnmountFlags::DETACH).expect("unmount");
        let line = running.stop().out;
        assert!(line.contains(field), "{option}: {line}");
        assert_eq!(
            option == "rprivate",
            !line.contains("shared:") && !line.contains("master:") && !line.contains("unb")
        );
    }
    unmount(&volume, UnmountFlags::DETACH).expect("unmount");
    for (kind, field) in [("shared", "shared:"), ("unbindable", "unbindable"), ("private", " - ")] {
        let mut spec = spec("grep ' /n ' /proc/self/mountinfo; grep ' / / ' /proc/self/mountinfo");
        spec.mounts.push(with("/n", "tmpfs", Path::new("tmpfs"), &[kind]));
        let out = fixture.run(&spec).expect("runs").out;
        assert!(out.lines().next().is_some_and(|l| l.contains(field)), "{kind}: {out}");
    }
    for (kind, field) in [("shared", "shared:"), ("rprivate", " - "), ("unbindable", "unbindable")] {
        let mut spec = spec("awk '$5 == \"/\"' /proc/self/mountinfo");
        spec.linux.as_mut().expect("linux").rootfs_propagation = kind.into();
        let out = fixture.out(&spec);
        assert!(out.contains(field), "{kind}: {out}");
    }
}

fn devices_without_a_dev(fixture: &Fixture) {
    let mut spec = spec_with(
        "ls -l /dev/null /dev/kmsg2 | awk '{print $1, $5, $6}'; readlink /dev/fd; echo x > /dev/null",
        json!({"linux": {"devices": [{"type": "c", "path": "/dev/kmsg2", "major": 1, "minor": 11, "fileMode": 0o640}]}}),
    );
    spec.mounts.retain(|m| m.destination != "/dev");
    assert_eq!(fixture.out(&spec), "crw-r----- 1, 11\ncrw-rw-rw- 1, 3\n/proc/self/fd\n");
    // What an image brings is no device of ours.
    fs::remove_file(fixture.root().join("dev/null")).expect("remove");
    fs::write(fixture.root().join("dev/null"), "canary").expect("file");
    assert!(fixture.refused(&spec).contains("error creating device nodes: mknod /dev/null: file exists"));
    fs::remove_dir_all(fixture.root().join("dev")).expect("remove");
    let canary = fixture.dir.path().join("canary");
    fs::create_dir(&canary).expect("directory");
    symlink(&canary, fixture.root().join("dev")).expect("link");
    let _ = fixture.run(&spec);
    assert_eq!(fs::read_dir(&canary).expect("list").count(), 0, "nothing on the host");
    // A directory of the host's is left as it is.
    fs::remove_file(fixture.root().join("dev")).expect("remove");
    spec.mounts.push(with("/dev", "bind", &canary, &["bind"]));
    spec.process = Some(process("ls /dev"));
    spec.linux.as_mut().expect("linux").devices.clear();
    assert_eq!(fixture.out(&spec), "");
}

fn odd_destinations(fixture: &Fixture) {
    let mut spec = spec("cat /a/b/file /c/file");
    let volume = volume(fixture, 0);
    spec.mounts.push(with("a/b", "bind", &volume, &["bind"]));
    spec.mounts.push(with("/c/../../c//./", "none", &volume, &["rbind"]));
    assert_eq!(fixture.out(&spec), "xx");
    spec.mounts.push(with("", "bind", &volume, &["bind"]));
    assert!(fixture.refused(&spec).contains("empty destination"));
}

fn user_namespace(fixture: &Fixture) {
    let script = "cat /proc/self/uid_map; id -u; echo x > /dev/null; stat -c %t:%T /dev/zero; touch /dev/ok";
    let out = fixture.run(&in_user_namespace(script)).expect("runs");
    let words: Vec<&str> = out.out.split_whitespace().collect();
    assert_eq!(words, ["0", "100000", "65536", "0", "1:5"], "{out:?}");
    let running = fixture.start(&in_user_namespace("sleep 60")).expect("starts");
    let exec = running.exec(&process("cat /proc/self/uid_map; id -u")).expect("exec");
    assert_eq!(exec.out.split_whitespace().collect::<Vec<_>>(), ["0", "100000", "65536", "0"]);
    let path = format!("/proc/{}/ns/user", running.started.pid);
    let mut joined = spec("cat /proc/self/uid_map; id -u");
    let linux = joined.linux.as_mut().expect("linux");
    linux.namespaces.push(oci::runtime::Namespace { r#type: oci::runtime::NamespaceType::User, path });
    assert_eq!(fixture.out(&joined).split_whitespace().collect::<Vec<_>>(), ["0", "100000", "65536", "0"]);
    running.stop();
    let mut label = spec("true");
    label.process.as_mut().expect("process").apparmor_profile = "x".into();
    if !Path::new("/sys/module/apparmor").exists() {
        assert_eq!(fixture.refused(&label), "apparmor: config provided but apparmor not supported");
    }
}

fn without_privileges(fixture: &Fixture) {
    let volume = volume(fixture, 1000);
    let own = |script: &str, size: u32| {
        let change = json!({"linux": {
            "namespaces": [{"type": "user"}, {"type": "cgroup"}],
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": size}],
            "gidMappings": [{"containerID": 0, "hostID": 1000, "size": size}],
        }, "process": {"oomScoreAdj": -5}});
        let mut spec = spec_with(script, change);
        spec.mounts.push(with("/tmp", "bind", &volume, &["rbind", "ro"]));
        spec
    };
    fixture.as_user(1000, |fixture| {
        let script = "id -u; stat -c %u /tmp/file; touch /tmp/no 2>/dev/null || echo ro; hostname; \
                      cat /proc/self/setgroups; echo x > /dev/null; cat /proc/kcore; echo END; sleep 60";
        let running = fixture.start(&own(script, 1)).expect("starts");
        running.said();
        let exec = running.exec(&process("id -u; cat /proc/self/uid_map")).expect("exec");
        assert_eq!(exec.out.split_whitespace().collect::<Vec<_>>(), ["0", "0", "1000", "1"]);
        assert_eq!(running.stop().out, "0\n0\nro\nbox\ndeny\n");
        let helpers = ["/usr/bin/newuidmap", "/bin/newuidmap"].iter().any(|path| Path::new(path).exists());
        if !helpers {
            assert!(fixture.refused(&own("true", 10)).starts_with("newuidmap is needed"));
        }
    });
}
