//! Which system call filter a container gets.

use bundle::{SeccompChoice, Security};
use oci::runtime::Seccomp;
use spec::HostConfig;

use crate::{Config, Error};

/// The filter of a declaration; `None` is unconfined.
pub(crate) fn choose(config: &Config, host: &HostConfig) -> Result<Option<Seccomp>, Error> {
    if host.privileged {
        return Ok(None);
    }
    let security = Security::parse(host.security_opt.as_deref().unwrap_or_default())?;
    let builtin = || default_profile(host).map(Some);
    match security.seccomp {
        SeccompChoice::Unconfined => Ok(None),
        SeccompChoice::Builtin => builtin(),
        SeccompChoice::Profile(json) => profile(&json, host),
        SeccompChoice::Default => match config.seccomp_profile.as_str() {
            "" | "builtin" => builtin(),
            "unconfined" => Ok(None),
            path => {
                let json = std::fs::read_to_string(path).map_err(|source| Error::Io {
                    op: "read",
                    path: path.into(),
                    source,
                })?;
                profile(&json, host)
            }
        },
    }
}

fn profile(json: &str, host: &HostConfig) -> Result<Option<Seccomp>, Error> {
    let caps = bundle::capabilities(host)?;
    let profile = seccomp::from_json(json, &caps, kernel(), seccomp::Arch::native());
    Ok(profile.map_err(bundle::BundleError::from)?)
}

fn kernel() -> seccomp::KernelVersion {
    seccomp::KernelVersion::parse(&rustix::system::uname().release().to_string_lossy())
}

fn default_profile(host: &HostConfig) -> Result<Seccomp, Error> {
    let caps = bundle::capabilities(host)?;
    Ok(seccomp::docker_default(&caps, kernel(), seccomp::Arch::native()))
}
