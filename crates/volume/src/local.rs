//! The local driver: one directory for each volume, in Docker's layout.
//!
//! `<root>/<name>/_data` holds the data, `<root>/<name>/opts.json` tells other tools the options (the record is what
//! counts). Names that begin with a dot are the driver's own; no volume's name does.

use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::driver::{Driver, DriverVolume};
use crate::error::Cause;
use crate::options::LocalOptions;
use crate::{Map, VolumeRecord, fsmount, name};

const DATA: &str = "_data";
const OPTIONS: &str = "opts.json";
/// Begins the name of a volume's directory on its way out.
const REMOVING: &str = ".removing-";
/// Beside the data while it is copied there for the first time.
const COPYING: &str = ".copying";

/// The local driver.
#[derive(Debug)]
pub struct Local {
    root: PathBuf,
    /// Who has which volume mounted, for those whose options mount something.
    active: Mutex<HashMap<String, BTreeSet<String>>>,
}

impl Local {
    /// Opens (or makes) the directory of volumes and throws away what earlier removals left. Gives the names of volumes
    /// whose removal was cut off.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn open(root: PathBuf) -> Result<(Self, Vec<String>), Cause> {
        make_dir(&root, 0o701)?;
        let local = Self { root, active: Mutex::default() };
        let mut cut_off = Vec::new();
        for entry in local.names()? {
            if let Some(name) = entry.strip_prefix(REMOVING) {
                local.throw_away(&entry)?;
                cut_off.push(name.to_owned());
            }
        }
        Ok((local, cut_off))
    }

    /// Names of all volumes that have a directory as Docker's local driver makes it.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn found(&self) -> Result<Vec<String>, Cause> {
        let mut names = self.names()?;
        names.retain(|n| {
            let dir = self.root.join(n);
            name::check(n).is_ok() && (dir.join(DATA).is_dir() || dir.join(OPTIONS).is_file())
        });
        Ok(names)
    }

    /// The options that a directory of Docker's has.
    pub fn found_options(&self, name: &str) -> Option<Map> {
        let bytes = std::fs::read(self.root.join(name).join(OPTIONS)).ok()?;
        let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let mut map = Map::new();
        for (key, field) in [("type", "MountType"), ("o", "MountOpts"), ("device", "MountDevice")] {
            if let Some(text) = json[field].as_str().filter(|t| !t.is_empty()) {
                map.insert(key.to_owned(), text.to_owned());
            }
        }
        if let Some(size) = json["Quota"]["Size"].as_u64().filter(|n| *n > 0) {
            map.insert("size".to_owned(), size.to_string());
        }
        (!map.is_empty()).then_some(map)
    }

    /// Where a volume's data is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name).join(DATA)
    }

    /// A first copy into this volume was cut off.
    pub(crate) fn is_half_copied(&self, name: &str) -> bool {
        self.root.join(name).join(COPYING).exists()
    }

    /// Tells that a first copy begins (durably) or is over.
    pub(crate) fn mark_copying(&self, name: &str, copying: bool) -> Result<(), Cause> {
        let mark = self.root.join(name).join(COPYING);
        let done = if copying {
            std::fs::File::create(&mark).and_then(|f| f.sync_all())
        } else {
            match std::fs::remove_file(&mark) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
                other => other,
            }
        };
        done.map_err(|e| Cause::io("write", mark)(errno(&e)))
    }

    fn names(&self) -> Result<Vec<String>, Cause> {
        let failed = |e: std::io::Error| Cause::io("read", &self.root)(errno(&e));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.root).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn active(&self) -> MutexGuard<'_, HashMap<String, BTreeSet<String>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, name: &str) -> Result<(), Cause> {
        make_dir(&self.root.join(name), 0o701)?;
        make_dir(&self.path(name), 0o755)
    }

    fn throw_away(&self, name: &str) -> Result<(), Cause> {
        // A crash may have left it mounted: what is mounted there is not the volume's to delete.
        let data = self.root.join(name).join(DATA);
        while fsmount::is_mounted(&data) {
            fsmount::take_away(&data)?;
        }
        let root = archive::open_dir(CWD, &self.root).map_err(Cause::io("open", &self.root))?;
        let c_name = CString::new(name).map_err(|_| Cause::Name { name: name.to_owned() })?;
        archive::remove_tree(root, &c_name).map_err(Cause::io("remove", self.root.join(name)))
    }

    fn write_options(&self, volume: &VolumeRecord, options: &LocalOptions) -> Result<(), Cause> {
        let path = self.root.join(&volume.name).join(OPTIONS);
        let json = serde_json::json!({
            "MountType": options.kind, "MountOpts": options.options, "MountDevice": options.device,
            "Quota": {"Size": options.size},
        });
        // Not durable by itself: it is written anew whenever it is not there (`create`).
        let write = || -> std::io::Result<()> {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(json.to_string().as_bytes())
        };
        write().map_err(|e| Cause::io("write", &path)(errno(&e)))
    }
}

