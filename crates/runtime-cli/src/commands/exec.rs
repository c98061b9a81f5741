//! `exec`

use std::os::fd::AsFd as _;

use oci::runtime::{Capabilities, Process, Status};
use runtime::{Exec, Filter, Manner, Started, namespaces_to_join};

use crate::Context;
use crate::bundle::check;
use crate::console::Receiver;
use crate::error::{Error, Result, io};
use crate::launch::{activation, check_terminal, console_size, preserved, stdio, write_pid};
use crate::parse::Matches;
use crate::stay::{self, Signals};
use crate::store::Container;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let id = matches.take_first();
    exec(context, matches, &id).map_err(|error| match error {
        Error::Arguments { .. } => error,
        error => error.framed("exec"),
    })
}

fn exec(context: &Context, matches: &Matches, id: &str) -> Result<i32> {
    let preserve = preserved(matches)?;
    if matches.value("process").is_none() && matches.args.is_empty() {
        return Err(Error::ExecNoArgs);
    }
    let container = context.store.load(id)?;
    match container.status()? {
        Status::Stopped => return Err(Error::ExecStopped),
        Status::Paused if !matches.flag("ignore-paused") => return Err(Error::ExecPaused),
        _ => {}
    }
    let mut process = process(matches, &container)?;
    activation(&mut process.env);
    let detached = matches.flag("detach");
    let socket = matches.value("console-socket").filter(|path| !path.is_empty());
    check_terminal(process.terminal, detached, socket.is_some())?;
    let socket = socket.map(Receiver::connect).transpose()?;
    let pidfd_socket =
        matches.value("pidfd-socket").filter(|path| !path.is_empty()).map(Receiver::connect).transpose()?;
    let signals = (!detached).then(Signals::keep).transpose()?;
    if !detached && !matches.flag("no-subreaper") {
        stay::adopt()?;
    }
    let started = launch(matches, &container, &process, preserve)?;
    let handed = socket
        .as_ref()
        .zip(started.console.as_ref())
        .map_or(Ok(()), |(socket, console)| socket.send("/dev/ptmx", console.as_fd()))
        .and_then(|()| pidfd_socket.map_or(Ok(()), |socket| socket.send("pidfd", started.pidfd.as_fd())))
        .and_then(|()| write_pid(matches, started.pid));
    handed.inspect_err(|_| {
        let _ = sys::signal::pidfd_kill(started.pidfd.as_fd(), crate::signals::KILL);
    })?;
    let Some(signals) = signals else { return Ok(0) };
    stay::until_end(started.pid, &started.pidfd, started.console.filter(|_| socket.is_none()), &signals)
}

fn launch(matches: &Matches, container: &Container, process: &Process, preserve: u32) -> Result<Started> {
    let record = &container.record;
    let pidfd = container.pidfd()?;
    let cgroup = record.cgroup.below(matches.all("cgroup"))?;
    let filter = record.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let filter = filter.map(Filter::compile).transpose()?;
    let filter = filter.map(|filter| filter.with_annotations(&record.spec.annotations));
    let exec = Exec {
        id: &record.id,
        process,
        target: pidfd.as_fd(),
        pid: record.pid,
        namespaces: namespaces_to_join(&record.spec, false),
        cgroup: &cgroup,
        filter: filter.as_ref(),
        linux: record.spec.linux.as_ref(),
        manner: Manner { bundle: Some(&record.bundle), outlives: true, preserve_fds: preserve, ..Manner::default() },
    };
    Ok(runtime::exec(&exec, stdio(process.terminal, console_size(process))?)?.wait()?)
}

/// The process: all of it out of a file, or the container's own, changed by the options.
fn process(matches: &Matches, container: &Container) -> Result<Process> {
    if let Some(path) = matches.value("process") {
        let text = std::fs::read(path).map_err(io("open", path))?;
        let json = |source| Error::Document { what: path.to_owned(), source };
        let process: Process = oci::json::read(&text).map_err(json)?;
        check(&process)?;
        return Ok(process);
    }
    let mut process = container.record.spec.process.clone().ok_or(Error::NoProcess)?;
    process.args.clone_from(&matches.args);
    // The container's own command may have had another.
    process.terminal = matches.flag("tty");
    process.console_size = None;
    if let Some(cwd) = matches.value("cwd") {
        cwd.clone_into(&mut process.cwd);
    }
    if let Some(profile) = matches.value("apparmor") {
        profile.clone_into(&mut process.apparmor_profile);
    }
    if let Some(label) = matches.value("process-label") {
        label.clone_into(&mut process.selinux_label);
    }
    let added: Vec<String> = matches.all("cap").map(str::to_owned).collect();
    if !added.is_empty() {
        add_capabilities(process.capabilities.get_or_insert_default(), &added);
    }
    process.env.extend(matches.all("env").map(str::to_owned));
    if matches.value("no-new-privs").is_some() {
        process.no_new_privileges = matches.flag("no-new-privs");
    }
    if let Some(user) = matches.value("user") {
        (process.user.uid, process.user.gid) = parse_user(user, process.user.gid)?;
    }
    for gid in matches.all("additional-gids") {
        process.user.additional_gids.push(number(gid, gid)?);
    }
    check(&process)?;
    Ok(process)
}

