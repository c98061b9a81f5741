//! Names in the kernel.

use std::path::Path;

/// The chain that belongs to the user: evaluated first for all forwarded packets.
pub const USER_CHAIN: &str = "user-forward";

pub(crate) const FORWARD: &str = "forward";
pub(crate) const INPUT: &str = "input";
pub(crate) const RAW: &str = "raw-prerouting";
pub(crate) const PREROUTING: &str = "nat-prerouting";
pub(crate) const OUTPUT: &str = "nat-output";
pub(crate) const POSTROUTING: &str = "nat-postrouting";
pub(crate) const DNAT: &str = "dnat";

/// The table of the daemon with this data root: `gantry` for the usual ones, told apart by a hash otherwise, so that
/// daemons can run side by side.
pub fn table_name(data_root: &Path) -> String {
    match data_root.to_str() {
        Some("/var/lib/docker" | "/var/lib/gantry") => "gantry".to_owned(),
        _ => format!("gantry-{:08x}", fnv(data_root.as_os_str().as_encoded_bytes())),
    }
}

/// FNV-1a.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
