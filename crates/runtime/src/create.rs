//! Creating a container: the shim's side.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use oci::runtime::{Process, Seccomp, Spec, Status};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use rustix::thread::CapabilitySet;
use shim_proto::{Conn, ConnError, Rootfs, StartError, Step};
use sys::process::{Cloned, flags};

use crate::channel::ToChild;
use crate::child::init::{InitPlan, Tty};
use crate::failure::{Context as _, Failure, Result};
use crate::filter::Filter;
use crate::limits::set_limit;
use crate::manner::{Hold, Manner};
use crate::mapping::{Maps, write_proc};
use crate::namespaces::Namespaces;
use crate::starting::{Starting, Whose};
use crate::stdio::Stdio;
use crate::{child, hooks, rdt, source, validate};

/// What a container is made from.
#[derive(Debug)]
pub struct Create<'a> {
    /// Full id.
    pub id: &'a str,
    /// The container; `process` must be there.
    pub spec: &'a Spec,
    /// Its root file system.
    pub rootfs: &'a Rootfs,
    /// Network namespace that replaces the spec's.
    pub netns: Option<&'a Path>,
    /// An existing directory that the root is mounted on, in the container's mount namespace only.
    pub mount_point: &'a Path,
    /// Its cgroup; made here.
    pub cgroup: &'a cgroup::Manager,
    /// Program bound to /sbin/docker-init and run as process 1 before the user's.
    pub init: Option<&'a Path>,
    /// Who makes it.
    pub manner: Manner<'a>,
}

/// Makes the container and sets its process on the way. On failure everything that was made is gone again.
///
/// # Errors
/// Why, in Docker's words.
pub fn create(create: &Create<'_>, stdio: Stdio) -> std::result::Result<Starting, StartError> {
    validate::spec(create.spec, create.netns).map_err(Failure::of_spec)?;
    let made = prepare(create).and_then(|prepared| launch(create, prepared, stdio));
    made.map_err(|failure| {
        let _ = create.cgroup.kill();
        let _ = create.cgroup.delete();
        let _ = rdt::forget(create.spec, create.id);
        failure.of_preparation()
    })
}

/// What comes from the host, opened.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) rootfs: OwnedFd,
    pub(crate) mounts: Vec<source::Prepared>,
    pub(crate) init: Option<OwnedFd>,
}

impl Sources {
    /// Opens it, in the shim; where that has not got the right, in the child, who has it in its own namespaces.
    pub(crate) fn open(create: &Create<'_>, namespaces: &Namespaces) -> Result<Self> {
        let propagation = create.spec.linux.as_ref().map(|l| l.rootfs_propagation.as_str()).unwrap_or_default();
        let rootfs = source::rootfs(create.rootfs, propagation)?;
        let around = source::Around { cgroup: create.cgroup, namespaces, maps: maps(create.spec) };
        let mounts = source::prepare(&create.spec.mounts, around)?;
        let init = create.init.map(source::init_program).transpose()?;
        Ok(Self { rootfs, mounts, init })
    }
}

/// What there is before the child.
#[derive(Debug)]
struct Prepared {
    namespaces: Namespaces,
    /// `None` when the child has to open them.
    sources: Option<Sources>,
    /// The way into the v1 cgroups; `None` when they are made while the child makes its namespaces.
    entry: Option<cgroup::Entry>,
}

/// Ids of the container's own user namespace; empty when it has none.
fn maps(spec: &Spec) -> Maps<'_> {
    let linux = spec.linux.as_ref();
    Maps {
        uids: linux.map(|l| l.uid_mappings.as_slice()).unwrap_or_default(),
        gids: linux.map(|l| l.gid_mappings.as_slice()).unwrap_or_default(),
    }
}

fn process(spec: &Spec) -> Result<&Process> {
    let process = spec.process.as_ref().filter(|p| !p.args.is_empty());
    process.ok_or_else(|| Failure::plain(Step::Plan, "process args must not be empty"))
}

