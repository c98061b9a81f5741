//! The flags of `run` and `create` turned into the body of the create call.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use units::limit::{DeviceLimit, DeviceMapping, Ulimit};
use units::mount::MountSpec;
use units::restart::RestartPolicy;
use units::{env, limit, port, volume};

use super::endpoint::{self, Endpoint};
use crate::failure::{Failure, Result, path_error};
use crate::flags::Matches;

/// A create call about to be made.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) image: String,
    pub(crate) body: Value,
    pub(crate) tty: bool,
    pub(crate) attach_stdin: bool,
    pub(crate) attach_stdout: bool,
    pub(crate) attach_stderr: bool,
}

/// Builds the body; `proxies` are variables the configuration adds.
pub(crate) fn plan(m: &Matches, proxies: Vec<String>) -> Result<Plan> {
    let attach = m.all("attach");
    let plan = Plan {
        image: m.arg(0).to_owned(),
        body: Value::Null,
        tty: m.on("tty"),
        attach_stdin: attach.contains(&"stdin") || m.on("interactive"),
        attach_stdout: attach.is_empty() || attach.contains(&"stdout"),
        attach_stderr: attach.is_empty() || attach.contains(&"stderr"),
    };
    let mac = m.text("mac-address");
    if !mac.is_empty() && endpoint::parse_mac(mac).is_none() {
        return Err(Failure::new(format!("{mac} is not a valid mac address")));
    }
    let swappiness = m.int("memory-swappiness");
    if swappiness != -1 && !(0..=100).contains(&swappiness) {
        return Err(Failure::new(format!("invalid value: {swappiness}. Valid memory swappiness range is 0-100")));
    }
    let volumes = Volumes::of(m)?;
    let ports = Ports::of(m)?;
    let mut body = config(m, &plan, proxies, &volumes, &ports)?;
    body["HostConfig"] = host_config(m, &volumes, &ports)?;
    body["NetworkingConfig"] = json!({"EndpointsConfig": endpoints(m)?});
    Ok(Plan { body, ..plan })
}

struct Volumes {
    anonymous: Map<String, Value>,
    binds: Vec<String>,
}

impl Volumes {
    fn of(m: &Matches) -> Result<Self> {
        let mut volumes = Self { anonymous: Map::new(), binds: Vec::new() };
        for spec in m.all("volume") {
            let parsed = volume::parse_client_volume(spec)?;
            if parsed.source.is_empty() {
                volumes.anonymous.insert(spec.to_owned(), json!({}));
                continue;
            }
            let bind = match spec.split_once(':') {
                Some((host, rest)) if parsed.is_bind && host.starts_with('.') => format!("{}:{rest}", absolute(host)),
                _ => spec.to_owned(),
            };
            if !volumes.binds.contains(&bind) {
                volumes.binds.push(bind);
            }
        }
        Ok(volumes)
    }
}

fn absolute(path: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    volume::clean_path(&here.join(path).to_string_lossy())
}

struct Ports {
    exposed: BTreeMap<String, Value>,
    bindings: BTreeMap<String, Vec<Value>>,
}

impl Ports {
    fn of(m: &Matches) -> Result<Self> {
        let mut ports = Self { exposed: BTreeMap::new(), bindings: BTreeMap::new() };
        for spec in m.all("publish") {
            for mapping in port::parse_port_spec(&standard_notation(spec)?)? {
                let key = mapping.port.to_string();
                ports.exposed.insert(key.clone(), json!({}));
                let binding = json!({"HostIp": mapping.host_ip, "HostPort": mapping.host_port});
                ports.bindings.entry(key).or_default().push(binding);
            }
        }
        for spec in m.all("expose") {
            if spec.contains(':') {
                return Err(Failure::new(format!("invalid port format for --expose: {spec}")));
            }
            let (range, proto) = spec.split_once('/').unwrap_or((spec, "tcp"));
            let wrap = |e: port::PortError| Failure::new(format!("invalid range format for --expose: {e}"));
            let (first, last) = port::parse_range(range).map_err(wrap)?;
            let proto = port::Proto::parse(if proto.is_empty() { "tcp" } else { proto }).map_err(wrap)?;
            for number in first..=last {
                ports.exposed.insert(port::Port { number, proto }.to_string(), json!({}));
            }
        }
        Ok(ports)
    }
}

