use oci::runtime::NamespaceType;
use spec::ContainerSpec;

use super::*;
use crate::user::Identity;

fn input<'a>(spec: &'a ContainerSpec, host: &'a HostFacts, defaults: &'a Defaults) -> BundleInput<'a> {
    BundleInput {
        spec,
        mounts: &[],
        files: NetworkFiles::default(),
        joins: Joins { network: Some("/run/netns/x".into()), ..Joins::default() },
        identity: Identity::default(),
        seccomp: None,
        cgroup_path: "/docker/x",
        host,
        defaults,
        devices: Vec::new(),
        block_devices: Default::default(),
    }
}

fn built(change: impl FnOnce(&mut ContainerSpec)) -> Result<Spec, BundleError> {
    let mut spec = ContainerSpec::default();
    spec.config.cmd = Some(vec!["true".to_owned()]);
    change(&mut spec);
    build(&input(&spec, &HostFacts::default(), &Defaults::default()))
}

#[test]
fn the_default_container_is_dockers() {
    let spec = built(|_| {}).expect("builds");
    let process = spec.process.expect("has a process");
    let caps = process.capabilities.expect("has capabilities");
    assert_eq!((caps.bounding.len(), caps.effective.len()), (14, 14));
    assert!(caps.inheritable.is_empty() && caps.ambient.is_empty());
    let destinations: Vec<&str> = spec.mounts.iter().map(|m| m.destination.as_str()).collect();
    assert_eq!(destinations, ["/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm"]);
    let linux = spec.linux.expect("has linux");
    assert_eq!(linux.masked_paths.len(), 12);
    assert_eq!(linux.readonly_paths.len(), 5);
    assert!(!linux.resources.expect("limits").devices[0].allow);
    let kinds: Vec<_> = linux.namespaces.iter().map(|n| n.r#type).collect();
    use NamespaceType::{Ipc, Mount, Network, Pid, Uts};
    assert_eq!(kinds, [Mount, Network, Uts, Pid, Ipc]);
}

#[test]
fn an_ordinary_user_has_bounds_but_no_capabilities() {
    let mut spec = ContainerSpec::default();
    spec.config.cmd = Some(vec!["true".to_owned()]);
    let (host, defaults) = (HostFacts::default(), Defaults::default());
    let mut input = input(&spec, &host, &defaults);
    input.identity = Identity { uid: 1000, gid: 100, groups: vec![5, 100], home: "/h".to_owned() };
    let process = build(&input).expect("builds").process.expect("has a process");
    let caps = process.capabilities.expect("has capabilities");
    assert_eq!((caps.bounding.len(), caps.effective.len(), caps.permitted.len()), (14, 0, 0));
    assert_eq!(process.user.additional_gids, [100, 5]);
    assert!(process.env.contains(&"HOME=/h".to_owned()));
}

#[test]
fn capabilities_are_added_and_dropped() {
    let caps = |add: &[&str], drop: &[&str]| {
        let own = |l: &[&str]| Some(l.iter().map(|s| (*s).to_owned()).collect());
        built(|s| {
            s.host.cap_add = own(add);
            s.host.cap_drop = own(drop);
        })
        .map(|s| s.process.and_then(|p| p.capabilities).expect("has capabilities").bounding)
    };
    assert_eq!(caps(&["net_admin"], &["ALL"]).expect("valid"), ["CAP_NET_ADMIN"]);
    assert_eq!(caps(&["ALL"], &["CAP_CHOWN"]).expect("valid").len(), 40);
    assert_eq!(caps(&[], &["CHOWN", "kill"]).expect("valid").len(), 12);
    assert_eq!(
        caps(&["NOPE"], &[]).expect_err("unknown").to_string(),
        "invalid CapAdd: unknown capability: \"CAP_NOPE\""
    );
}

#[test]
fn privileged_lifts_everything() {
    let spec = built(|s| s.host.privileged = true).expect("builds");
    let linux = spec.linux.expect("has linux");
    assert!(linux.masked_paths.is_empty() && linux.readonly_paths.is_empty());
    assert!(linux.resources.expect("limits").devices[0].allow);
    let sys = spec.mounts.iter().find(|m| m.destination == "/sys").expect("sysfs");
    assert!(!sys.options.contains(&"ro".to_owned()));
}

#[test]
fn limits_are_translated() {
    let spec = built(|s| {
        s.host.memory = 64 << 20;
        s.host.nano_cpus = 500_000_000;
        s.host.pids_limit = Some(7);
    })
    .expect("builds");
    let resources = spec.linux.and_then(|l| l.resources).expect("limits");
    assert_eq!(resources.memory.map(|m| (m.limit, m.swap)), Some((Some(64 << 20), Some(128 << 20))));
    assert_eq!(resources.cpu.map(|c| (c.quota, c.period)), Some((Some(50_000), Some(100_000))));
    assert_eq!(resources.pids.and_then(|p| p.limit), Some(7));
    let gpu = spec::DeviceRequest { capabilities: Some(vec![vec!["gpu".to_owned()]]), ..Default::default() };
    assert_eq!(
        built(|s| s.host.device_requests = Some(vec![gpu])).expect_err("no driver").to_string(),
        "could not select device driver \"\" with capabilities: [[gpu]]"
    );
}

#[test]
fn mounts_of_the_user_replace_defaults_and_come_parents_first() {
    let spec = built(|s| {
        s.host.tmpfs = Some([("/a/b".to_owned(), "exec,size=1m".to_owned()), ("/a".to_owned(), String::new())].into());
    })
    .expect("builds");
    let tail: Vec<&str> = spec.mounts.iter().rev().take(2).map(|m| m.destination.as_str()).collect();
    assert_eq!(tail, ["/a/b", "/a"]);
    let options = &spec.mounts.last().expect("mounts").options;
    assert!(options.contains(&"exec".to_owned()) && !options.contains(&"noexec".to_owned()));
    assert!(built(|s| s.host.tmpfs = Some([("/a".to_owned(), "bad".to_owned())].into())).is_err());
}

#[test]
fn parameters_of_the_host_are_refused() {
    let set = |name: &str, mode: &str| {
        built(|s| {
            s.host.sysctls = Some([(name.to_owned(), "1".to_owned())].into());
            s.host.network_mode = mode.to_owned();
            s.host.ipc_mode = mode.to_owned();
        })
    };
    for good in
        ["net.ipv4.ip_forward", "net/ipv4/conf/eth0.1/forwarding", "kernel.msgmax", "fs.mqueue.x", "kernel.domainname"]
    {
        assert!(set(good, "").is_ok(), "{good}");
    }
    for bad in [
        "kernel.core_pattern",
        "vm.swappiness",
        "net.//.kernel.core_pattern",
        "net/../kernel/core_pattern",
        "net..x",
        "net.",
        "",
        "kernel.hostname",
        "kernel/core_pattern",
    ] {
        assert!(set(bad, "").is_err(), "{bad}");
    }
    assert!(matches!(set("net.x", "host"), Err(BundleError::SysctlHostNetwork(_))));
    assert!(matches!(set("kernel.sem", "host"), Err(BundleError::SysctlHostIpc(_))));
}

#[test]
fn security_options_are_read() {
    let parse = |o: &str| Security::parse(&[o.to_owned()]);
    assert_eq!(parse("no-new-privileges").expect("valid").no_new_privileges, Some(true));
    assert_eq!(parse("seccomp=unconfined").expect("valid").seccomp, SeccompChoice::Unconfined);
    // The client turns it into empty lists of paths; the daemon does not know it.
    assert!(parse("systempaths=unconfined").is_err());
    assert_eq!(parse("what").expect_err("bad").to_string(), "invalid --security-opt 1: \"what\"");
    assert_eq!(parse("what=x").expect_err("bad").to_string(), "invalid --security-opt 2: \"what=x\"");
}
