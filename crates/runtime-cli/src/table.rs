//! Commands and options as data.

use crate::Context;
use crate::commands::{
    checkpoint, create, delete, events, exec, features, kill, list, pause, ps, restore, run, spec, start, state, update,
};
use crate::error::{Error, Result};
use crate::parse::{Flag, Matches};

/// One command.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// In a list of commands.
    pub(crate) about: &'static str,
    /// Behind the name in the usage line.
    pub(crate) usage: &'static str,
    pub(crate) flags: &'static [Flag],
    /// Whether options may stand behind the first argument.
    pub(crate) reorder: bool,
    pub(crate) arguments: Arguments,
    pub(crate) run: fn(&Context, &mut Matches) -> Result<i32>,
}

/// How many arguments a command takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arguments {
    Exactly(usize),
    AtLeast(usize),
    Between(usize, usize),
}

impl Arguments {
    /// The error, when it is another number.
    pub(crate) fn check(self, program: &str, command: &'static str, given: usize) -> Option<Error> {
        const LEAST: &str = "a minimum of";
        let (rule, count) = match self {
            Self::Exactly(count) if given != count => ("exactly", count),
            Self::AtLeast(least) | Self::Between(least, _) if given < least => (LEAST, least),
            Self::Between(_, most) if given > most => ("a maximum of", most),
            _ => return None,
        };
        Some(Error::Arguments { program: program.to_owned(), command, rule, count })
    }
}

const fn switch(names: &'static [&'static str], help: &'static str) -> Flag {
    Flag { names, value: false, default: "", help }
}

const fn value(names: &'static [&'static str], help: &'static str) -> Flag {
    Flag { names, value: true, default: "", help }
}

const fn with_default(names: &'static [&'static str], default: &'static str, help: &'static str) -> Flag {
    Flag { names, value: true, default, help }
}

/// Options of every command, before its name.
pub(crate) static GLOBAL: &[Flag] = &[
    switch(&["debug"], "write more to the log"),
    value(&["log"], "file that errors are written to (default: standard error)"),
    with_default(&["log-format"], "\"text\"", "how the log is written: text or json"),
    with_default(&["root"], "\"/run/gantry-runtime\"", "directory of the containers' states"),
    switch(&["systemd-cgroup"], "cgroups are made by systemd; cgroupsPath is slice:prefix:name"),
    with_default(&["rootless"], "\"auto\"", "go on where cgroups may not be changed: true, false or auto"),
    value(&["criu"], "obsolete; does nothing, criu is found through $PATH"),
    switch(&["version", "v"], "print the version"),
];

const BUNDLE: Flag = value(&["bundle", "b"], "directory of config.json (default: the current one)");
const CONSOLE: Flag = value(&["console-socket"], "AF_UNIX socket that gets the master end of the terminal");
const PIDFD: Flag = value(&["pidfd-socket"], "AF_UNIX socket that gets a pidfd of the process");
const PID_FILE: Flag = value(&["pid-file"], "file that the process id is written to");
const NO_PIVOT: Flag = switch(&["no-pivot"], "change the root without pivot_root, for a root on a ramdisk");
const NO_KEYRING: Flag = switch(&["no-new-keyring"], "keep the session keyring of the caller");
const PRESERVE: Flag = with_default(&["preserve-fds"], "0", "number of descriptors from 3 on that the process keeps");
const DETACH: Flag = switch(&["detach", "d"], "do not wait for the process");
const NO_SUBREAPER: Flag = switch(&["no-subreaper"], "do not adopt the container's orphans");
const FORMAT: Flag = with_default(&["format", "f"], "\"table\"", "table or json");

static CREATE: &[Flag] = &[BUNDLE, CONSOLE, PIDFD, PID_FILE, NO_PIVOT, NO_KEYRING, PRESERVE];

static RUN: &[Flag] = &[
    BUNDLE,
    CONSOLE,
    PIDFD,
    DETACH,
    switch(&["keep"], "do not delete the container when it ends"),
    PID_FILE,
    NO_SUBREAPER,
    NO_PIVOT,
    NO_KEYRING,
    PRESERVE,
];

