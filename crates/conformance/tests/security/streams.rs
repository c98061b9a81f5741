//! Descriptors, working directories that are descriptors, standard streams, and who watches a process that joins.

use crate::{BB, Site};

/// S-03: run, exec and health checks, with and without terminal and input, have three descriptors, none of the host's.
pub(crate) fn nothing_leaks(site: &mut Site) {
    let probe = site.probe().display().to_string();
    let run = format!("docker run -v {probe}:/probe:ro");
    // What a shell starts has all that the shell was given.
    let look = "/probe fds; for p in 1 $$; do for n in 0 1 2; do readlink /proc/$p/fd/$n; done; done | grep -vE \"^(pipe|socket):|^/dev/(null|pts/[0-9]+|console)$\"";
    let quiet = "{ sleep 1000 & wait; }";
    let script = format!(
        "for how in '' -t -i -d; do {run} --name ctr $how {BB} sh -c '{look}; echo end' </dev/null >/dev/null; docker wait ctr >/dev/null; docker logs ctr; docker rm ctr >/dev/null; done
         {run} -d --name ctr {BB} sh -c '{quiet}' >/dev/null
         for how in '' -i -t; do docker exec $how ctr sh -c '{look}; echo end' </dev/null; done
         docker exec -d ctr sh -c '({look}; echo end) >/tmp/out.new; mv /tmp/out.new /tmp/out'; docker exec ctr sh -c 'until [ -e /tmp/out ]; do sleep 0.1; done; grep -v /tmp/out /tmp/out'; docker rm -f ctr >/dev/null
         {run} -d --name ctr --health-interval 100ms --health-cmd '{look}; echo end' {BB} sleep 1000 >/dev/null
         until docker inspect -f '{{{{range .State.Health.Log}}}}x{{{{end}}}}' ctr | grep -q x; do sleep 0.1; done; docker inspect -f '{{{{with index .State.Health.Log 0}}}}{{{{.Output}}}}{{{{end}}}}' ctr; docker rm -f ctr >/dev/null"
    );
    site.prints("S-03", &script, "end end end end end end end end end");
}

/// S-04: a working directory that is a descriptor of who starts the process.
pub(crate) fn working_directory_of_the_host(site: &mut Site) {
    let canary = site.canary.display();
    let look = format!("ls -d ../../../../../../../../..{canary} 2>/dev/null; pwd | grep unreachable");
    let script = format!(
        "for at in $(seq 3 16 | sed s,^,/proc/self/fd/,) /proc/1/fd/7 /proc/self/task/1/fd/8 /proc/self/cwd /proc/1/cwd /proc/1/root/proc/self/fd/9 /dev/fd/7; do
            docker run --rm --name ctr -w $at {BB} sh -c '{look}' 2>/dev/null; docker rm -f ctr >/dev/null 2>&1; done
         docker run -d --name ctr {BB} sleep 1000 >/dev/null
         for n in $(seq 3 32); do docker exec -w /proc/self/fd/$n ctr sh -c '{look}'; done 2>&1 | grep -v ^OCI; docker exec -w /proc/self/cwd ctr sh -c '{look}' 2>&1 | grep -v ^OCI
         docker exec -w /tmp ctr pwd; docker rm -f ctr >/dev/null; docker run --rm --name ctr -w /tmp {BB} pwd"
    );
    site.prints("S-04", &script, "/tmp /tmp");
}

/// S-15: a stream opened again is the container's pipe or terminal, for a user without rights too; nothing of the host is
/// behind it.
pub(crate) fn standard_streams(site: &mut Site) {
    let canary = site.canary.display().to_string();
    let script = format!(
        "docker run --rm -u 1000 {BB} sh -c 'echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin' </dev/null
         docker run --rm -i -u 1000 {BB} sh -c 'cat </proc/self/fd/0' <<<in
         docker run --rm -t -u 1000 {BB} sh -c 'echo tty >/dev/tty; echo console >/dev/console; echo pts >/dev/stdout'
         docker run --rm {BB} sh -c 'for n in 0 1 2; do chown 77 /proc/self/fd/$n; chmod 777 /proc/self/fd/$n; done; ls -d /proc/1/fd/0/..{canary}' 2>/dev/null
         ls -ld /dev/null | cut -d' ' -f1,3; docker run --rm {BB} true; ls -ld /dev/null | cut -d' ' -f1,3"
    );
    site.prints("S-15", &script, "out in tty console pts crw-rw-rw- root crw-rw-rw- root");
    site.untouched("S-15");
}

/// S-06: who shares the process namespace and may trace sees of a process that joins only what is the container's.
pub(crate) fn who_joins_cannot_be_watched(site: &mut Site) {
    let (probe, canary) = (site.probe().display().to_string(), site.canary.display().to_string());
    let script = format!(
        "docker run -d --name box {BB} sleep 1000 >/dev/null
         docker run -d --name spy --pid container:box --cap-add SYS_PTRACE -v {probe}:/probe:ro {BB} sh -c '/probe watch /stop >/seen; touch /done; exec sleep 1000' >/dev/null
         for n in $(seq 40); do docker exec box true; docker exec -w /tmp box ls ..{canary} 2>/dev/null; done
         docker exec spy sh -c 'touch /stop; until [ -e /done ]; do sleep 0.1; done; cat /seen'; docker rm -f spy box >/dev/null"
    );
    let output = site.sh("S-06", &script);
    let own = |line: &&str| {
        let (what, to) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            // The watcher's own, the containers' programs, and the sealed copy of ours that becomes one.
            "exe" => to.starts_with("/bin/") || matches!(to, "/probe" | "/memfd:gantry-shim (deleted)"),
            // The containers' own may be; ours is sealed.
            "writable" => to.starts_with("/bin/"),
            "cwd" | "root" => matches!(to, "/" | "/tmp" | "/bin"),
            _ => {
                to.starts_with("pipe:")
                    // Its end of the pair by which a failure is reported.
                    || to.starts_with("socket:")
                    || matches!(to, "/dev/null" | "/seen" | "/proc" | "/bin" | "/" | "/tmp")
                    || (to.starts_with("/proc/") && to.ends_with("/fd"))
            }
        }
    };
    let foreign: Vec<&str> = output.text().lines().filter(|line| !own(line)).collect();
    if !foreign.is_empty() || !output.text().contains("exe /bin/") {
        site.faults.push(format!("S-06: a watcher saw {foreign:?}: {output}"));
    }
}
