//! Starting a container's first process, for `create`, `run` and `restore`.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci::runtime::{Namespace, NamespaceType, Spec, Status};
use runtime::{Create, Held, Hold, Manner, Started, Stdio};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use shim_proto::{Rootfs, Size, Step};

use crate::Context;
use crate::bundle::{self, Bundle};
use crate::cgroups::{self, CgroupRecord};
use crate::console::Receiver;
use crate::error::{Error, Result, at, call};
use crate::parse::Matches;
use crate::store::{Container, Lock, Record, remove};

/// A container whose first process waits to be started.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) container: Container,
    pub(crate) lock: Lock,
    /// What it waits for, if that is our word.
    pub(crate) held: Option<Held>,
    /// The terminal, when nobody else has got it.
    pub(crate) console: Option<OwnedFd>,
    pub(crate) pidfd: OwnedFd,
}

/// What the first process waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// `start`, at the FIFO.
    Start,
    /// The word of this very process.
    Word,
}

/// Makes the container up to where its process waits. On failure nothing of it is left.
pub(crate) fn launch(context: &Context, matches: &Matches, id: &str, detached: bool, until: Until) -> Result<Launched> {
    let preserve = preserved(matches)?;
    let Bundle { dir: bundle, rootfs, mut spec } = bundle::load(matches.value("bundle"))?;
    let terminal = spec.process.as_ref().is_some_and(|process| process.terminal);
    let socket = matches.value("console-socket").filter(|path| !path.is_empty());
    check_terminal(terminal, detached, socket.is_some())?;
    let socket = socket.map(Receiver::connect).transpose()?;
    let pidfd_socket =
        matches.value("pidfd-socket").filter(|path| !path.is_empty()).map(Receiver::connect).transpose()?;
    if let Some(process) = &mut spec.process {
        activation(&mut process.env);
    }
    let after = After::of(&spec, id, &bundle);
    let (dir, lock) = context.store.make(id)?;
    let made = Making { context, matches, id, dir: &dir, preserve, until }.make(bundle, &rootfs, spec, terminal);
    let handed = made.and_then(|(record, started)| {
        let result = hand_over(&started, socket.as_ref(), pidfd_socket.as_ref(), matches, &record);
        if result.is_err() {
            kill(&record);
        }
        result.map(|()| (record, started))
    });
    match handed {
        Ok((record, mut started)) => {
            let console = started.console.take().filter(|_| socket.is_none());
            let Started { pidfd, held, .. } = started;
            Ok(Launched { container: Container { dir, record }, lock, held, console, pidfd })
        }
        Err(error) => {
            let _ = remove(&dir);
            after.failed(&error);
            Err(error)
        }
    }
}

/// What is run after a container that did not come to be, as after one that has ended.
#[derive(Debug)]
struct After {
    hooks: oci::runtime::Hooks,
    state: oci::runtime::State,
}

impl After {
    fn of(spec: &Spec, id: &str, bundle: &Path) -> Self {
        let hooks = spec.hooks.as_ref().map(|hooks| hooks.poststop.clone()).unwrap_or_default();
        let state = oci::runtime::State {
            oci_version: spec.oci_version.clone(),
            id: id.to_owned(),
            status: Status::Stopped,
            pid: None,
            bundle: bundle.to_string_lossy().into_owned(),
            annotations: spec.annotations.clone(),
        };
        Self { hooks: oci::runtime::Hooks { poststop: hooks, ..Default::default() }, state }
    }

    /// Runs `poststop`, unless the spec was refused before there was anything.
    fn failed(&self, error: &Error) {
        if matches!(error, Error::Start(start) if start.step == Step::Plan) {
            return;
        }
        for failed in runtime::poststop(&self.hooks, &self.state) {
            crate::report::Report::default().line("warning", &failed.message);
        }
    }
}

fn kill(record: &Record) {
    let _ = sys::signal::kill(record.pid, crate::signals::KILL);
    record.cgroup.discard();
}

