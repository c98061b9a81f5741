//! The last steps, the same for a container's first process and for exec sessions: working directory, user,
//! capabilities, filter, exec.

use std::borrow::Cow;
use std::ffi::CString;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use fsroot::Tree;
use oci::runtime::{Hook, Process, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Signal, fchdir, ioctl_tiocsctty, set_parent_process_death_signal};
use rustix::thread::{CapabilitySet, set_no_new_privs};
use shim_proto::{Conn, Step};
use sys::process::Strings;

use crate::channel::FromChild;
use crate::child::init::wait_for_go;
use crate::child::kernel::open_proc;
use crate::child::{identity, program};
use crate::failure::{Context as _, Failure, Result, quoted, words};
use crate::filter::Filter;
use crate::hooks;
use crate::manner::{Hold, Manner};
use crate::stdio::Stdio;

/// A process that is inside its container and has everything but the user's identity.
#[derive(Debug)]
pub(crate) struct Finish<'a> {
    process: &'a Process,
    last: Last<'a>,
    args: Vec<String>,
    env: Vec<String>,
}

/// What is done at the very end.
#[derive(Debug)]
pub(crate) struct Last<'a> {
    pub(crate) filter: Option<Cow<'a, Filter>>,
    pub(crate) manner: Manner<'a>,
    /// `startContainer`, and what they are told.
    pub(crate) hooks: Option<(&'a [Hook], State)>,
}

impl<'a> Finish<'a> {
    /// Takes standard streams, controlling terminal, security label and environment. `front` are arguments before the
    /// user's; `proc` is needed when there are labels.
    pub(crate) fn new(
        process: &'a Process,
        front: &[&str],
        last: Last<'a>,
        stdio: Stdio,
        console: Option<OwnedFd>,
        proc: Option<&OwnedFd>,
        root: &Tree,
    ) -> Result<Self> {
        let args: Vec<String> = front.iter().map(|&a| a.to_owned()).chain(process.args.iter().cloned()).collect();
        let env = program::environment(&process.env, process.user.uid, root)?;
        take_stdio(stdio, console, process.user.uid, root)?;
        if let Some(proc) = proc {
            label(process, proc)?;
        }
        Ok(Self { process, last, args, env })
    }

    /// Becomes the user's program. Returns only on failure.
    pub(crate) fn exec(self, conn: &Conn) -> Failure {
        match self.prepare(conn) {
            Err(failure) => {
                if !matches!(self.last.manner.hold, Hold::No) {
                    // Nobody listens any more.
                    let text = format!("{}\n", failure.text);
                    let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
                }
                failure
            }
            Ok((path, args, env)) => {
                let errno = sys::process::execve(&path, &args, &env);
                // As with Docker, the program was found, so the container counts as started: it says so itself.
                let text = format!("exec {}: {}\n", path.to_string_lossy(), words(errno));
                let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
                sys::process::exit_now(255)
            }
        }
    }

    fn prepare(&self, conn: &Conn) -> Result<(CString, Strings, Strings)> {
        let process = self.process;
        sys::process::cloexec_from(self.last.manner.first_closed()).context(Step::Prepare, "close_range")?;
        if process.no_new_privileges {
            set_no_new_privs(true).context(Step::Security, "prctl(SET_NO_NEW_PRIVS)")?;
        }
        let inside = change_directory(&process.cwd, true)?;
        identity::take_user(&process.user, process.capabilities.as_ref())?;
        // Loading a filter without no_new_privs is a privilege; it is kept until that is done.
        let for_filter = match &self.last.filter {
            Some(_) if !process.no_new_privileges => CapabilitySet::SYS_ADMIN,
            _ => CapabilitySet::empty(),
        };
        if let Some(capabilities) = &process.capabilities {
            identity::take_capabilities(capabilities, for_filter)?;
        }
        if !inside {
            change_directory(&process.cwd, false)?;
        }
        check_directory()?;
        let name = self.args.first().map(String::as_str).unwrap_or_default();
        let path = program::look_up(name, &self.env)?;
        let strings = |list: &[String]| {
            Strings::new(list.iter().map(String::as_bytes)).context(Step::Plan, "arguments and environment")
        };
        let (args, env) = (strings(&self.args)?, strings(&self.env)?);
        // The change of user has cleared it.
        let dies = (!self.last.manner.outlives).then_some(Signal::KILL);
        set_parent_process_death_signal(dies).context(Step::Prepare, "prctl(PR_SET_PDEATHSIG)")?;
        rustix::process::umask(Mode::from_raw_mode(process.user.umask.unwrap_or(0o022)));
        if let Some(filter) = self.last.filter.as_ref().filter(|filter| filter.asks()) {
            load_listening(filter, conn)?;
        }
        if conn.send(&FromChild::Ready, &[]).is_err() {
            // The shim is dead and cannot kill us any more.
            sys::process::exit_now(1);
        }
        if matches!(self.last.manner.hold, Hold::Word) {
            wait_for_go(conn)?;
        }
        if let Some(hold) = self.last.manner.hold.fifo() {
            // The maker goes its way: nothing of what it had open, locks above all, is kept meanwhile. Who owns these
            // descriptors here never gets to close them.
            let _ = rustix::net::shutdown(conn.as_fd(), rustix::net::Shutdown::Both);
            let keep: Vec<_> = self.last.manner.preserved().chain([hold.as_raw_fd()]).collect();
            sys::process::close_all_but(&keep).context(Step::Prepare, "close_range")?;
            wait_for_start(hold)?;
        }
        if let Some((list, state)) = &self.last.hooks {
            let state = State { pid: Some(rustix::process::getpid().as_raw_nonzero().get()), ..state.clone() };
            hooks::run("startContainer", list, &state, &self.env)?;
        }
        sys::signal::unblock_all().context(Step::Prepare, "sigprocmask")?;
        if let Some(filter) = self.last.filter.as_ref().filter(|filter| !filter.asks()) {
            sys::security::load_filter(&filter.program, filter.flags)
                .context(Step::Security, "error loading seccomp filter into kernel")?;
        }
        if let Some(capabilities) = &process.capabilities {
            if !for_filter.is_empty() {
                identity::take_capabilities(capabilities, CapabilitySet::empty())?;
            }
            identity::take_ambient(capabilities)?;
        }
        Ok((path, args, env))
    }
}