/// `published=8080,target=80` becomes `8080:80/tcp`.
fn standard_notation(spec: &str) -> Result<String> {
    if !spec.contains('=') {
        return Ok(spec.to_owned());
    }
    let (mut published, mut target, mut protocol) = ("", "", "tcp");
    for param in spec.split(',') {
        let pair = param.split_once('=').filter(|(k, _)| !k.is_empty());
        let (key, value) = pair.ok_or_else(|| {
            Failure::new(format!("invalid publish opts format (should be name=value but got '{param}')"))
        })?;
        match key {
            "published" => published = value,
            "target" => target = value,
            "protocol" => protocol = value,
            _ => {}
        }
    }
    Ok(format!("{published}:{target}/{protocol}"))
}

fn nullable(list: Vec<&str>) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

/// Upper case, with `CAP_`, each once, in order.
fn capabilities(list: Vec<&str>) -> Value {
    let names = list.into_iter().map(|name| {
        let name = name.trim().to_uppercase();
        if name == "ALL" || name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
    });
    let sorted: std::collections::BTreeSet<String> = names.collect();
    if sorted.is_empty() { Value::Null } else { json!(sorted) }
}

fn pairs(list: &[impl AsRef<str>]) -> Value {
    let map: BTreeMap<&str, &str> = list.iter().map(|p| env::split_pair(p.as_ref())).collect();
    json!(map)
}

fn config(m: &Matches, plan: &Plan, proxies: Vec<String>, volumes: &Volumes, ports: &Ports) -> Result<Value> {
    let mut variables = proxies;
    variables.extend(kv_files(m, "env-file", true)?);
    variables.extend(m.all("env").into_iter().map(str::to_owned));
    let mut labels = kv_files(m, "label-file", false)?;
    labels.extend(m.all("label").into_iter().map(str::to_owned));
    let command = &m.args[1..];
    let entrypoint = match m.get("entrypoint") {
        Some(text) => json!([text]),
        None => Value::Null,
    };
    let open_stdin = m.on("interactive");
    let mut config = json!({
        "Hostname": m.text("hostname"),
        "Domainname": m.text("domainname"),
        "User": m.text("user"),
        "AttachStdin": plan.attach_stdin,
        "AttachStdout": plan.attach_stdout,
        "AttachStderr": plan.attach_stderr,
        "Tty": plan.tty,
        "OpenStdin": open_stdin,
        "StdinOnce": open_stdin && plan.attach_stdin,
        "Env": if variables.is_empty() { Value::Null } else { json!(variables) },
        "Cmd": if command.is_empty() { Value::Null } else { json!(command) },
        "Image": plan.image,
        "Volumes": volumes.anonymous,
        "WorkingDir": m.text("workdir"),
        "Entrypoint": entrypoint,
        "OnBuild": null,
        "Labels": pairs(&labels),
    });
    if !ports.exposed.is_empty() {
        config["ExposedPorts"] = json!(ports.exposed);
    }
    if let Some(health) = healthcheck(m)? {
        config["Healthcheck"] = health;
    }
    if !m.text("stop-signal").is_empty() {
        config["StopSignal"] = m.text("stop-signal").into();
    }
    if m.given("stop-timeout") {
        config["StopTimeout"] = m.int("stop-timeout").into();
    }
    Ok(config)
}

fn kv_files(m: &Matches, flag: &str, from_environment: bool) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for path in m.all(flag) {
        let read = || -> Result<Vec<String>> {
            let contents = std::fs::read(path).map_err(|e| path_error("open", path, &e))?;
            let mut lookup = |key: &str| std::env::var(key).ok();
            let lookup: Option<env::Lookup<'_>> = if from_environment { Some(&mut lookup) } else { None };
            env::parse_kv_file(&contents, lookup).map_err(|e| Failure::new(format!("invalid env file ({path}): {e}")))
        };
        all.extend(read().map_err(|e| e.context(&format!("--{flag}")))?);
    }
    Ok(all)
}

