use error::{ErrorKind, HasKind};

/// Why no subnet or address could be had. The texts are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The wanted subnet overlaps one of another network.
    #[error("invalid pool request: Pool overlaps with other one on this address space")]
    Overlap,
    /// All default pools are used up.
    #[error("all predefined address pools have been fully subnetted")]
    PoolsExhausted,
    /// No free address is left in the subnet.
    #[error("no available IPv{0} addresses on this network's address pools: {1}")]
    NoAddress(u8, String),
    /// The wanted address is used.
    #[error("Address already in use")]
    InUse,
    /// The wanted address lies outside of the subnet.
    #[error("Requested address is out of range")]
    OutOfRange,
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Overlap | Self::InUse => ErrorKind::Forbidden,
            Self::OutOfRange => ErrorKind::InvalidParameter,
            Self::PoolsExhausted => ErrorKind::NotFound,
            Self::NoAddress(..) => ErrorKind::Unavailable,
        }
    }
}