/// Loads a filter and gives its listener away. That is done while the shim listens; what is called afterwards may be asked
/// about already.
fn load_listening(filter: &Filter, conn: &Conn) -> Result<()> {
    let text = "error loading seccomp filter into kernel";
    let listener = sys::security::load_filter(&filter.program, filter.flags).context(Step::Security, text)?;
    let listener = listener.ok_or_else(|| Failure::plain(Step::Security, text))?;
    if conn.send(&FromChild::Listener, &[listener.as_fd()]).is_err() {
        sys::process::exit_now(1);
    }
    drop(listener);
    wait_for_go(conn)
}

/// Waits until somebody writes a byte into the FIFO. It may be opened and closed again without one.
fn wait_for_start(hold: BorrowedFd<'_>) -> Result<()> {
    let mut byte = [0];
    loop {
        match rustix::io::read(hold, &mut byte) {
            Ok(1..) => return Ok(()),
            Ok(_) | Err(Errno::AGAIN) => {
                // A FIFO that nobody has open for writing: its end is seen until somebody has.
                let mut fds = [PollFd::from_borrowed_fd(hold, PollFlags::IN)];
                let pause = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
                match poll(&mut fds, None) {
                    Ok(_) if fds[0].revents() == PollFlags::HUP => drop(poll(&mut [], Some(&pause))),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(Failure::new(Step::Prepare, "poll of the start FIFO", errno)),
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::new(Step::Prepare, "read of the start FIFO", errno)),
        }
    }
}

/// Makes the streams descriptors 0 to 2 and gives them to the user, so that /dev/stdout can be opened again.
fn take_stdio(stdio: Stdio, console: Option<OwnedFd>, uid: u32, root: &Tree) -> Result<()> {
    let dup = "dup2 of the standard streams";
    match (stdio, &console) {
        (Stdio::Streams { stdin, stdout, stderr }, _) => {
            let stdin = match own_null(stdin, root).context(Step::Prepare, "standard input")? {
                Null::Own(stdin) | Null::Other(stdin) => stdin,
                // Reads end there as they do at the null device.
                Null::OfTheHost(_) => rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context(Step::Prepare, "pipe")?.0,
            };
            let out = |stream| {
                let (Null::Own(fd) | Null::Other(fd) | Null::OfTheHost(fd)) =
                    own_null(stream, root).context(Step::Prepare, "standard output")?;
                Ok(fd)
            };
            rustix::stdio::dup2_stdin(&stdin).context(Step::Prepare, dup)?;
            rustix::stdio::dup2_stdout(&out(stdout)?).context(Step::Prepare, dup)?;
            rustix::stdio::dup2_stderr(&out(stderr)?).context(Step::Prepare, dup)?;
        }
        (Stdio::Terminal { .. }, Some(console)) => {
            rustix::stdio::dup2_stdin(console).context(Step::Prepare, dup)?;
            rustix::stdio::dup2_stdout(console).context(Step::Prepare, dup)?;
            rustix::stdio::dup2_stderr(console).context(Step::Prepare, dup)?;
            ioctl_tiocsctty(console).context(Step::Console, "ioctl(setctty)")?;
        }
        (Stdio::Terminal { .. }, None) => return Err(Failure::plain(Step::Console, "no terminal")),
    }
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        let stat = rustix::fs::fstat(fd).context(Step::Prepare, "fstat of a standard stream")?;
        // The host's null device is nobody's.
        // What is no id is refused when the user is taken.
        if is_null(&stat) || stat.st_uid == uid || uid == u32::MAX {
            continue;
        }
        match rustix::fs::chownat(fd, "", Some(Uid::from_raw(uid)), None, AtFlags::EMPTY_PATH) {
            // Read-only, or an id that is not mapped: the stream is usable all the same.
            Ok(()) | Err(Errno::ROFS | Errno::PERM | Errno::INVAL) => {}
            Err(errno) => return Err(Failure::new(Step::Prepare, "fchown of a standard stream", errno)),
        }
    }
    Ok(())
}

