# Run as `bash boot.sh NAME` in new mount, network, process, host-name and IPC namespaces: makes them a machine.
# Ends, and the machine with it, when standard input ends.
set -e
name=$1
if [ -z "$2" ]; then
  # Step 1: cgroups of our own, in every hierarchy, then a cgroup namespace so that they look like the root.
  while read -r _ _ _ _ mnt _ rest; do
    case $rest in
      *' - cgroup2 '*|'- cgroup2 '*) mkdir -p "$mnt/$name" && echo $$ >"$mnt/$name/cgroup.procs";;
      *' - cgroup '*|'- cgroup '*) mkdir -p "$mnt/$name"
        for f in cpuset.cpus cpuset.mems; do [ ! -e "$mnt/$f" ] || cat "$mnt/$f" >"$mnt/$name/$f"; done
        echo $$ >"$mnt/$name/cgroup.procs";;
    esac
  done </proc/self/mountinfo
  exec unshare --cgroup -- bash "$0" "$name" inside
fi
hier=$(awk '{ for (i = 7; i <= NF; i++) if ($i == "-") { if ($(i+1) ~ /^cgroup2?$/) print $5, $(i+1), $(i+3); break } }' /proc/self/mountinfo)
umount -l /sys
mount -t sysfs sysfs /sys
if [ "$(echo "$hier" | wc -l)" = 1 ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mkdir /sys/fs/cgroup/boot && echo 1 >/sys/fs/cgroup/boot/cgroup.procs
  for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$c" >/sys/fs/cgroup/cgroup.subtree_control || :; done
else
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  echo "$hier" | while read -r mnt type opts; do
    mkdir -p "$mnt"
    if [ "$type" = cgroup2 ]; then mount -t cgroup2 cgroup2 "$mnt"; else
      mount -t cgroup -o "$(echo "$opts" | tr , '\n' | grep -vE '^(rw|ro|clone_children|xattr|release_agent=.*)$' | paste -sd,)" cgroup "$mnt"
    fi
  done
fi
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns
# /etc may be written to, without the host noticing.
disk=$(dirname "$0")
mkdir -p "$disk/etc" "$disk/etc.work"
mount -t overlay -o lowerdir=/etc,upperdir="$disk/etc",workdir="$disk/etc.work" overlay /etc
mount -t bpf bpf /sys/fs/bpf 2>/dev/null || :
hostname "$name"
ip link set lo up
# Many short connections from one address must not run out of ports or conntrack tuples.
sysctl -qw net.ipv4.ip_local_port_range='1024 65535' net.ipv4.tcp_tw_reuse=1 2>/dev/null || :
echo booted
cat <&0 >/dev/null &
wait $!
