//! The daemon's flags and the keys of `daemon.json`, as data. One row each; names, types and defaults are dockerd's
//! (except where things are kept, and live-restore, which is on).

/// What values a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `--x`, `--x=true`, `--x=false`.
    Bool,
    /// One text.
    Text,
    /// One whole number.
    Number,
    /// Any number of texts.
    List,
    /// Any number of `key=value`.
    Map,
}

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It counts.
    Full,
    /// It has no meaning here and does no harm.
    Inert,
    /// It would change what the user may rely on, and is not there yet: the daemon refuses to start.
    Missing,
}

/// One flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Long name.
    pub(super) name: &'static str,
    /// Short name.
    pub(super) short: Option<char>,
    /// Key in `daemon.json`; empty if there is none.
    pub(super) key: &'static str,
    /// Type.
    pub(super) kind: Kind,
    /// Value when nothing is said.
    pub(super) default: &'static str,
    /// What it does.
    pub(super) used: Use,
    /// For `--help`.
    pub(super) help: &'static str,
}

const fn flag(
    name: &'static str,
    short: Option<char>,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    used: Use,
    help: &'static str,
) -> Flag {
    Flag { name, short, key, kind, default, used, help }
}

/// Keys of `daemon.json` that no flag has.
pub(super) const KEYS_ONLY: &[(&str, Use)] = &[
    ("builder", Use::Inert),
    ("default-init", Use::Inert),
    ("host-gateway-ip", Use::Full),
    ("min-api-version", Use::Full),
    ("resolv-conf", Use::Missing),
    ("swarm-raft-election-tick", Use::Inert),
    ("swarm-raft-heartbeat-tick", Use::Inert),
    ("deprecated-key-path", Use::Inert),
    ("allow-nondistributable-artifacts", Use::Inert),
];

use Kind::{Bool, List, Map, Number, Text};
use Use::{Full, Inert, Missing};

