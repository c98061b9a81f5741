/// Why the packet filter could not be programmed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused the transaction; nothing of it happened.
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
}
