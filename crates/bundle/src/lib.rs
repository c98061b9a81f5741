//! From a declaration to an OCI runtime spec, exactly as Docker writes it: a pure function of its input, tested without
//! root. Whatever needs the host (which devices exist, what `/etc/passwd` of the image says) comes in as values.

mod caps;
pub mod check;
mod error;
mod input;
mod linux;
mod mounts;
mod process;
mod resources;
mod security;
pub mod user;

pub use error::BundleError;
pub use input::{
    BundleInput, Defaults, DeviceNode, ExecInput, HostFacts, Joins, Mount, NetworkFiles, ReadOnlyRecursive,
};
pub use process::exec_process;
pub use resources::{resources, update_resources};
pub use security::{SeccompChoice, Security};

use oci::runtime::{Linux, Root, Spec, VERSION};

/// The capabilities (`CAP_…`) of a container.
///
/// # Errors
/// [`BundleError::UnknownCapability`].
pub fn capabilities(host: &spec::HostConfig) -> Result<Vec<String>, BundleError> {
    caps::effective(host)
}

/// Builds the runtime spec of a container.
///
/// # Errors
/// A declaration that contradicts itself or names what does not exist; the texts are Docker's.
pub fn build(input: &BundleInput<'_>) -> Result<Spec, BundleError> {
    let host = &input.spec.host;
    linux::no_device_drivers(host)?;
    let security = Security::parse(host.security_opt.as_deref().unwrap_or_default())?;
    let privileged = host.privileged;
    let caps = caps::effective(host)?;
    let (masked_paths, readonly_paths) = linux::hidden_paths(host);
    let (devices, device_rules) = linux::devices(input)?;
    let mut resources = resources(host);
    resources.block_io = resources::block_io(host, &input.block_devices)?;
    resources.devices = device_rules;
    Ok(Spec {
        oci_version: VERSION.to_owned(),
        process: Some(process::init_process(input, &caps, &security)?),
        root: Some(Root { path: "rootfs".to_owned(), readonly: host.readonly_rootfs }),
        hostname: if linux::shares_uts(host) { String::new() } else { input.spec.config.hostname.clone() },
        // Docker sets it as a kernel parameter.
        domainname: String::new(),
        mounts: mounts::all(input)?,
        hooks: None,
        annotations: host.annotations.clone().unwrap_or_default(),
        linux: Some(Linux {
            sysctl: linux::sysctls(input)?,
            resources: Some(resources),
            cgroups_path: input.cgroup_path.to_owned(),
            namespaces: linux::namespaces(input),
            devices,
            seccomp: if privileged { None } else { input.seccomp.clone() },
            rootfs_propagation: mounts::rootfs_propagation(input).to_owned(),
            masked_paths,
            readonly_paths,
            ..Linux::default()
        }),
    })
}

#[cfg(test)]
mod tests;