/// Who is detached cannot have a terminal that nobody takes, and a taker needs a terminal.
pub(crate) fn check_terminal(terminal: bool, detached: bool, socket: bool) -> Result<()> {
    match (terminal, detached, socket) {
        (true, true, false) => Err(Error::DetachedTty),
        (_, false, true) | (false, _, true) => Err(Error::UselessConsole),
        _ => Ok(()),
    }
}

/// How many descriptors the process keeps: those of `--preserve-fds` and of socket activation, all of which must be there.
pub(crate) fn preserved(matches: &Matches) -> Result<u32> {
    let asked = matches.number("preserve-fds")?.unwrap_or(0);
    let activated = std::env::var("LISTEN_FDS").ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let count = asked.saturating_add(activated);
    let text = || Error::Value { option: "--preserve-fds", text: count.to_string() };
    let number = u32::try_from(count).ok().filter(|number| *number < 1 << 16).ok_or_else(text)?;
    for fd in (3..).take(usize::try_from(number).unwrap_or(0)) {
        if sys::inherited::duplicate(fd).is_err() {
            return Err(Error::PreservedFd { fd, count, errno: Errno::NOENT });
        }
    }
    Ok(number)
}

/// Tells the process of the sockets that were activated for it; it is the first of its PID namespace.
pub(crate) fn activation(env: &mut Vec<String>) {
    if let Ok(count) = std::env::var("LISTEN_FDS") {
        env.push(format!("LISTEN_FDS={count}"));
        env.push("LISTEN_PID=1".to_owned());
        if let Ok(names) = std::env::var("LISTEN_FDNAMES") {
            env.push(format!("LISTEN_FDNAMES={names}"));
        }
    }
}

/// The caller's standard streams, or a terminal of the caller's size.
pub(crate) fn stdio(terminal: bool, size: Option<Size>) -> Result<Stdio> {
    if terminal {
        return Ok(Stdio::Terminal { size: size.or_else(crate::terminal::size) });
    }
    let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned();
    let streams = own(rustix::stdio::stdin())
        .and_then(|stdin| Ok((stdin, own(rustix::stdio::stdout())?, own(rustix::stdio::stderr())?)));
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let (stdin, stdout, stderr) = streams.map_err(|error| call("dup of the standard streams")(errno(error)))?;
    Ok(Stdio::Streams { stdin, stdout, stderr })
}

/// First size of a terminal out of a process' `consoleSize`.
pub(crate) fn console_size(process: &oci::runtime::Process) -> Option<Size> {
    let size = process.console_size.filter(|size| size.height > 0 && size.width > 0)?;
    let number = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    Some(Size { rows: number(size.height.into()), cols: number(size.width.into()) })
}

struct Making<'a> {
    context: &'a Context,
    matches: &'a Matches,
    id: &'a str,
    dir: &'a Path,
    preserve: u32,
    until: Until,
}

