//! What the default container keeps its processes from, and what lifts it.

use crate::{BB, Site};
use testkit::images::{EntryType, Layer};

/// S-16: for the first process and for those that join; and what lifts it.
pub(crate) fn masked_and_read_only(site: &mut Site) {
    let look = "for p in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware /sys/devices/system/cpu/cpu[0-9]*/thermal_throttle; do
           [ -e $p ] || continue; if [ -d $p ]; then ls -A $p; else head -c 1 $p | wc -c | grep -v ^0; fi; done
         for p in /proc/bus /proc/fs /proc/irq /proc/sys/kernel /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger /sys/kernel; do
           [ -e $p ] || continue; if [ -d $p ]; then mkdir $p/x 2>&1; else : 2>&1 >>$p; fi 2>&1 | grep -vE \"Read-only file system|No such file\"; [ $(($(stat -f -c %l $p) + 0)) -gt 0 ] || true; done
         umount /proc/kcore 2>/dev/null && echo lifted; mount -o remount,rw /proc/sys 2>/dev/null && echo writable; echo end";
    let script = format!(
        "docker run --rm {BB} sh -c '{look}' 2>&1; docker run --rm -u 1000 {BB} sh -c '{look}' 2>&1 | grep -v 'Permission denied'
         docker run -d --name ctr {BB} sleep 1000 >/dev/null; docker exec ctr sh -c '{look}' 2>&1; docker exec -u 1000 ctr sh -c '{look}' 2>&1 | grep -v 'Permission denied'; docker restart -t 0 ctr >/dev/null; docker exec ctr sh -c '{look}' 2>&1; docker rm -f ctr >/dev/null
         for how in --privileged '--security-opt systempaths=unconfined'; do docker run --rm $how {BB} grep -c ' /proc/' /proc/self/mountinfo; done"
    );
    site.prints("S-16", &script, "end end end end end 0 0");
}

/// S-57: the five sets.
pub(crate) fn capabilities(site: &mut Site) {
    let look = "grep ^Cap /proc/self/status | cut -f2 | sed s/^00000000//";
    let (none, all, default) = ("00000000", "000001ffffffffff", "a80425fb");
    // Inheritable, permitted, effective, bounding, ambient.
    let root = format!("{none} {default} {default} {default} {none}");
    let user = format!("{none} {none} {none} {default} {none}");
    let few = format!("{none} 00000400 00000400 00000400 {none}");
    for (how, want) in [
        ("", &root),
        ("-u 1000", &user),
        ("--cap-drop ALL --cap-add NET_BIND_SERVICE", &few),
        ("--cap-drop ALL --cap-add NET_BIND_SERVICE -u 1000", &format!("{none} {none} {none} 00000400 {none}")),
        ("--cap-drop ALL", &format!("{none} {none} {none} {none} {none}")),
    ] {
        site.prints("S-57", &format!("docker run --rm {how} {BB} sh -c '{look}'"), want);
        let exec = format!(
            "docker run -d --name ctr {how} {BB} sleep 1000 >/dev/null; docker exec ctr sh -c '{look}'; docker rm -f ctr >/dev/null"
        );
        site.prints("S-57 exec", &exec, want);
    }
    let script = format!(
        "docker run -d --name ctr {BB} sleep 1000 >/dev/null; docker exec -u 1000 ctr sh -c '{look}'; docker exec ctr sh -c '{look}'; docker rm -f ctr >/dev/null"
    );
    site.prints("S-57 exec", &script, &format!("{user} {root}"));
    // The kernel may know fewer or more; the host's bounding set is all of them.
    let script = format!(
        "all=$(grep CapBnd /proc/self/status | cut -f2); docker run --rm --privileged {BB} grep ^Cap /proc/self/status | cut -f2 | sed s/$all/all/; docker run --rm --cap-add ALL {BB} grep ^Cap /proc/self/status | cut -f2 | sed s/$all/all/"
    );
    let zero = "0000000000000000";
    site.prints("S-57", &script, &format!("{zero} all all all {zero} {zero} all all all {zero}").replace(all, "all"));
}

/// S-62: a program that is another user's by its mode gains nothing, in the first process and in those that join.
pub(crate) fn no_new_privileges(site: &mut Site) {
    let probe = std::fs::read(site.probe()).unwrap();
    let layer = Layer::builder().entry("suid", EntryType::Regular, 0o4755, &probe, None);
    site.image("suid", layer, |image| image);
    // Real, effective, saved, file system.
    let look = "sh -c '/suid status Uid; /suid status NoNewPrivs'";
    site.prints("S-62 without", &format!("docker run --rm -u 1000 suid:1 {look}"), "1000 0 0 0 0");
    for option in ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"] {
        let script = format!("docker run --rm -u 1000 --security-opt {option} suid:1 {look}");
        site.prints("S-62", &script, "1000 1000 1000 1000 1");
    }
    let script = format!(
        "docker run -d --name ctr -u 1000 --security-opt no-new-privileges suid:1 sleep 1000 >/dev/null; docker exec ctr {look}; docker rm -f ctr >/dev/null"
    );
    site.prints("S-62 exec", &script, "1000 1000 1000 1000 1");
}

