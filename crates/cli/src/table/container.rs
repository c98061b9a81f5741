//! The `container` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(
        &[&["container", "attach"], &["attach"]],
        "[OPTIONS] CONTAINER",
        "Connect this terminal to a running container's streams",
        &[CONTAINER_ATTACH_FLAGS],
    )
    .takes(1, 1),
    command(
        &[&["container", "commit"], &["commit"]],
        "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        "Make an image of a container's present state",
        &[CONTAINER_COMMIT_FLAGS],
    )
    .takes(1, 2)
    .flags_first(),
    command(&[&["container"]], "", "Work with containers", &[]).group(),
    command(
        &[&["container", "cp"], &["cp"]],
        "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        "Copy files between a container and this machine",
        &[CONTAINER_CP_FLAGS],
    )
    .takes(2, 2),
    command(
        &[&["container", "create"], &["create"]],
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "Make a container without starting it",
        &[CONTAINER_FLAGS, CONTAINER_CREATE_FLAGS],
    )
    .at_least(1)
    .flags_first(),
    command(&[&["container", "diff"], &["diff"]], "CONTAINER", "Show which files a container has changed", &[])
        .takes(1, 1),
    command(
        &[&["container", "exec"], &["exec"]],
        "[OPTIONS] CONTAINER COMMAND [ARG...]",
        "Run a command in a running container",
        &[CONTAINER_EXEC_FLAGS],
    )
    .at_least(2)
    .flags_first(),
    command(
        &[&["container", "export"], &["export"]],
        "[OPTIONS] CONTAINER",
        "Write a container's file system as a tar archive",
        &[CONTAINER_EXPORT_FLAGS],
    )
    .takes(1, 1),
    command(
        &[&["container", "inspect"]],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Show everything about one or more containers",
        &[CONTAINER_INSPECT_FLAGS],
    )
    .at_least(1),
    command(
        &[&["container", "kill"], &["kill"]],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Send a signal to one or more running containers",
        &[CONTAINER_KILL_FLAGS],
    )
    .at_least(1),
    command(
        &[&["container", "logs"], &["logs"]],
        "[OPTIONS] CONTAINER",
        "Show a container's output",
        &[CONTAINER_LOGS_FLAGS],
    )
    .takes(1, 1),
    command(&[&["container", "ls"], &["ps"]], "[OPTIONS]", "List containers", &[CONTAINER_LS_FLAGS])
        .aliases(&["list", "ps"]),
    command(
        &[&["container", "pause"], &["pause"]],
        "CONTAINER [CONTAINER...]",
        "Freeze all processes of one or more containers",
        &[],
    )
    .at_least(1),
    command(
        &[&["container", "port"], &["port"]],
        "CONTAINER [PRIVATE_PORT[/PROTO]]",
        "Show which ports of a container are published where",
        &[],
    )
    .takes(1, 2),
    command(&[&["container", "prune"]], "[OPTIONS]", "Delete all stopped containers", &[CONTAINER_PRUNE_FLAGS])
        .since("1.25"),
    command(&[&["container", "rename"], &["rename"]], "CONTAINER NEW_NAME", "Give a container another name", &[])
        .takes(2, 2),
    command(
        &[&["container", "restart"], &["restart"]],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Stop and start one or more containers",
        &[CONTAINER_RESTART_FLAGS],
    )
    .at_least(1),
    command(
        &[&["container", "rm"], &["rm"]],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Delete one or more containers",
        &[CONTAINER_RM_FLAGS],
    )
    .at_least(1)
    .aliases(&["remove"]),
    command(
        &[&["container", "run"], &["run"]],
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "Make a container from an image and run it",
        &[CONTAINER_FLAGS, CONTAINER_RUN_FLAGS],
    )
    .at_least(1)
    .flags_first(),
    command(
        &[&["container", "start"], &["start"]],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Start one or more stopped containers",
        &[CONTAINER_START_FLAGS],
    )
    .at_least(1),
    command(
        &[&["container", "stats"], &["stats"]],
        "[OPTIONS] [CONTAINER...]",
        "Watch what containers use of the machine",
        &[CONTAINER_STATS_FLAGS],
    )
    .at_least(0),
    command(
        &[&["container", "stop"], &["stop"]],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Stop one or more running containers",
        &[CONTAINER_STOP_FLAGS],
    )
    .at_least(1),
    command(&[&["container", "top"], &["top"]], "CONTAINER [ps OPTIONS]", "Show a container's processes", &[])
        .at_least(1)
        .flags_first(),
    command(
        &[&["container", "unpause"], &["unpause"]],
        "CONTAINER [CONTAINER...]",
        "Thaw all processes of one or more containers",
        &[],
    )
    .at_least(1),
    command(
        &[&["container", "update"], &["update"]],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Change limits of one or more containers",
        &[CONTAINER_UPDATE_FLAGS],
    )
    .at_least(1),
    command(
        &[&["container", "wait"], &["wait"]],
        "CONTAINER [CONTAINER...]",
        "Wait for containers to stop and print their exit codes",
        &[],
    )
    .at_least(1),
];

