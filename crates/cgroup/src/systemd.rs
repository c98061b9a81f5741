//! Cgroups that systemd makes: one transient scope for each container.
//!
//! On a host whose cgroups systemd manages it wants to make the groups itself; what it makes with `Delegate` it leaves to
//! us from then on. So a scope is started around a process that only waits ([`Scope::start`]); in the delegated group
//! everything goes as in any other ([`crate::Manager`] with [`Unit::path`]); when the container's process is in, the
//! waiting one goes ([`Scope`] is dropped). systemd is told the limits too, so that a reload of its own does not undo them.
//!
//! It is spoken to over its private socket, or the bus, in as much of D-Bus as that takes.

mod bus;
mod properties;
mod unit;
mod wire;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oci::runtime::Resources;
use rustix::process::{Pid, WaitOptions, waitpid};
use sys::process::Cloned;

use bus::{Bus, Incoming};
use properties::Property;
pub use unit::Unit;
use wire::{Reader, Value};

use crate::{Error, Hierarchies, Result};

const DESTINATION: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// Longest wait for a job.
const LIMIT: Duration = Duration::from_secs(30);

/// Whether systemd is the init of this host (sd_booted(3)).
#[must_use]
pub fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// A connection to a systemd.
#[derive(Debug)]
pub struct Systemd {
    bus: Bus,
}

impl Systemd {
    /// Connects to the system's manager: by its private socket, else over the system bus.
    ///
    /// # Errors
    /// [`Error::NoSystemd`] where there is none, [`Error::Io`], [`Error::Bus`].
    pub fn system() -> Result<Self> {
        if !is_running() {
            return Err(Error::NoSystemd);
        }
        match Self::at(Path::new("/run/systemd/private"), false) {
            Err(Error::Io { .. }) => Self::at(Path::new("/run/dbus/system_bus_socket"), true),
            other => other,
        }
    }

    /// Connects to the manager of the calling user, by `$XDG_RUNTIME_DIR/systemd/private`.
    ///
    /// # Errors
    /// As [`Self::system`].
    pub fn user(runtime_dir: &Path) -> Result<Self> {
        match Self::at(&runtime_dir.join("systemd/private"), false) {
            Err(Error::Io { .. }) => Self::at(&runtime_dir.join("bus"), true),
            other => other,
        }
    }

    /// Connects to a socket; on that of a bus there are others too, and one has to say hello.
    ///
    /// # Errors
    /// As [`Self::system`].
    pub fn at(socket: &Path, shared: bool) -> Result<Self> {
        let mut this = Self { bus: Bus::connect(socket)? };
        if shared {
            let bus = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus");
            this.bus.call(bus, "Hello", &[])?;
            let rule = format!("type='signal',sender='{DESTINATION}',interface='{MANAGER}',member='JobRemoved'");
            this.bus.call(bus, "AddMatch", &[Value::Str(rule)])?;
            this.manager("Subscribe", &[])?;
        }
        Ok(this)
    }

    /// The cgroup of the manager itself, which its units lie below; empty for the system's.
    ///
    /// # Errors
    /// As [`Self::system`].
    pub fn control_group(&mut self) -> Result<String> {
        const GET: &str = "ControlGroup";
        let target = (DESTINATION, OBJECT, "org.freedesktop.DBus.Properties");
        let asked = [Value::Str(MANAGER.to_owned()), Value::Str(GET.to_owned())];
        let answer = self.bus.call(target, "Get", &asked)?;
        let mut reader = Reader::new(&answer);
        let path = reader.signature().filter(|kind| kind == "s").and_then(|_| reader.string());
        let path = path.ok_or(Error::Bus { operation: GET })?;
        Ok(path.trim_end_matches('/').to_owned())
    }

    fn manager(&mut self, member: &'static str, arguments: &[Value]) -> Result<Vec<u8>> {
        self.bus.call((DESTINATION, OBJECT, MANAGER), member, arguments)
    }