fn is_null(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == rustix::fs::makedev(1, 3)
}

/// A standard stream that may be the null device.
enum Null {
    /// It is another file.
    Other(OwnedFd),
    /// It was, and is the container's own now.
    Own(OwnedFd),
    /// It is the host's: the container has none.
    OfTheHost(OwnedFd),
}

/// Opens the container's own null device in place of the host's, whose mode and owner root in the container could
/// change by the descriptor.
fn own_null(stream: OwnedFd, root: &Tree) -> rustix::io::Result<Null> {
    if !is_null(&rustix::fs::fstat(&stream)?) {
        return Ok(Null::Other(stream));
    }
    let path = Path::new("/dev/null");
    // Looked at before it is opened: opening may wait, or do something.
    let looked = root.open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC).and_then(rustix::fs::fstat);
    if !looked.is_ok_and(|stat| is_null(&stat)) {
        return Ok(Null::OfTheHost(stream));
    }
    let access = rustix::fs::fcntl_getfl(&stream)? & OFlags::RWMODE;
    let flags = access | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(own) = root.open(path, flags) else { return Ok(Null::OfTheHost(stream)) };
    if !is_null(&rustix::fs::fstat(&own)?) {
        return Ok(Null::OfTheHost(stream));
    }
    rustix::fs::fcntl_setfl(&own, access)?;
    Ok(Null::Own(own))
}

/// Enters the working directory without ever following a link that leads through a descriptor. As root a directory may
/// be out of reach that the user can enter: `Ok(false)` then.
fn change_directory(cwd: &str, as_root: bool) -> Result<bool> {
    let cwd = if cwd.is_empty() { "/" } else { cwd };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let entered = rustix::fs::openat2(CWD, Path::new(cwd), flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
        .and_then(|dir| fchdir(dir.as_fd()));
    match entered {
        Ok(()) => Ok(true),
        Err(Errno::ACCESS) if as_root => Ok(false),
        Err(errno) => {
            let text = format!("chdir to cwd ({}) set in config.json failed", quoted(cwd));
            Err(Failure::new(Step::Cwd, text, errno).at(cwd))
        }
    }
}

/// The working directory must lie below the root: the kernel says so by an absolute path.
fn check_directory() -> Result<()> {
    match rustix::process::getcwd(Vec::new()) {
        Ok(path) if path.as_bytes().starts_with(b"/") => Ok(()),
        Ok(_) | Err(Errno::NOENT) => Err(Failure::plain(
            Step::Cwd,
            "current working directory is outside of container mount namespace root -- possible container breakout detected",
        )),
        Err(errno) => Err(Failure::new(Step::Cwd, "failed to verify if current working directory is safe", errno)),
    }
}

/// Security labels take effect at exec.
fn label(process: &Process, proc: &OwnedFd) -> Result<()> {
    let write = |path: &str, text: &str| -> std::result::Result<(), Errno> {
        let me = rustix::process::getpid().as_raw_nonzero();
        let file = open_proc(proc.as_fd(), Path::new(&format!("{me}/{path}")))?;
        rustix::io::write(&file, text.as_bytes()).map(drop)
    };
    if !process.apparmor_profile.is_empty() {
        let line = format!("exec {}", process.apparmor_profile);
        write("attr/apparmor/exec", &line)
            .or_else(|_| write("attr/exec", &line))
            .context(Step::Security, "unable to apply apparmor profile")?;
    }
    if !process.selinux_label.is_empty() {
        write("attr/exec", &process.selinux_label).context(Step::Security, "can't set process label")?;
    }
    Ok(())
}
