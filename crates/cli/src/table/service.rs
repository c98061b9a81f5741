//! The `service` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(&[&["service"]], "", "Work with Swarm services", &[]).group().swarm().since("1.24"),
    command(
        &[&["service", "create"]],
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "Make a service",
        &[SERVICE_FLAGS, SERVICE_CREATE_FLAGS],
    )
    .at_least(1)
    .flags_first(),
    command(
        &[&["service", "inspect"]],
        "[OPTIONS] SERVICE [SERVICE...]",
        "Show everything about one or more services",
        &[SERVICE_INSPECT_FLAGS],
    )
    .at_least(1),
    command(
        &[&["service", "logs"]],
        "[OPTIONS] SERVICE|TASK",
        "Show the output of a service or task",
        &[SERVICE_LOGS_FLAGS],
    )
    .takes(1, 1)
    .since("1.29"),
    command(&[&["service", "ls"]], "[OPTIONS]", "List services", &[SERVICE_LS_FLAGS]).aliases(&["list"]),
    command(
        &[&["service", "ps"]],
        "[OPTIONS] SERVICE [SERVICE...]",
        "List the tasks of one or more services",
        &[SERVICE_PS_FLAGS],
    )
    .at_least(1),
    command(&[&["service", "rm"]], "SERVICE [SERVICE...]", "Delete one or more services", &[])
        .at_least(1)
        .aliases(&["remove"]),
    command(
        &[&["service", "rollback"]],
        "[OPTIONS] SERVICE",
        "Take back the last change of a service",
        &[SERVICE_ROLLBACK_FLAGS],
    )
    .takes(1, 1)
    .since("1.31"),
    command(
        &[&["service", "scale"]],
        "SERVICE=REPLICAS [SERVICE=REPLICAS...]",
        "Set the number of replicas of services",
        &[SERVICE_SCALE_FLAGS],
    )
    .at_least(0),
    command(&[&["service", "update"]], "[OPTIONS] SERVICE", "Change a service", &[SERVICE_FLAGS, SERVICE_UPDATE_FLAGS])
        .takes(1, 1),
];

