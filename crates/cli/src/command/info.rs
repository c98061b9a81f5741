//! `docker info` and `docker system df`.

use client::Query;
use gotemplate::{Data, Missing};
use serde_json::{Value, json};
use units::{bytes_size, human_size};

use super::container::{LIST_HEADERS, list_fields};
use super::version::client_version;
use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::{self, Listing, row, template_of, text};

/// `docker info`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let given = m.text("format");
    if !given.is_empty() {
        return formatted(app, if given == "json" { "{{json .}}" } else { given });
    }
    let mut out = "Client:\n".to_owned();
    out.push_str(&format!(
        " Version:    {}\n Context:    {}\n Debug Mode: {}\n",
        crate::app::VERSION,
        app.context_name(),
        app.debug()
    ));
    out.push_str("\nServer:\n");
    console::out(&out)?;
    let info = match client::system::info(app.client()?) {
        Ok(info) => info,
        Err(e) if e.is_connection() => return Err(e.into()),
        Err(e) => {
            console::err(&format!("ERROR: {e}"));
            return Err(Failure::new("errors pretty printing info"));
        }
    };
    let user = app.config.credentials(crate::config::HUB).username;
    console::out(&Screen { info: &info, out: String::new() }.render(app.debug(), &user))?;
    for warning in info["Warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        console::err(warning);
    }
    Ok(())
}

fn formatted(app: &App, template: &str) -> Result<()> {
    let parsed = format::parse(template).map_err(|f| f.with_code(64))?;
    let mut ours = client_version(&app.context_name(), "");
    ours["Debug"] = app.debug().into();
    ours["Plugins"] = json!([]);
    ours["Warnings"] = Value::Null;
    let client_only = template.contains(".ClientInfo") && !template.replace(".ClientInfo", "").contains("{{.");
    let mut failure = None;
    let mut info = json!({});
    if !client_only {
        match client::system::info(app.client()?) {
            Ok(found) => info = found,
            Err(e) => {
                console::err(&e.to_string());
                failure = Some(Failure::exit(1));
            }
        }
    }
    info["ClientInfo"] = ours;
    let data = Data {
        missing: if failure.is_some() { Missing::NoValue } else { Missing::Field },
        type_name: "system.dockerInfo",
        optional: &[
            "ClientErrors",
            "ServerErrors",
            "SystemStatus",
            "DefaultAddressPools",
            "CDISpecDirs",
            "DiscoveredDevices",
            "FirewallBackend",
            "NRI",
            "Containerd",
            "ProductLicense",
            "HttpProxy",
            "HTTPProxy",
            "Cluster",
            "Labels",
            "Isolation",
        ],
        maps: &["Runtimes"],
        ..Data::new(&info)
    };
    let text = parsed.execute(&data).map_err(|e| Failure::new(e.to_string()));
    match text {
        Ok(text) => console::line(&text)?,
        Err(e) => {
            console::out("\n")?;
            return Err(failure.unwrap_or(e));
        }
    }
    failure.map_or(Ok(()), Err)
}

struct Screen<'i> {
    info: &'i Value,
    out: String,
}

