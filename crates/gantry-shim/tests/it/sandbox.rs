//! What a container can see and do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use oci::runtime::{Capabilities, Mount, Namespace, NamespaceType};
use shim_proto::{Rootfs, ShimPlan, Step};

use crate::fixture::Fixture;

fn bind(source: &Path, destination: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        r#type: "bind".into(),
        source: source.to_str().unwrap().into(),
        options: options.iter().map(|&o| o.to_owned()).collect(),
        ..Mount::default()
    }
}

/// An extra topmost layer for a plan.
fn layer(fixture: &Fixture, plan: &mut ShimPlan) -> std::path::PathBuf {
    let dir = fixture.dir.path().join(format!("layer-{}", plan.id));
    fs::create_dir(&dir).unwrap();
    let Rootfs::Overlay { lower, .. } = &mut plan.rootfs else { panic!() };
    lower.insert(0, dir.clone());
    dir
}

#[test]
fn only_three_descriptors() {
    let mut fixture = Fixture::new();
    let (_, out, _) = fixture.run(&["sh", "-c", "ls /proc/self/fd; ls -l /proc/1/fd"]);
    let fds: Vec<&str> = out.lines().take_while(|l| !l.starts_with("total")).collect();
    assert_eq!(fds, ["0", "1", "2", "3"], "3 is the directory that ls reads: {out}");
    let plan = fixture.plan(&["sleep", "100"]);
    let mut container = fixture.start(&plan);
    let (_, out, _) = container.exec_run("e", &["ls", "/proc/self/fd"]);
    assert_eq!(out.lines().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    container.ok(shim_proto::Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
}

#[test]
fn working_directories_stay_inside() {
    let mut fixture = Fixture::new();
    for n in 3..40 {
        let mut plan = fixture.plan(&["pwd"]);
        if let Some(process) = &mut plan.spec.process {
            process.cwd = format!("/proc/self/fd/{n}");
        }
        let mut container = fixture.launch(&plan);
        let error = container.start().unwrap_err();
        assert_eq!(error.step, Step::Cwd, "{error}");
        container.delete();
    }
    let mut plan = fixture.plan(&["pwd"]);
    let layer = layer(&fixture, &mut plan);
    let canary = fixture.dir.path().join("canary-cwd");
    fs::create_dir(&canary).unwrap();
    symlink(format!("../../../../../..{}", canary.display()), layer.join("w")).unwrap();
    if let Some(process) = &mut plan.spec.process {
        process.cwd = "/w/new/deep".into();
    }
    let (record, out, err) = fixture.run_plan(&plan);
    assert_eq!((record.status, out.trim()), (0, format!("{}/new/deep", canary.display()).as_str()), "{err}");
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
}

#[test]
fn mount_targets_stay_inside() {
    let mut fixture = Fixture::new();
    let canary = fixture.dir.path().join("canary");
    let source = fixture.dir.path().join("source");
    fs::create_dir(&canary).unwrap();
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "content\n").unwrap();
    let mut plan = fixture.plan(&["sh", "-c", "cat /link/sub/file; cat /etc/hosts"]);
    let layer = layer(&fixture, &mut plan);
    symlink(format!("../../../..{}", canary.display()), layer.join("link")).unwrap();
    fs::create_dir(layer.join("etc")).unwrap();
    symlink(canary.join("hosts"), layer.join("etc/hosts")).unwrap();
    plan.spec.mounts.push(bind(&source, "/link/sub", &["rbind", "rprivate"]));
    plan.spec.mounts.push(bind(&source.join("file"), "/etc/hosts", &["rbind", "rprivate"]));
    let (record, out, err) = fixture.run_plan(&plan);
    assert_eq!((record.status, out.as_str()), (0, "content\ncontent\n"), "{err}");
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
}

#[test]
fn links_in_the_image_where_we_mount() {
    let mut fixture = Fixture::new();
    let canary = fixture.dir.path().join("canary-dev");
    fs::create_dir(&canary).unwrap();
    let out_of_here = format!("../../../..{}", canary.display());
    for (name, works) in [("dev", true), ("proc", false), ("sys", false)] {
        let mut plan = fixture.plan(&["true"]);
        let layer = layer(&fixture, &mut plan);
        symlink(&out_of_here, layer.join(name)).unwrap();
        let mut container = fixture.launch(&plan);
        match container.start() {
            Ok(_) => {
                assert!(works, "{name}");
                container.wait();
            }
            Err(error) => {
                assert!(!works || error.step == Step::Mount, "{name}: {error}");
                assert!(error.step == Step::Mount, "{name}: {error}");
            }
        }
        container.delete();
        assert_eq!(fs::read_dir(&canary).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn procfs_is_not_mounted_over() {
    let mut fixture = Fixture::new();
    let source = fixture.dir.path().join("v");
    fs::create_dir(&source).unwrap();
    for (destination, text) in [
        ("/proc", "\"/proc\" cannot be mounted because it is not of type proc"),
        ("/proc/self", "\"/proc/self\" cannot be mounted because it is inside /proc"),
        ("/proc/sys", "\"/proc/sys\" cannot be mounted because it is inside /proc"),
    ] {
        let mut plan = fixture.plan(&["true"]);
        plan.spec.mounts.push(bind(&source, destination, &["rbind"]));
        let error = fixture.start_error(&plan);
        assert!(error.message.contains(text), "{error}");
    }
    let mut plan = fixture.plan(&["cat", "/proc/uptime"]);
    fs::write(source.join("up"), "1 2\n").unwrap();
    plan.spec.mounts.push(bind(&source.join("up"), "/proc/uptime", &["rbind"]));
    assert_eq!(fixture.run_plan(&plan).1, "1 2\n");
}

#[test]
fn binds_read_only_and_recursive() {
    let mut fixture = Fixture::new();
    let source = fixture.dir.path().join("ro");
    fs::create_dir(&source).unwrap();
    let mut plan = fixture.plan(&["sh", "-c", "touch /ro/x; touch /rw/x; echo $?"]);
    plan.spec.mounts.push(bind(&source, "/ro", &["rbind", "ro", "rprivate"]));
    plan.spec.mounts.push(bind(&source, "/rw", &["rbind", "rprivate"]));
    let (_, out, err) = fixture.run_plan(&plan);
    assert_eq!(out, "0\n");
    assert!(err.contains("Read-only file system"), "{err}");
    let mut plan = fixture.plan(&["true"]);
    plan.spec.mounts.push(bind(&source.join("missing"), "/x", &["rbind"]));
    let error = fixture.start_error(&plan);
    assert!(error.message.ends_with("no such file or directory"), "{error}");
    let mut plan = fixture.plan(&["true"]);
    plan.spec.mounts.push(bind(&source, "/etc/passwd", &["rbind"]));
    assert!(fixture.start_error(&plan).message.ends_with("not a directory"));
}

#[test]
fn read_only_root_and_tmpfs() {
    let mut fixture = Fixture::new();
    let mut plan =
        fixture.plan(&["sh", "-c", "touch /x; touch /t/x && stat -c %a /t; mount | grep ' /t '; touch /r/x"]);
    if let Some(root) = &mut plan.spec.root {
        root.readonly = true;
    }
    let tmpfs = |destination: &str, options: &[&str]| Mount {
        destination: destination.into(),
        r#type: "tmpfs".into(),
        source: "tmpfs".into(),
        options: options.iter().map(|&o| o.to_owned()).collect(),
        ..Mount::default()
    };
    plan.spec.mounts.push(tmpfs("/t", &["noexec", "nosuid", "nodev", "size=1m"]));
    plan.spec.mounts.push(tmpfs("/r", &["ro"]));
    let (_, out, err) = fixture.run_plan(&plan);
    assert_eq!(err.matches("Read-only file system").count(), 2, "{err}");
    assert!(out.contains("nosuid,nodev,noexec") && out.contains("size=1024k"), "{out}");
}

#[test]
fn masked_and_read_only_paths() {
    let mut fixture = Fixture::new();
    let (_, out, _) = fixture.run(&[
        "sh", "-c",
        "for p in interrupts kcore keys timer_list; do wc -c < /proc/$p; done; ls /sys/firmware | wc -l; ls /proc/scsi | wc -l; \
         echo 1 > /proc/sys/kernel/domainname || echo refused; echo b > /proc/sysrq-trigger || echo refused; \
         chmod 777 /proc/kcore; stat -c %a /proc/kcore",
    ]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.iter().filter(|l| **l == "0").count() >= 5, "{out}");
    assert_eq!(lines.iter().filter(|l| **l == "refused").count(), 2, "{out}");
    assert_eq!(
        fs::metadata("/dev/null").unwrap().permissions().mode() & 0o777,
        0o666,
        "the host's null device is touched"
    );
}

use std::os::unix::fs::PermissionsExt as _;

#[test]
fn devices_and_links() {
    let mut fixture = Fixture::new();
    let (_, out, err) = fixture.run(&[
        "sh",
        "-c",
        "ls -l /dev; echo x > /dev/null; head -c 4 /dev/zero | wc -c; echo via > /dev/stdout; echo via2 > /dev/stderr",
    ]);
    for wanted in ["1,   3", "1,   5", "5,   0", "fd -> /proc/self/fd", "stdin -> /proc/self/fd/0", "ptmx -> pts/ptmx"]
    {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    assert!(out.ends_with("4\nvia\n") && err == "via2\n", "{out}{err}");
}

#[test]
fn users_groups_and_capabilities() {
    let mut fixture = Fixture::new();
    let show = "id; grep -E 'Cap|NoNewPrivs|Groups' /proc/self/status; umask; echo $HOME; echo again > /dev/stdout";
    let (_, out, _) = fixture.run(&["sh", "-c", show]);
    for wanted in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t00000000a80425fb",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "0022",
        "/root",
    ] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    let mut plan = fixture.plan(&["sh", "-c", show]);
    if let Some(process) = &mut plan.spec.process {
        process.user.uid = 1000;
        process.user.gid = 1001;
        process.user.additional_gids = vec![5, 6];
        process.no_new_privileges = true;
    }
    let (_, out, err) = fixture.run_plan(&plan);
    for wanted in [
        "uid=1000",
        "gid=1001",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t00000000a80425fb",
        "NoNewPrivs:\t1",
        "Groups:\t5 6 \n",
        "/home/user",
        "again",
    ] {
        assert!(out.contains(wanted), "{wanted}: {out}{err}");
    }
    let mut plan = fixture.plan(&["sh", "-c", show]);
    if let Some(process) = &mut plan.spec.process {
        process.capabilities = Some(Capabilities::default());
    }
    let (_, out, _) = fixture.run_plan(&plan);
    assert_eq!(out.matches("0000000000000000").count(), 5, "{out}");
}

#[test]
fn limits_scores_and_parameters() {
    let mut fixture = Fixture::new();
    let (_, out, _) = fixture.run(&[
        "sh", "-c", "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_unprivileged_port_start; hostname; cat /proc/sys/net/ipv4/ping_group_range",
    ]);
    assert_eq!(out, "1024\n4096\n0\n0\nbox\n0\t2147483647\n");
    let mut plan = fixture.plan(&["true"]);
    if let Some(linux) = &mut plan.spec.linux {
        linux.sysctl.insert("kernel/../../../etc/passwd".into(), "x".into());
    }
    assert_eq!(fixture.start_error(&plan).step, Step::Plan);
}

#[test]
fn cgroups_are_read_only_inside() {
    let mut fixture = Fixture::new();
    let (_, out, _) = fixture.run(&[
        "sh", "-c", "mount | grep -c ' /sys/fs/cgroup'; for f in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/*/notify_on_release; do echo 1 > $f || echo refused; done; mkdir /sys/fs/cgroup/x || echo refused",
    ]);
    assert!(!out.lines().skip(1).any(|l| l != "refused"), "{out}");
    assert!(out.lines().filter(|l| *l == "refused").count() >= 2, "{out}");
}

#[test]
fn namespaces_are_joined() {
    let mut fixture = Fixture::new();
    let plan = fixture.plan(&["sleep", "100"]);
    let mut first = fixture.launch(&plan);
    let pid = first.start().unwrap();
    let mut plan = fixture.plan(&["sh", "-c", "for n in net ipc pid; do readlink /proc/self/ns/$n; done; ps; cat /dev/shm/from; echo x > /dev/shm/to; wc -l < /proc/keys"]);
    first.exec_run("w", &["sh", "-c", "echo shared > /dev/shm/from"]);
    plan.spec.mounts.retain(|m| m.destination != "/dev/shm");
    plan.spec.mounts.push(bind(Path::new(&format!("/proc/{pid}/root/dev/shm")), "/dev/shm", &["rbind", "rprivate"]));
    if let Some(linux) = &mut plan.spec.linux {
        linux.namespaces = [
            (NamespaceType::Mount, String::new()),
            (NamespaceType::Uts, String::new()),
            (NamespaceType::Network, format!("/proc/{pid}/ns/net")),
            (NamespaceType::Ipc, format!("/proc/{pid}/ns/ipc")),
            (NamespaceType::Pid, format!("/proc/{pid}/ns/pid")),
        ]
        .into_iter()
        .map(|(r#type, path)| Namespace { r#type, path })
        .collect();
        linux.sysctl.clear();
    }
    let (record, out, err) = fixture.run_plan(&plan);
    assert_eq!(record.status, 0, "{err}");
    for name in ["net", "ipc", "pid"] {
        let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
        assert!(out.contains(link.to_str().unwrap()), "{name}: {out}");
    }
    assert!(out.contains("sleep 100") && out.contains("shared\n") && out.ends_with("0\n"), "{out}{err}");
    assert_eq!(first.exec_run("r", &["cat", "/dev/shm/to"]).1, "x\n");
    first.ok(shim_proto::Request::Signal { exec: None, signal: 9, all: false });
    first.wait();
    first.delete();
}

#[test]
fn tiny_init() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&[
        "sh",
        "-c",
        "ps; (sleep 0.1 &); sleep 0.3; ps; trap 'exit 4' TERM; echo rea''dy; while :; do sleep 0.05; done",
    ]);
    plan.init = Some(crate::fixture::binary());
    let mut container = fixture.launch(&plan);
    let mut stream = container.attach(None, false);
    container.start().unwrap();
    let seen = crate::fixture::read_until(&mut stream, "ready");
    assert!(seen.contains("/sbin/docker-init -- sh -c"), "{seen}");
    assert!(!seen.contains("Z"), "{seen}");
    container.ok(shim_proto::Request::Signal { exec: None, signal: 15, all: false });
    assert_eq!(container.wait().status, 4);
    container.delete();
}

#[test]
fn seccomp_is_loaded() {
    let mut fixture = Fixture::new();
    for no_new_privileges in [false, true] {
        let mut plan = fixture.plan(&[
            "sh",
            "-c",
            "grep Seccomp: /proc/self/status; mkdir /tmp/x || echo refused; grep CapEff /proc/self/status",
        ]);
        let profile = serde_json::json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
        });
        if let Some(linux) = &mut plan.spec.linux {
            linux.seccomp = Some(serde_json::from_value(profile).unwrap());
        }
        if let Some(process) = &mut plan.spec.process {
            process.no_new_privileges = no_new_privileges;
        }
        let (_, out, err) = fixture.run_plan(&plan);
        assert_eq!(out, "Seccomp:\t2\nrefused\nCapEff:\t00000000a80425fb\n", "{err}");
    }
}

#[test]
fn host_process_ids() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&["sh", "-c", "sleep 77 & echo $!"]);
    if let Some(linux) = &mut plan.spec.linux {
        linux.namespaces.retain(|n| n.r#type != NamespaceType::Pid);
    }
    let (_, out, _) = fixture.run_plan(&plan);
    let left: i32 = out.trim().parse().unwrap();
    crate::fixture::until("what the container left is dead", || !crate::fixture::alive(left));
}

#[test]
fn hostile_passwd() {
    let mut fixture = Fixture::new();
    for target in ["/dev/zero", "/proc/kmsg"] {
        let mut plan = fixture.plan(&["sh", "-c", "echo $HOME"]);
        let layer = layer(&fixture, &mut plan);
        fs::create_dir(layer.join("etc")).unwrap();
        symlink(target, layer.join("etc/passwd")).unwrap();
        assert_eq!(fixture.run_plan(&plan).1, "/\n");
    }
}

#[test]
fn a_joining_process_shows_nothing_of_the_host() {
    let mut fixture = Fixture::new();
    let look = "while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] && continue; \
        for l in root cwd; do t=$(readlink $p/$l) && echo \"$l $t\"; done; \
        for f in $p/fd/*; do t=$(readlink $f) && echo \"fd $t\"; done; done; done 2>/dev/null | grep -v -E '^(root /|cwd /|fd (/dev/null|pipe:.*|/|/proc.*|socket:.*))$'";
    let mut plan = fixture.plan(&["sh", "-c", look]);
    if let Some(caps) = plan.spec.process.as_mut().and_then(|p| p.capabilities.as_mut()) {
        for set in [&mut caps.bounding, &mut caps.effective, &mut caps.permitted] {
            set.push("CAP_SYS_PTRACE".into());
        }
    }
    let mut container = fixture.launch(&plan);
    let stream = container.attach(None, false);
    container.start().unwrap();
    for n in 0..200 {
        drop(container.exec(&n.to_string(), crate::fixture::process(&["true"]), false).unwrap());
        container.wait_exec(&n.to_string());
    }
    container.ok(shim_proto::Request::Signal { exec: None, signal: 9, all: false });
    container.wait();
    container.delete();
    let (out, _) = crate::fixture::demux(&crate::fixture::read_all(stream));
    assert_eq!(String::from_utf8_lossy(&out), "");
}

#[test]
fn user_namespaces() {
    let mut fixture = Fixture::new();
    let mut plan = fixture.plan(&["sh", "-c", "id -u; cat /proc/self/uid_map; echo x > /dev/null && echo null; ls /sys/fs/cgroup | wc -l; mount | grep -c proc; touch /tmp/x"]);
    if let Some(linux) = &mut plan.spec.linux {
        let map = oci::runtime::IdMapping { container_id: 0, host_id: 100_000, size: 65_536 };
        // Its range is not mapped (Docker leaves it out then).
        linux.sysctl.remove("net.ipv4.ping_group_range");
        linux.uid_mappings = vec![map];
        linux.gid_mappings = vec![map];
        linux.namespaces.push(Namespace { r#type: NamespaceType::User, path: String::new() });
    }
    // What the daemon does for remapped roots.
    let Rootfs::Overlay { upper, work, .. } = &plan.rootfs else { panic!() };
    for dir in [upper, work] {
        std::os::unix::fs::chown(dir, Some(100_000), Some(100_000)).unwrap();
    }
    let (record, out, err) = fixture.run_plan(&plan);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "0", "{err}");
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["0", "100000", "65536"]);
    assert_eq!(lines[2], "null");
    let _ = record;
}
