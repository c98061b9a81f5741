//! The `image` commands and their flags.

use super::{Flag, Kind, Spec, command, flag};

pub(super) const COMMANDS: &[Spec] = &[
    command(
        &[&["image", "build"], &["build"], &["builder", "build"]],
        "[OPTIONS] PATH | URL | -",
        "Build an image from a Dockerfile",
        &[IMAGE_BUILD_FLAGS],
    )
    .takes(1, 1),
    command(
        &[&["image", "history"], &["history"]],
        "[OPTIONS] IMAGE",
        "Show how an image was made",
        &[IMAGE_HISTORY_FLAGS],
    )
    .takes(1, 1),
    command(&[&["image"]], "", "Work with images", &[]).group(),
    command(
        &[&["image", "import"], &["import"]],
        "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
        "Make an image from a file system archive",
        &[IMAGE_IMPORT_FLAGS],
    )
    .at_least(1),
    command(
        &[&["image", "inspect"]],
        "[OPTIONS] IMAGE [IMAGE...]",
        "Show everything about one or more images",
        &[IMAGE_INSPECT_FLAGS],
    )
    .at_least(1),
    command(&[&["image", "load"], &["load"]], "[OPTIONS]", "Load images from an archive or stdin", &[IMAGE_LOAD_FLAGS]),
    command(&[&["image", "ls"], &["images"]], "[OPTIONS] [REPOSITORY[:TAG]]", "List images", &[IMAGE_LS_FLAGS])
        .takes(0, 1)
        .aliases(&["list"]),
    command(&[&["image", "prune"]], "[OPTIONS]", "Delete unused images", &[IMAGE_PRUNE_FLAGS]).since("1.25"),
    command(
        &[&["image", "pull"], &["pull"]],
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        "Fetch an image from a registry",
        &[IMAGE_PULL_FLAGS],
    )
    .takes(1, 1),
    command(
        &[&["image", "push"], &["push"]],
        "[OPTIONS] NAME[:TAG]",
        "Send an image to a registry",
        &[IMAGE_PUSH_FLAGS],
    )
    .takes(1, 1),
    command(
        &[&["image", "rm"], &["rmi"]],
        "[OPTIONS] IMAGE [IMAGE...]",
        "Delete one or more images",
        &[IMAGE_RM_FLAGS],
    )
    .at_least(1)
    .aliases(&["remove"])
    .unlisted(&["rmi"]),
    command(
        &[&["image", "save"], &["save"]],
        "[OPTIONS] IMAGE [IMAGE...]",
        "Write one or more images as an archive (to stdout by default)",
        &[IMAGE_SAVE_FLAGS],
    )
    .at_least(1),
    command(&[&["image", "tag"], &["tag"]], "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Give an image another name", &[])
        .takes(2, 2)
        .flags_first(),
];