impl Making<'_> {
    fn make(
        &self,
        bundle: PathBuf,
        rootfs: &Path,
        mut spec: oci::runtime::Spec,
        terminal: bool,
    ) -> Result<(Record, Started)> {
        let global = &self.context.global;
        let lenient = cgroups::is_lenient(global.value("rootless"))?;
        if lenient && let Some(process) = &mut spec.process {
            keep_score(process);
        }
        let scope = global.flag("systemd-cgroup").then(|| CgroupRecord::start_scope(&spec, self.id)).transpose()?;
        let (cgroup, scope) = scope.map_or_else(|| (CgroupRecord::choose(&spec, self.id), None), |(c, s)| (c, Some(s)));
        let made = self.make_in(cgroup.clone(), lenient, bundle, rootfs, spec, terminal);
        // Its own process may go: the container's is in.
        drop(scope);
        made.inspect_err(|_| {
            if cgroup.scope.is_some() {
                cgroup.discard();
            }
        })
    }

    fn make_in(
        &self,
        cgroup: CgroupRecord,
        lenient: bool,
        bundle: PathBuf,
        rootfs: &Path,
        mut spec: Spec,
        terminal: bool,
    ) -> Result<(Record, Started)> {
        let mut inside = enter_own(&spec)?;
        let cgroup = cgroup.adapt(&mut spec, lenient)?;
        let manager = cgroup.manager()?;
        let fifo = (self.until == Until::Start).then(|| fifo(self.dir)).transpose()?;
        let mut record = Record::new(self.id, &bundle, rootfs, spec, cgroup);
        if let Some(inside) = &mut inside {
            // Whatever was decided about limits.
            inside.linux.get_or_insert_default().resources =
                record.spec.linux.as_ref().and_then(|l| l.resources.clone());
        }
        let spec = inside.as_ref().unwrap_or(&record.spec);
        let size = spec.process.as_ref().and_then(console_size);
        let create = Create {
            id: self.id,
            spec,
            rootfs: &Rootfs::Path { path: rootfs.to_owned() },
            netns: None,
            mount_point: self.dir,
            cgroup: &manager,
            init: None,
            manner: Manner {
                bundle: Some(&bundle),
                hold: fifo.as_ref().map_or(Hold::Word, |fifo| Hold::Fifo(fifo.as_fd())),
                outlives: true,
                preserve_fds: self.preserve,
                no_pivot: self.matches.flag("no-pivot"),
                no_new_keyring: self.matches.flag("no-new-keyring"),
            },
        };
        let starting = runtime::create(&create, stdio(terminal, size)?)?;
        if !terminal {
            record.streams = pipes();
        }
        let discard = || {
            let _ = manager.kill().and_then(|()| manager.delete());
        };
        // While it is on its way. Nobody may see the record before it is inside its own root.
        record.runs(starting.pid().unwrap_or(0));
        let drafted = Container::draft(self.dir, &record);
        let started = drafted.and_then(|()| Ok(starting.wait()?)).inspect_err(|_| discard())?;
        if started.pid != record.pid {
            record.runs(started.pid);
            Container::draft(self.dir, &record).inspect_err(|_| kill(&record))?;
        }
        Container::publish(self.dir).inspect_err(|_| kill(&record))?;
        Ok((record, started))
    }
}

/// Names of the standard streams that are pipes, for a later `restore`, which puts others in their place.
pub(crate) fn pipes() -> Vec<String> {
    let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let name = |fd: BorrowedFd<'_>| {
        let found = rustix::fs::fstat(fd).ok()?;
        let is_pipe = FileType::from_raw_mode(found.st_mode) == FileType::Fifo;
        // A FIFO with a name has a link, or had one.
        is_pipe.then(|| rustix::fs::readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new()).ok())?
    };
    let names: Vec<String> =
        streams.into_iter().map(|fd| name(fd).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()).collect();
    if names.iter().all(String::is_empty) { Vec::new() } else { names }
}

/// A score below one's own is a privilege; without it the own one stays.
fn keep_score(process: &mut oci::runtime::Process) {
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|text| text.trim().parse().ok());
    process.oom_score_adj = process.oom_score_adj.filter(|wanted| own.is_none_or(|own| *wanted >= own));
}

/// Without privileges the new user namespace of a spec is entered first: only in there may anything be mounted. What is
/// left to be made comes back; the record keeps the whole.
fn enter_own(spec: &Spec) -> Result<Option<Spec>> {
    let Some(linux) = spec.linux.as_ref().filter(|_| !rustix::process::geteuid().is_root()) else { return Ok(None) };
    let is_new = |space: &Namespace| space.r#type == NamespaceType::User && space.path.is_empty();
    if !linux.namespaces.iter().any(is_new) {
        return Ok(None);
    }
    runtime::enter_user_namespace(&linux.uid_mappings, &linux.gid_mappings)?;
    let mut inside = spec.clone();
    if let Some(linux) = &mut inside.linux {
        linux.namespaces.retain(|space| !is_new(space));
        linux.uid_mappings.clear();
        linux.gid_mappings.clear();
    }
    Ok(Some(inside))
}

/// Makes the FIFO, and opens the end that the process waits at.
fn fifo(dir: &Path) -> Result<OwnedFd> {
    let path = Container::fifo(dir);
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).map_err(at("mkfifo", &path))?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(&path, flags, Mode::empty()).map_err(at("open", &path))
}

