//! Documents survive reading and writing.

use serde_json::{Value, json};

fn round_trip<T: serde::Serialize + serde::de::DeserializeOwned>(document: &Value) {
    let parsed: T = serde_json::from_value(document.clone()).expect("parses");
    let written = serde_json::to_value(&parsed).expect("serializes");
    assert_eq!(&written, document);
}

fn process() -> Value {
    json!({
        "terminal": true, "consoleSize": {"height": 24, "width": 80},
        "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5, 6]},
        "args": ["sh", "-c", "true"], "env": ["PATH=/bin"], "cwd": "/",
        "capabilities": {"bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "inheritable": ["CAP_KILL"],
            "permitted": ["CAP_CHOWN"], "ambient": ["CAP_KILL"]},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 18_446_744_073_709_551_615_u64, "soft": 1024}],
        "noNewPrivileges": true, "apparmorProfile": "docker-default", "oomScoreAdj": 0,
        "scheduler": {"policy": "SCHED_DEADLINE", "nice": -1, "priority": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"],
            "runtime": 1, "deadline": 2, "period": 3},
        "selinuxLabel": "l", "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "execCPUAffinity": {"initial": "0", "final": "1"}
    })
}

fn resources() -> Value {
    json!({
        "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": -1, "access": "r"},
            {"allow": true, "type": "a"}, {"allow": true, "type": "b"}],
        "memory": {"limit": 1, "reservation": 2, "swap": -1, "kernel": 3, "kernelTCP": 4, "swappiness": 60,
            "disableOOMKiller": false, "useHierarchy": true, "checkBeforeUpdate": true},
        "cpu": {"shares": 1, "quota": -1, "burst": 2, "period": 3, "realtimeRuntime": 4, "realtimePeriod": 5,
            "cpus": "0-1", "mems": "0", "idle": 1},
        "pids": {"limit": 0},
        "blockIO": {"weight": 10, "leafWeight": 11, "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
            "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}], "throttleWriteBpsDevice": [{"major": 8, "minor": 1, "rate": 1}],
            "throttleReadIOPSDevice": [{"major": 8, "minor": 2, "rate": 2}], "throttleWriteIOPSDevice": [{"major": 8, "minor": 3, "rate": 3}]},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
        "network": {"classID": 7, "priorities": [{"name": "eth0", "priority": 5}]},
        "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10}},
        "unified": {"memory.high": "1"}
    })
}

#[test]
fn runtime_spec() {
    round_trip::<oci::runtime::Spec>(&json!({
        "ociVersion": "1.3.0", "process": process(), "root": {"path": "rootfs", "readonly": true},
        "hostname": "h", "domainname": "d",
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
            {"destination": "/d", "uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}], "gidMappings": [{"containerID": 0, "hostID": 1, "size": 2}]}],
        "hooks": {"prestart": [{"path": "/p", "args": ["a"], "env": ["E=1"], "timeout": 5}], "createRuntime": [{"path": "/a"}],
            "createContainer": [{"path": "/b"}], "startContainer": [{"path": "/c"}], "poststart": [{"path": "/d"}], "poststop": [{"path": "/e"}]},
        "annotations": {"k": "v"},
        "linux": {
            "uidMappings": [{"containerID": 0, "hostID": 100_000, "size": 65_536}], "gidMappings": [{"containerID": 0, "hostID": 100_000, "size": 65_536}],
            "sysctl": {"net.ipv4.ip_forward": "1"}, "resources": resources(), "cgroupsPath": "/docker/x",
            "namespaces": [{"type": "mount"}, {"type": "network", "path": "/n"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"},
                {"type": "user"}, {"type": "cgroup"}, {"type": "time"}],
            "devices": [{"type": "c", "path": "/dev/null", "major": 1, "minor": 3, "fileMode": 438, "uid": 0, "gid": 0}],
            "netDevices": {"eth1": {"name": "eth0"}, "eth2": {}},
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
                "flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "/s", "listenerMetadata": "m",
                "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "errnoRet": 38,
                    "args": [{"index": 0, "value": 2_114_060_288, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}]}]},
            "rootfsPropagation": "rslave", "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"], "mountLabel": "m",
            "intelRdt": {"closID": "c", "schemata": ["L3:0=f"], "l3CacheSchema": "x", "memBwSchema": "y", "enableCMT": true, "enableMBM": true,
                "enableMonitoring": true},
            "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
            "personality": {"domain": "LINUX32"}, "timeOffsets": {"monotonic": {"secs": 1, "nanosecs": 2}}
        }
    }));
}