/// All flags.
#[rustfmt::skip]
pub(super) const FLAGS: &[Flag] = &[
    flag("add-runtime", None, "runtimes", List, "", Full, "Register another OCI runtime (name=path)"),
    flag("allow-direct-routing", None, "allow-direct-routing", Bool, "false", Full, "Let other hosts reach published ports at container addresses"),
    flag("authorization-plugin", None, "authorization-plugins", List, "", Missing, "Plugin that may refuse requests"),
    flag("bip", None, "bip", Text, "", Full, "IPv4 address and prefix of the default bridge"),
    flag("bip6", None, "bip6", Text, "", Full, "IPv6 address and prefix of the default bridge"),
    flag("bridge", Some('b'), "bridge", Text, "", Full, "Interface of the default network, or \"none\""),
    flag("bridge-accept-fwmark", None, "bridge-accept-fwmark", Text, "", Missing, "Firewall mark/mask of packets that bridges let in"),
    flag("cdi-spec-dir", None, "cdi-spec-dirs", List, "", Missing, "Directory of CDI device descriptions"),
    flag("cgroup-parent", None, "cgroup-parent", Text, "", Full, "Parent cgroup of all containers"),
    flag("config-file", None, "", Text, "/etc/docker/daemon.json", Full, "The configuration file"),
    flag("containerd", None, "containerd", Text, "", Inert, "Accepted for compatibility; there is no containerd"),
    flag("containerd-namespace", None, "containerd-namespace", Text, "moby", Inert, "Accepted for compatibility"),
    flag("containerd-plugins-namespace", None, "containerd-plugin-namespace", Text, "plugins.moby", Inert, "Accepted for compatibility"),
    flag("cpu-rt-period", None, "cpu-rt-period", Number, "0", Missing, "Accepted for compatibility"),
    flag("cpu-rt-runtime", None, "cpu-rt-runtime", Number, "0", Missing, "Accepted for compatibility"),
    flag("cri-containerd", None, "cri-containerd", Bool, "false", Inert, "Accepted for compatibility"),
    flag("data-root", None, "data-root", Text, "/var/lib/gantry", Full, "Where everything that must survive is kept"),
    flag("debug", Some('D'), "debug", Bool, "false", Full, "Debug mode"),
    flag("default-address-pool", None, "default-address-pools", List, "", Full, "Range that new networks are cut from (base=CIDR,size=N)"),
    flag("default-cgroupns-mode", None, "default-cgroupns-mode", Text, "", Full, "Default cgroup namespace: \"host\" or \"private\""),
    flag("default-gateway", None, "default-gateway", Text, "", Full, "IPv4 gateway of the default bridge network"),
    flag("default-gateway-v6", None, "default-gateway-v6", Text, "", Full, "IPv6 gateway of the default bridge network"),
    flag("default-ipc-mode", None, "default-ipc-mode", Text, "private", Full, "Default IPC mode: \"shareable\" or \"private\""),
    flag("default-network-opt", None, "default-network-opts", Map, "", Full, "Default option of new networks (driver=option=value)"),
    flag("default-runtime", None, "default-runtime", Text, "runc", Full, "Runtime of containers that name none"),
    flag("default-shm-size", None, "default-shm-size", Text, "64MiB", Full, "Default size of /dev/shm"),
    flag("default-stop-timeout", None, "default-stop-timeout", Number, "10", Full, "Seconds that a container gets to stop"),
    flag("default-ulimit", None, "default-ulimits", List, "", Full, "Default resource limit (name=soft[:hard])"),
    flag("dns", None, "dns", List, "", Full, "DNS server"),
    flag("dns-opt", None, "dns-opts", List, "", Full, "DNS option"),
    flag("dns-search", None, "dns-search", List, "", Full, "DNS search domain"),
    flag("exec-opt", None, "exec-opts", List, "", Full, "Runtime option"),
    flag("exec-root", None, "exec-root", Text, "/run/gantry", Full, "Where everything that a reboot clears is kept"),
    flag("experimental", None, "experimental", Bool, "false", Full, "Experimental features"),
    flag("feature", None, "features", Map, "", Inert, "Switch a feature on or off (name=bool)"),
    flag("firewall-backend", None, "firewall-backend", Text, "", Full, "What packets are filtered with"),
    flag("fixed-cidr", None, "fixed-cidr", Text, "", Full, "IPv4 range of the default bridge that containers get addresses from"),
    flag("fixed-cidr-v6", None, "fixed-cidr-v6", Text, "", Full, "IPv6 range of the default bridge that containers get addresses from"),
    flag("group", Some('G'), "group", Text, "docker", Full, "Group that may use the unix socket"),
    flag("host", Some('H'), "hosts", List, "", Full, "Where to listen (unix://, tcp://, fd://)"),
    flag("host-gateway-ip", None, "host-gateway-ips", List, "", Full, "What \"host-gateway\" means in extra hosts"),
    flag("http-proxy", None, "http-proxy", Text, "", Full, "Proxy for http"),
    flag("https-proxy", None, "https-proxy", Text, "", Full, "Proxy for https"),
    flag("icc", None, "icc", Bool, "true", Full, "Let containers on the default bridge talk to each other"),
    flag("init", None, "init", Bool, "false", Full, "Run an init in every container"),
    flag("init-path", None, "init-path", Text, "", Inert, "Accepted for compatibility; the init is built in"),
    flag("insecure-registry", None, "insecure-registries", List, "", Full, "Registry that need not have a valid certificate"),
    flag("ip", None, "ip", Text, "0.0.0.0", Full, "Host address of published ports"),
    flag("ip-forward", None, "ip-forward", Bool, "true", Full, "Switch IP forwarding on"),
    flag("ip-forward-no-drop", None, "ip-forward-no-drop", Bool, "false", Full, "Leave the forwarding policy as it is"),
    flag("ip-masq", None, "ip-masq", Bool, "true", Full, "Masquerade the default bridge"),
    flag("ip6tables", None, "ip6tables", Bool, "true", Full, "Filter IPv6 packets"),
    flag("iptables", None, "iptables", Bool, "true", Full, "Filter IPv4 packets"),
    flag("ipv6", None, "ipv6", Bool, "false", Full, "IPv6 on the default bridge"),
    flag("label", None, "labels", List, "", Full, "Label of this daemon (key=value)"),
    flag("live-restore", None, "live-restore", Bool, "true", Full, "Containers run on when the daemon stops"),
    flag("log-driver", None, "log-driver", Text, "json-file", Full, "Default log driver"),
    flag("log-format", None, "log-format", Text, "text", Full, "Format of this log: \"text\" or \"json\""),
    flag("log-level", Some('l'), "log-level", Text, "info", Full, "Level of this log: debug, info, warn, error, fatal"),
    flag("log-opt", None, "log-opts", Map, "", Full, "Default option of the log driver (key=value)"),
    flag("max-concurrent-downloads", None, "max-concurrent-downloads", Number, "3", Full, "Layers downloaded at once"),
    flag("max-concurrent-uploads", None, "max-concurrent-uploads", Number, "5", Full, "Layers uploaded at once"),
    flag("max-download-attempts", None, "max-download-attempts", Number, "5", Inert, "Attempts for each layer"),
    flag("metrics-addr", None, "metrics-addr", Text, "", Full, "Where to serve metrics"),
    flag("mtu", None, "mtu", Number, "1500", Full, "MTU of the default bridge network"),
    flag("network-control-plane-mtu", None, "network-control-plane-mtu", Number, "1500", Inert, "Accepted for compatibility"),
    flag("network-diagnostic-port", None, "network-diagnostic-port", Number, "0", Inert, "Accepted for compatibility"),
    flag("no-new-privileges", None, "no-new-privileges", Bool, "false", Full, "Containers cannot gain privileges by default"),
    flag("no-proxy", None, "no-proxy", Text, "", Full, "Hosts reached without a proxy"),
    flag("node-generic-resource", None, "node-generic-resources", List, "", Inert, "Accepted for compatibility"),
    flag("nri-opts", None, "nri-opts", Text, "", Missing, "Accepted for compatibility"),
    flag("pidfile", Some('p'), "pidfile", Text, "/var/run/docker.pid", Full, "File with the process id of the daemon"),
    flag("raw-logs", None, "raw-logs", Bool, "false", Full, "No colours in this log"),
    flag("registry-mirror", None, "registry-mirrors", List, "", Full, "Mirror of Docker Hub"),
    flag("restart", Some('r'), "", Bool, "true", Inert, "Accepted for compatibility"),
    flag("rootless", None, "rootless", Bool, "false", Missing, "Rootless mode"),
    flag("seccomp-profile", None, "seccomp-profile", Text, "builtin", Full, "File with the default seccomp profile, \"builtin\" or \"unconfined\""),
    flag("selinux-enabled", None, "selinux-enabled", Bool, "false", Missing, "SELinux labels"),
    flag("shutdown-timeout", None, "shutdown-timeout", Number, "15", Full, "Seconds that all containers get to stop"),
    flag("storage-driver", Some('s'), "storage-driver", Text, "", Inert, "Accepted for compatibility: overlay is the only one"),
    flag("storage-opt", None, "storage-opts", List, "", Full, "Accepted for compatibility"),
    flag("swarm-default-advertise-addr", None, "swarm-default-advertise-addr", Text, "", Inert, "Accepted for compatibility"),
    flag("tls", None, "tls", Bool, "false", Full, "Use TLS; implied by --tlsverify"),
    flag("tlscacert", None, "tlscacert", Text, "", Full, "Authorities of clients (PEM)"),
    flag("tlscert", None, "tlscert", Text, "", Full, "Certificate (PEM)"),
    flag("tlskey", None, "tlskey", Text, "", Full, "Key of the certificate (PEM)"),
    flag("tlsverify", None, "tlsverify", Bool, "false", Full, "Use TLS and let in only clients with a certificate"),
    flag("userland-proxy", None, "userland-proxy", Bool, "true", Full, "Accepted for compatibility"),
    flag("userland-proxy-path", None, "userland-proxy-path", Text, "", Inert, "Accepted for compatibility"),
    flag("userns-remap", None, "userns-remap", Text, "", Missing, "User namespace of containers"),
    flag("validate", None, "", Bool, "false", Full, "Check the configuration and exit"),
    flag("version", Some('v'), "", Bool, "false", Full, "Show the version and exit"),
    flag("help", Some('h'), "", Bool, "false", Full, "Show this help"),
];
