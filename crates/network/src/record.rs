//! What lies on disk: networks (durable, in the metadata store) and live sandboxes (run-time, gone with a reboot).

use std::collections::BTreeMap;
use std::net::IpAddr;

use id::{ContainerId, NetworkId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Error, Sandbox, SandboxSpec};

/// Networks by id.
pub(crate) const NETWORKS: metastore::Table<NetworkRecord> = metastore::Table::new("network");

/// The driver of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Driver {
    Bridge,
    Host,
    Null,
}

impl Driver {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Null => "null",
        }
    }
}

/// One subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PoolRecord {
    pub(crate) subnet: IpNet,
    pub(crate) ip_range: Option<IpNet>,
    /// The gateway as the user gave it, or ours where the subnet is ours: what is shown.
    pub(crate) gateway: Option<IpAddr>,
    /// The gateway that containers use; `None` where there is none.
    pub(crate) assigned: Option<IpAddr>,
    /// The host's own address in the network: the gateway, unless that is another host.
    pub(crate) host_ip: Option<IpAddr>,
    #[serde(default)]
    pub(crate) aux: BTreeMap<String, IpAddr>,
    /// The user chose the subnet: containers may choose addresses.
    pub(crate) chosen: bool,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkRecord {
    pub(crate) id: NetworkId,
    pub(crate) name: String,
    /// Nanoseconds since 1970.
    pub(crate) created: u64,
    pub(crate) driver: Driver,
    pub(crate) scope: String,
    pub(crate) enable_ipv4: bool,
    pub(crate) enable_ipv6: bool,
    pub(crate) ipam_driver: String,
    pub(crate) ipam_options: Option<BTreeMap<String, String>>,
    pub(crate) pools: Vec<PoolRecord>,
    pub(crate) internal: bool,
    pub(crate) attachable: bool,
    pub(crate) config_only: bool,
    pub(crate) config_from: String,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl NetworkRecord {
    /// The pool of an address family.
    pub(crate) fn pool(&self, v6: bool) -> Option<&PoolRecord> {
        self.pools.iter().find(|p| p.subnet.addr().is_ipv6() == v6)
    }

    /// Always there, nobody's to remove.
    pub(crate) fn is_predefined(&self) -> bool {
        is_predefined(&self.name)
    }

    /// Has name service and takes aliases.
    pub(crate) fn is_user_defined(&self) -> bool {
        self.driver == Driver::Bridge && !self.is_predefined()
    }
}

/// `bridge`, `host`, `none` and `default` mean fixed things.
pub(crate) fn is_predefined(name: &str) -> bool {
    matches!(name, "bridge" | "host" | "none" | "default")
}

/// One live sandbox, as kept beside its namespace for the next daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SandboxRecord {
    pub(crate) spec: SandboxSpec,
    pub(crate) state: Sandbox,
    /// Which endpoint's network publishes the ports.
    pub(crate) published_on: Option<NetworkId>,
}

/// The directory of sandbox records below the exec-root.
pub(crate) fn sandbox_dir(exec_root: &std::path::Path) -> std::path::PathBuf {
    exec_root.join("network")
}

/// Writes a sandbox's record. Atomic but not durable on purpose: it is worth nothing after a reboot.
pub(crate) fn save_sandbox(exec_root: &std::path::Path, record: &SandboxRecord) -> Result<(), Error> {
    let dir = sandbox_dir(exec_root);
    let id = &record.spec.container_id;
    let temporary = dir.join(format!(".{id}"));
    let what = "keep the sandbox's record";
    let bytes = serde_json::to_vec(record).map_err(|e| Error::Namespace { what, source: e.into() })?;
    std::fs::write(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, dir.join(format!("{id}.json"))))
        .map_err(|source| Error::Namespace { what, source })
}

/// Forgets a sandbox's record.
pub(crate) fn forget_sandbox(exec_root: &std::path::Path, id: &ContainerId) {
    let path = sandbox_dir(exec_root).join(format!("{id}.json"));
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "sandbox record not removed");
    }
}

/// All sandbox records that an earlier daemon left; unreadable ones are told and removed.
pub(crate) fn load_sandboxes(exec_root: &std::path::Path) -> Vec<SandboxRecord> {
    let Ok(entries) = std::fs::read_dir(sandbox_dir(exec_root)) else { return Vec::new() };
    let mut out = Vec::new();
    for path in entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "json")) {
        let parsed = std::fs::read(&path)
            .map_err(serde_json::Error::io)
            .and_then(|bytes| serde_json::from_slice::<SandboxRecord>(&bytes));
        match parsed {
            Ok(record) => out.push(record),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "unreadable sandbox record dropped");
                let _ = std::fs::remove_file(&path);
            }
        }
    }
    out
}
