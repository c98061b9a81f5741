use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event::Kind;
use id::ContainerId;
use units::filter::Filters;
use volume::{NewVolume, VolumeRecord};

use crate::Error;
use crate::engine::Shared;

/// Volumes: the store's operations, with who uses them, and with events.
#[derive(Debug, Clone)]
pub struct Volumes {
    shared: Arc<Shared>,
    pruning: Arc<AtomicBool>,
}

/// A volume as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeView {
    /// Its record.
    pub record: Arc<VolumeRecord>,
    /// Where it lies on the host; empty if its driver does not tell.
    pub mountpoint: PathBuf,
    /// RFC 3339 as its driver tells; empty: the record's time counts.
    pub created_at: String,
    /// `local` or `global`.
    pub scope: String,
    /// What its driver tells of it.
    pub status: Option<serde_json::Map<String, serde_json::Value>>,
}

/// How much a volume holds and who uses it.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeUsage {
    /// The volume.
    pub volume: VolumeView,
    /// Bytes; `None` if they cannot be counted.
    pub size: Option<u64>,
    /// Containers that use it.
    pub users: usize,
}

impl Shared {
    /// Containers that have a volume among their mounts.
    pub(crate) fn volume_users(&self, name: &str, except: Option<&ContainerId>) -> Vec<String> {
        let handles = self.containers.all();
        let uses = handles
            .iter()
            .filter(|h| Some(&h.id) != except && h.view().mounts.iter().any(|m| m.kind == "volume" && m.name == name));
        uses.map(|h| h.id.to_string()).collect()
    }

    /// Emits an event about a volume.
    pub(crate) fn emit_volume<const N: usize>(&self, action: &str, volume: &VolumeRecord, extra: [(&str, String); N]) {
        let driver = [("driver".to_owned(), volume.driver.clone())];
        let extra = extra.into_iter().map(|(k, v)| (k.to_owned(), v));
        let attributes: BTreeMap<String, String> = driver.into_iter().chain(extra).collect();
        self.events.emit(Kind::Volume, action, &volume.name, attributes);
    }

    /// The same where only the name is at hand.
    pub(crate) fn emit_volume_named<const N: usize>(&self, action: &str, name: &str, attributes: [(&str, String); N]) {
        let attributes = attributes.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        self.events.emit(Kind::Volume, action, name, attributes);
    }
}

