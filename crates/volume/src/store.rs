//! All volumes of an engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use metastore::Db;
use rustix::fs::{CWD, Dir};

use crate::error::{Cause, Error};
use crate::record::VOLUMES;
use crate::{ANONYMOUS_LABEL, Driver, DriverVolume, LOCAL, Local, NewVolume, VolumeRecord, anonymous};

/// A volume that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// It.
    pub volume: Arc<VolumeRecord>,
    /// It was not there before.
    pub created: bool,
}

/// All volumes, by name.
#[derive(Debug)]
pub struct Store {
    meta: Arc<Db>,
    local: Arc<Local>,
    volumes: RwLock<BTreeMap<String, Arc<VolumeRecord>>>,
    /// Containers that are just being made, by the names of the volumes they will use.
    holds: Mutex<HashMap<String, BTreeSet<String>>>,
    /// One lock for each name that is worked on.
    names: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

impl Store {
    /// Opens the volumes below a data-root. Directories of volumes without a record (of a data-root that was Docker's) are
    /// taken over; what an interrupted removal left goes.
    ///
    /// # Errors
    /// The directory or the records cannot be read.
    pub fn open(data_root: &Path, meta: Arc<Db>) -> Result<Self, Error> {
        let failed = |cause: Cause| cause.of("list", LOCAL);
        let (local, cut_off) = Local::open(data_root.join("volumes")).map_err(failed)?;
        let scan = meta.scan(VOLUMES).map_err(|e| failed(e.into()))?;
        for damaged in &scan.damaged {
            tracing::error!("volume {}: damaged record, left alone: {}", damaged.key, damaged.error);
        }
        let mut volumes: BTreeMap<String, Arc<VolumeRecord>> =
            scan.records.into_iter().map(|(name, record)| (name, Arc::new(record))).collect();
        for name in cut_off {
            if volumes.contains_key(&name) && matches!(local.get(&name), Ok(None)) {
                meta.delete(VOLUMES, &name).map_err(|e| failed(e.into()))?;
                volumes.remove(&name);
            }
        }
        for name in local.found().map_err(failed)? {
            let damaged = scan.damaged.iter().any(|d| d.key == name);
            if damaged || volumes.contains_key(&name) {
                continue;
            }
            let options = local.found_options(&name);
            let anonymous = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
            let labels = anonymous.then(|| [(ANONYMOUS_LABEL.to_owned(), String::new())].into());
            let record =
                VolumeRecord { name: name.clone(), driver: LOCAL.to_owned(), labels, options, created_at: now() };
            tracing::info!("volume {name}: found without a record, taken over");
            meta.put(VOLUMES, &name, &record).map_err(|e| failed(e.into()))?;
            volumes.insert(name, Arc::new(record));
        }
        let local = Arc::new(local);
        Ok(Self { meta, local, volumes: RwLock::new(volumes), holds: Mutex::default(), names: Mutex::default() })
    }

    /// Names of the drivers that are known, sorted.
    pub fn drivers(&self) -> Vec<String> {
        vec![LOCAL.to_owned()]
    }

    fn driver(&self, name: &str) -> Result<Arc<dyn Driver>, Cause> {
        match name {
            LOCAL => Ok(self.local.clone()),
            other => Err(Cause::NoDriver(other.to_owned())),
        }
    }

