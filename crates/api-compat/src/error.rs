use error::{ErrorKind, HasKind};

/// A request that cannot be upgraded. The texts are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompatError {
    /// A field that the client's version has not got, and that must not be ignored silently.
    #[error("{what} needs API v{since} or newer")]
    Needs {
        /// Which field.
        what: &'static str,
        /// The version that has it.
        since: crate::Version,
    },
    /// A mount type that the client's version has not got.
    #[error("Mount type \"Image\" needs API v1.48 or newer")]
    ImageMount,
    /// More than one network at creation.
    #[error("Container cannot be created with multiple network endpoints: {0}")]
    Endpoints(String),
    /// `HostConfig.Capabilities`, which only 1.40 had.
    #[error(
        "the HostConfig.Capabilities field is not supported by this daemon; use CapAdd and CapDrop to set capabilities"
    )]
    Capabilities,
    /// A MAC address for a container without a network of its own.
    #[error("conflicting options: mac-address and the network mode")]
    MacMode,
    /// Two MAC addresses.
    #[error(
        "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty"
    )]
    MacMismatch,
    /// It is not clear for which network something is meant.
    #[error("{0}HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks")]
    NetworkIdentity(&'static str),
    /// A sysctl of an interface that is not the first.
    #[error(
        "unable to determine network endpoint for sysctl {0}, use driver option 'com.docker.network.endpoint.sysctls' to set per-interface sysctls"
    )]
    Sysctl(String),
}

impl HasKind for CompatError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}
