use oci::runtime::{CpuAffinity, IoPriority, Scheduler};
use serde_json::json;

use super::Case;
use crate::fixture::{Fixture, process, spec, spec_with};

pub(crate) const CASES: &[(&str, Case)] = &[
    ("process::time_namespace", time_namespace),
    ("process::time_namespace_in_a_user_namespace", time_namespace_in_a_user_namespace),
    ("process::parameters", parameters),
    ("process::scheduling_of_exec", scheduling_of_exec),
    ("process::personality", personality),
    ("process::network_devices", network_devices),
    ("process::intel_rdt", intel_rdt),
];

/// Days since boot, as /proc/uptime has it.
fn days(out: &str) -> u64 {
    out.split(['.', ' ']).next().and_then(|n| n.parse::<u64>().ok()).expect("uptime") / 86_400
}

fn time_namespace(fixture: &Fixture) {
    let ours = days(&std::fs::read_to_string("/proc/uptime").expect("uptime"));
    let change = json!({"linux": {
        "namespaces": [{"type": "time"}],
        "timeOffsets": {"boottime": {"secs": 86_400 * 1000, "nanosecs": 5}, "monotonic": {"secs": 7}},
    }});
    let running = fixture
        .start(&spec_with("cat /proc/uptime; cat /proc/self/timens_offsets; echo END; sleep 60", change))
        .expect("starts");
    running.said();
    let exec = running.exec(&process("cat /proc/uptime")).expect("exec");
    assert_eq!(days(&exec.out), ours + 1000, "exec is in it too");
    let out = running.stop().out;
    assert_eq!(days(&out), ours + 1000);
    let words: Vec<&str> = out.split_whitespace().skip(2).collect();
    assert_eq!(words, ["monotonic", "7", "0", "boottime", "86400000", "5"]);
}

fn time_namespace_in_a_user_namespace(fixture: &Fixture) {
    let ours = days(&std::fs::read_to_string("/proc/uptime").expect("uptime"));
    let change = json!({"linux": {
        "namespaces": [{"type": "time"}, {"type": "user"}],
        "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1000}],
        "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1000}],
        "timeOffsets": {"boottime": {"secs": 86_400 * 1000}},
    }});
    assert_eq!(days(&fixture.out(&spec_with("cat /proc/uptime", change))), ours + 1000);
}

fn parameters(fixture: &Fixture) {
    let change = json!({"linux": {"sysctl": {"net/ipv4/conf/lo/forwarding": "1", "kernel.msgmax": "4096"}}});
    let script = "cat /proc/sys/net/ipv4/conf/lo/forwarding /proc/sys/kernel/msgmax";
    assert_eq!(fixture.out(&spec_with(script, change)), "1\n4096\n");
    let change = json!({"linux": {"sysctl": {"kernel.panic": "1"}}});
    assert_eq!(
        fixture.refused(&spec_with("true", change)),
        "sysctl \"kernel.panic\" is not in a separate kernel namespace"
    );
}

fn scheduling_of_exec(fixture: &Fixture) {
    let running = fixture.start(&spec("sleep 60")).expect("starts");
    let mut one = process("awk '{print $19}' /proc/self/stat; awk '/Cpus_allowed_list/{print $2}' /proc/self/status");
    one.scheduler = Some(Scheduler { policy: "SCHED_BATCH".into(), nice: Some(7), ..Scheduler::default() });
    one.io_priority = Some(IoPriority { class: "IOPRIO_CLASS_IDLE".into(), priority: 0 });
    one.exec_cpu_affinity = Some(CpuAffinity { initial: "0".into(), r#final: "0".into() });
    let output = running.exec(&one).expect("exec");
    assert_eq!((output.out.as_str(), output.err.as_str()), ("7\n0\n", ""));
    one.exec_cpu_affinity = Some(CpuAffinity { initial: "0-x".into(), r#final: String::new() });
    let error = running.exec(&one).expect_err("no list");
    assert!(error.message.contains("bad CPUAffinity.Initial"), "{error}");
    running.stop();
}

fn personality(fixture: &Fixture) {
    let change = json!({"linux": {"personality": {"domain": "LINUX32"}}});
    let running = fixture.start(&spec_with("uname -m; echo END; sleep 60", change)).expect("starts");
    if cfg!(target_arch = "x86_64") {
        running.said();
        assert_eq!(running.exec(&process("uname -m")).expect("exec").out, "i686\n");
        assert_eq!(running.stop().out, "i686\n");
    }
}

fn ip(args: &str) {
    let status = std::process::Command::new("busybox").arg("ip").args(args.split(' ')).status().expect("busybox");
    assert!(status.success(), "ip {args}");
}

fn network_devices(fixture: &Fixture) {
    ip("link add rtd0 type veth");
    ip("addr add 10.98.76.5/24 broadcast 10.98.76.255 dev rtd0");
    ip("addr add fd00:1234::5/64 dev rtd0");
    let change = json!({"linux": {"netDevices": {"rtd0": {"name": "inside"}, "veth0": {}}}});
    let out = fixture.out(&spec_with("ip addr", change));
    for part in [" inside", "veth0", "inet 10.98.76.5/24 brd 10.98.76.255", "fd00:1234::5/64", "UP"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("rtd0"), "{out}");
    let change = json!({"linux": {"netDevices": {"rtd9": {}}}});
    assert_eq!(fixture.refused(&spec_with("true", change)), "failed to find network device \"rtd9\": no such device");
}

fn intel_rdt(fixture: &Fixture) {
    let change = |class: &str| json!({"linux": {"intelRdt": {"closID": class, "l3CacheSchema": "L3:0=f"}}});
    assert_eq!(fixture.refused(&spec_with("true", change("../x"))), "invalid intelRdt.ClosID \"../x\"");
    if !std::path::Path::new("/sys/fs/resctrl/info").exists() {
        assert_eq!(
            fixture.refused(&spec_with("true", change("x"))),
            "intelRdt is specified in config, but Intel RDT is not enabled"
        );
    }
}