/// Into all sets but the inheritable one, as runc does; into the ambient one where there was one.
fn add_capabilities(sets: &mut Capabilities, added: &[String]) {
    let with_ambient = !sets.ambient.is_empty();
    for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
        set.extend(added.iter().cloned());
    }
    if with_ambient {
        sets.ambient.extend(added.iter().cloned());
    }
}

fn number(text: &str, part: &str) -> Result<u32> {
    part.parse().map_err(|_| Error::User { text: text.to_owned(), part: part.to_owned() })
}

/// `UID` or `UID:GID`.
fn parse_user(text: &str, gid: u32) -> Result<(u32, u32)> {
    match text.split_once(':') {
        None => Ok((number(text, text)?, gid)),
        Some((uid, gid)) => Ok((number(text, uid)?, number(text, gid)?)),
    }
}

impl crate::cgroups::CgroupRecord {
    /// Existing cgroups below the container's, of `--cgroup PATH` or several `--cgroup CONTROLLER[,CONTROLLER]:PATH`.
    fn below<'a>(&self, given: impl Iterator<Item = &'a str>) -> Result<cgroup::Manager> {
        let given: Vec<&str> = given.collect();
        let invalid = |text: &str| Error::Value { option: "--cgroup", text: text.to_owned() };
        let own = self.manager()?;
        let paths = sub_paths(&given)?;
        if let Some((_, path)) = paths.first().filter(|_| self.path.is_none()) {
            return Err(invalid(path));
        }
        let below = own.below(&paths)?;
        if paths.is_empty() || below.is_whole() { Ok(below) } else { Err(invalid(&given.join(" "))) }
    }
}

/// Controllers and paths; the controller is empty for all.
fn sub_paths<'a>(given: &[&'a str]) -> Result<Vec<(&'a str, &'a str)>> {
    let mut paths: Vec<(&str, &str)> = Vec::new();
    for text in given {
        let fault = |what: String| Error::SubCgroup { text: (*text).to_owned(), what };
        let Some((controllers, path)) = text.split_once(':') else {
            if given.len() > 1 {
                return Err(fault("missing <controller>: prefix".to_owned()));
            }
            paths.push(("", text));
            continue;
        };
        for controller in controllers.split(',') {
            if controller.is_empty() {
                return Err(fault("empty <controller> prefix".to_owned()));
            }
            if paths.iter().any(|(other, _)| *other == controller) {
                return Err(fault(format!("controller {controller} specified multiple times")));
            }
            paths.push((controller, path));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_cgroups() {
        assert_eq!(sub_paths(&["/a"]).unwrap(), [("", "/a")]);
        assert_eq!(sub_paths(&["cpu,memory:/a", "pids:b"]).unwrap(), [("cpu", "/a"), ("memory", "/a"), ("pids", "b")]);
        let text = |given: &[&str]| sub_paths(given).unwrap_err().to_string();
        assert_eq!(text(&["cpu:a", "b"]), "invalid --cgroup argument: b (missing <controller>: prefix)");
        assert_eq!(text(&[":b"]), "invalid --cgroup argument: :b (empty <controller> prefix)");
        assert!(text(&["cpu:a", "cpu:b"]).contains("controller cpu specified multiple times"));
    }

    #[test]
    fn users() {
        assert_eq!(parse_user("5", 7).unwrap(), (5, 7));
        assert_eq!(parse_user("5:6", 7).unwrap(), (5, 6));
        assert!(parse_user("me", 0).is_err() && parse_user("1:", 0).is_err());
    }

    #[test]
    fn capabilities() {
        let mut sets = Capabilities { bounding: vec!["CAP_KILL".to_owned()], ..Capabilities::default() };
        add_capabilities(&mut sets, &["CAP_SYS_ADMIN".to_owned()]);
        assert_eq!(sets.bounding, ["CAP_KILL", "CAP_SYS_ADMIN"]);
        assert_eq!(sets.effective, ["CAP_SYS_ADMIN"]);
        assert!(sets.ambient.is_empty() && sets.inheritable.is_empty());
    }
}
