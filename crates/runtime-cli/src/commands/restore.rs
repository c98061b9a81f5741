//! `restore`: has criu make a container out of the files of a checkpoint.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use cgroup::systemd::Scope;
use oci::runtime::{Namespace, NamespaceType, Spec, Status};

use crate::Context;
use crate::bundle::{self, Bundle};
use crate::cgroups::{self, CgroupRecord};
use crate::commands::delete::destroy;
use crate::console::Receiver;
use crate::criu::{self, Criu, DESCRIPTORS, Kind, Notice, Options, Request, Session};
use crate::error::{Error, Result, at, io};
use crate::launch::{check_terminal, pipes, write_pid};
use crate::parse::Matches;
use crate::report::Report;
use crate::stay::{self, Signals};
use crate::store::{Container, Lock, Record, remove};

/// criu's log in the directory of work files or images.
const LOG: &str = "restore.log";

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    if !rustix::process::geteuid().is_root() || cgroups::in_user_namespace() {
        Report::default().line("warning", "runc restore is untested with rootless containers");
    }
    let id = matches.take_first();
    let detached = matches.flag("detach");
    let options = Options::read(matches)?;
    let bundle = bundle::load(matches.value("bundle"))?;
    let terminal = bundle.spec.process.as_ref().is_some_and(|process| process.terminal);
    let socket = matches.value("console-socket").filter(|path| !path.is_empty());
    check_terminal(terminal, detached, socket.is_some())?;
    let socket = socket.map(Receiver::connect).transpose()?;
    let signals = (!detached).then(Signals::keep).transpose()?;
    if !detached && !matches.flag("no-subreaper") {
        stay::adopt()?;
    }
    let (restored, lock) = make(context, &id, &options, bundle, socket.as_ref())?;
    let Restored { container, console } = restored;
    let handed = container.pidfd().and_then(|pidfd| write_pid(matches, container.record.pid).map(|()| pidfd));
    let pidfd = handed.inspect_err(|_| {
        let _ = container.signal(crate::signals::KILL);
        let _ = destroy(&container);
    })?;
    drop(lock);
    let Some(signals) = signals else { return Ok(0) };
    let status = stay::until_end(container.record.pid, &pidfd, console, &signals)?;
    match context.store.lock(&id) {
        Err(Error::NotExist) => {}
        other => destroy(&other?.0)?,
    }
    Ok(status)
}

/// A container that runs again.
#[derive(Debug)]
struct Restored {
    container: Container,
    /// The terminal, when nobody else has got it.
    console: Option<OwnedFd>,
}

/// Makes the container. On failure nothing of it is left.
fn make(
    context: &Context,
    id: &str,
    options: &Options,
    bundle: Bundle,
    socket: Option<&Receiver>,
) -> Result<(Restored, Lock)> {
    let criu = Criu::find()?;
    let (dir, lock) = context.store.make(id)?;
    let restoring = Restoring { criu: &criu, options, dir: &dir, socket, rootfs: &bundle.rootfs };
    let made = in_cgroup(context, id, &bundle.spec).and_then(|(cgroup, spec, scope)| {
        let made = restoring.make(Record::new(id, &bundle.dir, &bundle.rootfs, spec, cgroup));
        // Its own process may go: the container's is in, or there is none.
        drop(scope);
        made
    });
    match made {
        Ok(restored) => Ok((restored, lock)),
        Err(error) => {
            let _ = remove(&dir);
            Err(error)
        }
    }
}

/// Makes the cgroup with its limits.
fn in_cgroup(context: &Context, id: &str, spec: &Spec) -> Result<(CgroupRecord, Spec, Option<Scope>)> {
    let global = &context.global;
    let mut spec = spec.clone();
    let lenient = cgroups::is_lenient(global.value("rootless"))?;
    let scope = global.flag("systemd-cgroup").then(|| CgroupRecord::start_scope(&spec, id)).transpose()?;
    let (cgroup, scope) = scope.map_or_else(|| (CgroupRecord::choose(&spec, id), None), |(c, s)| (c, Some(s)));
    let made = cgroup.clone().adapt(&mut spec, lenient).and_then(|cgroup| {
        let manager = cgroup.manager()?;
        manager.create()?;
        if let Some(resources) = spec.linux.as_ref().and_then(|linux| linux.resources.as_ref()) {
            manager.apply(resources)?;
        }
        Ok(cgroup)
    });
    let cgroup = made.inspect_err(|_| cgroup.discard())?;
    Ok((cgroup, spec, scope))
}

#[derive(Debug)]
struct Restoring<'a> {
    criu: &'a Criu,
    options: &'a Options,
    dir: &'a Path,
    socket: Option<&'a Receiver>,
    rootfs: &'a Path,
}