fn healthcheck(m: &Matches) -> Result<Option<Value>> {
    let names = ["health-interval", "health-timeout", "health-start-period", "health-start-interval"];
    let keys = ["Interval", "Timeout", "StartPeriod", "StartInterval"];
    let command = m.text("health-cmd");
    let retries = m.int("health-retries");
    let any = !command.is_empty() || retries != 0 || names.iter().any(|n| m.nanos(n) != 0);
    if m.on("no-healthcheck") {
        if any {
            return Err(Failure::new("--no-healthcheck conflicts with --health-* options"));
        }
        return Ok(Some(json!({"Test": ["NONE"]})));
    }
    if !any {
        return Ok(None);
    }
    for name in ["health-interval", "health-timeout", "health-retries", "health-start-period", "health-start-interval"]
    {
        let negative = if name == "health-retries" { retries < 0 } else { m.nanos(name) < 0 };
        if negative {
            return Err(Failure::new(format!("--{name} cannot be negative")));
        }
    }
    let mut health = Map::new();
    if !command.is_empty() {
        health.insert("Test".to_owned(), json!(["CMD-SHELL", command]));
    }
    for (name, key) in names.iter().zip(keys) {
        if m.nanos(name) != 0 {
            health.insert(key.to_owned(), m.nanos(name).into());
        }
    }
    if retries != 0 {
        health.insert("Retries".to_owned(), retries.into());
    }
    Ok(Some(Value::Object(health)))
}

fn mode<'m>(m: &'m Matches, flag: &str, title: &str, valid: impl Fn(&str) -> bool) -> Result<&'m str> {
    let value = m.text(flag);
    if valid(value) { Ok(value) } else { Err(Failure::new(format!("--{flag}: invalid {title} mode"))) }
}

fn host_config(m: &Matches, volumes: &Volumes, ports: &Ports) -> Result<Value> {
    let pid = mode(m, "pid", "PID", |v| {
        v.is_empty() || v == "host" || v.strip_prefix("container:").is_some_and(|c| !c.is_empty())
    })?;
    let uts = mode(m, "uts", "UTS", |v| v.is_empty() || v == "host")?;
    let userns = mode(m, "userns", "USER", |v| v.is_empty() || v == "host")?;
    let cgroupns = mode(m, "cgroupns", "CGROUP", |v| matches!(v, "" | "host" | "private"))?;
    let restart = RestartPolicy::parse(m.text("restart"))?;
    let security = security_options(m)?;
    let mut dns_options = m.all("dns-opt");
    dns_options.extend(m.all("dns-option"));
    let mut host = resources(m)?;
    let networks = networks(m);
    let fields = json!({
        "Binds": if volumes.binds.is_empty() { Value::Null } else { json!(volumes.binds) },
        "ContainerIDFile": m.text("cidfile"),
        "LogConfig": {"Type": m.text("log-driver"), "Config": log_options(m)?},
        "NetworkMode": networks.first().map_or("default", |n| n.target.as_str()),
        "PortBindings": ports.bindings,
        "RestartPolicy": {"Name": restart.name, "MaximumRetryCount": restart.maximum_retry_count},
        "AutoRemove": m.on("rm"),
        "VolumeDriver": m.text("volume-driver"),
        "VolumesFrom": nullable(m.all("volumes-from")),
        "ConsoleSize": [0, 0],
        "CapAdd": capabilities(m.all("cap-add")),
        "CapDrop": capabilities(m.all("cap-drop")),
        "CgroupnsMode": cgroupns,
        "Dns": m.all("dns"),
        "DnsOptions": dns_options,
        "DnsSearch": m.all("dns-search"),
        "ExtraHosts": nullable(m.all("add-host")),
        "GroupAdd": nullable(m.all("group-add")),
        "IpcMode": m.text("ipc"),
        "Cgroup": "",
        "Links": nullable(m.all("link")),
        "OomScoreAdj": m.int("oom-score-adj"),
        "PidMode": pid,
        "Privileged": m.on("privileged"),
        "PublishAllPorts": m.on("publish-all"),
        "ReadonlyRootfs": m.on("read-only"),
        "SecurityOpt": security.options,
        "UTSMode": uts,
        "UsernsMode": userns,
        "ShmSize": m.bytes("shm-size"),
        "Isolation": m.text("isolation"),
        "MaskedPaths": security.open_paths,
        "ReadonlyPaths": security.open_paths,
    });
    merge(&mut host, fields);
    if m.on("rm") && !matches!(restart.name.as_str(), "" | "no") {
        return Err(Failure::new("conflicting options: cannot specify both --restart and --rm"));
    }
    if m.given("init") {
        host["Init"] = m.on("init").into();
    }
    optional_maps(m, &mut host)?;
    Ok(host)
}

