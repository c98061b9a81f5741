//! Our specs against those of a real dockerd (28.5.2, runc, cgroup v1, overlay2), for the same create bodies.
//!
//! `golden.json` holds facts read off its config.json files: the plain container, and for every other one only what
//! differs from the plain one. Ours must differ from our plain one in the same way, and our plain one from Docker's in
//! what is listed here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bundle::{BundleInput, Defaults, DeviceNode, HostFacts, Joins, Mount, NetworkFiles, ReadOnlyRecursive, user};
use oci::runtime::{DeviceRuleType, Seccomp, SeccompAction};
use serde_json::{Value, json};

const GROUPS: &str = "root:x:0:\n";
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n";

fn leaves(value: &Value, path: &str, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), out)),
        other => _ = out.insert(path.to_owned(), other.clone()),
    }
}

/// Leaf by leaf what `b` has otherwise; lists as what is added and removed.
fn diff(a: &Value, b: &Value) -> BTreeMap<String, Value> {
    let (mut from, mut to) = (BTreeMap::new(), BTreeMap::new());
    leaves(a, "", &mut from);
    leaves(b, "", &mut to);
    let mut out = BTreeMap::new();
    for key in from.keys().chain(to.keys()) {
        let (x, y) = (from.get(key), to.get(key));
        if x == y {
            continue;
        }
        let list = |v: Option<&Value>| v.and_then(Value::as_array).cloned();
        let change = match (list(x), list(y)) {
            (None, None) => y.cloned().unwrap_or(Value::Null),
            (x, y) => {
                let (x, y) = (x.unwrap_or_default(), y.unwrap_or_default());
                let only = |a: &[Value], b: &[Value]| {
                    let mut only: Vec<Value> = a.iter().filter(|e| !b.contains(e)).cloned().collect();
                    only.sort_by_key(Value::to_string);
                    only
                };
                let (added, removed) = (only(&y, &x), only(&x, &y));
                if added.is_empty() && removed.is_empty() {
                    continue;
                }
                json!({"added": added, "removed": removed})
            }
        };
        out.insert(key.clone(), change);
    }
    out
}

fn mounts(case: &Value) -> Vec<Mount> {
    let text = |m: &Value, key: &str| m[key].as_str().unwrap_or_default().to_owned();
    let declared = &case["create"]["HostConfig"]["Mounts"];
    let mount = |m: &Value| {
        let declared = declared.as_array().into_iter().flatten().find(|d| d["Target"] == m["Destination"]);
        let option = |key: &str| declared.is_some_and(|d| d["BindOptions"][key] == true);
        Mount {
            source: text(m, "Source").into(),
            destination: text(m, "Destination"),
            rw: m["RW"].as_bool().unwrap_or_default(),
            propagation: text(m, "Propagation"),
            recursive: !option("NonRecursive"),
            read_only_recursive: match (option("ReadOnlyNonRecursive"), option("ReadOnlyForceRecursive")) {
                (true, _) => ReadOnlyRecursive::No,
                (_, true) => ReadOnlyRecursive::Must,
                _ => ReadOnlyRecursive::IfPossible,
            },
        }
    };
    case["mounts"].as_array().into_iter().flatten().map(mount).collect()
}

fn devices(spec: &spec::ContainerSpec) -> Vec<DeviceNode> {
    let node = |d: &spec::DeviceMapping| DeviceNode {
        path: d.path_in_container.clone(),
        kind: DeviceRuleType::Char,
        major: 1,
        minor: if d.path_on_host == "/dev/null" { 3 } else { 5 },
        mode: 0o666,
        uid: 0,
        gid: 0,
        access: d.cgroup_permissions.clone(),
    };
    spec.host.devices.iter().flatten().map(node).collect()
}