/// Flags of both `service create` and `service update`.
const SERVICE_FLAGS: &[Flag] = &[
    flag("cap-add", '\0', "list", Kind::List, "", "Add Linux capabilities").since("1.41"),
    flag("cap-drop", '\0', "list", Kind::List, "", "Take Linux capabilities away").since("1.41"),
    flag(
        "credential-spec",
        '\0',
        "credential-spec",
        Kind::Other,
        "",
        "Credential spec of a managed service account (Windows)",
    )
    .since("1.29"),
    flag("detach", 'd', "bool", Kind::Bool, "false", "Return at once").since("1.29"),
    flag("entrypoint", '\0', "command", Kind::Other, "", "Use another ENTRYPOINT than the image's"),
    flag("health-cmd", '\0', "string", Kind::Text, "", "Command that checks health").since("1.25"),
    flag("health-interval", '\0', "duration", Kind::Duration, "", "Time between checks (ms|s|m|h) (default 0s)")
        .since("1.25"),
    flag("health-retries", '\0', "int", Kind::Int, "0", "Failures in a row that mean unhealthy").since("1.25"),
    flag(
        "health-start-interval",
        '\0',
        "duration",
        Kind::Duration,
        "",
        "Time between checks while starting (ms|s|m|h) (default 0s)",
    )
    .since("1.44"),
    flag(
        "health-start-period",
        '\0',
        "duration",
        Kind::Duration,
        "",
        "Time to start before failures count (ms|s|m|h) (default 0s)",
    )
    .since("1.29"),
    flag("health-timeout", '\0', "duration", Kind::Duration, "", "Longest time of one check (ms|s|m|h) (default 0s)")
        .since("1.25"),
    flag("hostname", '\0', "string", Kind::Text, "", "Host name of the container").since("1.25"),
    flag("init", '\0', "bool", Kind::Bool, "false", "Run an init that passes signals on and reaps processes")
        .since("1.37"),
    flag("isolation", '\0', "string", Kind::Text, "", "Isolation technology of the container").since("1.35"),
    flag("limit-cpu", '\0', "decimal", Kind::Decimal, "", "Most CPUs"),
    flag("limit-memory", '\0', "bytes", Kind::Bytes, "0", "Most memory"),
    flag("limit-pids", '\0', "int64", Kind::Int, "0", "Most processes (0 for no limit)").since("1.41"),
    flag("log-driver", '\0', "string", Kind::Text, "", "Where the container's output goes"),
    flag("log-opt", '\0', "list", Kind::List, "", "Options for the log driver"),
    flag("max-concurrent", '\0', "uint", Kind::Uint, "", "Tasks of a job that run at a time").since("1.41"),
    flag("memory-swap", '\0', "bytes", Kind::Bytes, "0", "Most memory and swap together, -1 for no limit of swap")
        .since("1.52"),
    flag("memory-swappiness", '\0', "int64", Kind::Int, "-1", "How readily memory is swapped, 0 to 100").since("1.52"),
    flag("no-healthcheck", '\0', "bool", Kind::Bool, "false", "Use no health check, not even the image's")
        .since("1.25"),
    flag("no-resolve-image", '\0', "bool", Kind::Bool, "false", "Do not ask the registry for digest and platforms")
        .since("1.30"),
    flag("oom-score-adj", '\0', "int64", Kind::Int, "0", "Who is killed first when memory runs out (-1000 to 1000)")
        .since("1.46"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
    flag("read-only", '\0', "bool", Kind::Bool, "false", "Mount the container's root read-only").since("1.28"),
    flag("replicas", '\0', "uint", Kind::Uint, "", "Number of tasks"),
    flag("replicas-max-per-node", '\0', "uint64", Kind::Uint, "0", "Most tasks on one node (0 for no limit)")
        .since("1.40"),
    flag("reserve-cpu", '\0', "decimal", Kind::Decimal, "", "CPUs to keep"),
    flag("reserve-memory", '\0', "bytes", Kind::Bytes, "0", "Memory to keep"),
    flag("restart-condition", '\0', "string", Kind::Text, "", "When to restart (\"none\", \"on-failure\", \"any\")"),
    flag("restart-delay", '\0', "duration", Kind::Duration, "", "Time between restarts (ns|us|ms|s|m|h)"),
    flag("restart-max-attempts", '\0', "uint", Kind::Uint, "", "Restarts before giving up"),
    flag("restart-window", '\0', "duration", Kind::Duration, "", "Time in which restarts count (ns|us|ms|s|m|h)"),
    flag("rollback-delay", '\0', "duration", Kind::Duration, "0s", "Time between tasks rolled back (ns|us|ms|s|m|h)")
        .since("1.28"),
    flag(
        "rollback-failure-action",
        '\0',
        "string",
        Kind::Text,
        "",
        "What to do when a rollback fails (\"pause\", \"continue\")",
    )
    .since("1.28"),
    flag("rollback-max-failure-ratio", '\0', "float", Kind::Float, "0", "Failures that a rollback bears").since("1.28"),
    flag(
        "rollback-monitor",
        '\0',
        "duration",
        Kind::Duration,
        "0s",
        "Time to watch each task rolled back (ns|us|ms|s|m|h)",
    )
    .since("1.28"),
    flag("rollback-order", '\0', "string", Kind::Text, "", "Order of a rollback (\"start-first\", \"stop-first\")")
        .since("1.29"),
    flag("stop-grace-period", '\0', "duration", Kind::Duration, "", "Time to wait before killing (ns|us|ms|s|m|h)"),
    flag("stop-signal", '\0', "string", Kind::Text, "", "Signal that stops the container").since("1.28"),
    flag("tty", 't', "bool", Kind::Bool, "false", "Give the process a terminal").since("1.25"),
    flag("update-delay", '\0', "duration", Kind::Duration, "0s", "Time between updates (ns|us|ms|s|m|h)"),
    flag(
        "update-failure-action",
        '\0',
        "string",
        Kind::Text,
        "",
        "What to do when an update fails (\"pause\", \"continue\", \"rollback\")",
    ),
    flag("update-max-failure-ratio", '\0', "float", Kind::Float, "0", "Failures that an update bears").since("1.25"),
    flag("update-monitor", '\0', "duration", Kind::Duration, "0s", "Time to watch each updated task (ns|us|ms|s|m|h)")
        .since("1.25"),
    flag("update-order", '\0', "string", Kind::Text, "", "Order of an update (\"start-first\", \"stop-first\")")
        .since("1.29"),
    flag("user", 'u', "string", Kind::Text, "", "User to run as (<name|uid>[:<group|gid>])"),
    flag("with-registry-auth", '\0', "bool", Kind::Bool, "false", "Send the registry's credentials to the nodes"),
    flag("workdir", 'w', "string", Kind::Text, "", "Directory to run in"),
];

const SERVICE_CREATE_FLAGS: &[Flag] = &[
    flag("config", '\0', "config", Kind::Other, "", "Give the service a config").since("1.30"),
    flag("constraint", '\0', "list", Kind::List, "", "Where tasks may be placed"),
    flag("container-label", '\0', "list", Kind::List, "", "Label of the service's containers"),
    flag("dns", '\0', "list", Kind::List, "", "DNS servers to ask").since("1.25"),
    flag("dns-option", '\0', "list", Kind::List, "", "DNS options").since("1.25"),
    flag("dns-search", '\0', "list", Kind::List, "", "DNS search domains").since("1.25"),
    flag("endpoint-mode", '\0', "string", Kind::Text, "vip", "How the service is reached (\"vip\", \"dnsrr\")"),
    flag("env", 'e', "list", Kind::List, "", "Set environment variables"),
    flag("env-file", '\0', "list", Kind::List, "", "Read environment variables from a file"),
    flag("generic-resource", '\0', "list", Kind::List, "", "Resources set by the user"),
    flag("group", '\0', "list", Kind::List, "", "More groups of the container's user").since("1.25"),
    flag("host", '\0', "list", Kind::List, "", "Add names to the hosts file (name:ip)").since("1.25"),
    flag("label", 'l', "list", Kind::List, "", "Set a label"),
    flag(
        "mode",
        '\0',
        "string",
        Kind::Text,
        "replicated",
        "Kind of service (\"replicated\", \"global\", \"replicated-job\", \"global-job\")",
    ),
    flag("mount", '\0', "mount", Kind::Mount, "", "Mount a file system into the container"),
    flag("name", '\0', "string", Kind::Text, "", "Name of the service"),
    flag("network", '\0', "network", Kind::Network, "", "Network to connect to"),
    flag("placement-pref", '\0', "pref", Kind::Other, "", "Prefer to place tasks so").since("1.28"),
    flag("publish", 'p', "port", Kind::Other, "", "Publish a container's port on the host"),
    flag("rollback-parallelism", '\0', "uint64", Kind::Uint, "1", "Tasks rolled back at a time (0 for all at once)")
        .since("1.28"),
    flag("secret", '\0', "secret", Kind::Other, "", "Give the service a secret").since("1.25"),
    flag("sysctl", '\0', "list", Kind::List, "", "Kernel parameters of the container's namespaces").since("1.40"),
    flag("ulimit", '\0', "ulimit", Kind::Ulimit, "[]", "Set limits of the process").since("1.41"),
    flag("update-parallelism", '\0', "uint64", Kind::Uint, "1", "Tasks updated at a time (0 for all at once)"),
];

const SERVICE_INSPECT_FLAGS: &[Flag] = &[
    flag(
        "format",
        'f',
        "string",
        Kind::Text,
        "",
        "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
    ),
    flag("pretty", '\0', "bool", Kind::Bool, "false", "Show it for people"),
];

const SERVICE_LOGS_FLAGS: &[Flag] = &[
    flag("details", '\0', "bool", Kind::Bool, "false", "Show extra details of the log").since("1.30"),
    flag("follow", 'f', "bool", Kind::Bool, "false", "Go on as output comes"),
    flag("no-resolve", '\0', "bool", Kind::Bool, "false", "Show ids instead of names"),
    flag("no-task-ids", '\0', "bool", Kind::Bool, "false", "Leave task ids out"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("raw", '\0', "bool", Kind::Bool, "false", "Do not format the output").since("1.30"),
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
];

const SERVICE_LS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

const SERVICE_PS_FLAGS: &[Flag] = &[
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("no-resolve", '\0', "bool", Kind::Bool, "false", "Show ids instead of names"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

const SERVICE_ROLLBACK_FLAGS: &[Flag] = &[
    flag("detach", 'd', "bool", Kind::Bool, "false", "Return at once").since("1.29"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

const SERVICE_SCALE_FLAGS: &[Flag] =
    &[flag("detach", 'd', "bool", Kind::Bool, "false", "Return at once").since("1.29")];

const SERVICE_UPDATE_FLAGS: &[Flag] = &[
    flag("args", '\0', "command", Kind::Other, "", "Arguments of the command"),
    flag("config-add", '\0', "config", Kind::Other, "", "Add or change a config").since("1.30"),
    flag("config-rm", '\0', "list", Kind::List, "", "Take a config away").since("1.30"),
    flag("constraint-add", '\0', "list", Kind::List, "", "Add or change a placement constraint"),
    flag("constraint-rm", '\0', "list", Kind::List, "", "Take a placement constraint away"),
    flag("container-label-add", '\0', "list", Kind::List, "", "Add or change a container label"),
    flag("container-label-rm", '\0', "list", Kind::List, "", "Take a container label away"),
    flag("dns-add", '\0', "list", Kind::List, "", "Add or change a DNS server").since("1.25"),
    flag("dns-option-add", '\0', "list", Kind::List, "", "Add or change a DNS option").since("1.25"),
    flag("dns-option-rm", '\0', "list", Kind::List, "", "Take a DNS option away").since("1.25"),
    flag("dns-rm", '\0', "list", Kind::List, "", "Take a DNS server away").since("1.25"),
    flag("dns-search-add", '\0', "list", Kind::List, "", "Add or change a DNS search domain").since("1.25"),
    flag("dns-search-rm", '\0', "list", Kind::List, "", "Take a DNS search domain away").since("1.25"),
    flag("endpoint-mode", '\0', "string", Kind::Text, "", "How the service is reached (\"vip\", \"dnsrr\")"),
    flag("env-add", '\0', "list", Kind::List, "", "Add or change an environment variable"),
    flag("env-rm", '\0', "list", Kind::List, "", "Take an environment variable away"),
    flag("force", '\0', "bool", Kind::Bool, "false", "Update even without changes").since("1.25"),
    flag("generic-resource-add", '\0', "list", Kind::List, "", "Add a generic resource").since("1.32"),
    flag("generic-resource-rm", '\0', "list", Kind::List, "", "Take a generic resource away").since("1.32"),
    flag("group-add", '\0', "list", Kind::List, "", "More groups of the container's user").since("1.25"),
    flag("group-rm", '\0', "list", Kind::List, "", "Take a group away").since("1.25"),
    flag("host-add", '\0', "list", Kind::List, "", "Add a name to the hosts file (name:ip)").since("1.25"),
    flag("host-rm", '\0', "list", Kind::List, "", "Take a name from the hosts file (name:ip)").since("1.25"),
    flag("image", '\0', "string", Kind::Text, "", "Image of the service"),
    flag("label-add", '\0', "list", Kind::List, "", "Add or change a label"),
    flag("label-rm", '\0', "list", Kind::List, "", "Take a label away"),
    flag("mount-add", '\0', "mount", Kind::Mount, "", "Add or change a mount"),
    flag("mount-rm", '\0', "list", Kind::List, "", "Take a mount away by its target"),
    flag("network-add", '\0', "network", Kind::Network, "", "Add a network").since("1.29"),
    flag("network-rm", '\0', "list", Kind::List, "", "Take a network away").since("1.29"),
    flag("placement-pref-add", '\0', "pref", Kind::Other, "", "Add a placement preference").since("1.28"),
    flag("placement-pref-rm", '\0', "pref", Kind::Other, "", "Take a placement preference away").since("1.28"),
    flag("publish-add", '\0', "port", Kind::Other, "", "Add or change a published port"),
    flag("publish-rm", '\0', "port", Kind::Other, "", "Take a published port away by its target"),
    flag("rollback", '\0', "bool", Kind::Bool, "false", "Go back to the specification before").since("1.25"),
    flag("rollback-parallelism", '\0', "uint64", Kind::Uint, "0", "Tasks rolled back at a time (0 for all at once)")
        .since("1.28"),
    flag("secret-add", '\0', "secret", Kind::Other, "", "Add or change a secret").since("1.25"),
    flag("secret-rm", '\0', "list", Kind::List, "", "Take a secret away").since("1.25"),
    flag("sysctl-add", '\0', "list", Kind::List, "", "Add or change a sysctl").since("1.40"),
    flag("sysctl-rm", '\0', "list", Kind::List, "", "Take a sysctl away").since("1.40"),
    flag("ulimit-add", '\0', "ulimit", Kind::Ulimit, "[]", "Add or change an ulimit").since("1.41"),
    flag("ulimit-rm", '\0', "list", Kind::List, "", "Take an ulimit away").since("1.41"),
    flag("update-parallelism", '\0', "uint64", Kind::Uint, "0", "Tasks updated at a time (0 for all at once)"),
];