fn merge(target: &mut Value, more: Value) {
    if let (Value::Object(target), Value::Object(more)) = (target, more) {
        target.extend(more);
    }
}

/// Maps that are left out of the body when they are empty.
fn optional_maps(m: &Matches, host: &mut Value) -> Result<()> {
    let tmpfs: BTreeMap<&str, &str> =
        m.all("tmpfs").into_iter().map(|t| t.split_once(':').unwrap_or((t, ""))).collect();
    if !tmpfs.is_empty() {
        host["Tmpfs"] = json!(tmpfs);
    }
    for (flag, key) in [("sysctl", "Sysctls"), ("annotation", "Annotations")] {
        if m.given(flag) {
            host[key] = pairs(&m.all(flag));
        }
    }
    if m.given("storage-opt") {
        if m.all("storage-opt").iter().any(|o| !o.contains('=')) {
            return Err(Failure::new("invalid storage option"));
        }
        host["StorageOpt"] = pairs(&m.all("storage-opt"));
    }
    if !m.text("runtime").is_empty() {
        host["Runtime"] = m.text("runtime").into();
    }
    let mounts: Vec<Value> = m
        .all("mount")
        .into_iter()
        .map(|t| MountSpec::parse(t).map(|s| mount_json(&s)))
        .collect::<std::result::Result<_, _>>()?;
    if !mounts.is_empty() {
        host["Mounts"] = json!(mounts);
    }
    Ok(())
}

fn log_options(m: &Matches) -> Result<Value> {
    let options = m.all("log-opt");
    if m.text("log-driver") == "none" && !options.is_empty() {
        return Err(Failure::new("invalid logging opts for driver none"));
    }
    Ok(pairs(&options))
}

struct Security {
    options: Value,
    /// `[]` when system paths are to be open, else null.
    open_paths: Value,
}

fn security_options(m: &Matches) -> Result<Security> {
    let given = m.all("security-opt");
    let mut open_paths = Value::Null;
    let mut options = Vec::new();
    for &option in &given {
        let pair = option
            .split_once('=')
            .or_else(|| if option == "no-new-privileges" { None } else { option.split_once(':') });
        let key = pair.map_or(option, |(key, _)| key);
        let value = pair.map_or("", |(_, value)| value);
        if value.is_empty() && key != "no-new-privileges" {
            return Err(Failure::new(format!("invalid --security-opt: {}", units::gofmt::quote(option))));
        }
        if option == "systempaths=unconfined" {
            open_paths = json!([]);
        } else if key == "seccomp" && !matches!(value, "unconfined" | "builtin") {
            options.push(format!("seccomp={}", seccomp_profile(value)?));
        } else {
            options.push(option.to_owned());
        }
    }
    Ok(Security { options: if given.is_empty() { Value::Null } else { json!(options) }, open_paths })
}