static EXEC: &[Flag] = &[
    CONSOLE,
    PIDFD,
    value(&["cwd"], "working directory"),
    value(&["env", "e"], "environment variable NAME=VALUE"),
    switch(&["tty", "t"], "with a terminal"),
    value(&["user", "u"], "UID[:GID]"),
    value(&["additional-gids", "g"], "additional group"),
    value(&["process", "p"], "process.json that says everything"),
    DETACH,
    PID_FILE,
    value(&["process-label"], "SELinux label"),
    value(&["apparmor"], "AppArmor profile"),
    switch(&["no-new-privs"], "set no_new_privs"),
    value(&["cap", "c"], "capability added"),
    PRESERVE,
    value(&["cgroup"], "existing cgroup below the container's: [CONTROLLER:]PATH"),
    switch(&["ignore-paused"], "allow a paused container"),
    NO_SUBREAPER,
];

static KILL: &[Flag] = &[switch(&["all", "a"], "signal all processes of the container")];

static DELETE: &[Flag] = &[switch(&["force", "f"], "kill it first when it runs")];

static LIST: &[Flag] = &[FORMAT, switch(&["quiet", "q"], "ids only")];

static PS: &[Flag] = &[FORMAT];

static UPDATE: &[Flag] = &[
    value(&["resources", "r"], "file of linux.resources, - for standard input; the other options do not count then"),
    with_default(&["blkio-weight"], "0", "weight of block devices, 10 to 1000"),
    value(&["cpu-period"], "CFS period in microseconds"),
    value(&["cpu-quota"], "microseconds of CPU time per period"),
    value(&["cpu-burst"], "microseconds that may be saved up"),
    value(&["cpu-share"], "relative weight"),
    value(&["cpu-rt-period"], "real time period in microseconds"),
    value(&["cpu-rt-runtime"], "microseconds of real time per period"),
    value(&["cpuset-cpus"], "CPUs"),
    value(&["cpuset-mems"], "memory nodes"),
    value(&["memory"], "memory limit in bytes"),
    value(&["cpu-idle"], "1 for SCHED_IDLE"),
    value(&["kernel-memory"], "obsolete; does nothing"),
    value(&["kernel-memory-tcp"], "obsolete; does nothing"),
    value(&["memory-reservation"], "soft limit in bytes"),
    value(&["memory-swap"], "memory and swap in bytes, -1 for no limit"),
    with_default(&["pids-limit"], "0", "number of processes"),
    value(&["l3-cache-schema"], "Intel RDT: L3 cache"),
    value(&["mem-bw-schema"], "Intel RDT: memory bandwidth"),
];

static EVENTS: &[Flag] =
    &[with_default(&["interval"], "5s", "time between two reports"), switch(&["stats"], "report once")];

static SPEC: &[Flag] = &[BUNDLE, switch(&["rootless"], "for a user without privileges")];

const IMAGES: Flag = value(&["image-path"], "directory of criu's images (default: checkpoint)");
const WORK: Flag = value(&["work-path"], "directory of criu's work files and log (default: that of the images)");
const TCP: Flag = switch(&["tcp-established"], "with established TCP connections");
const SOCKETS: Flag = switch(&["ext-unix-sk"], "with UNIX sockets whose other end is outside");
const SHELL_JOB: Flag = switch(&["shell-job"], "as a job of a shell outside");
const FILE_LOCKS: Flag = switch(&["file-locks"], "with file locks");
const LAZY_PAGES: Flag = switch(&["lazy-pages"], "memory is fetched when it is needed");
const CGROUPS_MODE: Flag = value(&["manage-cgroups-mode"], "cgroups: soft, full, strict or ignore (default: soft)");
const EMPTY: Flag = value(&["empty-ns"], "namespace without its contents: network");
const DEDUP: Flag = switch(&["auto-dedup"], "drop what is in memory images twice");

static CHECKPOINT: &[Flag] = &[
    IMAGES,
    WORK,
    value(&["parent-path"], "images of an earlier --pre-dump, relative to these"),
    switch(&["leave-running"], "the container goes on"),
    TCP,
    switch(&["tcp-skip-in-flight"], "without connections that are being made"),
    switch(&["link-remap"], "files without a name get one for the time"),
    SOCKETS,
    SHELL_JOB,
    LAZY_PAGES,
    with_default(&["status-fd"], "-1", "descriptor that gets a NUL when lazy pages can be had"),
    value(&["page-server"], "ADDRESS:PORT that memory is sent to"),
    FILE_LOCKS,
    switch(&["pre-dump"], "memory only; the container goes on"),
    CGROUPS_MODE,
    EMPTY,
    DEDUP,
];

