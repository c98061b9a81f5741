//! Why something about networks failed. Texts that a client sees are Docker's.

use std::net::IpAddr;

use error::{ErrorKind, HasKind};

/// A failure of the network service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No network of this name or id.
    #[error("network {0} not found")]
    NotFound(String),
    /// More than one network's id starts like this.
    #[error("network {0} is ambiguous ({1} matches found based on ID prefix)")]
    AmbiguousId(String, usize),
    /// A network of this name exists.
    #[error("network with name {0} already exists")]
    NameTaken(String),
    /// The three networks that always exist are nobody's to remove or make.
    #[error("{0} is a pre-defined network and cannot be removed")]
    Predefined(String),
    /// Only one each of these.
    #[error("only one instance of \"{0}\" network is allowed")]
    OneInstance(String),
    /// `bridge`, `host`, `none`, `default` cannot be made.
    #[error("operation is not permitted on predefined {0} network")]
    PredefinedCreate(String),
    /// Containers are on it.
    #[error("error while removing network: network {network} has active endpoints ({endpoints})")]
    ActiveEndpoints {
        /// The network's name.
        network: String,
        /// `name:"c" id:"0123456789ab"`, comma separated.
        endpoints: String,
    },
    /// Networks take their settings from it.
    #[error("error while removing network: configuration network {0:?} is in use")]
    ConfigInUse(String),
    /// A driver that is not there.
    #[error("plugin \"{0}\" not found")]
    NoDriver(String),
    /// The container is on this network already.
    #[error("endpoint with name {name} already exists in network {network}")]
    EndpointExists {
        /// The container's name.
        name: String,
        /// The network's name.
        network: String,
    },
    /// The container is not on this network.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// The container, as the caller named it.
        container: String,
        /// The network.
        network: String,
    },
    /// A name that no network may have.
    #[error("invalid name: name is empty")]
    EmptyName,
    /// A wrong option or combination, told as Docker does.
    #[error(transparent)]
    Invalid(#[from] InvalidSpec),
    /// Not an IPv4 address.
    #[error("invalid IPv4 address: {0}")]
    InvalidIp4(String),
    /// Not an IPv6 address.
    #[error("invalid IPv6 address: {0}")]
    InvalidIp6(String),
    /// Not an address.
    #[error("invalid link-local IP address: {0}")]
    InvalidLinkLocal(String),
    /// Not a hardware address.
    #[error("invalid MAC address: {0}")]
    InvalidMac(String),
    /// Not an address to publish on.
    #[error("invalid host IP address {0}")]
    InvalidHostIp(String),
    /// Not a port or range.
    #[error("invalid port specification: \"{0}\"")]
    InvalidPort(String),
    /// Not a transport protocol.
    #[error("invalid proto: {0}")]
    InvalidProtocol(String),
    /// An extra host without `name:address`.
    #[error("bad format for add-host: \"{0}\"")]
    InvalidExtraHost(String),
    /// `host-gateway` where there is none to tell.
    #[error("unable to derive the IP value for host-gateway")]
    NoHostGateway,
    /// Addresses or subnets.
    #[error(transparent)]
    Ipam(#[from] ipam::Error),
    /// Publishing failed; the whole sandbox was rolled back.
    #[error("driver failed programming external connectivity on endpoint {container} ({endpoint}): {source}")]
    Publish {
        /// The container's name.
        container: String,
        /// Id of the endpoint.
        endpoint: String,
        /// Why.
        source: portmap::Error,
    },
    /// The packet filter refused.
    #[error("failed to program the packet filter: {0}")]
    Firewall(#[from] firewall::Error),
    /// A netlink request failed.
    #[error("failed to {what}: {source}")]
    Netlink {
        /// The step, in words.
        what: &'static str,
        /// Why.
        source: netlink::Error,
    },
    /// A namespace could not be made, kept or entered.
    #[error("failed to {what}: {source}")]
    Namespace {
        /// The step, in words.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// No sandbox of this container.
    #[error("no sandbox for container {0}")]
    NoSandbox(String),
    /// The container has a sandbox.
    #[error("container {0} has a sandbox already")]
    SandboxExists(String),
    /// An interface has the bridge's name but is none.
    #[error("interface {0} is not a bridge")]
    NotABridge(String),
    /// The metadata store failed.
    #[error(transparent)]
    Store(#[from] metastore::Error),
}

/// What is wrong with a request, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// Neither address family.
    #[error("IPv4 or IPv6 must be enabled")]
    NoFamily,
    /// An option's value is nothing that Docker takes.
    #[error("failed to parse {option} value: {value} ({why})")]
    Option {
        /// Its key.
        option: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// No size of packets.
    #[error("invalid MTU number: {0}")]
    Mtu(String),
    /// No name of an interface.
    #[error("invalid bridge name: {0}")]
    BridgeName(String),
    /// Another network has this bridge.
    #[error("bridge device {0} already exists: conflicts with network {1}")]
    BridgeTaken(String, String),
    /// Bits of the host part are set.
    #[error("invalid network config:\ninvalid subnet {0}: it should be {1}")]
    SubnetHostBits(ipnet::IpNet, ipnet::IpNet),
    /// A gateway, range or auxiliary address without its subnet.
    #[error("invalid network config:\ninvalid {what} {value}: parent subnet {subnet} doesn't contain it")]
    OutsideSubnet {
        /// `gateway address`, `ip-range`, `auxiliary address`.
        what: &'static str,
        /// What was given.
        value: String,
        /// The subnet.
        subnet: ipnet::IpNet,
    },
    /// A subnet of a family that is off.
    #[error("invalid network config:\n{0} subnet specified, but {0} is not enabled")]
    FamilyOff(&'static str),
    /// Two subnets of one family.
    #[error("bridge driver doesn't support multiple subnets")]
    ManySubnets,
    /// A wish for an address where the network's subnet was not chosen by the user.
    #[error(
        "invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets"
    )]
    AddressNeedsSubnet,
    /// A wish for an address on a network that has no such thing.
    #[error(
        "invalid endpoint settings:\n* user specified IP address is supported on user defined networks only\n* user specified IP address is supported only when connecting to networks with user configured subnets"
    )]
    AddressNeedsUserNetwork,
    /// An address outside of the subnets.
    #[error("invalid endpoint settings:\nno configured subnet or ip-range contain the IP address {0}")]
    AddressOutside(IpAddr),
    /// Aliases on a network without name service.
    #[error(
        "invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks"
    )]
    AliasNeedsUserNetwork,
    /// A template network cannot be used itself.
    #[error("cannot create endpoint on configuration-only network")]
    ConfigOnly,
    /// `none` is shared with no other network.
    #[error("container cannot be connected to multiple networks with one of the networks in private (none) mode")]
    PrivateMode,
    /// The namespace is not the container's own.
    #[error(
        "container sharing network namespace with another container or host cannot be connected to any other network"
    )]
    SharedMode,
    /// Settings beside a template.
    #[error("user specified configurations are not supported if the network depends on a configuration network")]
    ConfigFromWithSettings,
    /// A template that is none.
    #[error("network {0} is not a configuration network")]
    NotAConfig(String),
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) | Self::NoDriver(_) | Self::NoSandbox(_) => ErrorKind::NotFound,
            Self::NameTaken(_) | Self::SandboxExists(_) => ErrorKind::Conflict,
            Self::Predefined(_)
            | Self::OneInstance(_)
            | Self::PredefinedCreate(_)
            | Self::ActiveEndpoints { .. }
            | Self::ConfigInUse(_)
            | Self::NotConnected { .. }
            | Self::EndpointExists { .. } => ErrorKind::Forbidden,
            Self::AmbiguousId(..)
            | Self::EmptyName
            | Self::Invalid(_)
            | Self::InvalidIp4(_)
            | Self::InvalidIp6(_)
            | Self::InvalidLinkLocal(_)
            | Self::InvalidMac(_)
            | Self::InvalidHostIp(_)
            | Self::InvalidPort(_)
            | Self::InvalidProtocol(_)
            | Self::InvalidExtraHost(_) => ErrorKind::InvalidParameter,
            Self::Ipam(e) => e.kind(),
            Self::Store(e) => e.kind(),
            Self::Publish { .. }
            | Self::NoHostGateway
            | Self::Firewall(_)
            | Self::Netlink { .. }
            | Self::Namespace { .. }
            | Self::NotABridge(_) => ErrorKind::System,
        }
    }
}
