//! Documents of the Open Container Initiative as plain structs: [`runtime`] (config.json of a bundle) and
//! [`image`] (manifests, indexes, configurations).
//!
//! Reading tolerates unknown fields and reads `null` as absent; writing leaves empty values out where Go's own
//! structs say `omitempty`, and keeps the order of fields that Go has. [`json`] reads what strangers wrote: its faults
//! name the field.

pub mod image;
pub mod json;
pub mod runtime;

use serde::{Deserialize, Deserializer};

/// Reads `null` as the default, because Go writes nil slices and maps so.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(value: &bool) -> bool {
    !*value
}