static RESTORE: &[Flag] = &[
    CONSOLE,
    IMAGES,
    WORK,
    TCP,
    SOCKETS,
    SHELL_JOB,
    FILE_LOCKS,
    CGROUPS_MODE,
    BUNDLE,
    DETACH,
    PID_FILE,
    NO_SUBREAPER,
    NO_PIVOT,
    EMPTY,
    DEDUP,
    LAZY_PAGES,
    value(&["lsm-profile"], "TYPE:NAME of another security profile"),
    value(&["lsm-mount-context"], "another SELinux context of mounts"),
];

macro_rules! command {
    ($name:literal, $about:literal, $usage:literal, $flags:expr, $reorder:literal, $arguments:expr, $run:path) => {
        Command {
            name: $name,
            about: $about,
            usage: $usage,
            flags: $flags,
            reorder: $reorder,
            arguments: $arguments,
            run: $run,
        }
    };
}

use Arguments::{AtLeast, Between, Exactly};

/// All commands, in the order of the help.
pub(crate) static COMMANDS: &[Command] = &[
    command!(
        "checkpoint",
        "write a running container to files, with criu",
        "<container-id>",
        CHECKPOINT,
        true,
        Exactly(1),
        checkpoint::run
    ),
    command!("create", "create a container", "<container-id>", CREATE, true, Exactly(1), create::run),
    command!("delete", "delete what is left of a container", "<container-id>", DELETE, true, Exactly(1), delete::run),
    command!(
        "events",
        "show memory events and statistics of a container",
        "<container-id>",
        EVENTS,
        true,
        Exactly(1),
        events::run
    ),
    command!(
        "exec",
        "run another process in a container",
        "<container-id> <command> [arguments...] | -p process.json <container-id>",
        EXEC,
        false,
        AtLeast(1),
        exec::run
    ),
    command!(
        "kill",
        "send a signal (default: SIGTERM) to a container's first process",
        "<container-id> [signal]",
        KILL,
        true,
        Between(1, 2),
        kill::run
    ),
    command!("list", "list the containers of a root", "", LIST, true, Exactly(0), list::run),
    command!("pause", "freeze all processes of a container", "<container-id>", &[], true, Exactly(1), pause::pause),
    command!("ps", "show the processes of a container", "<container-id> [ps options]", PS, false, AtLeast(1), ps::run),
    command!(
        "restore",
        "make a container out of the files of a checkpoint",
        "<container-id>",
        RESTORE,
        true,
        Exactly(1),
        restore::run
    ),
    command!("resume", "let a frozen container go on", "<container-id>", &[], true, Exactly(1), pause::resume),
    command!("run", "create and start a container", "<container-id>", RUN, true, Exactly(1), run::run),
    command!("spec", "write a specification to start from", "", SPEC, true, Exactly(0), spec::run),
    command!("start", "start the process of a created container", "<container-id>", &[], true, Exactly(1), start::run),
    command!("state", "show the state of a container", "<container-id>", &[], true, Exactly(1), state::run),
    command!("update", "change the limits of a container", "<container-id>", UPDATE, true, Exactly(1), update::run),
    command!("features", "show what this runtime can do", "", &[], true, Exactly(0), features::run),
];

/// A command by its name.
pub(crate) fn command(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// Whether an argument is an option of [`GLOBAL`].
pub(crate) fn is_global_option(arg: &str) -> bool {
    let Some(rest) = arg.strip_prefix('-') else { return false };
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let name = rest.split('=').next().unwrap_or_default();
    matches!(name, "help" | "h") || GLOBAL.iter().any(|flag| flag.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for command in COMMANDS {
            let mut names: Vec<_> = command.flags.iter().flat_map(|flag| flag.names).collect();
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "{}", command.name);
        }
    }

    #[test]
    fn numbers_of_arguments() {
        let text = |rule: Arguments, given| rule.check("p", "kill", given).map(|error| error.to_string());
        assert_eq!(text(Exactly(1), 1), None);
        assert_eq!(text(Exactly(1), 0).as_deref(), Some("p: \"kill\" requires exactly 1 argument(s)"));
        assert_eq!(text(Between(1, 2), 0).as_deref(), Some("p: \"kill\" requires a minimum of 1 argument(s)"));
        assert_eq!(text(Between(1, 2), 3).as_deref(), Some("p: \"kill\" requires a maximum of 2 argument(s)"));
    }

    #[test]
    fn what_is_an_option() {
        assert!(is_global_option("--root=/x") && is_global_option("-log") && is_global_option("--help"));
        assert!(!is_global_option("--launch") && !is_global_option("root") && !is_global_option("--init"));
    }
}