impl Volumes {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, pruning: Arc::default() }
    }

    /// Names of the drivers that are known, sorted.
    pub fn drivers(&self) -> Vec<String> {
        self.shared.volumes.drivers()
    }

    /// Makes a volume, or gives the one of this name that is there.
    ///
    /// # Errors
    /// The store's.
    pub async fn create(&self, wanted: NewVolume) -> Result<VolumeView, Error> {
        let this = self.clone();
        blocking(move || {
            let made = this.shared.volumes.create(wanted, None)?;
            if made.created {
                this.shared.emit_volume("create", &made.volume, []);
            }
            Ok(this.view(made.volume))
        })
        .await
    }

    /// One volume.
    ///
    /// # Errors
    /// Not found; its driver cannot be asked.
    pub async fn inspect(&self, name: &str) -> Result<VolumeView, Error> {
        let (this, name) = (self.clone(), name.to_owned());
        blocking(move || {
            let (record, told) = this.shared.volumes.get(&name)?;
            let mut view = this.view(record);
            if !told.mountpoint.as_os_str().is_empty() {
                view.mountpoint = told.mountpoint;
            }
            view.created_at = told.created_at;
            view.status = told.status;
            Ok(view)
        })
        .await
    }

    /// Volumes that pass, by name, and what could not be asked.
    ///
    /// # Errors
    /// A wrong filter.
    pub fn list(&self, filters: &Filters) -> Result<Vec<VolumeView>, Error> {
        let invalid = |e: units::filter::FilterError| Error::Invalid(e.to_string());
        filters.validate(&["dangling", "driver", "label", "name"]).map_err(invalid)?;
        let dangling = match filters.contains("dangling") {
            true => Some(filters.bool_or("dangling", false).map_err(invalid)?),
            false => None,
        };
        let names = crate::NamePatterns::of(filters, "name");
        let passes = |v: &VolumeRecord| {
            filters.exact_match("driver", &v.driver)
                && names.pass(&v.name)
                && filters.match_kv("label", |key| label(v, key))
                && dangling.is_none_or(|d| self.shared.volume_users(&v.name, None).is_empty() == d)
        };
        let all = self.shared.volumes.list();
        Ok(all.into_iter().filter(|v| passes(v)).map(|v| self.view(v)).collect())
    }

    /// Removes a volume; with `force` it is no error if there is none.
    ///
    /// # Errors
    /// Not found, in use, the driver's.
    pub async fn remove(&self, name: &str, force: bool) -> Result<(), Error> {
        let (this, name) = (self.clone(), name.to_owned());
        blocking(move || {
            let removed = this.shared.volumes.remove(&name, force, || this.shared.volume_users(&name, None));
            match removed {
                Ok(volume) => {
                    this.shared.emit_volume("destroy", &volume, []);
                    Ok(())
                }
                Err(volume::Error { cause: volume::Cause::NotFound, .. }) if force => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Removes local volumes that nobody uses: anonymous ones, or with the filter `all` named ones too. Gives their names
    /// and the bytes won.
    ///
    /// # Errors
    /// A wrong filter; another prune is under way.
    pub async fn prune(&self, filters: &Filters) -> Result<(Vec<String>, u64), Error> {
        let invalid = |e: units::filter::FilterError| Error::Invalid(e.to_string());
        filters.validate(&["all", "label", "label!"]).map_err(invalid)?;
        let all = all_asked(filters)?;
        if self.pruning.swap(true, Ordering::AcqRel) {
            return Err(Error::Conflict("a prune operation is already running".to_owned()));
        }
        let (this, filters) = (self.clone(), filters.clone());
        let pruned = blocking(move || Ok(this.prune_now(&filters, all))).await;
        self.pruning.store(false, Ordering::Release);
        pruned
    }

    fn prune_now(&self, filters: &Filters, all: bool) -> (Vec<String>, u64) {
        let shared = &self.shared;
        let (mut names, mut bytes) = (Vec::new(), 0);
        for volume in shared.volumes.list() {
            let labelled = filters.match_kv("label", |key| label(&volume, key));
            let unwanted = filters.contains("label!") && filters.match_kv("label!", |key| label(&volume, key));
            // Volumes with options hold data that is elsewhere: nothing would be won.
            if !volume.is_plain_local() || !labelled || unwanted || !(all || volume.is_anonymous()) {
                continue;
            }
            if !shared.volume_users(&volume.name, None).is_empty() {
                continue;
            }
            let size = volume::size_of(&shared.volumes.mountpoint(&volume)).unwrap_or(0);
            match shared.volumes.remove(&volume.name, false, || shared.volume_users(&volume.name, None)) {
                Ok(removed) => {
                    shared.emit_volume("destroy", &removed, []);
                    names.push(volume.name.clone());
                    bytes += size;
                }
                Err(error) => tracing::debug!("prune: {error}"),
            }
        }
        shared.emit_volume_named("prune", "", [("reclaimed", bytes.to_string())]);
        (names, bytes)
    }

    /// Sizes of the local volumes that are no mounts of something else.
    ///
    /// # Errors
    /// The engine stops.
    pub async fn usage(&self) -> Result<Vec<VolumeUsage>, Error> {
        let this = self.clone();
        blocking(move || {
            let plain = this.shared.volumes.list().into_iter().filter(|v| v.is_plain_local());
            let usage = plain.map(|v| {
                let users = this.shared.volume_users(&v.name, None).len();
                let volume = this.view(v);
                VolumeUsage { size: volume::size_of(&volume.mountpoint).ok(), users, volume }
            });
            Ok(usage.collect())
        })
        .await
    }

    fn view(&self, record: Arc<VolumeRecord>) -> VolumeView {
        VolumeView {
            mountpoint: self.shared.volumes.mountpoint(&record),
            scope: self.shared.volumes.scope(&record),
            created_at: String::new(),
            status: None,
            record,
        }
    }
}

fn label<'a>(volume: &'a VolumeRecord, key: &str) -> Option<&'a str> {
    volume.labels.as_ref().and_then(|l| l.get(key)).map(String::as_str)
}

/// The `all` filter: at most one boolean.
fn all_asked(filters: &Filters) -> Result<bool, Error> {
    let values: Vec<&str> = filters.get("all").collect();
    match values[..] {
        [] => Ok(false),
        [one] => units::num::parse_bool(one).map_err(|_| {
            Error::Invalid(format!("invalid filter 'all': strconv.ParseBool: parsing {one:?}: invalid syntax"))
        }),
        _ => Err(Error::Invalid(format!("invalid filter 'all=[{}]': only one value is expected", values.join(" ")))),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::ShuttingDown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_one_boolean() {
        let filters = |json: &str| Filters::from_json(json).expect("valid");
        assert!(!all_asked(&filters("{}")).expect("default"));
        assert!(all_asked(&filters(r#"{"all":["true"]}"#)).expect("given"));
        assert!(!all_asked(&filters(r#"{"all":["0"]}"#)).expect("given"));
        assert!(all_asked(&filters(r#"{"all":["x"]}"#)).is_err());
        assert!(all_asked(&filters(r#"{"all":["1","0"]}"#)).is_err());
    }
}
