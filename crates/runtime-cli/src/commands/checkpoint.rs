//! `checkpoint`: has criu write the processes of a container to files, and mostly ends them.

use std::os::fd::AsRawFd as _;

use oci::runtime::Status;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::Context;
use crate::commands::delete::destroy;
use crate::criu::{self, Criu, DESCRIPTORS, Kind, Notice, Options, Request, Session};
use crate::error::{Error, Result, at, io};
use crate::parse::Matches;
use crate::report::Report;
use crate::store::Container;

/// criu's log in the directory of work files or images.
const LOG: &str = "dump.log";

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    if !rustix::process::geteuid().is_root() || crate::cgroups::in_user_namespace() {
        Report::default().line("warning", "runc checkpoint is untested with rootless containers");
    }
    let (container, _lock) = context.store.lock(&matches.take_first())?;
    match container.status()? {
        Status::Running | Status::Paused => {}
        status => return Err(Error::CheckpointState { status }),
    }
    let options = Options::read(matches)?;
    until_program(container.record.pid);
    dump(&container, &options)?;
    if !options.leave_running && !options.pre_dump {
        destroy(&container)?;
    }
    Ok(0)
}

/// Waits (a moment, at most) until a process that was started just now runs its own program rather than ours, which could
/// not be restored.
fn until_program(pid: i32) {
    use std::os::unix::fs::MetadataExt as _;
    let program = |pid: &str| std::fs::metadata(format!("/proc/{pid}/exe")).ok().map(|file| (file.dev(), file.ino()));
    let own = program("self");
    for _ in 0..1000 {
        if own.is_none() || program(&pid.to_string()) != own {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn dump(container: &Container, options: &Options) -> Result<()> {
    let criu = Criu::find()?;
    let record = &container.record;
    let (images, work) = options.open()?;
    let mut request = Request::new(if options.pre_dump { Kind::PreDump } else { Kind::Dump });
    let work = work.as_ref().map(std::os::fd::AsRawFd::as_raw_fd);
    let root = record.rootfs.to_string_lossy();
    request.common(options, images.as_raw_fd(), work, LOG, &root, criu::config(&record.spec.annotations));
    request.dump(options, record.pid);
    external_namespaces(container, &criu, &mut request)?;
    let cgroup = record.cgroup.manager()?;
    let v2 = cgroup.hierarchies().is_v2();
    let freezer = if v2 { cgroup.unified_dir() } else { cgroup.v1_dir("freezer") };
    if let Some(dir) = freezer.filter(|dir| dir.is_dir() && (!v2 || criu.at_least(31_400).is_ok())) {
        request.freezer(&dir.to_string_lossy());
    }
    if options.pre_dump {
        criu.check_feature("MemTrack")?;
    }
    let mut status = options.status;
    if options.lazy_pages {
        criu.check_feature("LazyPages")?;
        check_status(status)?;
        if status != -1 && criu.at_least(31_500).is_err() {
            request.status(status);
            status = -1;
        }
    }
    if !options.pre_dump {
        for external in criu::externals(&record.spec, &record.rootfs, &cgroup)? {
            request.external_mount(&external.destination, &external.destination);
        }
        for path in criu::masked_files(&record.spec, record.pid)? {
            request.external_mount(&path, "/dev/null");
        }
        write_descriptors(container, options)?;
    }
    let attend = &mut |notice: &Notice, _| {
        if notice.script == "status-ready" && status != -1 {
            tell_ready(status);
            status = -1;
        }
        Ok(())
    };
    let done = Session::start(&criu)?.talk(&request, attend);
    done.map(drop).map_err(|error| criu::explain(error, options.logs(), LOG))
}

/// Network and PID namespaces that the container only joined stay what they are.
fn external_namespaces(container: &Container, criu: &Criu, request: &mut Request) -> Result<()> {
    let linux = container.record.spec.linux.as_ref();
    for space in linux.map(|linux| linux.namespaces.as_slice()).unwrap_or_default() {
        let Some((name, key, least)) = criu::external_namespace(space.r#type) else { continue };
        if space.path.is_empty() {
            continue;
        }
        criu.at_least(least).map_err(|_| Error::CriuExternal { name, doing: "checkpointing" })?;
        let found = rustix::fs::stat(&space.path).map_err(at("stat", &space.path))?;
        request.external(&format!("{name}[{}]:{key}", found.st_ino));
    }
    Ok(())
}

/// Whether lazy pages can be announced on this descriptor.
fn check_status(number: i32) -> Result<()> {
    if number == -1 {
        return Ok(());
    }
    let invalid = |why: String| Error::CriuStatus { number, why };
    let copy = sys::inherited::duplicate(number)
        .map_err(|error| invalid(runtime::errno_words(Errno::from_io_error(&error).unwrap_or(Errno::BADF))))?;
    let flags = rustix::fs::fcntl_getfl(&copy).map_err(|errno| invalid(runtime::errno_words(errno)))?;
    if flags.intersects(OFlags::WRONLY | OFlags::RDWR) { Ok(()) } else { Err(invalid("not writable".to_owned())) }
}

/// Writes a NUL to it and closes it.
fn tell_ready(number: i32) {
    let told = sys::inherited::duplicate(number).map(|fd| rustix::io::write(&fd, &[0]));
    if !matches!(told, Ok(Ok(1))) {
        Report::default().line("warning", "can't write \\0 to status fd");
    }
}

/// Names the standard streams, so that a restore can put others in their place.
fn write_descriptors(container: &Container, options: &Options) -> Result<()> {
    let record = &container.record;
    let names: Vec<String> = (0..3)
        .map(|number| match record.streams.get(number).filter(|name| !name.is_empty()) {
            Some(name) => name.clone(),
            None => std::fs::read_link(format!("/proc/{}/fd/{number}", record.pid))
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default(),
        })
        .collect();
    let path = options.images.join(DESCRIPTORS);
    let json = |source| Error::Json { what: DESCRIPTORS.to_owned(), source };
    std::fs::write(&path, serde_json::to_vec(&names).map_err(json)?).map_err(io("open", &path))
}
