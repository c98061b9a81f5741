//! The launcher: a small process that forks shims.
//!
//! It runs from a sealed copy of the program in memory, so that nothing that a container may reach through
//! `/proc/<pid>/exe` of a process on its way in can be changed. It exits when the daemon's socket closes; shims go on.

use std::fs::File;
use std::io::Seek as _;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use shim_proto::{Conn, ConnError, Fault, FromLauncher, FromShim, Reply, ShimPlan, ToLauncher, ToShim};
use sys::process::{Cloned, Strings};
use sys::signal::SignalFd;

use crate::monitor::Monitor;

/// Second argument of a launcher that runs from its sealed copy.
const SEALED: &str = "--sealed";
/// Shims are killed late when memory runs out: without them nobody knows of their containers.
const SHIM_OOM_SCORE: &str = "-999";
const SIGCHLD: i32 = 17;

/// Serves a daemon whose socket is standard input, until it closes. The exit status of the process comes back.
#[must_use]
pub fn run(args: &[String]) -> i32 {
    if !args.iter().any(|a| a == SEALED) {
        // Without a sealed copy (no memory, an old kernel) it serves as it is.
        let _ = run_sealed();
    }
    let Ok(conn) = take_socket() else { return 1 };
    // Shims are nobody's zombies.
    sys::signal::ignore(SIGCHLD);
    serve(&conn)
}

/// Copies the program into a sealed memfd and runs that in our place. Returns on failure only.
fn run_sealed() -> Errno {
    let (Ok(args), Ok(env)) = (Strings::new(["gantry-shim", "--launch", SEALED]), Strings::new(Vec::<String>::new()))
    else {
        return Errno::INVAL;
    };
    match sealed_copy() {
        Ok(copy) => sys::process::fexecve(copy.as_fd(), &args, &env),
        Err(_) => Errno::IO,
    }
}

fn sealed_copy() -> std::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag and need none.
    let fd = rustix::fs::memfd_create("gantry-shim", flags | MemfdFlags::EXEC)
        .or_else(|_| rustix::fs::memfd_create("gantry-shim", flags))?;
    let mut copy = File::from(fd);
    std::io::copy(&mut File::open("/proc/self/exe")?, &mut copy)?;
    copy.rewind()?;
    rustix::fs::fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    // A descriptor open for writing cannot be executed.
    Ok(File::open(format!("/proc/self/fd/{}", copy.as_raw_fd()))?.into())
}

/// Moves the socket away from standard input.
fn take_socket() -> Result<Conn, Errno> {
    let conn = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    drop(null);
    sys::process::close_all_but(&[conn.as_raw_fd()])?;
    Ok(Conn::from_fd(conn))
}

fn serve(conn: &Conn) -> i32 {
    loop {
        let (request, mut fds) = match conn.recv::<ToLauncher>() {
            Ok(Some(message)) => message,
            Ok(None) | Err(ConnError::Closed) => return 0,
            Err(ConnError::Decode(_)) => continue,
            Err(_) => return 1,
        };
        let tag = request.tag;
        let answer = match fds.pop() {
            Some(plan) => launch(&request, plan),
            None => Err(Errno::INVAL),
        };
        let sent = match answer {
            Ok((shim_pid, theirs)) => conn.send(&FromLauncher::Launched { tag, shim_pid }, &[theirs.as_fd()]),
            Err(errno) => {
                let message = format!("failed to fork a shim: {}", std::io::Error::from(errno));
                conn.send(&FromLauncher::Failed { tag, errno: errno.raw_os_error(), message }, &[])
            }
        };
        if sent.is_err() {
            return 1;
        }
    }
}

/// Forks a shim. The daemon's end of its first connection comes back.
fn launch(request: &ToLauncher, plan: OwnedFd) -> Result<(i32, Conn), Errno> {
    let (theirs, ours) = Conn::pair().map_err(|_| Errno::MFILE)?;
    match sys::process::fork()? {
        Cloned::Parent { pid, .. } => Ok((pid, theirs)),
        Cloned::Child => {
            // Nothing may unwind into the launcher's loop: this is another process now.
            let status = catch_unwind(AssertUnwindSafe(|| shim(&request.id, plan, ours)));
            sys::process::exit_now(match status {
                Ok(Ok(())) => 0,
                Ok(Err(_)) => 1,
                Err(_) => 101,
            });
        }
    }
}

/// The life of a shim.
fn shim(id: &str, plan: OwnedFd, conn: Conn) -> Result<(), Errno> {
    sys::signal::default_all();
    sys::signal::block_all()?;
    sys::process::close_all_but(&[plan.as_raw_fd(), conn.as_fd().as_raw_fd()])?;
    rustix::process::setsid()?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    drop(null);
    rustix::process::chdir("/")?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let _ = std::fs::write("/proc/self/oom_score_adj", SHIM_OOM_SCORE);
    let _ = name(id);
    let signals = SignalFd::all(true)?;
    let plan = ShimPlan::from_memfd(plan).map_err(|e| e.to_string());
    match plan.and_then(|plan| Monitor::new(plan, signals).map_err(|e| e.to_string())) {
        Ok(monitor) => monitor.run(conn),
        Err(detail) => refuse(&conn, detail),
    }
    Ok(())
}

/// `gs-` and the beginning of the id, within the 15 bytes that there are.
fn name(id: &str) -> Result<(), Errno> {
    let short: String = id.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    let name = std::ffi::CString::new(format!("gs-{short}")).map_err(|_| Errno::INVAL)?;
    rustix::thread::set_name(&name)
}

/// Answers the first request with why there is no shim.
fn refuse(conn: &Conn, detail: String) {
    if let Ok(Some((request, _))) = conn.recv::<ToShim>() {
        let fault = Fault::System { action: "set up the shim".to_owned(), errno: 0, detail };
        let _ = conn.send(&FromShim::Reply { tag: request.tag, reply: Reply::Error(fault) }, &[]);
    }
}