/// What we make of a create body, in the form of the facts.
fn ours(case: &Value) -> Value {
    let mut body = case["create"].clone();
    if body.get("Cmd").is_none() {
        body["Cmd"] = json!(["sleep", "100"]);
    }
    let mut spec: spec::ContainerSpec = serde_json::from_value::<spec::CreateBody>(body).expect("a create body").into();
    let host_network = spec.host.network_mode == "host";
    if spec.config.hostname.is_empty() {
        spec.config.hostname = if host_network { "VM" } else { "HOST" }.to_owned();
    }
    let mut identity = user::resolve(&spec.config.user, PASSWD, GROUPS).expect("a user");
    identity.groups.extend(spec.host.group_add.iter().flatten().map(|g| g.parse::<u32>().expect("a number")));
    let file = |name: &str| Some(PathBuf::from(format!("/C/{name}")));
    let unconfined = spec.host.privileged || spec.host.security_opt.iter().flatten().any(|o| o == "seccomp=unconfined");
    let seccomp = Seccomp {
        default_action: SeccompAction::Allow,
        default_errno_ret: None,
        architectures: Vec::new(),
        flags: None,
        listener_path: String::new(),
        listener_metadata: String::new(),
        syscalls: Vec::new(),
    };
    let cgroup_path = match spec.host.cgroup_parent.as_str() {
        "" => "/docker/ID".to_owned(),
        parent => format!("{parent}/ID"),
    };
    let oci = bundle::build(&BundleInput {
        spec: &spec,
        mounts: &mounts(case),
        files: NetworkFiles { hosts: file("hosts"), hostname: file("hostname"), resolv_conf: file("resolv.conf") },
        joins: Joins { network: (!host_network).then(|| "/netns".into()), ..Joins::default() },
        identity,
        seccomp: (!unconfined).then_some(seccomp),
        cgroup_path: &cgroup_path,
        host: &HostFacts { cpus: 2, recursive_readonly: true, ..HostFacts::default() },
        defaults: &Defaults::default(),
        devices: devices(&spec),
        block_devices: [("/dev/vda".to_owned(), (254, 0))].into(),
    })
    .expect("builds");
    let mut out = serde_json::to_value(&oci).expect("serializes");
    out["linux"]["seccomp"] = json!(oci.linux.as_ref().is_some_and(|l| l.seccomp.is_some()));
    let object = out.as_object_mut().expect("an object");
    object.remove("ociVersion");
    out["root"].as_object_mut().expect("an object").remove("path");
    // Docker leaves HOME to the runtime, and the network namespace to a hook.
    out["process"]["env"]
        .as_array_mut()
        .expect("a list")
        .retain(|e| !e.as_str().unwrap_or_default().starts_with("HOME="));
    for namespace in out["linux"]["namespaces"].as_array_mut().expect("a list") {
        namespace.as_object_mut().expect("an object").remove("path");
    }
    // The dockerd of the facts did not have this one itself.
    if let Some(sets) = out["process"]["capabilities"].as_object_mut() {
        for set in sets.values_mut() {
            set.as_array_mut().expect("a list").retain(|c| c != "CAP_SYS_RESOURCE");
        }
    }
    out
}

fn facts() -> Value {
    serde_json::from_str(include_str!("golden.json")).expect("is JSON")
}

#[test]
fn the_plain_container_is_dockers() {
    let found = diff(&facts()["plain"], &ours(&json!({"create": {}})));
    // Ours are the rules that runc adds to Docker's, each once; the order of paths to hide does not matter.
    let found: BTreeMap<_, _> = found.into_iter().filter(|(key, _)| key != "/linux/resources/devices").collect();
    // Docker 29 and ours bound the number of descriptors by default; the dockerd of the facts does not yet.
    let nofile = json!({"added": [{"type": "RLIMIT_NOFILE", "hard": 524_288, "soft": 1024}], "removed": []});
    let expected: BTreeMap<String, Value> =
        [("/linux/resources/memory/disableOOMKiller".to_owned(), Value::Null), ("/process/rlimits".to_owned(), nofile)]
            .into();
    assert_eq!(found, expected);
}

/// Where ours is another on purpose.
fn deviations(name: &str, ours: &Value, found: &mut BTreeMap<String, Value>, wanted: &mut BTreeMap<String, Value>) {
    // A privileged container needs no rule but the last, which allows everything.
    if ours["linux"]["resources"]["devices"] == json!([{"allow": true, "access": "rwm"}]) {
        found.remove("/linux/resources/devices");
        wanted.remove("/linux/resources/devices");
    }
    // An ordinary user's process loses them at execve(2) anyway; ours has none before that either.
    if ours["process"]["user"]["uid"] != 0 {
        for set in ["effective", "permitted"] {
            let key = format!("/process/capabilities/{set}");
            found.remove(&key);
            wanted.remove(&key);
        }
    }
    // Others join a shareable `/dev/shm` through /proc, so that nothing of it is mounted on the host.
    if name == "ipc_shareable" {
        wanted.remove("/mounts");
    }
    // The host of the facts has no weights of block devices.
    if name == "limits" {
        found.remove("/linux/resources/blockIO/weight");
    }
}

#[test]
fn declarations_change_what_they_change_in_docker() {
    let plain = ours(&json!({"create": {}}));
    let mut wrong = String::new();
    for case in facts()["cases"].as_array().expect("cases") {
        let ours = ours(case);
        let mut found = diff(&plain, &ours);
        let name = case["name"].as_str().expect("a name");
        let mut wanted: BTreeMap<String, Value> = serde_json::from_value(case["differs"].clone()).expect("a map");
        deviations(name, &ours, &mut found, &mut wanted);
        for change in wanted.values_mut() {
            for side in ["added", "removed"] {
                if let Some(list) = change.get_mut(side).and_then(Value::as_array_mut) {
                    list.sort_by_key(Value::to_string);
                }
            }
        }
        for key in found.keys().chain(wanted.keys().filter(|k| !found.contains_key(*k))) {
            let (found, wanted) = (found.get(key), wanted.get(key));
            if found != wanted {
                let text = |v: Option<&Value>| v.map_or_else(|| "(as in the plain one)".to_owned(), Value::to_string);
                wrong += &format!("{name}{key}\n  ours   {}\n  docker {}\n", text(found), text(wanted));
            }
        }
        if let Some(order) = case["order"].as_array() {
            // Docker's order among mounts of equal depth is that of a Go map: any.
            let depth = |path: &Value| path.as_str().unwrap_or_default().matches('/').count();
            let found: Vec<usize> =
                ours["mounts"].as_array().expect("a list").iter().map(|m| depth(&m["destination"])).collect();
            let order: Vec<usize> = order.iter().map(depth).collect();
            if found != order {
                wrong += &format!("{name} order\n  ours   {found:?}\n  docker {order:?}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
