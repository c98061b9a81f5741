# Podman of the unpacked peers in a machine: $PEER its directory, $DIR the machine's disk. Leaves $DIR/podman.env.
set -e
V=$DIR/podman
mkdir -p "$V/net" "$V/tmp" /etc/containers
# crun refuses hosts with a cgroup2 beside the others.
mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
cat >"$V/containers.conf" <<X
[engine]
cgroup_manager="cgroupfs"
events_logger="file"
runtime="crun"
conmon_path=["$PEER/usr/bin/conmon"]
helper_binaries_dir=["$PEER/usr/lib/podman","$PEER/usr/libexec/podman"]
static_dir="$V/libpod"
tmp_dir="/run/libpod"
volume_path="$V/volumes"
[engine.runtimes]
crun=["$PEER/usr/bin/crun"]
[network]
network_backend="netavark"
network_config_dir="$V/net"
[containers]
default_ulimits=["nofile=1024:1024"]
seccomp_profile="$PEER/usr/share/containers/seccomp.json"
X
cat >"$V/storage.conf" <<X
[storage]
driver="overlay"
graphroot="$V/storage"
runroot="/run/storage"
X
cat >"$DIR/podman.env" <<X
export PATH=$DIR/bin:$PEER/usr/bin:$PEER/usr/sbin:$PEER/usr/lib/podman:/usr/sbin:/usr/bin:/sbin:/bin
export CONTAINERS_CONF=$V/containers.conf CONTAINERS_STORAGE_CONF=$V/storage.conf PODMAN_IGNORE_CGROUPSV1_WARNING=1 TMPDIR=$V/tmp
X