    /// Queues a job and waits for its end.
    fn job(&mut self, unit: &str, member: &'static str, arguments: &[Value]) -> Result<()> {
        let answer = self.manager(member, arguments)?;
        let job = Reader::new(&answer).string().ok_or(Error::Bus { operation: member })?;
        let end = Instant::now() + LIMIT;
        loop {
            let Incoming { member: signal, body } = self.bus.signal(end)?;
            if signal != "JobRemoved" {
                continue;
            }
            let mut reader = Reader::new(&body);
            let _number = reader.u32();
            let (path, _unit, result) = (reader.string(), reader.string(), reader.string());
            if path.as_deref() != Some(job.as_str()) {
                continue;
            }
            return match result.as_deref() {
                Some("done") => Ok(()),
                other => {
                    Err(Error::SystemdJob { unit: unit.to_owned(), result: other.unwrap_or("unknown").to_owned() })
                }
            };
        }
    }

    /// Starts a scope around a process.
    fn start(&mut self, unit: &Unit, pid: Pid, properties: Vec<Property>) -> Result<()> {
        let number = u32::try_from(pid.as_raw_nonzero().get()).unwrap_or(0);
        let mut all = properties::of_scope(unit);
        all.push(("PIDs", Value::Numbers(vec![number])));
        all.extend(properties);
        let arguments = [
            Value::Str(unit.name.clone()),
            Value::Str("replace".to_owned()),
            Value::Properties(all),
            Value::NoAuxiliaries,
        ];
        let started = self.job(&unit.name, "StartTransientUnit", &arguments);
        match started {
            // A failed one of that name is remembered until somebody says it is known.
            Err(Error::Systemd { ref name, .. }) if name.ends_with(".UnitExists") => {
                let _ = self.manager("ResetFailedUnit", &[Value::Str(unit.name.clone())]);
                self.job(&unit.name, "StartTransientUnit", &arguments)
            }
            other => other,
        }
    }

    /// Tells systemd the limits of a scope that is there.
    ///
    /// # Errors
    /// [`Error::Systemd`], and what [`Self::system`] says.
    pub fn update(&mut self, unit: &Unit, resources: &Resources, hierarchies: &Hierarchies) -> Result<()> {
        let properties = properties::of_resources(resources, hierarchies.is_v2())?;
        if properties.is_empty() {
            return Ok(());
        }
        let arguments = [Value::Str(unit.name.clone()), Value::Bool(true), Value::Properties(properties)];
        self.manager("SetUnitProperties", &arguments).map(drop)
    }

    /// Ends a scope. One that is gone is fine.
    ///
    /// # Errors
    /// As [`Self::update`], [`Error::SystemdJob`].
    pub fn stop(&mut self, unit: &Unit) -> Result<()> {
        let arguments = [Value::Str(unit.name.clone()), Value::Str("replace".to_owned())];
        let stopped = self.job(&unit.name, "StopUnit", &arguments);
        let _ = self.manager("ResetFailedUnit", &[Value::Str(unit.name.clone())]);
        match stopped {
            Err(Error::Systemd { ref name, .. }) if name.ends_with(".NoSuchUnit") => Ok(()),
            other => other,
        }
    }
}

/// A scope with a process in it that waits until this is dropped.
#[derive(Debug)]
pub struct Scope {
    waiting: Pid,
}

impl Scope {
    /// Starts the scope of a container with its limits. For a caller with one thread.
    ///
    /// # Errors
    /// As [`Systemd::update`]; [`Error::SystemdJob`] when it cannot be started.
    pub fn start(
        systemd: &mut Systemd,
        unit: &Unit,
        resources: Option<&Resources>,
        hierarchies: &Hierarchies,
    ) -> Result<Self> {
        let limits = resources.map(|r| properties::of_resources(r, hierarchies.is_v2())).transpose()?;
        let failed = |errno| Error::Io { operation: "fork", path: PathBuf::new(), errno };
        let waiting = match sys::process::fork().map_err(failed)? {
            Cloned::Parent { pid, .. } => Pid::from_raw(pid).ok_or(Error::NoSystemd)?,
            Cloned::Child => wait_for_the_end(),
        };
        let scope = Self { waiting };
        systemd.start(unit, waiting, limits.unwrap_or_default())?;
        Ok(scope)
    }
}

/// What the first process of a scope does.
fn wait_for_the_end() -> ! {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let _ = sys::process::close_from(0);
    loop {
        let _ = rustix::event::poll(&mut [], None);
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // Who has changed its ids since may not any more; the process goes with us then.
        if rustix::process::kill_process(self.waiting, rustix::process::Signal::KILL).is_err() {
            return;
        }
        while matches!(waitpid(Some(self.waiting), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
    }
}

#[cfg(test)]
mod tests;
