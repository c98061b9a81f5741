//! The way of a container's first process from clone to exec.

use std::borrow::Cow;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fsroot::{Missing, Tree};
use oci::runtime::{Process, Spec, State, Status};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountPropagationFlags, MoveMountFlags, UnmountFlags, mount_change, move_mount, unmount};
use rustix::process::{
    DumpableBehavior, Signal, fchdir, pivot_root, set_dumpable_behavior, set_parent_process_death_signal, setsid,
};
use shim_proto::{Conn, Size, Step};
use sys::mount::{MountAttr, attr, mount_setattr};
use sys::process::{Cloned, clone3_of_single_thread, flags};

use crate::channel::{FromChild, ToChild};
use crate::child::mounts::Mounter;
use crate::child::{console, devices, finish, hide, identity, kernel};
use crate::create::{Create, Sources, cgroup_step};
use crate::failure::{Context as _, Failure, Result};
use crate::filter::Filter;
use crate::hooks;
use crate::namespaces::{Namespaces, bear_in};
use crate::options::propagation_named;
use crate::stdio::Stdio;

/// Where `--init` finds its program (Docker's path).
const INIT_PATH: &str = "/sbin/docker-init";

/// That there is a terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tty {
    /// First size.
    pub(crate) size: Option<Size>,
}

/// All that the child needs.
#[derive(Debug)]
pub(crate) struct InitPlan<'a> {
    pub(crate) create: &'a Create<'a>,
    pub(crate) process: &'a Process,
    /// Its cgroups but the one it was born in; `None`: they are being made.
    pub(crate) entry: Option<cgroup::Entry>,
    pub(crate) namespaces: Namespaces,
    /// `None`: opened here.
    pub(crate) sources: Option<Sources>,
    /// Where the filter comes from, if there is one.
    pub(crate) filter: Option<OwnedFd>,
    pub(crate) tty: Option<Tty>,
}

/// Goes all the way. Never returns.
pub(crate) fn run(plan: InitPlan<'_>, stdio: Stdio, conn: &Conn) -> ! {
    let way = || match prepare(plan, stdio, conn) {
        Ok(finish) => finish.exec(conn),
        Err(failure) => failure,
    };
    // Nothing may unwind into the shim's frames: this is another process.
    let failure = catch_unwind(AssertUnwindSafe(way))
        .unwrap_or_else(|_| Failure::plain(Step::Lost, "panic in the starting process"));
    let _ = conn.send(&FromChild::from(failure), &[]);
    sys::process::exit_now(1)
}

/// Cuts the ties to the shim's signals and to tracers; asks to be killed when the shim dies.
pub(crate) fn detach() -> Result<()> {
    sys::signal::default_all();
    hide()?;
    die_with_parent()
}

/// Until exec, nobody in the container may trace this process or look at its descriptors.
fn hide() -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context(Step::Prepare, "prctl(PR_SET_DUMPABLE)")
}

fn die_with_parent() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context(Step::Prepare, "prctl(PR_SET_PDEATHSIG)")?;
    rustix::process::umask(Mode::empty());
    Ok(())
}

/// Waits until the shim has set the id maps and limits of this process.
pub(crate) fn wait_for_go(conn: &Conn) -> Result<()> {
    match conn.recv::<ToChild>() {
        Ok(Some((ToChild::Go, _))) => Ok(()),
        // The shim is dead, or gave up on us.
        _ => sys::process::exit_now(1),
    }
}

/// The shim's word to go on, asked for at most once.
#[derive(Debug)]
struct Gate<'a> {
    conn: &'a Conn,
    open: bool,
}

impl Gate<'_> {
    fn pass(&mut self) -> Result<()> {
        if !self.open {
            wait_for_go(self.conn)?;
            self.open = true;
        }
        Ok(())
    }
}

fn prepare<'a>(mut plan: InitPlan<'a>, stdio: Stdio, conn: &Conn) -> Result<finish::Finish<'a>> {
    let Inside { root, proc, console, filter } = enter(&mut plan, conn)?;
    let process = plan.process;
    let Create { id, spec, init, manner, .. } = *plan.create;
    let hooks = spec.hooks.as_ref().map(|hooks| hooks.start_container.as_slice()).filter(|list| !list.is_empty());
    let hooks = hooks.map(|list| (list, hooks::state(spec, id, manner.bundle, Status::Created)));
    let pid = plan.namespaces.pid.take();
    drop(plan);
    if let Some(pid) = pid {
        bear_in(&pid)?;
        drop(pid);
        // Whatever else this function owned is closed by now, so that nothing is closed twice.
        let own = [proc.as_raw_fd(), root.root().as_raw_fd()];
        let own = own.into_iter().chain(manner.hold.fifo().map(|fd| fd.as_raw_fd())).chain(manner.preserved());
        let keep: Vec<RawFd> = stdio.fds().chain(console.iter().map(|c| c.as_raw_fd())).chain(own).collect();
        fork_inside(conn, &keep)?;
    }
    let front: &[&str] = if init.is_some() { &[INIT_PATH, "--"] } else { &[] };
    let last = finish::Last { filter: filter.map(Cow::Owned), manner, hooks };
    finish::Finish::new(process, front, last, stdio, console, Some(&proc), &root)
}

