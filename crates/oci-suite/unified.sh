#!/bin/bash
# Runs cases in a virtual machine whose only cgroup hierarchy is v2: a kernel of Debian's under emulation (no KVM, no root).
#   unified.sh [NAME=]RUNTIME... [--filter TEXT[,TEXT...]] [--record FILE]
# Wants qemu-system-x86_64, busybox, cpio of busybox, dpkg-deb; a kernel package is taken from $KERNEL_DEB, or downloaded with apt-get.
# Built programs (oci-suite, oci-probe) are looked for in $BUILT, or beside the first runtime. Exit status: that of oci-suite; 77: something is missing.
set -e
HERE=$(dirname "$(readlink -f "$0")"); CACHE=${GANTRY_TEST_DIR:-/var/tmp/gantry-test}/kernel; PEERS=${PEERS:-/var/tmp/peers}
FILTER=unified.,unified-update.,cgroup.,access.; RECORD=; RUNTIMES=()
while [ $# -gt 0 ]; do case $1 in --filter) FILTER=$2; shift 2;; --record) RECORD=$(readlink -f "$2"); shift 2;; *) RUNTIMES+=("$1"); shift;; esac; done
[ ${#RUNTIMES[@]} -gt 0 ] || { sed -n 2,5p "$0"; exit 2; }
skip() { echo "skipped: $*"; exit 77; }
QEMU=$(command -v qemu-system-x86_64) || skip "no qemu-system-x86_64 (package qemu-system-x86)"
BUSYBOX=$(command -v busybox) || skip "no busybox (package busybox-static)"
first=${RUNTIMES[0]#*=}; BUILT=${BUILT:-$(dirname "$(readlink -f "$first")")}
for f in oci-suite oci-probe; do [ -x "$BUILT/$f" ] || skip "no $f in $BUILT"; done

# The kernel, unpacked once.
if [ ! -e "$CACHE/.unpacked" ]; then
  mkdir -p "$CACHE/deb"
  if [ -z "$KERNEL_DEB" ]; then
    name=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
    [ -n "$name" ] && (cd "$CACHE/deb" && apt-get -o APT::Sandbox::User=root download -qq "$name") || skip "no kernel: set KERNEL_DEB"
    KERNEL_DEB=$(ls "$CACHE"/deb/linux-image-*.deb | head -1)
  fi
  dpkg-deb -x "$KERNEL_DEB" "$CACHE" && touch "$CACHE/.unpacked"
fi
VMLINUZ=$(ls "$CACHE"/boot/vmlinuz-* | head -1); MODULES=$(ls -d "$CACHE"/lib/modules/*/kernel | head -1)

# Its root: programs, cases, and what the runtimes are linked with, each at the place where it is here.
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
R=$W/root; mkdir -p "$R"/{bin,sbin,proc,sys,dev,run,tmp,etc,root,suite,modules,newroot,var/tmp,usr/bin}
cp "$BUSYBOX" "$R/bin/busybox"; for a in $("$BUSYBOX" --list | grep -vx busybox); do ln -sf /bin/busybox "$R/bin/$a"; done
cp "$BUILT/oci-suite" "$BUILT/oci-probe" "$R/suite/"; cp -r "$HERE/cases" "$R/suite/cases"
strip "$R/suite/oci-suite" "$R/suite/oci-probe" 2>/dev/null || true
[ -n "$RECORD" ] && cp "$RECORD" "$R/suite/yardstick.txt"
find "$MODULES" -name 'brd.ko*' -exec cp {} "$R/modules/" \;
for t in dash setpriv unshare newuidmap newgidmap; do
  program=$(command -v $t) && [ -x "$program" ] || continue
  rm -f "$R/usr/bin/$t"; cp -L "$program" "$R/usr/bin/$t"; chmod --reference="$program" "$R/usr/bin/$t"
  ldd "$program" | grep -oE '/[^ ]+\.so[^ ]*' | while read -r lib; do mkdir -p "$R$(dirname "$lib")"; cp -L "$lib" "$R$lib"; done
done
# Busybox' own shell prefers its own applets to these.
[ ! -e "$R/usr/bin/dash" ] || ln -sf /usr/bin/dash "$R/bin/sh"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$R/etc/passwd"; printf 'root:x:0:\n' >"$R/etc/group"; : >"$R/etc/subuid"; : >"$R/etc/subgid"
names=()
for r in "${RUNTIMES[@]}"; do
  name=${r%%=*}; program=$(readlink -f "${r#*=}"); [ -x "$program" ] || skip "no $program"
  mkdir -p "$R/suite/$name"; cp "$program" "$R/suite/$name/runc"; names+=("$name=/suite/$name/runc")
  interpreter=$(grep -aoE '/[A-Za-z0-9/._-]*ld-linux-x86-64\.so\.2' "$program" | head -1) || true
  [ -e "$interpreter" ] || continue
  "$interpreter" --list "$program" | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r lib; do mkdir -p "$R$(dirname "$lib")"; cp -L "$lib" "$R$lib"; done
  mkdir -p "$R$(dirname "$interpreter")"; cp -L "$interpreter" "$R$interpreter"
done

# pivot_root(2) is refused on the first root, so all of it moves to a tmpfs.
cat >"$R/init" <<'X'
#!/bin/busybox sh
export PATH=/usr/bin:/bin
if [ "$1" != moved ]; then
  mount -t proc proc /proc; mount -t tmpfs -o mode=755,size=80% tmpfs /newroot
  for d in /*; do case $d in /proc|/newroot|/dev|/sys) ;; *) cp -a "$d" /newroot/;; esac; done
  mkdir -p /newroot/proc /newroot/sys /newroot/dev
  umount /proc; exec switch_root /newroot /init moved
fi
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup; ip link set lo up; hostname v2
for m in /modules/*; do insmod "$m"; done
echo 8 >/proc/sys/vm/nr_hugepages
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done
mkdir /sys/fs/cgroup/outside; echo $$ >/sys/fs/cgroup/outside/cgroup.procs
cd /run; . /suite/command; echo "# exit $?" >/dev/ttyS0
[ -e /suite/yardstick.txt ] && { cat /suite/yardstick.txt; echo "# end"; } >/dev/ttyS1
sync; reboot -f
X
chmod +x "$R/init"
record=; [ -n "$RECORD" ] && record="--record /suite/yardstick.txt"
echo "/suite/oci-suite --inside --jobs 2 --cases /suite/cases --filter '$FILTER' $record ${names[*]} >/dev/ttyS0 2>/dev/ttyS0" >"$R/suite/command"
(cd "$R" && find . | "$BUSYBOX" cpio -o -H newc 2>/dev/null) >"$W/initramfs"

timeout "${LIMIT:-900}" "$QEMU" -accel tcg,thread=multi -cpu max -smp 2 -m "${MEMORY:-1536}" -nographic -nodefaults -no-reboot -display none \
  -kernel "$VMLINUZ" -initrd "$W/initramfs" -append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all swapaccount=1 psi=1 rdinit=/init" \
  -serial "file:$W/tap" -serial "file:$W/record" </dev/null >"$W/qemu" 2>&1 || { cat "$W/qemu"; tail -20 "$W/tap"; exit 1; }
tr -d '\r' <"$W/tap"
if [ -n "$RECORD" ] && [ "$(tr -d '\r' <"$W/record" | tail -1)" = "# end" ]; then tr -d '\r' <"$W/record" | sed '$d' >"$RECORD"; fi
grep -q '^# exit 0' <(tr -d '\r' <"$W/tap")