const IMAGE_BUILD_FLAGS: &[Flag] = &[
    flag("add-host", '\0', "list", Kind::List, "", "Add a name to the hosts file (name:ip)"),
    flag("build-arg", '\0', "list", Kind::List, "", "Set a build-time variable"),
    flag("cache-from", '\0', "stringSlice", Kind::Slice, "[]", "Images to use as cache"),
    flag("cgroup-parent", '\0', "string", Kind::Text, "", "Cgroup to put the container's cgroup into"),
    flag("compress", '\0', "bool", Kind::Bool, "false", "Compress what is sent with gzip"),
    flag("cpu-period", '\0', "int64", Kind::Int, "0", "Length of a CFS period, in microseconds"),
    flag("cpu-quota", '\0', "int64", Kind::Int, "0", "CPU time in a CFS period, in microseconds"),
    flag("cpu-shares", 'c', "int64", Kind::Int, "0", "Relative weight of CPU time"),
    flag("cpuset-cpus", '\0', "string", Kind::Text, "", "CPUs to run on (0-3, 0,1)"),
    flag("cpuset-mems", '\0', "string", Kind::Text, "", "Memory nodes to use (0-3, 0,1)"),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("file", 'f', "string", Kind::Text, "", "Name of the Dockerfile (default \"PATH/Dockerfile\")"),
    flag("force-rm", '\0', "bool", Kind::Bool, "false", "Delete intermediate containers in any case"),
    flag("iidfile", '\0', "string", Kind::Text, "", "Write the image's id to a file"),
    flag("isolation", '\0', "string", Kind::Text, "", "Isolation technology of the container"),
    flag("label", '\0', "list", Kind::List, "", "Set a label"),
    flag("memory", 'm', "bytes", Kind::Bytes, "0", "Most memory"),
    flag("memory-swap", '\0', "bytes", Kind::Bytes, "0", "Most memory and swap together, -1 for no limit of swap"),
    flag("network", '\0', "string", Kind::Text, "default", "Network of RUN instructions").since("1.25"),
    flag("no-cache", '\0', "bool", Kind::Bool, "false", "Do not use the cache"),
    flag("platform", '\0', "string", Kind::Text, "", "Platform to use, as os[/arch[/variant]] (such as linux/amd64)")
        .since("1.38"),
    flag("pull", '\0', "bool", Kind::Bool, "false", "Always look for a newer image"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show nothing but the image's id"),
    flag("rm", '\0', "bool", Kind::Bool, "true", "Delete intermediate containers after a build that worked"),
    flag("security-opt", '\0', "stringSlice", Kind::Slice, "[]", "Security options"),
    flag("shm-size", '\0', "bytes", Kind::Bytes, "0", "Size of /dev/shm"),
    flag("squash", '\0', "bool", Kind::Bool, "false", "Put the new layers together into one")
        .since("1.25")
        .experimental(),
    flag("tag", 't', "list", Kind::List, "", "Name and tag of the image (name:tag)"),
    flag("target", '\0', "string", Kind::Text, "", "Stage to build"),
    flag("ulimit", '\0', "ulimit", Kind::Ulimit, "[]", "Set limits of the process"),
];

const IMAGE_HISTORY_FLAGS: &[Flag] = &[
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("human", 'H', "bool", Kind::Bool, "true", "Show sizes and dates for people"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("platform", '\0', "string", Kind::Text, "", "Platform to use, as os[/arch[/variant]] (such as linux/amd64)")
        .since("1.48"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
];

const IMAGE_IMPORT_FLAGS: &[Flag] = &[
    flag("change", 'c', "list", Kind::List, "", "Apply a Dockerfile instruction to the image"),
    flag("message", 'm', "string", Kind::Text, "", "Message of the commit"),
    flag("platform", '\0', "string", Kind::Text, "", "Platform to use, as os[/arch[/variant]] (such as linux/amd64)")
        .since("1.32"),
];

const IMAGE_INSPECT_FLAGS: &[Flag] = &[
    flag(
        "format",
        'f',
        "string",
        Kind::Text,
        "",
        "How to show the result:\n'json':             JSON\n'TEMPLATE':         a Go template\nSee https://docs.docker.com/go/formatting/",
    ),
    flag("platform", '\0', "string", Kind::Text, "", "Platform to use, as os[/arch[/variant]] (such as linux/amd64)")
        .since("1.49"),
];

const IMAGE_LOAD_FLAGS: &[Flag] = &[
    flag("input", 'i', "string", Kind::Text, "", "Read from a tar archive instead of stdin"),
    flag(
        "platform",
        '\0',
        "stringSlice",
        Kind::Slice,
        "[]",
        "Platform to use, as os[/arch[/variant]] (such as linux/amd64)",
    )
    .since("1.48"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "No progress while loading"),
];

const IMAGE_LS_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", "List dangling and intermediate images, too"),
    flag("digests", '\0', "bool", Kind::Bool, "false", "Show digests"),
    flag("filter", 'f', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("format", '\0', "string", Kind::Text, "", "How to show the result:"),
    flag("no-trunc", '\0', "bool", Kind::Bool, "false", "Show everything in full"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "Show ids only"),
    flag("tree", '\0', "bool", Kind::Bool, "false", "Show the platforms of each image").since("1.47").experimental(),
];

const IMAGE_PRUNE_FLAGS: &[Flag] = &[
    flag("all", 'a', "bool", Kind::Bool, "false", "Delete every image without a container, not only dangling ones"),
    flag("filter", '\0', "filter", Kind::Filter, "", "Only what matches (such as \"label=stage\")"),
    flag("force", 'f', "bool", Kind::Bool, "false", "Do not ask"),
];

const IMAGE_PULL_FLAGS: &[Flag] = &[
    flag("all-tags", 'a', "bool", Kind::Bool, "false", "Take all tags of the repository"),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("platform", '\0', "string", Kind::Text, "", "Platform to use, as os[/arch[/variant]] (such as linux/amd64)")
        .since("1.32"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "No progress while pulling"),
];

const IMAGE_PUSH_FLAGS: &[Flag] = &[
    flag("all-tags", 'a', "bool", Kind::Bool, "false", "Take all tags of the repository"),
    flag("disable-content-trust", '\0', "bool", Kind::Bool, "true", "")
        .hidden()
        .deprecated("support for docker content trust was removed"),
    flag("platform", '\0', "string", Kind::Text, "", "Platform to use, as os[/arch[/variant]] (such as linux/amd64)")
        .since("1.46"),
    flag("quiet", 'q', "bool", Kind::Bool, "false", "No progress while pushing"),
];

const IMAGE_RM_FLAGS: &[Flag] = &[
    flag("force", 'f', "bool", Kind::Bool, "false", "Delete the image in any case"),
    flag("no-prune", '\0', "bool", Kind::Bool, "false", "Leave untagged parents"),
    flag(
        "platform",
        '\0',
        "stringSlice",
        Kind::Slice,
        "[]",
        "Platform to use, as os[/arch[/variant]] (such as linux/amd64)",
    )
    .since("1.50"),
];

const IMAGE_SAVE_FLAGS: &[Flag] = &[
    flag("output", 'o', "string", Kind::Text, "", "Write to a file instead of stdout"),
    flag(
        "platform",
        '\0',
        "stringSlice",
        Kind::Slice,
        "[]",
        "Platform to use, as os[/arch[/variant]] (such as linux/amd64)",
    )
    .since("1.48"),
];
