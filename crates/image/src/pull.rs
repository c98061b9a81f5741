//! Images from a registry.

/// Downloads in flight.
#[derive(Debug, Default)]
pub(crate) struct Jobs {}