fn options_of(volume: &VolumeRecord) -> Result<LocalOptions, Cause> {
    volume.options.as_ref().map_or_else(|| Ok(LocalOptions::default()), LocalOptions::parse)
}

fn make_dir(path: &Path, mode: u32) -> Result<(), Cause> {
    let made = std::fs::DirBuilder::new().mode(mode).create(path);
    match made {
        // The umask takes bits away.
        Ok(()) => rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(mode)).map_err(Cause::io("create", path)),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(Cause::io("create", path)(errno(&e))),
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

impl Driver for Local {
    fn scope(&self) -> String {
        crate::LOCAL.to_owned()
    }

    fn check(&self, name: &str, options: &Map) -> Result<(), Cause> {
        name::check(name)?;
        let options = LocalOptions::parse(options)?;
        if options.size > 0 {
            return Err(Cause::NoQuota);
        }
        Ok(())
    }

    fn create(&self, volume: &VolumeRecord) -> Result<(), Cause> {
        self.make(&volume.name)?;
        let options = options_of(volume)?;
        if options != LocalOptions::default() {
            self.write_options(volume, &options)?;
        }
        Ok(())
    }

    fn remove(&self, volume: &VolumeRecord, forget: &mut dyn FnMut() -> Result<(), Cause>) -> Result<(), Cause> {
        if self.active().get(&volume.name).is_some_and(|holders| !holders.is_empty()) {
            return Err(Cause::Active);
        }
        let data = self.path(&volume.name);
        while fsmount::is_mounted(&data) {
            fsmount::take_away(&data)?;
        }
        // The rename is what removes it: a crash behind it leaves rubbish that the next start throws away, with the record.
        let (here, leaving) = (self.root.join(&volume.name), format!("{REMOVING}{}", volume.name));
        self.throw_away(&leaving)?;
        match std::fs::rename(&here, self.root.join(&leaving)) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return forget(),
            Err(e) => return Err(Cause::io("remove", here)(errno(&e))),
        }
        let root = archive::open_dir(CWD, &self.root).map_err(Cause::io("open", &self.root))?;
        rustix::fs::fsync(&root).map_err(Cause::io("sync", &self.root))?;
        if let Err(error) = forget() {
            let _ = std::fs::rename(self.root.join(&leaving), here);
            return Err(error);
        }
        self.throw_away(&leaving)
    }

    fn get(&self, name: &str) -> Result<Option<DriverVolume>, Cause> {
        let there = self.root.join(name).is_dir();
        Ok(there.then(|| DriverVolume {
            name: name.to_owned(),
            mountpoint: self.path(name),
            ..DriverVolume::default()
        }))
    }

    fn list(&self) -> Result<Vec<DriverVolume>, Cause> {
        let volume = |name: String| DriverVolume { mountpoint: self.path(&name), name, ..DriverVolume::default() };
        Ok(self.found()?.into_iter().map(volume).collect())
    }

    fn mount(&self, volume: &VolumeRecord, holder: &str) -> Result<PathBuf, Cause> {
        let options = options_of(volume)?;
        let data = self.path(&volume.name);
        if !data.is_dir() {
            // Somebody took it away, or power was lost before it was on disk.
            self.create(volume)?;
        }
        if options.needs_mount() {
            if !fsmount::is_mounted(&data) {
                fsmount::mount(&options, &data)?;
            }
            self.active().entry(volume.name.clone()).or_default().insert(holder.to_owned());
        }
        Ok(data)
    }

    fn unmount(&self, volume: &VolumeRecord, holder: &str) -> Result<(), Cause> {
        let last = {
            let mut active = self.active();
            let Some(holders) = active.get_mut(&volume.name) else { return Ok(()) };
            holders.remove(holder);
            holders.is_empty() && active.remove(&volume.name).is_some()
        };
        let data = self.path(&volume.name);
        if last && fsmount::is_mounted(&data) { fsmount::take_away(&data) } else { Ok(()) }
    }

    fn adopt(&self, volume: &VolumeRecord, holder: &str) {
        if options_of(volume).is_ok_and(|o| o.needs_mount()) {
            self.active().entry(volume.name.clone()).or_default().insert(holder.to_owned());
        }
    }
}