fn hand_over(
    started: &Started,
    socket: Option<&Receiver>,
    pidfd_socket: Option<&Receiver>,
    matches: &Matches,
    record: &Record,
) -> Result<()> {
    if let (Some(socket), Some(console)) = (socket, &started.console) {
        socket.send("/dev/ptmx", console.as_fd())?;
    }
    if let Some(socket) = pidfd_socket {
        socket.send("pidfd", started.pidfd.as_fd())?;
    }
    write_pid(matches, record.pid)
}

/// Writes the file of `--pid-file`: whole, then renamed into place.
pub(crate) fn write_pid(matches: &Matches, pid: i32) -> Result<()> {
    let Some(path) = matches.value("pid-file").filter(|path| !path.is_empty()) else { return Ok(()) };
    let path = Path::new(path);
    let name = format!(".{}", path.file_name().unwrap_or_default().to_string_lossy());
    let temporary = path.with_file_name(name);
    std::fs::write(&temporary, pid.to_string()).map_err(crate::error::io("open", &temporary))?;
    std::fs::rename(&temporary, path).map_err(crate::error::io("rename", path))
}

/// Lets a first process that waits at its FIFO go on, and runs `poststart`.
pub(crate) fn start(container: &Container) -> Result<()> {
    let path = Container::fifo(&container.dir);
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fifo = match rustix::fs::open(&path, flags, Mode::empty()) {
        // Nobody waits there.
        Err(Errno::NXIO) => return Err(Error::StartStopped),
        other => other.map_err(at("open", &path))?,
    };
    rustix::io::write(&fifo, b"0").map_err(at("write", &path))?;
    std::fs::remove_file(&path).map_err(crate::error::io("remove", &path))?;
    after_start(container, || until_started(&fifo))
}

/// As [`start`], for a process that waits for the word of its maker.
pub(crate) fn go_on(container: &Container, held: &Held) -> Result<()> {
    held.release().map_err(|_| Error::StartStopped)?;
    after_start(container, || held.until_exec().map_err(call("poll of the starting process")))
}

/// Runs `poststart`, when the user's program runs.
fn after_start(container: &Container, until_started: impl FnOnce() -> Result<()>) -> Result<()> {
    let hooks = container.record.spec.hooks.as_ref();
    // Nobody but root may join a process that is not yet the user's program: it is closed to tracers till then.
    if hooks.is_some_and(|hooks| !hooks.poststart.is_empty()) || !rustix::process::geteuid().is_root() {
        until_started()?;
    }
    if let Some(hooks) = hooks {
        let state = container.record.state(Status::Running);
        runtime::poststart(hooks, &state).inspect_err(|_| {
            let _ = container.signal(crate::signals::KILL);
        })?;
    }
    Ok(())
}

/// Waits until the first process has become the user's program, or ended: its end of the FIFO is closed then.
fn until_started(fifo: &OwnedFd) -> Result<()> {
    let mut poll = [rustix::event::PollFd::new(fifo, rustix::event::PollFlags::empty())];
    loop {
        match rustix::event::poll(&mut poll, None) {
            Err(Errno::INTR) => {}
            other => return other.map(drop).map_err(call("poll of the exec fifo")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals() {
        assert!(check_terminal(true, true, true).is_ok() && check_terminal(true, false, false).is_ok());
        assert!(check_terminal(false, true, false).is_ok());
        let text = |t, d, s| check_terminal(t, d, s).unwrap_err().to_string();
        assert_eq!(text(true, true, false), "cannot allocate tty if runc will detach without setting console socket");
        assert_eq!(text(false, true, true), "cannot use console socket if runc will not detach or allocate tty");
    }

    #[test]
    fn waits_at_the_fifo() {
        let dir = tempfile::tempdir().unwrap();
        let hold = fifo(dir.path()).unwrap();
        let spec = oci::runtime::Spec::default();
        let record = Record::new("x", dir.path(), dir.path(), spec, CgroupRecord::default());
        let container = Container { dir: dir.path().to_owned(), record };
        start(&container).unwrap();
        let mut byte = [0];
        assert_eq!(rustix::io::read(&hold, &mut byte), Ok(1));
        assert!(!Container::fifo(dir.path()).exists());
        drop(fifo(dir.path()).unwrap());
        assert!(matches!(start(&container), Err(Error::StartStopped)));
    }
}