impl Screen<'_> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn field(&mut self, label: &str, key: &str) {
        let value = shown(&self.info[key]);
        self.line(&format!("{label}: {value}"));
    }

    fn filled(&mut self, label: &str, key: &str) {
        let value = shown(&self.info[key]);
        if !value.is_empty() {
            self.line(&format!("{label}: {value}"));
        }
    }

    fn pairs(&mut self, key: &str, indent: &str) {
        for pair in self.info[key].as_array().into_iter().flatten() {
            let (name, value) = (shown(&pair[0]), shown(&pair[1]));
            self.line(&format!("{indent}{name}: {value}"));
        }
    }

    fn words(&mut self, label: &str, list: &Value) {
        let words: Vec<String> = list.as_array().into_iter().flatten().map(shown).collect();
        self.line(&format!("{label}: {}", words.join(" ")));
    }

    fn render(mut self, debug: bool, user: &str) -> String {
        let info = self.info;
        self.field(" Containers", "Containers");
        self.field("  Running", "ContainersRunning");
        self.field("  Paused", "ContainersPaused");
        self.field("  Stopped", "ContainersStopped");
        self.field(" Images", "Images");
        self.filled(" Server Version", "ServerVersion");
        self.filled(" Storage Driver", "Driver");
        self.pairs("DriverStatus", "  ");
        self.pairs("SystemStatus", " ");
        self.filled(" Logging Driver", "LoggingDriver");
        self.filled(" Cgroup Driver", "CgroupDriver");
        self.filled(" Cgroup Version", "CgroupVersion");
        self.line(" Plugins:");
        self.words("  Volume", &info["Plugins"]["Volume"]);
        self.words("  Network", &info["Plugins"]["Network"]);
        if info["Plugins"]["Authorization"].as_array().is_some_and(|a| !a.is_empty()) {
            self.words("  Authorization", &info["Plugins"]["Authorization"]);
        }
        self.words("  Log", &info["Plugins"]["Log"]);
        if info["CDISpecDirs"].as_array().is_some_and(|a| !a.is_empty()) {
            self.line(" CDI spec directories:");
            for dir in info["CDISpecDirs"].as_array().into_iter().flatten() {
                self.line(&format!("  {}", shown(dir)));
            }
        }
        self.line(&format!(" Swarm: {}", shown(&info["Swarm"]["LocalNodeState"])));
        self.swarm();
        self.runtimes();
        self.machine();
        if debug || info["Debug"] == Value::Bool(true) {
            self.field("  File Descriptors", "NFd");
            self.field("  Goroutines", "NGoroutines");
            self.field("  System Time", "SystemTime");
            self.field("  EventsListeners", "NEventsListener");
        }
        self.filled(" HTTP Proxy", "HttpProxy");
        self.filled(" HTTPS Proxy", "HttpsProxy");
        self.filled(" No Proxy", "NoProxy");
        if !user.is_empty() {
            self.line(&format!(" Username: {user}"));
        }
        self.rest();
        self.out
    }

    fn swarm(&mut self) {
        let swarm = &self.info["Swarm"];
        let state = text(swarm, "LocalNodeState");
        if matches!(state, "inactive" | "locked" | "") {
            return;
        }
        self.line(&format!("  NodeID: {}", text(swarm, "NodeID")));
        if !text(swarm, "Error").is_empty() {
            self.line(&format!("  Error: {}", text(swarm, "Error")));
        }
        self.line(&format!("  Is Manager: {}", swarm["ControlAvailable"] == Value::Bool(true)));
        if swarm["ControlAvailable"] == Value::Bool(true) {
            self.line(&format!("  ClusterID: {}", text(&swarm["Cluster"], "ID")));
            self.line(&format!("  Managers: {}", shown(&swarm["Managers"])));
            self.line(&format!("  Nodes: {}", shown(&swarm["Nodes"])));
        }
        self.line(&format!("  Node Address: {}", text(swarm, "NodeAddr")));
    }

    fn runtimes(&mut self) {
        let info = self.info;
        let mut names: Vec<&str> =
            info["Runtimes"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
        names.sort_unstable();
        if !names.is_empty() {
            self.line(&format!(" Runtimes: {}", names.join(" ")));
            self.field(" Default Runtime", "DefaultRuntime");
        }
        if info["OSType"] != "linux" {
            return;
        }
        self.field(" Init Binary", "InitBinary");
        for (label, key) in [("containerd", "ContainerdCommit"), ("runc", "RuncCommit"), ("init", "InitCommit")] {
            self.line(&format!(" {label} version: {}", text(&info[key], "ID")));
        }
        let options: Vec<&str> =
            info["SecurityOptions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if options.is_empty() {
            return;
        }
        self.line(" Security Options:");
        for option in options {
            for part in option.split(',') {
                match part.split_once('=') {
                    Some(("name", name)) => self.line(&format!("  {name}")),
                    Some(("profile", profile)) => self.line(&format!("   Profile: {profile}")),
                    None => self.line(&format!("  {part}")),
                    Some(_) => {}
                }
            }
        }
    }

    fn machine(&mut self) {
        self.filled(" Kernel Version", "KernelVersion");
        self.filled(" Operating System", "OperatingSystem");
        self.filled(" OSType", "OSType");
        self.filled(" Architecture", "Architecture");
        self.field(" CPUs", "NCPU");
        #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
        let memory = self.info["MemTotal"].as_i64().unwrap_or(0) as f64;
        self.line(&format!(" Total Memory: {}", bytes_size(memory)));
        self.filled(" Name", "Name");
        self.filled(" ID", "ID");
        self.field(" Docker Root Dir", "DockerRootDir");
        self.field(" Debug Mode", "Debug");
    }

    fn rest(&mut self) {
        let info = self.info;
        let labels: Vec<String> = info["Labels"].as_array().into_iter().flatten().map(shown).collect();
        if !labels.is_empty() {
            self.line(" Labels:");
            for label in labels {
                self.line(&format!("  {label}"));
            }
        }
        self.field(" Experimental", "ExperimentalBuild");
        let registry = &info["RegistryConfig"];
        let cidrs = registry["InsecureRegistryCIDRs"].as_array();
        let indexes = registry["IndexConfigs"].as_object();
        if cidrs.is_some_and(|c| !c.is_empty()) || indexes.is_some_and(|i| !i.is_empty()) {
            self.line(" Insecure Registries:");
            for (_, index) in indexes.into_iter().flatten().filter(|(_, i)| i["Secure"] == Value::Bool(false)) {
                self.line(&format!("  {}", text(index, "Name")));
            }
            for cidr in cidrs.into_iter().flatten() {
                self.line(&format!("  {}", shown(cidr)));
            }
        }
        let mirrors: Vec<String> = registry["Mirrors"].as_array().into_iter().flatten().map(shown).collect();
        if !mirrors.is_empty() {
            self.line(" Registry Mirrors:");
            for mirror in mirrors {
                self.line(&format!("  {mirror}"));
            }
        }
        self.field(" Live Restore Enabled", "LiveRestoreEnabled");
        self.filled(" Product License", "ProductLicense");
        let pools = info["DefaultAddressPools"].as_array();
        if pools.is_some_and(|p| !p.is_empty()) {
            self.line(" Default Address Pools:");
            for pool in pools.into_iter().flatten() {
                self.line(&format!("   Base: {}, Size: {}", text(pool, "Base"), shown(&pool["Size"])));
            }
        }
        for (label, key) in [(" Firewall Backend: ", "FirewallBackend"), (" NRI:", "NRI")] {
            let section = &info[key];
            if section.is_null() {
                continue;
            }
            self.line(format!("{label}{}", text(section, "Driver")).trim_end_matches(' '));
            for pair in section["Info"].as_array().into_iter().flatten() {
                self.line(&format!("  {}: {}", shown(&pair[0]), shown(&pair[1])));
            }
        }
        self.line("");
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

const DF_HEADERS: [(&str, &str); 5] =
    [("Type", "TYPE"), ("TotalCount", "TOTAL"), ("Active", "ACTIVE"), ("Size", "SIZE"), ("Reclaimable", "RECLAIMABLE")];

/// `docker system df`
pub(super) fn disk_usage(app: &App, m: &Matches) -> Result<()> {
    let client = app.client()?;
    let detailed = m.on("verbose") && client.at_least("1.52")?;
    let mut usage = client::system::disk_usage(client, &Query::new().with_flag("verbose", detailed))?;
    for (newer, older) in [
        ("ImageUsage", "Images"),
        ("ContainerUsage", "Containers"),
        ("VolumeUsage", "Volumes"),
        ("BuildCacheUsage", "BuildCache"),
    ] {
        if usage[newer]["Items"].is_array() {
            usage[older] = usage[newer]["Items"].clone();
        }
    }
    if m.on("verbose") {
        return verbose(m, &usage);
    }
    let (template, table) =
        template_of(m.text("format"), "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}");
    let rows = [images(&usage), containers(&usage), volumes(&usage), builds(&usage)];
    Listing { format: template, headers: &DF_HEADERS, type_name: "*formatter.diskUsageImagesContext" }
        .print(table, &rows)
}

fn list<'v>(usage: &'v Value, key: &str) -> Vec<&'v Value> {
    usage[key].as_array().into_iter().flatten().collect()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
fn size(bytes: i64) -> String {
    human_size(bytes as f64)
}

fn usage_row(kind: &str, total: usize, active: usize, bytes: i64, reclaimable: i64, percent: bool) -> Value {
    let share = if percent && bytes > 0 { format!(" ({}%)", reclaimable * 100 / bytes) } else { String::new() };
    row(&[
        ("Type", kind.into()),
        ("TotalCount", total.to_string().into()),
        ("Active", active.to_string().into()),
        ("Size", size(bytes).into()),
        ("Reclaimable", format!("{}{share}", size(reclaimable)).into()),
    ])
}

/// The figures that engines since API 1.52 sum up themselves.
fn summed(usage: &Value, key: &str, kind: &str, percent: bool) -> Option<Value> {
    let sum = usage.get(key).filter(|s| s.is_object())?;
    let count = |key: &str| usize::try_from(number(&sum[key])).unwrap_or(0);
    let (total, active) = (count("TotalCount"), count("ActiveCount"));
    Some(usage_row(kind, total, active, number(&sum["TotalSize"]), number(&sum["Reclaimable"]), percent))
}

fn images(usage: &Value) -> Value {
    if let Some(row) = summed(usage, "ImageUsage", "Images", true) {
        return row;
    }
    let all = list(usage, "Images");
    let active = all.iter().filter(|i| number(&i["Containers"]) > 0).count();
    let used: i64 = all
        .iter()
        .filter(|i| number(&i["Containers"]) > 0)
        .filter(|i| number(&i["Size"]) != -1 && number(&i["SharedSize"]) != -1)
        .map(|i| number(&i["Size"]) - number(&i["SharedSize"]))
        .sum();
    let total = number(&usage["LayersSize"]);
    usage_row("Images", all.len(), active, total, total - used, true)
}

fn containers(usage: &Value) -> Value {
    if let Some(row) = summed(usage, "ContainerUsage", "Containers", true) {
        return row;
    }
    let all = list(usage, "Containers");
    let is_active = |c: &&&Value| ["running", "paused", "restarting"].contains(&text(c, "State"));
    let active = all.iter().filter(is_active).count();
    let total: i64 = all.iter().map(|c| number(&c["SizeRw"])).sum();
    let used: i64 = all.iter().filter(is_active).map(|c| number(&c["SizeRw"])).sum();
    usage_row("Containers", all.len(), active, total, total - used, true)
}

fn volumes(usage: &Value) -> Value {
    if let Some(row) = summed(usage, "VolumeUsage", "Local Volumes", true) {
        return row;
    }
    let all = list(usage, "Volumes");
    let bytes = |v: &Value| number(&v["UsageData"]["Size"]).max(0);
    let active = all.iter().filter(|v| number(&v["UsageData"]["RefCount"]) > 0).count();
    let total: i64 = all.iter().map(|v| bytes(v)).sum();
    let reclaimable: i64 = all.iter().filter(|v| number(&v["UsageData"]["RefCount"]) == 0).map(|v| bytes(v)).sum();
    usage_row("Local Volumes", all.len(), active, total, reclaimable, true)
}

fn builds(usage: &Value) -> Value {
    if let Some(row) = summed(usage, "BuildCacheUsage", "Build Cache", false) {
        return row;
    }
    let all = list(usage, "BuildCache");
    let active = all.iter().filter(|b| b["InUse"] == Value::Bool(true)).count();
    let own: i64 = all.iter().filter(|b| b["Shared"] != Value::Bool(true)).map(|b| number(&b["Size"])).sum();
    let used: i64 = all
        .iter()
        .filter(|b| b["InUse"] == Value::Bool(true) && b["Shared"] != Value::Bool(true))
        .map(|b| number(&b["Size"]))
        .sum();
    usage_row("Build Cache", all.len(), active, own, own - used, false)
}

fn verbose(m: &Matches, usage: &Value) -> Result<()> {
    let trunc = matches!(m.text("format"), "" | "table");
    let images: Vec<Value> = list(usage, "Images").into_iter().map(|i| super::image::usage_fields(i, trunc)).collect();
    let containers: Vec<Value> = list(usage, "Containers")
        .into_iter()
        .map(|c| {
            let mut c = c.clone();
            c["SizeRootFs"] = 0.into();
            list_fields(&c, trunc)
        })
        .collect();
    let volumes: Vec<Value> = list(usage, "Volumes").into_iter().map(super::volume::fields).collect();
    if !trunc {
        let all = json!({"Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": []});
        let template = if m.text("format") == "json" { "{{json .}}" } else { m.text("format") };
        let text = format::parse(template)?.execute(&Data::new(&all)).map_err(|e| Failure::new(e.to_string()))?;
        return console::out(&text);
    }
    let section = |title: &str, template: &str, headers: &[(&str, &str)], rows: &[Value]| -> Result<()> {
        console::out(title)?;
        Listing { format: template.to_owned(), headers, type_name: "*formatter.diskUsageContext" }.print(true, rows)
    };
    section(
        "Images space usage:\n\n",
        "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
        &super::image::HEADERS,
        &images,
    )?;
    section(
        "\nContainers space usage:\n\n",
        "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
        &LIST_HEADERS,
        &containers,
    )?;
    section("\nLocal Volumes space usage:\n\n", "{{.Name}}\t{{.Links}}\t{{.Size}}", &super::volume::HEADERS, &volumes)?;
    let caches = list(usage, "BuildCache");
    let total: i64 = caches.iter().map(|b| number(&b["Size"])).sum();
    console::out(&format!("\nBuild cache usage: {}\n\n", size(total)))?;
    build_table(&caches)
}

fn build_table(caches: &[&Value]) -> Result<()> {
    const HEADERS: [(&str, &str); 7] = [
        ("ID", "CACHE ID"),
        ("CacheType", "CACHE TYPE"),
        ("Size", "SIZE"),
        ("CreatedSince", "CREATED"),
        ("LastUsedSince", "LAST USED"),
        ("UsageCount", "USAGE"),
        ("Shared", "SHARED"),
    ];
    let now = jiff::Timestamp::now();
    let since = |time: &str| match time.parse::<jiff::Timestamp>() {
        Ok(then) => {
            let seconds = now.as_second() - then.as_second();
            format!("{} ago", units::human_duration(seconds * units::duration::SECOND))
        }
        Err(_) => String::new(),
    };
    let rows: Vec<Value> = caches
        .iter()
        .map(|b| {
            row(&[
                ("ID", text(b, "ID").chars().take(12).collect::<String>().into()),
                ("CacheType", text(b, "Type").into()),
                ("Size", size(number(&b["Size"])).into()),
                ("CreatedSince", since(text(b, "CreatedAt")).into()),
                ("LastUsedSince", since(text(b, "LastUsedAt")).into()),
                ("UsageCount", number(&b["UsageCount"]).to_string().into()),
                ("Shared", (b["Shared"] == Value::Bool(true)).to_string().into()),
            ])
        })
        .collect();
    let format =
        "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}"
            .to_owned();
    Listing { format, headers: &HEADERS, type_name: "*formatter.buildCacheContext" }.print(true, &rows)
}