    fn known(&self, name: &str) -> Option<Arc<VolumeRecord>> {
        self.volumes.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn remember(&self, volume: Arc<VolumeRecord>) {
        self.volumes.write().unwrap_or_else(PoisonError::into_inner).insert(volume.name.clone(), volume);
    }

    fn forget(&self, name: &str) -> Result<(), Cause> {
        self.meta.delete(VOLUMES, name)?;
        self.volumes.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    fn holds(&self) -> MutexGuard<'_, HashMap<String, BTreeSet<String>>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something while nobody else works on this volume.
    fn alone<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        let names = || self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = names().entry(name.to_owned()).or_default().clone();
        let done = {
            let _held = lock.lock().unwrap_or_else(PoisonError::into_inner);
            work()
        };
        let mut all = names();
        drop(lock);
        if all.get(name).is_some_and(|l| Arc::strong_count(l) == 1) {
            all.remove(name);
        }
        done
    }

    /// All volumes, by name. What drivers tell of them is not asked for.
    pub fn list(&self) -> Vec<Arc<VolumeRecord>> {
        self.volumes.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// One volume with what its driver tells of it.
    ///
    /// # Errors
    /// There is none; its driver cannot be asked.
    pub fn get(&self, name: &str) -> Result<(Arc<VolumeRecord>, DriverVolume), Error> {
        let get = |cause: Cause| cause.of("get", name);
        let volume = self.known(name).ok_or_else(|| get(Cause::NotFound))?;
        let driver = self.driver(&volume.driver).map_err(get)?;
        let told = driver.get(name).map_err(get)?;
        // A local volume whose directory somebody took away gets a new one when it is used.
        let told = told.unwrap_or_else(|| DriverVolume { name: name.to_owned(), ..DriverVolume::default() });
        Ok((volume, told))
    }

    /// Where a volume lies as far as that is known without asking anybody.
    pub fn mountpoint(&self, volume: &VolumeRecord) -> PathBuf {
        if volume.driver == LOCAL { self.local.path(&volume.name) } else { PathBuf::new() }
    }

    /// `local` or `global`.
    pub fn scope(&self, volume: &VolumeRecord) -> String {
        self.driver(&volume.driver).map(|d| d.scope()).unwrap_or_default()
    }

    /// Gives the volume of this name, and makes it if there is none. `holder` is a container that is just being made: until
    /// [`Self::release`] the volume is in use by it.
    ///
    /// # Errors
    /// A name or options that cannot be, another driver's volume, a driver that is not there or fails.
    pub fn create(&self, mut wanted: NewVolume, holder: Option<&str>) -> Result<Made, Error> {
        if wanted.name.is_empty() {
            wanted.name = anonymous().map_err(|cause| cause.of("create", ""))?;
            wanted.labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
        }
        let name = wanted.name.clone();
        self.alone(&name, || self.create_alone(wanted, holder)).map_err(|cause| cause.of("create", &name))
    }

    fn create_alone(&self, wanted: NewVolume, holder: Option<&str>) -> Result<Made, Cause> {
        let NewVolume { name, driver: driver_name, options, labels } = wanted;
        let hold = || {
            if let Some(holder) = holder {
                self.holds().entry(name.clone()).or_default().insert(holder.to_owned());
            }
        };
        if let Some(volume) = self.known(&name) {
            if !driver_name.is_empty() {
                self.driver(&driver_name)?;
                if driver_name != volume.driver {
                    return Err(Cause::NameConflict { driver: volume.driver.clone(), name });
                }
            }
            hold();
            return Ok(Made { volume, created: false });
        }
        let driver_name = if driver_name.is_empty() { LOCAL.to_owned() } else { driver_name };
        let driver = self.driver(&driver_name)?;
        driver.check(&name, &options)?;
        let volume = VolumeRecord {
            name: name.clone(),
            driver: driver_name,
            labels: (!labels.is_empty()).then_some(labels),
            options: (!options.is_empty()).then_some(options),
            created_at: now(),
        };
        // The record first: a directory without one would come back as a volume without labels.
        self.meta.put(VOLUMES, &name, &volume)?;
        if let Err(cause) = driver.create(&volume) {
            self.meta.delete(VOLUMES, &name)?;
            return Err(cause);
        }
        let volume = Arc::new(volume);
        self.remember(volume.clone());
        hold();
        Ok(Made { volume, created: true })
    }

    /// Marks a volume that is there as used by a container that is just being made.
    ///
    /// # Errors
    /// There is none.
    pub fn hold(&self, name: &str, holder: &str) -> Result<Arc<VolumeRecord>, Error> {
        self.alone(name, || {
            let volume = self.known(name).ok_or_else(|| Cause::NotFound.of("get", name))?;
            self.holds().entry(name.to_owned()).or_default().insert(holder.to_owned());
            Ok(volume)
        })
    }

    /// Drops all holds of a container: it is made, and counted from now on by who knows containers, or it is not.
    pub fn release(&self, holder: &str) {
        self.holds().retain(|_, holders| {
            holders.remove(holder);
            !holders.is_empty()
        });
    }

    /// Removes a volume with its data, unless somebody uses it: a hold, or one of those that `users` names. With `force`
    /// its record goes even if the driver fails.
    ///
    /// # Errors
    /// There is none; it is in use; the driver fails.
    pub fn remove(
        &self,
        name: &str,
        force: bool,
        users: impl FnOnce() -> Vec<String>,
    ) -> Result<Arc<VolumeRecord>, Error> {
        self.alone(name, || {
            let remove = |cause: Cause| cause.of("remove", name);
            let volume = self.known(name).ok_or_else(|| Cause::NotFound.of("get", name))?;
            // Holds first: a container that is made meanwhile loses its hold only when it is among the users.
            let mut using: Vec<String> = self.holds().get(name).into_iter().flatten().cloned().collect();
            for user in users() {
                if !using.contains(&user) {
                    using.push(user);
                }
            }
            if !using.is_empty() {
                return Err(remove(Cause::InUse(using)));
            }
            let removed = match self.driver(&volume.driver) {
                Ok(driver) => driver.remove(&volume, &mut || self.forget(name)),
                Err(cause) => Err(cause),
            };
            match removed {
                Ok(()) => Ok(volume),
                Err(cause) => {
                    if force && !matches!(cause, Cause::Active) {
                        self.forget(name).map_err(remove)?;
                    }
                    Err(remove(cause))
                }
            }
        })
    }

    /// Makes a volume's data reachable for a container, and tells where.
    ///
    /// # Errors
    /// There is none; its driver fails.
    pub fn mount(&self, name: &str, holder: &str) -> Result<PathBuf, Error> {
        self.alone(name, || {
            let volume = self.known(name).ok_or_else(|| Cause::NotFound.of("get", name))?;
            let driver = self.driver(&volume.driver).map_err(|cause| cause.of("get", name))?;
            let shown = self.mountpoint(&volume).display().to_string();
            driver.mount(&volume, holder).map_err(|cause| Error {
                op: "error while mounting volume",
                name: format!("'{shown}'"),
                cause,
            })
        })
    }

    /// A container does not need a volume's data any more.
    ///
    /// # Errors
    /// Its driver fails.
    pub fn unmount(&self, name: &str, holder: &str) -> Result<(), Error> {
        self.alone(name, || {
            let Some(volume) = self.known(name) else { return Ok(()) };
            let unmount = |cause: Cause| cause.of("error unmounting volume", name);
            self.driver(&volume.driver).and_then(|driver| driver.unmount(&volume, holder)).map_err(unmount)
        })
    }

    /// A container that runs on from an earlier daemon has this volume mounted.
    pub fn adopt(&self, name: &str, holder: &str) {
        self.alone(name, || {
            if let Some(volume) = self.known(name)
                && let Ok(driver) = self.driver(&volume.driver)
            {
                driver.adopt(&volume, holder);
            }
        });
    }

    /// Fills a volume that is empty with what is in `from`, durably. Gives whether it did. `others` says that other
    /// containers use the volume: only then what a copy that was cut off had left is kept.
    ///
    /// # Errors
    /// The volume cannot be mounted, or the copy fails.
    pub fn populate(&self, name: &str, holder: &str, from: &OwnedFd, others: bool) -> Result<bool, Error> {
        let path = self.mount(name, holder)?;
        let copied = self.alone(name, || self.populate_alone(name, &path, from, others));
        self.unmount(name, holder)?;
        copied.map_err(|cause| cause.of("failed to populate volume", name))
    }

    fn populate_alone(&self, name: &str, path: &Path, from: &OwnedFd, others: bool) -> Result<bool, Cause> {
        let failed = |errno| Cause::io("copy to", path)(errno);
        let to = archive::open_dir(CWD, path).map_err(failed)?;
        let is_local = self.known(name).is_some_and(|v| v.driver == LOCAL);
        if is_local && !others && self.local.is_half_copied(name) {
            empty(&to).map_err(failed)?;
        }
        if !is_empty(&to).map_err(failed)? || is_empty(from).map_err(failed)? && !is_local {
            return Ok(false);
        }
        if is_local {
            self.local.mark_copying(name, true)?;
        }
        crate::copy_contents(from, &to).map_err(failed)?;
        rustix::fs::syncfs(&to).map_err(failed)?;
        if is_local {
            self.local.mark_copying(name, false)?;
        }
        Ok(true)
    }
}

fn is_empty(dir: &OwnedFd) -> rustix::io::Result<bool> {
    for entry in Dir::read_from(dir)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn empty(dir: &OwnedFd) -> rustix::io::Result<()> {
    let names: Vec<_> = Dir::read_from(dir)?.map(|e| e.map(|e| e.file_name().to_owned())).collect::<Result<_, _>>()?;
    names.iter().filter(|n| !matches!(n.to_bytes(), b"." | b"..")).try_for_each(|name| archive::remove_tree(dir, name))
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