fn seccomp_profile(path: &str) -> Result<String> {
    let fail = |text: String| Failure::new(format!("opening seccomp profile ({path}) failed: {text}"));
    let bytes = std::fs::read(path).map_err(|e| fail(path_error("open", path, &e).text))?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|e| Failure::new(format!("compacting json for seccomp profile ({path}) failed: {e}")))?;
    Ok(value.to_string())
}

fn limits(
    list: Vec<&str>,
    read: fn(&str) -> std::result::Result<DeviceLimit, limit::LimitError>,
    key: &str,
) -> Result<Value> {
    let mut out = Vec::new();
    for text in list {
        let limit = read(text)?;
        out.push(json!({"Path": limit.path, key: limit.value}));
    }
    Ok(Value::Array(out))
}

fn resources(m: &Matches) -> Result<Value> {
    let mut devices = Vec::new();
    let mut cdi = Vec::new();
    for device in m.all("device") {
        if is_cdi(device) {
            cdi.push(device);
            continue;
        }
        let mapping = DeviceMapping::parse(&limit::validate_device(device)?)?;
        devices.push(json!({
            "PathOnHost": mapping.host, "PathInContainer": mapping.container, "CgroupPermissions": mapping.permissions,
        }));
    }
    let mut requests = gpus(m)?;
    if !cdi.is_empty() {
        requests.push(json!({"Driver": "cdi", "Count": 0, "DeviceIDs": cdi, "Capabilities": null, "Options": null}));
    }
    let ulimits: Vec<Value> = ulimits(m)?;
    let cpus = if m.given("cpus") { limit::parse_cpus(m.text("cpus"))? } else { 0 };
    Ok(json!({
        "CpuShares": m.int("cpu-shares"),
        "Memory": m.bytes("memory"),
        "NanoCpus": cpus,
        "CgroupParent": m.text("cgroup-parent"),
        "BlkioWeight": m.int("blkio-weight"),
        "BlkioWeightDevice": limits(m.all("blkio-weight-device"), limit::parse_weight_device, "Weight")?,
        "BlkioDeviceReadBps": limits(m.all("device-read-bps"), limit::parse_throttle_bps, "Rate")?,
        "BlkioDeviceWriteBps": limits(m.all("device-write-bps"), limit::parse_throttle_bps, "Rate")?,
        "BlkioDeviceReadIOps": limits(m.all("device-read-iops"), limit::parse_throttle_iops, "Rate")?,
        "BlkioDeviceWriteIOps": limits(m.all("device-write-iops"), limit::parse_throttle_iops, "Rate")?,
        "CpuPeriod": m.int("cpu-period"),
        "CpuQuota": m.int("cpu-quota"),
        "CpuRealtimePeriod": m.int("cpu-rt-period"),
        "CpuRealtimeRuntime": m.int("cpu-rt-runtime"),
        "CpusetCpus": m.text("cpuset-cpus"),
        "CpusetMems": m.text("cpuset-mems"),
        "Devices": devices,
        "DeviceCgroupRules": nullable(m.all("device-cgroup-rule")),
        "DeviceRequests": if requests.is_empty() { Value::Null } else { json!(requests) },
        "MemoryReservation": m.bytes("memory-reservation"),
        "MemorySwap": m.bytes("memory-swap"),
        "MemorySwappiness": m.int("memory-swappiness"),
        "OomKillDisable": m.on("oom-kill-disable"),
        "PidsLimit": m.int("pids-limit"),
        "Ulimits": ulimits,
        "CpuCount": m.int("cpu-count"),
        "CpuPercent": m.int("cpu-percent"),
        "IOMaximumIOps": m.int("io-maxiops"),
        "IOMaximumBandwidth": m.bytes("io-maxbandwidth"),
    }))
}

fn ulimits(m: &Matches) -> Result<Vec<Value>> {
    // A later value of the same name replaces an earlier one.
    let mut by_name: BTreeMap<String, Ulimit> = BTreeMap::new();
    for text in m.all("ulimit") {
        let ulimit = Ulimit::parse(text)?;
        by_name.insert(ulimit.name.clone(), ulimit);
    }
    Ok(by_name.into_values().map(|u| json!({"Name": u.name, "Hard": u.hard, "Soft": u.soft})).collect())
}

