//! `features`: what this runtime can do, as the runtime specification's features document says it.

use serde_json::{Value, json};

use crate::Context;
use crate::error::{Error, Result};
use crate::help::say;
use crate::parse::Matches;

pub(crate) fn run(_: &Context, _: &mut Matches) -> Result<i32> {
    let json = |source| Error::Json { what: "features".to_owned(), source };
    say(&format!("{}\n", serde_json::to_string_pretty(&document()).map_err(json)?));
    Ok(0)
}

fn document() -> Value {
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": oci::runtime::VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": runtime::mount_options(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": runtime::capability_names(),
            "cgroup": {"v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true},
            "seccomp": {
                "enabled": true,
                "actions": [
                    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
                    "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"
                ],
                "operators": [
                    "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
                    "SCMP_CMP_NE"
                ],
                "archs": archs(),
                "knownFlags": FLAGS,
                "supportedFlags": FLAGS
            },
            "apparmor": {"enabled": true},
            "selinux": {"enabled": true},
            "intelRdt": {"enabled": true, "schemata": true, "monitoring": true},
            "mountExtensions": {"idmap": {"enabled": true}},
            "netDevices": {"enabled": true},
            "memoryPolicy": {"modes": runtime::MEMORY_MODES, "flags": runtime::MEMORY_FLAGS}
        },
        "annotations": {"org.opencontainers.runc.checkpoint.enabled": "true"},
        "potentiallyUnsafeConfigAnnotations": []
    })
}

/// Flags that the seccomp crate compiles into a filter.
const FLAGS: [&str; 3] = ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG"];

/// Architectures whose calls a filter can name on this machine.
fn archs() -> &'static [&'static str] {
    if cfg!(target_arch = "x86_64") {
        &["SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"]
    } else {
        &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_options_are_the_parsers() {
        let document = document();
        let options = document["mountOptions"].as_array().unwrap();
        for name in ["rbind", "rro", "nosymfollow", "rslave", "ro"] {
            assert!(options.contains(&json!(name)), "{name}");
        }
        assert!(document["linux"]["capabilities"].as_array().unwrap().contains(&json!("CAP_BPF")));
    }
}
