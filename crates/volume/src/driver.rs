//! What keeps the data of volumes.

use std::path::PathBuf;

use crate::error::Cause;
use crate::{Map, VolumeRecord};

/// A volume as its driver tells of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DriverVolume {
    /// Its name.
    pub name: String,
    /// Where it lies on the host; empty if the driver does not tell.
    pub mountpoint: PathBuf,
    /// RFC 3339; empty if the driver does not tell.
    pub created_at: String,
    /// Whatever else the driver tells.
    pub status: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A driver of volumes. Calls block; never are there two at once that change the same volume.
pub trait Driver: Send + Sync + std::fmt::Debug {
    /// `local` or `global`.
    fn scope(&self) -> String;

    /// Refuses what cannot be made, before anything is.
    ///
    /// # Errors
    /// The name or the options are wrong.
    fn check(&self, name: &str, options: &Map) -> Result<(), Cause>;

    /// Makes the volume's place. One that is there already is fine.
    ///
    /// # Errors
    /// The driver's.
    fn create(&self, volume: &VolumeRecord) -> Result<(), Cause>;

    /// Removes the volume's place and data. `forget` drops the record; it is called at the moment from which on a crash
    /// must no longer bring the volume back.
    ///
    /// # Errors
    /// The driver's.
    fn remove(&self, volume: &VolumeRecord, forget: &mut dyn FnMut() -> Result<(), Cause>) -> Result<(), Cause>;

    /// What there is of this name.
    ///
    /// # Errors
    /// The driver cannot be asked; a volume that is not there is no error.
    fn get(&self, name: &str) -> Result<Option<DriverVolume>, Cause>;

    /// All its volumes.
    ///
    /// # Errors
    /// The driver cannot be asked.
    fn list(&self) -> Result<Vec<DriverVolume>, Cause>;

    /// Makes the data reachable for `holder` (once for each), and tells where.
    ///
    /// # Errors
    /// The driver's.
    fn mount(&self, volume: &VolumeRecord, holder: &str) -> Result<PathBuf, Cause>;

    /// `holder` does not need it any more.
    ///
    /// # Errors
    /// The driver's.
    fn unmount(&self, volume: &VolumeRecord, holder: &str) -> Result<(), Cause>;

    /// `holder` had it mounted when an earlier daemon went, and still has.
    fn adopt(&self, volume: &VolumeRecord, holder: &str);
}