#[test]
fn null_and_unknown_are_absent() {
    let spec: oci::runtime::Spec = serde_json::from_value(json!({
        "ociVersion": "1.0.2", "future": {"x": 1}, "mounts": null, "annotations": null, "hostname": null,
        "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": null}
    }))
    .expect("parses");
    assert_eq!(
        serde_json::to_value(&spec).expect("serializes"),
        json!({"ociVersion": "1.0.2", "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/"}})
    );
}

#[test]
fn wrong_types_are_errors() {
    for document in [
        json!({}),
        json!({"ociVersion": 1}),
        json!({"ociVersion": "1.0.0", "root": {}, "linux": {"namespaces": [{"type": "nosuch"}]}}),
    ] {
        assert!(serde_json::from_value::<oci::runtime::Spec>(document.clone()).is_err(), "{document}");
    }
}

#[test]
fn state() {
    round_trip::<oci::runtime::State>(
        &json!({"ociVersion": "1.3.0", "id": "a", "status": "running", "pid": 1, "bundle": "/b", "annotations": {"a": "b"}}),
    );
}

#[test]
fn image_documents() {
    let descriptor = json!({"mediaType": oci::image::media_type::OCI_MANIFEST, "digest": "sha256:aa", "size": 3, "urls": ["https://x"],
        "annotations": {"a": "b"}, "data": "e30=",
        "platform": {"architecture": "arm64", "os": "linux", "os.version": "1", "os.features": ["f"], "variant": "v8"}, "artifactType": "t"});
    let plain = json!({"mediaType": "m", "digest": "sha256:bb", "size": 0});
    round_trip::<oci::image::Index>(
        &json!({"schemaVersion": 2, "mediaType": "i", "artifactType": "t", "manifests": [descriptor, plain],
        "subject": plain, "annotations": {"a": "b"}}),
    );
    round_trip::<oci::image::Index>(&json!({"schemaVersion": 2, "manifests": []}));
    round_trip::<oci::image::Manifest>(
        &json!({"schemaVersion": 2, "mediaType": "m", "artifactType": "t", "config": plain, "layers": [plain],
        "subject": plain, "annotations": {"a": "b"}}),
    );
    round_trip::<oci::image::Layout>(&json!({"imageLayoutVersion": "1.0.0"}));
    round_trip::<oci::image::Image>(&json!({
        "created": "2025-01-01T00:00:00Z", "author": "me", "architecture": "amd64", "os": "linux", "os.version": "1", "os.features": ["x"], "variant": "v2",
        "config": {"User": "1", "ExposedPorts": {"80/tcp": {}}, "Env": ["A=b"], "Entrypoint": ["/e"], "Cmd": ["c"], "Volumes": {"/v": {}},
            "WorkingDir": "/w", "Labels": {"l": "m"}, "StopSignal": "SIGTERM", "ArgsEscaped": true,
            "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1, "Timeout": 2, "StartPeriod": 3, "StartInterval": 4, "Retries": 5},
            "OnBuild": ["RUN x"], "Shell": ["/bin/sh", "-c"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:cc"]},
        "history": [{"created": "2025-01-01T00:00:00Z", "created_by": "RUN", "author": "me", "comment": "c", "empty_layer": true}],
        "docker_version": "29.0.0", "container": "x", "comment": "y"
    }));
    let config: oci::image::ImageConfig =
        serde_json::from_value(json!({"Cmd": null, "Volumes": null, "Entrypoint": null, "Hostname": "x", "User": ""}))
            .expect("parses");
    assert_eq!(config, oci::image::ImageConfig::default());
}