const CONTAINER_ATTACH_FLAGS: &[Flag] = &[
    flag("detach-keys", '\0', "string", Kind::Text, "", "Keys that detach from the container"),
    flag("no-stdin", '\0', "bool", Kind::Bool, "false", "Do not attach stdin"),
    flag("sig-proxy", '\0', "bool", Kind::Bool, "true", "Pass signals on to the process"),
];

const CONTAINER_COMMIT_FLAGS: &[Flag] = &[
    flag("author", 'a', "string", Kind::Text, "", "Author, such as \"Ann Example <ann@example.com>\""),
    flag("change", 'c', "list", Kind::List, "", "Apply a Dockerfile instruction to the image"),
    flag("message", 'm', "string", Kind::Text, "", "Message of the commit"),
    flag("no-pause", '\0', "bool", Kind::Bool, "false", "Do not freeze the container meanwhile"),
    flag("pause", 'p', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("and enabled by default. Use --no-pause to disable pausing during commit."),
];

const CONTAINER_CP_FLAGS: &[Flag] = &[
    flag("archive", 'a', "bool", Kind::Bool, "false", "Keep owners (uid and gid) when copying"),
    flag("follow-link", 'L', "bool", Kind::Bool, "false", "Follow symbolic links in the source path"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "No progress while copying (as without a terminal)"),
];

/// What a container is made with: flags of both `create` and `run`.
const CONTAINER_FLAGS: &[Flag] = &[
    flag("add-host", '\0', "list", Kind::List, "", "Add a name to the hosts file (name:ip)"),
    flag("annotation", '\0', "map", Kind::Map, "map[]", "Add an annotation, passed on to the OCI runtime")
        .since("1.43"),
    flag("attach", 'a', "list", Kind::List, "", "Attach stdin, stdout or stderr"),
    flag("blkio-weight", '\0', "uint16", Kind::Uint16, "0", "Share of block IO, 10 to 1000, or 0 for none (default 0)"),
    flag("blkio-weight-device", '\0', "list", Kind::List, "[]", "Share of block IO on a device"),
    flag("cap-add", '\0', "list", Kind::List, "", "Add Linux capabilities"),
    flag("cap-drop", '\0', "list", Kind::List, "", "Take Linux capabilities away"),
    flag("cgroup-parent", '\0', "string", Kind::Text, "", "Cgroup to put the container's cgroup into"),
    flag(
        "cgroupns",
        '\0',
        "string",
        Kind::Text,
        "",
        "Cgroup namespace: 'host' or 'private' (the engine's default when empty)",
    )
    .since("1.41"),
    flag("cidfile", '\0', "string", Kind::Text, "", "Write the container's id to a file"),
    flag("cpu-count", '\0', "int64", Kind::Int, "0", "Number of CPUs (Windows)").only_on("windows"),
    flag("cpu-percent", '\0', "int64", Kind::Int, "0", "Share of the CPUs (Windows)").only_on("windows"),
    flag("cpu-period", '\0', "int64", Kind::Int, "0", "Length of a CFS period, in microseconds"),
    flag("cpu-quota", '\0', "int64", Kind::Int, "0", "CPU time in a CFS period, in microseconds"),
    flag("cpu-rt-period", '\0', "int64", Kind::Int, "0", "Length of a real-time period, in microseconds").since("1.25"),
    flag("cpu-rt-runtime", '\0', "int64", Kind::Int, "0", "Real-time CPU time in a period, in microseconds")
        .since("1.25"),
    flag("cpu-shares", 'c', "int64", Kind::Int, "0", "Relative weight of CPU time"),
    flag("cpus", '\0', "decimal", Kind::Decimal, "", "Number of CPUs").since("1.25"),
    flag("cpuset-cpus", '\0', "string", Kind::Text, "", "CPUs to run on (0-3, 0,1)"),
    flag("cpuset-mems", '\0', "string", Kind::Text, "", "Memory nodes to use (0-3, 0,1)"),
    flag("device", '\0', "list", Kind::List, "", "Give the container a device of the host"),
    flag("device-cgroup-rule", '\0', "list", Kind::List, "", "Add a rule to the list of allowed devices"),
    flag("device-read-bps", '\0', "list", Kind::List, "[]", "Limit reads from a device, in bytes per second"),
    flag("device-read-iops", '\0', "list", Kind::List, "[]", "Limit reads from a device, in operations per second"),
    flag("device-write-bps", '\0', "list", Kind::List, "[]", "Limit writes to a device, in bytes per second"),
    flag("device-write-iops", '\0', "list", Kind::List, "[]", "Limit writes to a device, in operations per second"),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("dns", '\0', "list", Kind::List, "", "DNS servers to ask"),
    flag("dns-opt", '\0', "list", Kind::List, "", "DNS options").hidden(),
    flag("dns-option", '\0', "list", Kind::List, "", "DNS options"),
    flag("dns-search", '\0', "list", Kind::List, "", "DNS search domains"),
    flag("domainname", '\0', "string", Kind::Text, "", "NIS domain name of the container"),
    flag("entrypoint", '\0', "string", Kind::Text, "", "Use another ENTRYPOINT than the image's"),
    flag("env", 'e', "list", Kind::List, "", "Set environment variables"),
    flag("env-file", '\0', "list", Kind::List, "", "Read environment variables from a file"),
    flag("expose", '\0', "list", Kind::List, "", "Say that a port or range of ports is used"),
    flag("gpus", '\0', "gpu-request", Kind::Gpus, "", "Give the container GPUs ('all' for all of them)").since("1.40"),
    flag("group-add", '\0', "list", Kind::List, "", "More groups of the container's user"),
    flag("health-cmd", '\0', "string", Kind::Text, "", "Command that checks health"),
    flag("health-interval", '\0', "duration", Kind::Duration, "0s", "Time between checks (ms|s|m|h) (default 0s)"),
    flag("health-retries", '\0', "int", Kind::Int, "0", "Failures in a row that mean unhealthy"),
    flag(
        "health-start-interval",
        '\0',
        "duration",
        Kind::Duration,
        "0s",
        "Time between checks while starting (ms|s|m|h) (default 0s)",
    )
    .since("1.44"),
    flag(
        "health-start-period",
        '\0',
        "duration",
        Kind::Duration,
        "0s",
        "Time to start before failures count (ms|s|m|h) (default 0s)",
    )
    .since("1.29"),
    flag("health-timeout", '\0', "duration", Kind::Duration, "0s", "Longest time of one check (ms|s|m|h) (default 0s)"),
    flag("hostname", 'h', "string", Kind::Text, "", "Host name of the container"),
    flag("init", '\0', "bool", Kind::Bool, "false", "Run an init that passes signals on and reaps processes")
        .since("1.25"),
    flag("interactive", 'i', "bool", Kind::Bool, "false", "Keep stdin open"),
    flag("io-maxbandwidth", '\0', "bytes", Kind::Bytes, "0", "Limit of IO bandwidth on the system drive (Windows)")
        .only_on("windows"),
    flag("io-maxiops", '\0', "uint64", Kind::Uint, "0", "Limit of IO operations on the system drive (Windows)")
        .only_on("windows"),
    flag("ip", '\0', "ip", Kind::Ip, "<nil>", "IPv4 address (such as 172.30.100.104)"),
    flag("ip6", '\0', "ip", Kind::Ip, "<nil>", "IPv6 address (such as 2001:db8::33)"),
    flag("ipc", '\0', "string", Kind::Text, "", "IPC mode to use"),
    flag("isolation", '\0', "string", Kind::Text, "", "Isolation technology of the container"),
    flag("kernel-memory", '\0', "bytes", Kind::Bytes, "0", "")
        .hidden()
        .deprecated("and no longer supported by the kernel"),
    flag("label", 'l', "list", Kind::List, "", "Set a label"),
    flag("label-file", '\0', "list", Kind::List, "", "Read labels from a file"),
    flag("link", '\0', "list", Kind::List, "", "Link to another container"),
    flag("link-local-ip", '\0', "list", Kind::List, "", "Link-local addresses"),
    flag("log-driver", '\0', "string", Kind::Text, "", "Where the container's output goes"),
    flag("log-opt", '\0', "list", Kind::List, "", "Options for the log driver"),
    flag("mac-address", '\0', "string", Kind::Text, "", "MAC address of the container (such as 92:d0:c6:0a:29:33)"),
    flag("memory", 'm', "bytes", Kind::Bytes, "0", "Most memory"),
    flag("memory-reservation", '\0', "bytes", Kind::Bytes, "0", "Memory that is kept when memory is short"),
    flag("memory-swap", '\0', "bytes", Kind::Bytes, "0", "Most memory and swap together, -1 for no limit of swap"),
    flag("memory-swappiness", '\0', "int64", Kind::Int, "-1", "How readily memory is swapped, 0 to 100"),
    flag("mount", '\0', "mount", Kind::Mount, "", "Mount a file system into the container"),
    flag("name", '\0', "string", Kind::Text, "", "Name of the container"),
    flag("net", '\0', "network", Kind::Network, "", "Network to connect to").hidden(),
    flag("net-alias", '\0', "list", Kind::List, "", "Another name of the container on its network").hidden(),
    flag("network", '\0', "network", Kind::Network, "", "Network to connect to"),
    flag("network-alias", '\0', "list", Kind::List, "", "Another name of the container on its network"),
    flag("no-healthcheck", '\0', "bool", Kind::Bool, "false", "Use no health check, not even the image's"),
    flag(
        "oom-kill-disable",
        '\0',
        "bool",
        Kind::Bool,
        "false",
        "Let the kernel not kill the container when memory runs out",
    ),
    flag("oom-score-adj", '\0', "int", Kind::Int, "0", "Who is killed first when memory runs out (-1000 to 1000)"),
    flag("pid", '\0', "string", Kind::Text, "", "PID namespace to use"),
    flag("pids-limit", '\0', "int64", Kind::Int, "0", "Most processes (-1 for no limit)"),
    flag("platform", '\0', "string", Kind::Text, "", "Platform to use, as os[/arch[/variant]] (such as linux/amd64)")
        .since("1.32"),
    flag("privileged", '\0', "bool", Kind::Bool, "false", "Give all privileges"),
    flag("publish", 'p', "list", Kind::List, "", "Publish a container's port on the host"),
    flag("publish-all", 'P', "bool", Kind::Bool, "false", "Publish all exposed ports on random ports"),
    flag("pull", '\0', "string", Kind::Text, "missing", "Pull the image first (\"always\", \"missing\", \"never\")"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "No progress while pulling"),
    flag("read-only", '\0', "bool", Kind::Bool, "false", "Mount the container's root read-only"),
    flag("restart", '\0', "string", Kind::Text, "no", "What to do when the container exits"),
    flag("rm", '\0', "bool", Kind::Bool, "false", "Delete the container and its anonymous volumes when it exits"),
    flag("runtime", '\0', "string", Kind::Text, "", "OCI runtime to use"),
    flag("security-opt", '\0', "list", Kind::List, "", "Security options"),
    flag("shm-size", '\0', "bytes", Kind::Bytes, "0", "Size of /dev/shm"),
    flag("stop-signal", '\0', "string", Kind::Text, "", "Signal that stops the container"),
    flag("stop-timeout", '\0', "int", Kind::Int, "0", "Seconds to wait before killing").since("1.25"),
    flag("storage-opt", '\0', "list", Kind::List, "", "Options for the container's storage"),
    flag("sysctl", '\0', "map", Kind::Map, "map[]", "Kernel parameters of the container's namespaces"),
    flag("tmpfs", '\0', "list", Kind::List, "", "Mount a tmpfs directory"),
    flag("tty", 't', "bool", Kind::Bool, "false", "Give the process a terminal"),
    flag("ulimit", '\0', "ulimit", Kind::Ulimit, "[]", "Set limits of the process"),
    flag("user", 'u', "string", Kind::Text, "", "User to run as (<name|uid>[:<group|gid>])"),
    flag("userns", '\0', "string", Kind::Text, "", "User namespace to use"),
    flag("uts", '\0', "string", Kind::Text, "", "UTS namespace to use"),
    flag("volume", 'v', "list", Kind::List, "", "Mount a directory or volume"),
    flag("volume-driver", '\0', "string", Kind::Text, "", "Driver of the container's volumes"),
    flag("volumes-from", '\0', "list", Kind::List, "", "Mount the volumes of other containers"),
    flag("workdir", 'w', "string", Kind::Text, "", "Directory to run in"),
];

const CONTAINER_CREATE_FLAGS: &[Flag] = &[flag(
    "use-api-socket",
    '\0',
    "bool",
    Kind::Bool,
    "false",
    "Give the container the engine's socket and the credentials for it",
)
.experimental()];

const CONTAINER_EXEC_FLAGS: &[Flag] = &[
    flag("detach", 'd', "bool", Kind::Bool, "false", "Run in the background"),
    flag("detach-keys", '\0', "string", Kind::Text, "", "Keys that detach from the container"),
    flag("env", 'e', "list", Kind::List, "", "Set environment variables").since("1.25"),
    flag("env-file", '\0', "list", Kind::List, "", "Read environment variables from a file").since("1.25"),
    flag("interactive", 'i', "bool", Kind::Bool, "false", "Keep stdin open"),
    flag("privileged", '\0', "bool", Kind::Bool, "false", "Give all privileges"),
    flag("tty", 't', "bool", Kind::Bool, "false", "Give the process a terminal"),
    flag("user", 'u', "string", Kind::Text, "", "User to run as (<name|uid>[:<group|gid>])"),
    flag("workdir", 'w', "string", Kind::Text, "", "Directory to run in").since("1.35"),
];

const CONTAINER_EXPORT_FLAGS: &[Flag] =
    &[flag("output", 'o', "string", Kind::Text, "", "Write to a file instead of stdout")];

const CONTAINER_INSPECT_FLAGS: &[Flag] = &[
    flag(
        "format",
        'f',
        "string",
        Kind::Text,
        "",
        "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
    ),
    flag("size", 's', "bool", Kind::Bool, "false", "Show sizes"),
];

const CONTAINER_KILL_FLAGS: &[Flag] = &[flag("signal", 's', "string", Kind::Text, "", "Signal to send")];

const CONTAINER_LOGS_FLAGS: &[Flag] = &[
    flag("details", '\0', "bool", Kind::Bool, "false", "Show extra details of the log"),
    flag("follow", 'f', "bool", Kind::Bool, "false", "Go on as output comes"),
    flag(
        "since",
        '\0',
        "string",
        Kind::Text,
        "",
        "From this time on (such as 2013-01-02T13:23:37Z), or for so long (such as 42m)",
    ),
    flag("tail", 'n', "string", Kind::Text, "all", "Lines to show from the end"),
    flag("timestamps", 't', "bool", Kind::Bool, "false", "Show times"),
    flag(
        "until",
        '\0',
        "string",
        Kind::Text,
        "",
        "Up to this time (such as 2013-01-02T13:23:37Z), or so long ago (such as 42m)",
    )
    .since("1.35"),
];

const CONTAINER_LS_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", "List stopped containers, too"),
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("last", 'n', "int", Kind::Int, "-1", "Show the last n containers, in any state"),
    flag("latest", 'l', "bool", Kind::Bool, "false", "Show the last container, in any state"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
    flag("size", 's', "bool", Kind::Bool, "false", "Show sizes"),
];

const CONTAINER_PRUNE_FLAGS: &[Flag] = &[
    flag("filter", '\0', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("force", 'f', "bool", Kind::Bool, "false", "Do not ask"),
];

const CONTAINER_RESTART_FLAGS: &[Flag] = &[
    flag("signal", 's', "string", Kind::Text, "", "Signal to send"),
    flag("time", '\0', "int", Kind::Int, "0", "").hidden().deprecated("use --timeout instead"),
    flag("timeout", 't', "int", Kind::Int, "0", "Seconds to wait before killing"),
];

const CONTAINER_RM_FLAGS: &[Flag] = &[
    flag("force", 'f', "bool", Kind::Bool, "false", "Kill the container first when it runs"),
    flag("link", 'l', "bool", Kind::Bool, "false", "Delete the link, not the container"),
    flag("volumes", 'v', "bool", Kind::Bool, "false", "Delete anonymous volumes, too"),
];

const CONTAINER_RUN_FLAGS: &[Flag] = &[
    flag("detach", 'd', "bool", Kind::Bool, "false", "Run in the background and print the container's id"),
    flag("detach-keys", '\0', "string", Kind::Text, "", "Keys that detach from the container"),
    flag("sig-proxy", '\0', "bool", Kind::Bool, "true", "Pass signals on to the process"),
    flag(
        "use-api-socket",
        '\0',
        "bool",
        Kind::Bool,
        "false",
        "Give the container the engine's socket and the credentials for it",
    ),
];

const CONTAINER_START_FLAGS: &[Flag] = &[
    flag("attach", 'a', "bool", Kind::Bool, "false", "Attach stdout and stderr and pass signals on"),
    flag("checkpoint", '\0', "string", Kind::Text, "", "Restore from this checkpoint").only_on("linux").experimental(),
    flag("checkpoint-dir", '\0', "string", Kind::Text, "", "Keep checkpoints in this directory")
        .only_on("linux")
        .experimental(),
    flag("detach-keys", '\0', "string", Kind::Text, "", "Keys that detach from the container"),
    flag("interactive", 'i', "bool", Kind::Bool, "false", "Attach the container's stdin"),
];

const CONTAINER_STATS_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", "Show stopped containers, too"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("no-stream", '\0', "bool", Kind::Bool, "false", "Show one result and end"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
];

const CONTAINER_STOP_FLAGS: &[Flag] = &[
    flag("signal", 's', "string", Kind::Text, "", "Signal to send"),
    flag("time", '\0', "int", Kind::Int, "0", "").hidden().deprecated("use --timeout instead"),
    flag("timeout", 't', "int", Kind::Int, "0", "Seconds to wait before killing"),
];

const CONTAINER_UPDATE_FLAGS: &[Flag] = &[
    flag("blkio-weight", '\0', "uint16", Kind::Uint16, "0", "Share of block IO, 10 to 1000, or 0 for none (default 0)"),
    flag("cpu-period", '\0', "int64", Kind::Int, "0", "Length of a CFS period, in microseconds"),
    flag("cpu-quota", '\0', "int64", Kind::Int, "0", "CPU time in a CFS period, in microseconds"),
    flag("cpu-rt-period", '\0', "int64", Kind::Int, "0", "Length of a real-time period, in microseconds").since("1.25"),
    flag("cpu-rt-runtime", '\0', "int64", Kind::Int, "0", "Real-time CPU time in a period, in microseconds")
        .since("1.25"),
    flag("cpu-shares", 'c', "int64", Kind::Int, "0", "Relative weight of CPU time"),
    flag("cpus", '\0', "decimal", Kind::Decimal, "", "Number of CPUs").since("1.29"),
    flag("cpuset-cpus", '\0', "string", Kind::Text, "", "CPUs to run on (0-3, 0,1)"),
    flag("cpuset-mems", '\0', "string", Kind::Text, "", "Memory nodes to use (0-3, 0,1)"),
    flag("kernel-memory", '\0', "bytes", Kind::Bytes, "0", "")
        .hidden()
        .deprecated("and no longer supported by the kernel"),
    flag("memory", 'm', "bytes", Kind::Bytes, "0", "Most memory"),
    flag("memory-reservation", '\0', "bytes", Kind::Bytes, "0", "Memory that is kept when memory is short"),
    flag("memory-swap", '\0', "bytes", Kind::Bytes, "0", "Most memory and swap together, -1 for no limit of swap"),
    flag("pids-limit", '\0', "int64", Kind::Int, "0", "Most processes (-1 for no limit)").since("1.40"),
    flag("restart", '\0', "string", Kind::Text, "", "What to do when the container exits"),
];
