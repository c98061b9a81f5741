//! Where to listen: `-H` in its forms.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use api::http::TlsFiles;

use super::journal::Level;
use super::settings::Settings;

/// Where the engine listens when nobody says where.
pub(super) const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
const DEFAULT_TLS_HOST: &str = "tcp://localhost:2376";

/// The files of TLS, if it is wanted: `--tlsverify` means TLS even where it is false.
pub(super) fn tls(s: &Settings) -> Result<Option<TlsFiles>> {
    if !s.on("tls") && !s.is_set("tlsverify") {
        return Ok(None);
    }
    let home = std::env::var_os("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| {
        let config = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        config.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
    });
    let file = |flag: &str, default: &str| -> Result<PathBuf> {
        let path = s.non_empty(flag).map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(default)));
        path.with_context(|| format!("invalid TLS configuration: --{flag} is not set"))
    };
    // As dockerd: TLS verifies clients unless told not to.
    let verify = if s.is_set("tlsverify") { s.on("tlsverify") } else { true };
    Ok(Some(TlsFiles {
        cert: file("tlscert", "cert.pem")?,
        key: file("tlskey", "key.pem")?,
        client_ca: verify.then(|| file("tlscacert", "ca.pem")).transpose()?,
    }))
}

/// Where to listen. Plain TCP gives root to whoever reaches it, so beyond this host it must be asked for in so many
/// words (`--tls=false` or `--tlsverify=false`), as dockerd has announced.
pub(super) fn hosts(s: &Settings, tls: Option<&TlsFiles>, remarks: &mut Vec<(Level, String)>) -> Result<Vec<String>> {
    let mut hosts: Vec<String> = s.list("host").iter().map(|h| h.trim().to_owned()).filter(|h| !h.is_empty()).collect();
    if hosts.is_empty() {
        hosts.push(if tls.is_some() { DEFAULT_TLS_HOST } else { DEFAULT_HOST }.to_owned());
    }
    let mut hosts = hosts.iter().map(|h| normal(h)).collect::<Result<Vec<_>>>()?;
    hosts.sort();
    hosts.dedup();
    for host in &hosts {
        let Some(address) = host.strip_prefix("tcp://") else { continue };
        if tls.is_some_and(|t| t.client_ca.is_some()) {
            continue;
        }
        let name = address.rsplit_once(':').map_or(address, |(h, _)| h);
        let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let local = name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
        let explicit = (s.is_set("tls") && !s.on("tls")) || (s.is_set("tlsverify") && !s.on("tlsverify"));
        ensure!(
            local || explicit,
            "refusing to listen on {host} without --tlsverify: this gives root access on this machine to everyone who \
             has access to your network. You can override this by explicitly specifying '--tls=false' or \
             '--tlsverify=false'"
        );
        remarks.push((
            Level::Warn,
            format!(
                "Binding to IP address without --tlsverify is insecure and gives root access on this machine to \
                 everyone who has access to your network. host={host}"
            ),
        ));
    }
    Ok(hosts)
}

/// A host as `PROTO://ADDR` with its defaults filled in.
pub(super) fn normal(host: &str) -> Result<String> {
    let Some((protocol, address)) = host.split_once("://") else {
        // A bare address is TCP.
        return normal(&format!("tcp://{host}"));
    };
    match (protocol, address) {
        ("unix", "") => Ok(DEFAULT_HOST.to_owned()),
        ("unix", path) => {
            ensure!(path.starts_with('/'), "invalid bind address: unix socket path must be absolute: {path}");
            Ok(host.to_owned())
        }
        ("fd", _) => Ok(host.to_owned()),
        ("tcp", "") => Ok("tcp://localhost:2375".to_owned()),
        ("tcp", address) => match address.rsplit_once(':') {
            Some((_, port)) if !port.contains(']') => {
                ensure!(
                    port.parse::<u16>().is_ok(),
                    "invalid bind address ({host}): parse {host:?}: invalid port {:?} after host",
                    format!(":{port}")
                );
                Ok(host.to_owned())
            }
            _ => Ok(format!("tcp://{address}:2375")),
        },
        _ => bail!("invalid bind address ({host}): unsupported proto '{protocol}'"),
    }
}