fn prepare(create: &Create<'_>) -> Result<Prepared> {
    process(create.spec)?;
    let linux = create.spec.linux.as_ref();
    let list = linux.map(|l| l.namespaces.as_slice()).unwrap_or_default();
    let namespaces = Namespaces::open(list, create.netns)?;
    cgroup_step(create.cgroup.create_unified())?;
    // Who is in a user namespace of its own may not be allowed to open them, and mounts of them are copied beforehand.
    let copied = !namespaces.new_cgroup && create.spec.mounts.iter().any(|mount| mount.r#type == "cgroup");
    let early = copied || namespaces.clone_flags & flags::NEWUSER != 0 || create.cgroup.hierarchies().v1().is_empty();
    let entry = early.then(|| v1_cgroups(create).and_then(|()| cgroup_step(create.cgroup.open_v1()))).transpose()?;
    if let Some(owner) = cgroup_owner(create.spec, &namespaces) {
        cgroup_step(create.cgroup.hand_over(owner))?;
    }
    let rootless = namespaces.clone_flags & flags::NEWUSER != 0 && !may_mount();
    let sources = if rootless { None } else { Some(Sources::open(create, &namespaces)?) };
    Ok(Prepared { namespaces, sources, entry })
}

/// Makes the cgroup in the v1 hierarchies, if there are any, and puts its limits into force.
fn v1_cgroups(create: &Create<'_>) -> Result<()> {
    cgroup_step(create.cgroup.create_v1())?;
    match create.spec.linux.as_ref().and_then(|linux| linux.resources.as_ref()) {
        Some(resources) => cgroup_step(create.cgroup.apply(resources)),
        None => Ok(()),
    }
}

/// The host's user that is root of a container which sees its cgroup as a root, and may write there: it is to own it.
fn cgroup_owner(spec: &Spec, namespaces: &Namespaces) -> Option<u32> {
    if !namespaces.new_cgroup || namespaces.clone_flags & flags::NEWUSER == 0 {
        return None;
    }
    let writable = |mount: &oci::runtime::Mount| {
        mount.destination.trim_end_matches('/') == "/sys/fs/cgroup"
            && matches!(mount.r#type.as_str(), "cgroup" | "cgroup2")
            && !mount.options.iter().any(|option| option == "ro")
    };
    spec.mounts.iter().find(|mount| writable(mount))?;
    let ranges = &spec.linux.as_ref()?.uid_mappings;
    ranges.iter().find(|range| range.container_id == 0 && range.size > 0).map(|range| range.host_id)
}

/// Whether this process may mount.
fn may_mount() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

pub(crate) fn cgroup_step<T>(result: cgroup::Result<T>) -> Result<T> {
    result.map_err(|error| {
        let errno = error.errno().map_or(0, rustix::io::Errno::raw_os_error);
        let text = format!("unable to apply cgroup configuration: {error}");
        Failure { step: Step::Cgroup, errno, path: String::new(), text }
    })
}

fn launch(create: &Create<'_>, prepared: Prepared, stdio: Stdio) -> Result<Starting> {
    let (ours, theirs) = Conn::pair().context(Step::Prepare, "socketpair")?;
    let into = cgroup_step(create.cgroup.open_for_clone_into())?;
    let process = process(create.spec)?;
    let clone_flags = prepared.namespaces.clone_flags;
    let profile = create.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let (filter_out, filter_in) = match profile {
        Some(_) => pipe_with(PipeFlags::CLOEXEC).map(|(out, into)| (Some(out), Some(into))),
        None => Ok((None, None)),
    }
    .context(Step::Prepare, "pipe")?;
    let cloned = sys::process::clone3(prepared.namespaces.at_clone(), into.as_ref().map(|fd| fd.as_fd()))
        .context(Step::Namespace, "clone3")?;
    let (pid, pidfd) = match cloned {
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
        // Nothing of the child's comes back from here.
        Cloned::Child => {
            drop((ours, filter_in));
            let Prepared { namespaces, sources, entry } = prepared;
            let tty = match &stdio {
                Stdio::Terminal { size } => Some(Tty { size: *size }),
                Stdio::Streams { .. } => None,
            };
            let plan = InitPlan { create, process, entry, namespaces, sources, filter: filter_out, tty };
            child::init::run(plan, stdio, &theirs)
        }
    };
    let early = prepared.entry.is_some();
    drop((theirs, stdio, prepared, filter_out));
    // From here on dropping `starting` kills the child.
    let mut starting = Starting {
        whose: Whose::Container,
        conn: ours,
        process: Some((pid, pidfd)),
        helper: None,
        console: None,
        ready: false,
        word: matches!(create.manner.hold, Hold::Word),
        hooks: hooks::runner(create.spec, create.id, create.manner.bundle),
        filter: None,
        listener: None,
    };
    if !early {
        v1_cgroups(create)?;
    }
    if clone_flags & flags::NEWUSER != 0 {
        maps(create.spec).write(pid)?;
    }
    if let Some(wanted) = create.spec.linux.as_ref().and_then(|l| l.intel_rdt.as_ref())
        && let Some(root) = rdt::root()
    {
        rdt::enter(wanted, create.id, root, pid)?;
    }
    release(&starting, process, create.manner.outlives)?;
    if let (Some(profile), Some(pipe)) = (profile, filter_in) {
        give_filter(create, &mut starting, profile, pipe)?;
    }
    Ok(starting)
}

/// Compiles the filter while the child does other things, and gives it to the child.
fn give_filter(create: &Create<'_>, starting: &mut Starting, profile: &Seccomp, pipe: OwnedFd) -> Result<()> {
    let filter = Filter::compiled(profile)?.with_annotations(&create.spec.annotations);
    starting.listener =
        filter.listener(|| hooks::state(create.spec, create.id, create.manner.bundle, Status::Creating));
    match filter.send(pipe) {
        // It is dead, and has said why.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        sent => sent.map_err(|error| Failure::plain(Step::Lost, error.to_string()))?,
    }
    starting.filter = Some(filter);
    Ok(())
}

/// Puts a child into its limits and lets it go on. A child that is dead by then says itself why.
pub(crate) fn release(starting: &Starting, process: &Process, outlives: bool) -> Result<()> {
    let gone = |failure: &Failure| {
        [rustix::io::Errno::SRCH, rustix::io::Errno::PIPE].iter().any(|errno| errno.raw_os_error() == failure.errno)
    };
    match place(starting, process, outlives) {
        Err(failure) if !gone(&failure) => return Err(failure),
        _ => {}
    }
    starting.conn.set_nonblocking(true).context(Step::Prepare, "fcntl")
}

fn place(starting: &Starting, process: &Process, outlives: bool) -> Result<()> {
    let pid = starting.process.as_ref().and_then(|(pid, _)| Pid::from_raw(*pid));
    let pid = pid.ok_or_else(|| Failure::plain(Step::Lost, "no process"))?;
    for limit in &process.rlimits {
        set_limit(pid, limit)?;
    }
    // A shim's own score is not for containers.
    if let Some(score) = process.oom_score_adj.or((!outlives).then_some(0)) {
        match write_proc(pid.as_raw_nonzero().get(), "oom_score_adj", &score.to_string()) {
            // Who is not root cannot lower it; runc lets that pass too.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && !may_mount() => {}
            other => other.context(Step::Limit, "failed to set oom_score_adj")?,
        }
    }
    match starting.conn.send(&ToChild::Go, &[]) {
        Ok(()) | Err(ConnError::Closed) => Ok(()),
        Err(error) => Err(Failure::plain(Step::Lost, error.to_string())),
    }
}