/// `vendor.com/class=name`
fn is_cdi(device: &str) -> bool {
    let Some((kind, name)) = device.split_once('=') else { return false };
    let Some((vendor, class)) = kind.split_once('/') else { return false };
    !vendor.is_empty() && !class.is_empty() && !name.is_empty() && vendor.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn gpus(m: &Matches) -> Result<Vec<Value>> {
    let mut requests = Vec::new();
    for value in m.all("gpus") {
        requests.push(gpu_request(value).map_err(|reason| m.invalid("gpus", value, &reason))?);
    }
    Ok(requests)
}

fn gpu_request(value: &str) -> std::result::Result<Value, String> {
    let count = |text: &str| match text {
        "all" => Ok(-1),
        text => units::num::atoi(text)
            .map_err(|e| format!("invalid count ({text}): value must be either \"all\" or an integer: {}", e.reason())),
    };
    let (mut driver, mut number, mut capabilities) = (String::new(), 0, vec!["gpu".to_owned()]);
    let (mut ids, mut options) = (Value::Null, BTreeMap::new());
    let mut seen: Vec<String> = Vec::new();
    for field in units::mount::split_csv(value).map_err(|e| e.to_string())? {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(k, v)| (k, Some(v)));
        if seen.iter().any(|s| s == key) {
            return Err(format!("gpu request key '{key}' can be specified only once"));
        }
        seen.push(key.to_owned());
        let Some(value) = value else {
            seen.push("count".to_owned());
            number = count(key)?;
            continue;
        };
        match key {
            "driver" => value.clone_into(&mut driver),
            "count" => number = count(value)?,
            "device" => ids = json!(value.split(',').collect::<Vec<_>>()),
            "capabilities" => {
                capabilities = value.split(',').map(str::to_owned).collect();
                capabilities.push("gpu".to_owned());
            }
            "options" => {
                for part in units::mount::split_csv(value).map_err(|e| e.to_string())? {
                    let (k, v) = env::split_pair(&part);
                    options.insert(k.to_owned(), v.to_owned());
                }
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if number == 0 && ids.is_null() {
        number = 1;
    }
    Ok(json!({"Driver": driver, "Count": number, "DeviceIDs": ids, "Capabilities": [capabilities], "Options": options}))
}

/// A mount on the wire: empty fields are left out.
pub(crate) fn mount_json(mount: &MountSpec) -> Value {
    let mut out = Map::new();
    let mut add = |key: &str, value: Value| {
        let empty = value.as_str() == Some("") || value == Value::Bool(false) || value == json!(0);
        if !empty {
            out.insert(key.to_owned(), value);
        }
    };
    add("Type", mount.kind.as_str().into());
    let source = if mount.source.starts_with('.') && !Path::new(&mount.source).is_absolute() {
        absolute(&mount.source)
    } else {
        mount.source.clone()
    };
    add("Source", source.into());
    add("Target", mount.target.clone().into());
    add("ReadOnly", mount.read_only.into());
    add("Consistency", mount.consistency.clone().into());
    let object = |fields: Vec<(&str, Value)>| {
        let keep = |v: &Value| {
            !(v.is_null() || v.as_str() == Some("") || *v == Value::Bool(false) || *v == json!(0) || *v == json!({}))
        };
        Value::Object(fields.into_iter().filter(|(_, v)| keep(v)).map(|(k, v)| (k.to_owned(), v)).collect())
    };
    if let Some(bind) = &mount.bind {
        add(
            "BindOptions",
            object(vec![
                ("Propagation", bind.propagation.clone().into()),
                ("NonRecursive", bind.non_recursive.into()),
                ("CreateMountpoint", bind.create_mountpoint.into()),
                ("ReadOnlyNonRecursive", bind.read_only_non_recursive.into()),
                ("ReadOnlyForceRecursive", bind.read_only_force_recursive.into()),
            ]),
        );
    }
    if let Some(volume) = &mount.volume {
        let driver = volume.driver.as_ref().map_or(Value::Null, |(name, options)| {
            object(vec![("Name", name.clone().into()), ("Options", json!(options))])
        });
        add(
            "VolumeOptions",
            object(vec![
                ("NoCopy", volume.no_copy.into()),
                ("Labels", json!(volume.labels)),
                ("Subpath", volume.subpath.clone().into()),
                ("DriverConfig", driver),
            ]),
        );
    }
    if let Some(subpath) = &mount.image_subpath {
        add("ImageOptions", json!({"Subpath": subpath}));
    }
    if let Some(tmpfs) = &mount.tmpfs {
        add("TmpfsOptions", object(vec![("SizeBytes", tmpfs.size_bytes.into()), ("Mode", tmpfs.mode.into())]));
    }
    Value::Object(out)
}

fn networks(m: &Matches) -> Vec<Endpoint> {
    let mut all = m.all("net");
    all.extend(m.all("network"));
    // Checked while parsing the flags.
    all.into_iter().filter_map(|n| endpoint::parse(n).ok()).collect()
}

fn endpoints(m: &Matches) -> Result<Map<String, Value>> {
    let mut out = Map::new();
    let mut networks = networks(m);
    let alone = networks.len() == 1;
    let none = networks.is_empty();
    if none {
        networks.push(Endpoint { target: "default".to_owned(), ..Endpoint::default() });
    }
    let user = networks.iter().filter(|n| endpoint::is_user_defined(&n.target)).count();
    let mixed = user > 0 && user < networks.len();
    for (i, mut endpoint) in networks.into_iter().enumerate() {
        if i == 0 {
            apply_old_flags(m, &mut endpoint)?;
        }
        if out.contains_key(&endpoint.target) {
            let name = units::gofmt::quote(&endpoint.target);
            return Err(Failure::new(format!("network {name} is specified multiple times")));
        }
        let settings = endpoint.settings().map_err(Failure::new)?;
        if alone && !none && endpoint.is_plain() {
            continue;
        }
        out.insert(endpoint.target.clone(), settings);
    }
    if mixed {
        return Err(Failure::new(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
        ));
    }
    Ok(out)
}

/// `--network-alias`, `--link`, `--ip`, … belong to the first network.
fn apply_old_flags(m: &Matches, endpoint: &mut Endpoint) -> Result<()> {
    let mut aliases = m.all("net-alias");
    aliases.extend(m.all("network-alias"));
    let conflict = |text: &str| Err(Failure::new(format!("conflicting options: cannot specify both {text}")));
    if !endpoint.aliases.is_empty() && !aliases.is_empty() {
        return conflict("--network-alias and per-network alias");
    }
    if !endpoint.ipv4.is_empty() && m.given("ip") {
        return conflict("--ip and per-network IPv4 address");
    }
    if !endpoint.ipv6.is_empty() && m.given("ip6") {
        return conflict("--ip6 and per-network IPv6 address");
    }
    let mac = m.text("mac-address");
    if !endpoint.mac.is_empty() && !mac.is_empty() {
        return conflict("--mac-address and per-network MAC address");
    }
    if !endpoint.link_local.is_empty() && m.given("link-local-ip") {
        return conflict("--link-local-ip and per-network link-local IP addresses");
    }
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
    if !aliases.is_empty() {
        endpoint.aliases = owned(aliases);
    }
    if endpoint::is_user_defined(&endpoint.target) && m.given("link") {
        endpoint.links = owned(m.all("link"));
    }
    for (flag, slot) in [("ip", &mut endpoint.ipv4), ("ip6", &mut endpoint.ipv6)] {
        if let Some(ip) = m.get(flag) {
            ip.clone_into(slot);
        }
    }
    if !mac.is_empty() {
        mac.clone_into(&mut endpoint.mac);
    }
    if m.given("link-local-ip") {
        endpoint.link_local = owned(m.all("link-local-ip"));
    }
    Ok(())
}
