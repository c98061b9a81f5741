//! What the settings together must be like: the checks that dockerd makes after it merged flags and file.

use anyhow::{Result, bail, ensure};

use super::journal::{Format, Level};
use super::settings::Settings;
use super::table::Use;
use super::values;

/// Checks the merged settings. The texts are dockerd's where it has one.
pub(super) fn check(s: &Settings) -> Result<()> {
    Level::parse(&s.text("log-level"))?;
    Format::parse(&s.text("log-format"))?;
    for label in s.list("label") {
        values::label(&label).map_err(anyhow::Error::msg)?;
    }
    for domain in s.list("dns-search") {
        ensure!(is_domain(&domain), "{domain} is not a valid domain");
    }
    let mtu = s.number("mtu");
    ensure!(u32::try_from(mtu).is_ok(), "invalid default MTU: {mtu}");
    for (name, what) in [
        ("max-concurrent-downloads", "max concurrent downloads"),
        ("max-concurrent-uploads", "max concurrent uploads"),
        ("max-download-attempts", "max download attempts"),
    ] {
        let n = s.number(name);
        ensure!(n >= 0, "invalid {what}: {n}");
    }
    let port = s.number("network-diagnostic-port");
    ensure!(u16::try_from(port).is_ok(), "invalid network-diagnostic-port ({port}): value must be between 0 and 65535");
    if let Some(path) = s.non_empty("userland-proxy-path") {
        ensure!(path.starts_with('/'), "invalid userland-proxy-path: must be an absolute path: {path}");
    }
    for resource in s.list("node-generic-resource") {
        ensure!(
            resource.contains('='),
            "could not parse GenericResource: incorrect term {resource}, missing '=' or malformed expression"
        );
    }
    for mirror in s.list("registry-mirror") {
        values::mirror(&mirror).map_err(anyhow::Error::msg)?;
    }
    for option in s.list("exec-opt") {
        let Some((key, _)) = option.split_once('=') else {
            bail!("invalid exec-opt ({option}): must be formatted 'opt=value'");
        };
        ensure!(key == "native.cgroupdriver", "invalid exec-opt ({option}): unknown option: '{key}'");
    }
    let ipc = s.text("default-ipc-mode");
    ensure!(
        matches!(ipc.as_str(), "private" | "shareable"),
        "IPC mode {ipc:?} is not supported as default value; use \"shareable\" or \"private\""
    );
    let cgroupns = s.text("default-cgroupns-mode");
    ensure!(
        matches!(cgroupns.as_str(), "" | "private" | "host"),
        "invalid default cgroup namespace ({cgroupns}): use \"host\" or \"private\""
    );
    let backend = s.text("firewall-backend");
    ensure!(
        matches!(backend.as_str(), "" | "iptables" | "nftables"),
        "invalid firewall-backend: allowed values are \"iptables\" and \"nftables\""
    );
    Ok(())
}

/// Refuses what this engine has not got and what the user would rely on.
pub(super) fn refuse_missing(s: &Settings) -> Result<()> {
    // Values that ask for nothing.
    let asks = |name: &&str| !matches!(s.text(name).as_str(), "false" | "" | "0" | "enable=false");
    if let Some(name) = s.idle(Use::Missing).into_iter().find(asks) {
        bail!("--{name} is not supported by this engine yet");
    }
    if let Some(key) = s.missing_key() {
        bail!("the directive {key} is not supported by this engine yet");
    }
    for option in s.list("exec-opt") {
        let driver = option.strip_prefix("native.cgroupdriver=").unwrap_or_default();
        ensure!(driver == "cgroupfs", "cgroup driver {driver:?} is not supported by this engine: use \"cgroupfs\"");
    }
    for option in s.list("storage-opt") {
        // What overlay needs no leave for.
        let known = ["overlay2.override_kernel_check=", "overlay.override_kernel_check="];
        ensure!(known.iter().any(|k| option.starts_with(k)), "storage option {option} is not supported by this engine");
    }
    let driver = s.text("log-driver");
    let options = s.list("log-opt");
    let options =
        options.iter().map(|o| o.split_once('=').unwrap_or((o, ""))).map(|(k, v)| (k.to_owned(), v.to_owned()));
    if let Err(e) = logship::validate_opts(&driver, &options.collect()) {
        bail!("failed to set log opts: {e}");
    }
    Ok(())
}

/// As moby's check of search domains: letters, digits, `-`, `_` and dots, not all dots; `.` alone is none at all.
fn is_domain(text: &str) -> bool {
    let text = text.trim();
    if text == "." {
        return true;
    }
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    text.len() < 256 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}