/// S-63, S-64: nothing in the hierarchies can be written, nor can another be mounted.
pub(crate) fn cgroups(site: &mut Site) {
    let look = "for f in $(find /sys/fs/cgroup -name release_agent -o -name notify_on_release -o -name \"devices.*\" -o -name \"memory.*limit*\" -o -name memory.max -o -name cgroup.procs -o -name tasks -o -name pids.max); do (echo 1 >$f) 2>/dev/null && echo written $f; done
         find /sys/fs/cgroup -type d | while read d; do mkdir $d/x 2>/dev/null && echo made $d; done
         mkdir /tmp/c; for t in cgroup cgroup2 tmpfs proc sysfs; do mount -t $t -o rdma none /tmp/c 2>/dev/null && echo mounted $t; mount -t $t none /tmp/c 2>/dev/null && echo mounted $t; done
         unshare -Urm true 2>/dev/null && echo unshared; unshare -m true 2>/dev/null && echo unshared; mount -o remount,rw /sys/fs/cgroup 2>/dev/null && echo remounted; cut -d: -f3 /proc/self/cgroup | grep -F .. ; echo end";
    let script = format!(
        "docker run --rm {BB} sh -c '{look}'; docker run --rm --cgroupns host {BB} sh -c '{look}'; docker run --rm --cgroupns private {BB} sh -c '{look}; cut -d: -f3 /proc/self/cgroup | sort -u'
         docker run -d --name ctr {BB} sleep 1000 >/dev/null; docker exec ctr sh -c '{look}'; docker rm -f ctr >/dev/null"
    );
    site.prints("S-63 S-64", &script, "end end end / end");
}

/// S-65, S-66: the filter is there and lifted only by request; sockets of the two families, calls of x32.
pub(crate) fn system_calls(site: &mut Site) {
    let probe = site.probe().display().to_string();
    let run = format!("docker run --rm -v {probe}:/probe:ro");
    site.prints(
        "S-65",
        &format!("{run} {BB} /probe status Seccomp; {run} {BB} /probe callx32 getpid | cut -d' ' -f1"),
        "2 errno",
    );
    site.prints("S-65", &format!("{run} --security-opt seccomp=unconfined {BB} /probe status Seccomp"), "0");
    site.prints("S-65", &format!("{run} --security-opt seccomp=builtin {BB} /probe status Seccomp"), "2");
    let custom = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":55}]}"#;
    let script = format!(
        "echo '{custom}' >profile.json; {run} --security-opt seccomp=profile.json {BB} sh -c '/probe call mkdir; /probe call getpid'"
    );
    site.prints("S-65", &script, "errno 55 ok");
    for user in ["0", "1000"] {
        // AF_ALG, AF_VSOCK, and one that is allowed.
        let calls = "for n in 38 40 1; do /probe call socket $n 1 0; done; for n in 38 40; do /probe call32 socket $n 1 0; done";
        let script = format!("{run} -u {user} {BB} sh -c '{calls}'");
        site.prints("S-66", &script, "errno 1 errno 1 ok errno 1 errno 1");
    }
}

/// S-67.
pub(crate) fn side_channels(site: &mut Site) {
    let look = "for p in /sys/kernel/debug /sys/kernel/tracing /sys/devices/virtual/powercap; do [ ! -e $p ] || ls -A $p; done; dmesg 2>/dev/null; for p in /proc/interrupts /proc/timer_list; do [ ! -e $p ] || cat $p; done; grep -vE \"^0+ \" /proc/kallsyms 2>/dev/null | head -n 1; echo end";
    site.prints("S-67", &format!("docker run --rm {BB} sh -c '{look}'"), "end");
}

/// S-68.
pub(crate) fn devices(site: &mut Site) {
    let script = format!(
        "docker run --rm {BB} sh -c 'for n in 7:0 8:0 254:0 253:0 259:0; do mknod /tmp/d b ${{n%:*}} ${{n#*:}}; head -c 1 /tmp/d; rm /tmp/d; done 2>&1 | grep -v \"not permitted\"; mknod /tmp/m c 1 1; head -c 1 /tmp/m; mknod /tmp/k c 1 11; head -c 1 /tmp/k; ls /dev/mem /dev/kmsg /dev/fuse /dev/kvm; echo end' 2>/dev/null
         mknod z c 1 2; docker run --rm --device $PWD/z:/z:r {BB} sh -c '(: </z); (: >/z); echo end' 2>&1 | grep -oE 'No such|not permitted|end'; rm z
         docker run -d --name ctr {BB} sh -c 'mknod /loop b 7 0; mknod /mem c 1 1; exec sleep 1000' >/dev/null
         docker update --memory 64m --memory-swap 64m ctr >/dev/null; docker exec ctr sh -c 'until [ -e /mem ]; do :; done; head -c 1 /loop; head -c 1 /mem; echo end' 2>/dev/null; docker rm -f ctr >/dev/null"
    );
    site.prints("S-68", &script, "end No such not permitted end end");
}