/// What is kept of the way into the container.
#[derive(Debug)]
struct Inside {
    root: Tree,
    /// A procfs that can be trusted.
    proc: OwnedFd,
    console: Option<OwnedFd>,
    filter: Option<Filter>,
}

/// Joins and fills the namespaces, and makes the container's root the root.
fn enter(plan: &mut InitPlan<'_>, conn: &Conn) -> Result<Inside> {
    let mut gate = Gate { conn, open: false };
    let (spec, manner) = (plan.create.spec, plan.create.manner);
    if plan.sources.is_some() {
        detach()?;
    } else {
        // Who is not root writes the id maps of its own processes only while they can be looked at. Nobody else is in the
        // new namespaces.
        sys::signal::default_all();
        die_with_parent()?;
        gate.pass()?;
        hide()?;
    }
    let spaces = plan.namespaces.by_child();
    if spaces != 0 {
        sys::process::unshare(spaces).context(Step::Namespace, "unshare")?;
    }
    // What it makes from here on is charged to the container.
    match &plan.entry {
        Some(entry) => cgroup_step(entry.enter())?,
        None => {
            gate.pass()?;
            cgroup_step(plan.create.cgroup.open_v1().and_then(|entry| entry.enter()))?;
        }
    }
    if plan.namespaces.in_joined_user != 0 {
        gate.pass()?;
        plan.namespaces.join_user()?;
        fork_again(conn, plan.namespaces.in_joined_user)?;
    }
    setsid().context(Step::Prepare, "setsid")?;
    if !manner.no_new_keyring {
        join_keyring(plan.create.id);
    }
    plan.namespaces.join()?;
    if plan.namespaces.new_time {
        kernel::new_time(spec.linux.as_ref())?;
    }
    // Still as the host's root, who alone may walk to the run directory.
    let sources = match plan.sources.take() {
        Some(sources) => sources,
        None => Sources::open(plan.create, &plan.namespaces)?,
    };
    let tree = place_rootfs(&sources.rootfs, plan.create.mount_point)?;
    if plan.namespaces.user {
        if plan.namespaces.clone_flags & flags::NEWUSER != 0 {
            gate.pass()?;
        }
        identity::become_root()?;
    }
    let linux = spec.linux.as_ref();
    if plan.namespaces.new_cgroup {
        gate.pass()?;
        sys::process::unshare(flags::NEWCGROUP).context(Step::Namespace, "unshare cgroup namespace")?;
    }
    let mut mounter =
        Mounter::new(&tree, linux.map(|l| l.mount_label.as_str()).unwrap_or_default(), plan.namespaces.pid.as_ref());
    for mount in sources.mounts {
        mounter.mount(mount)?;
    }
    if let Some(init) = &sources.init {
        mounter.bind_program(init, Path::new(INIT_PATH))?;
    }
    let devices = linux.map(|l| l.devices.as_slice()).unwrap_or_default();
    let null = devices::make(&tree, &mounter, devices, plan.namespaces.user)?;
    // Before the maker is waited for again: it may wait until this is read.
    let filter = plan.filter.take().map(|from| Filter::receive(from).unwrap_or_else(|| sys::process::exit_now(1)));
    create_hooks(plan, &mut gate)?;
    let console = match plan.tty {
        Some(tty) => Some(console::open(&tree, mounter.devpts(), tty.size, conn)?),
        None => None,
    };
    let proc = mounter.proc()?;
    make_cwd(&tree, &plan.process.cwd)?;
    let root = tree.root().try_clone_to_owned().context(Step::Rootfs, "dup")?;
    mounter.finish()?;
    if manner.no_pivot {
        change_root(root.as_fd())?;
    } else {
        pivot(root.as_fd())?;
    }
    finish_root(spec, root.as_fd())?;
    if plan.namespaces.new_network() {
        sys::netns::loopback_up().context(Step::Namespace, "bringing the loopback device up")?;
    }
    kernel::names(spec)?;
    kernel::sysctls(proc.as_fd(), linux)?;
    let root = Tree::new(root);
    if let Some(linux) = linux {
        hide::readonly(&root, &linux.readonly_paths)?;
        hide::mask(&root, &linux.masked_paths, &null)?;
    }
    gate.pass()?;
    kernel::schedule(plan.process)?;
    kernel::domain(linux)?;
    Ok(Inside { root, proc, console, filter })
}

/// Goes on as a child in the PID namespace that children are born in, a child of the shim's. Who lives there and may trace
/// it must find nothing of the shim's: all descriptors but those in `keep` are closed.
pub(crate) fn fork_inside(conn: &Conn, keep: &[RawFd]) -> Result<()> {
    let keep: Vec<RawFd> = keep.iter().copied().chain([conn.as_fd().as_raw_fd()]).collect();
    sys::process::close_all_but(&keep).context(Step::Prepare, "close_range")?;
    fork_again(conn, 0)?;
    setsid().context(Step::Prepare, "setsid").map(drop)
}