impl Restoring<'_> {
    fn make(&self, mut record: Record) -> Result<Restored> {
        let place = self.dir.join("criu-root");
        let made = self.restore(&mut record, &place);
        let _ = std::fs::remove_dir(&place);
        match made {
            Ok(console) => Ok(Restored { container: Container { dir: self.dir.to_owned(), record }, console }),
            Err(error) => {
                record.cgroup.discard();
                Err(error)
            }
        }
    }

    fn restore(&self, record: &mut Record, place: &PathBuf) -> Result<Option<OwnedFd>> {
        std::fs::create_dir(place).map_err(io("mkdir", place))?;
        let mut request = Request::new(Kind::Restore);
        if self.options.lsm_profile.is_some() && self.criu.at_least(31_600).is_err() {
            return Err(Error::CriuTooOldFor { option: "--lsm-profile" });
        }
        if self.options.lsm_mount_context.is_some() && self.criu.at_least(31_600).is_err() {
            return Err(Error::CriuTooOldFor { option: "--lsm-mount-context" });
        }
        request.restore(self.options);
        let joined = self.namespaces(&record.spec, &mut request)?;
        let cgroup = record.cgroup.manager()?;
        for external in criu::externals(&record.spec, self.rootfs, &cgroup)? {
            request.external_mount(&external.destination, &external.source);
        }
        self.streams(&mut request)?;
        let stage = criu::Stage::enter(&record.spec, self.rootfs, place)?;
        // Opened in there: criu mounts below the directory of its work files.
        let (images, work) = self.options.open()?;
        let work = work.as_ref().map(std::os::fd::AsRawFd::as_raw_fd);
        let config = criu::config(&record.spec.annotations);
        request.common(self.options, images.as_raw_fd(), work, LOG, &place.to_string_lossy(), config);
        let session = Session::start(self.criu);
        drop(stage);
        let session = session?;
        drop(joined);
        cgroup.add_pid(session.pid())?;
        for (controllers, path) in cgroups_of(session.pid())? {
            request.cgroup_root(&controllers, &path);
        }
        let mut console = None;
        let done =
            session.talk(&request, &mut |notice, descriptor| self.attend(record, notice, descriptor, &mut console));
        done.map_err(|error| criu::explain(error, self.options.logs(), LOG))?;
        if record.pid == 0 {
            return Err(Error::CriuSilent);
        }
        Ok(console)
    }

    /// Namespaces that are joined rather than restored. The descriptors must be open when criu starts.
    fn namespaces(&self, spec: &Spec, request: &mut Request) -> Result<Vec<OwnedFd>> {
        let mut held = Vec::new();
        for space in spec.linux.as_ref().map(|linux| linux.namespaces.as_slice()).unwrap_or_default() {
            if space.path.is_empty() {
                continue;
            }
            if let Some((name, key, least)) = criu::external_namespace(space.r#type) {
                self.criu.at_least(least).map_err(|_| Error::CriuExternal { name, doing: "the restoration" })?;
                let file = std::fs::File::open(&space.path)
                    .map_err(|_| Error::CriuNoNamespace { name, path: space.path.clone() })?;
                let file = OwnedFd::from(file);
                request.inherit(key, criu::hand_on(&file)?);
                held.push(file);
                continue;
            }
            let name = criu::namespace_name(space.r#type).ok_or(Error::CriuJoin { kind: space.r#type })?;
            request.join(name, &space.path);
        }
        Ok(held)
    }

    /// Our standard streams take the places of the pipes that the container had.
    fn streams(&self, request: &mut Request) -> Result<()> {
        let path = self.options.images.join(DESCRIPTORS);
        let text = std::fs::read(&path).map_err(io("open", &path))?;
        let json = |source| Error::Json { what: DESCRIPTORS.to_owned(), source };
        let names: Vec<String> = serde_json::from_slice(&text).map_err(json)?;
        for (number, name) in (0..).zip(names).filter(|(_, name)| name.contains("pipe:")) {
            request.inherit(&name, number);
        }
        Ok(())
    }

    fn attend(
        &self,
        record: &mut Record,
        notice: &Notice,
        descriptor: Option<OwnedFd>,
        console: &mut Option<OwnedFd>,
    ) -> Result<()> {
        match notice.script.as_str() {
            "setup-namespaces" => {
                if let Some(hooks) = &record.spec.hooks {
                    let state = oci::runtime::State { pid: Some(notice.pid), ..record.state(Status::Creating) };
                    runtime::create_runtime(hooks, &state)?;
                }
            }
            "post-restore" => {
                record.runs(notice.pid);
                record.streams = pipes();
                if self.criu.at_least(31_400).is_ok() {
                    joins_time(&mut record.spec);
                }
                Container::save(self.dir, record)?;
            }
            "orphan-pts-master" => match (descriptor, self.socket) {
                (Some(master), Some(socket)) => socket.send("/dev/ptmx", std::os::fd::AsFd::as_fd(&master))?,
                (master, _) => *console = master,
            },
            _ => {}
        }
        Ok(())
    }
}

/// criu restores processes into a time namespace, in which their clocks go on.
fn joins_time(spec: &mut Spec) {
    let spaces = &mut spec.linux.get_or_insert_default().namespaces;
    if !spaces.iter().any(|space| space.r#type == NamespaceType::Time) && Path::new("/proc/self/ns/time").exists() {
        spaces.push(Namespace { r#type: NamespaceType::Time, path: String::new() });
    }
}

/// Controllers and path of each of a process' cgroups.
fn cgroups_of(pid: rustix::process::Pid) -> Result<Vec<(String, String)>> {
    let path = format!("/proc/{}/cgroup", pid.as_raw_nonzero());
    let text = std::fs::read_to_string(&path).map_err(io("open", &path))?;
    let line = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let paths = controllers.split(',').map(|controller| (controller.to_owned(), path.to_owned()));
        Some(paths.collect::<Vec<_>>())
    };
    let found: Vec<_> = text.lines().filter_map(line).flatten().collect();
    if found.is_empty() { Err(at("read", &path)(rustix::io::Errno::INVAL)) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        let mut spec = Spec::default();
        joins_time(&mut spec);
        joins_time(&mut spec);
        assert!(spec.linux.unwrap().namespaces.len() <= 1);
    }

    #[test]
    fn own_cgroups() {
        let own = rustix::process::getpid();
        assert!(cgroups_of(own).unwrap().iter().all(|(_, path)| path.starts_with('/')));
    }
}