/// Goes on as another child of the shim's, in new namespaces if so wished.
fn fork_again(conn: &Conn, namespaces: u64) -> Result<()> {
    match clone3_of_single_thread(flags::PARENT | namespaces, None).context(Step::Namespace, "clone3")? {
        Cloned::Parent { pid, pidfd } => {
            let sent = conn.send(&FromChild::Forked { pid }, &[pidfd.as_fd()]);
            sys::process::exit_now(i32::from(sent.is_err()));
        }
        Cloned::Child => detach(),
    }
}

/// Hooks of the shim (it is asked to run them), then those in the container's namespaces, on the host's files still.
fn create_hooks(plan: &InitPlan<'_>, gate: &mut Gate<'_>) -> Result<()> {
    let Create { id, spec, manner, .. } = plan.create;
    if !hooks::are_wanted(spec) {
        return Ok(());
    }
    gate.pass()?;
    gate.conn.send(&FromChild::Hooks, &[]).map_err(|e| Failure::plain(Step::Lost, e.to_string()))?;
    wait_for_go(gate.conn)?;
    let Some(hooks) = &spec.hooks else { return Ok(()) };
    let state = hooks::state(spec, id, manner.bundle, Status::Creating);
    let pid = host_pid();
    hooks::run("createContainer", &hooks.create_container, &State { pid, ..state }, &plan.process.env)
}

/// This process as the host's procfs, which is still mounted, numbers it.
fn host_pid() -> Option<i32> {
    std::fs::read_link("/proc/self").ok()?.to_str()?.parse().ok()
}

/// A session keyring of its own, so that the host's cannot be read. Kernels without keys are fine.
pub(crate) fn join_keyring(id: &str) {
    if let Ok(name) = std::ffi::CString::new(format!("_ses.{id}")) {
        let _ = sys::security::join_session_keyring(&name);
    }
}

/// Mounts the root on the run directory, in this mount namespace only.
fn place_rootfs(rootfs: &OwnedFd, mount_point: &Path) -> Result<Tree> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context(Step::Rootfs, "mount / as private")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(rootfs.as_fd(), "", CWD, mount_point, flags).context(Step::Rootfs, "move_mount of the rootfs")?;
    Ok(Tree::new(rootfs.try_clone().context(Step::Rootfs, "dup")?))
}

/// Makes the working directory when it is missing.
fn make_cwd(tree: &Tree, cwd: &str) -> Result<()> {
    let cwd = if cwd.is_empty() { "/" } else { cwd };
    let made = tree.open_or_make(Path::new(cwd), Missing::Directory);
    made.map(drop).map_err(|errno| Failure::new(Step::Cwd, format!("mkdir {cwd}"), errno).at(cwd))
}

/// Makes `root` the root of this mount namespace and lets go of the old one.
fn pivot(root: BorrowedFd<'_>) -> Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let old = rustix::fs::openat(CWD, "/", flags, Mode::empty()).context(Step::Rootfs, "open /")?;
    fchdir(root).context(Step::Rootfs, "fchdir to the rootfs")?;
    pivot_root(".", ".").context(Step::Rootfs, "pivot_root .")?;
    fchdir(&old).context(Step::Rootfs, "fchdir to the old root")?;
    unmount(".", UnmountFlags::DETACH).context(Step::Rootfs, "unmount of the old root")?;
    rustix::process::chdir("/").context(Step::Rootfs, "chdir /")
}

/// Moves `root` over the root of this mount namespace and changes into it: where it cannot be pivoted to, on a ramdisk.
fn change_root(root: BorrowedFd<'_>) -> Result<()> {
    fchdir(root).context(Step::Rootfs, "fchdir to the rootfs")?;
    rustix::mount::mount_move(".", "/").context(Step::Rootfs, "mount --move . /")?;
    rustix::process::chroot(".").context(Step::Rootfs, "chroot .")?;
    rustix::process::chdir("/").context(Step::Rootfs, "chdir /")
}

/// Propagation and read-only state of the root, after everything was put into it.
fn finish_root(spec: &Spec, root: BorrowedFd<'_>) -> Result<()> {
    let set = |recursive, attributes| {
        mount_setattr(root, c"", recursive, &attributes).context(Step::Rootfs, "mount_setattr of the rootfs")
    };
    let name = spec.linux.as_ref().map(|l| l.rootfs_propagation.as_str()).unwrap_or_default();
    // Private they all are; what a mount says of itself stays.
    if let Some((propagation, recursive)) = propagation_named(name)
        && propagation != sys::mount::propagation::PRIVATE
    {
        set(recursive, MountAttr { propagation, ..MountAttr::default() })?;
    }
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        set(false, MountAttr { set: attr::RDONLY, ..MountAttr::default() })?;
    }
    Ok(())
}
