//! Links where the engine or the runtime writes, mounts or makes something.

use crate::{BB, Site};
use testkit::images::{EntryType, Layer};

/// Ways to say one path of the host.
fn ways(path: &str) -> [(&'static str, String); 3] {
    [
        ("abs", path.to_owned()),
        ("up", format!("/../../../../../../../../../..{path}")),
        ("rel", format!("../../../../../../../../../..{path}")),
    ]
}

/// S-11, S-12.
pub(crate) fn links_in_place_of_system_directories(site: &mut Site) {
    let canary = site.canary.display().to_string();
    let mut tags = Vec::new();
    for (way, to) in ways(&canary) {
        // All at once, and each alone: the first that is refused would hide the others.
        let mut all = Layer::builder();
        for name in ["dev", "sys", "run", "etc", "tmp", "proc"] {
            site.image(&format!("link-{name}-{way}"), Layer::builder().symlink(name, &to), |image| image);
            tags.push((format!("link-{name}-{way}"), name));
            all = all.symlink(name, &to);
        }
        site.image(&format!("link-all-{way}"), all, |image| image);
        tags.push((format!("link-all-{way}"), "all"));
    }
    let chain = Layer::builder().symlink("a", &canary).symlink("b", "a").symlink("dev", "../b");
    site.image("link-chain", chain, |image| image);
    tags.push(("link-chain".to_owned(), "dev"));
    let mut lines = String::new();
    for (tag, name) in tags {
        // What is shown as /proc is the kernel's, and what /dev has are devices, or nothing runs.
        let inside = "[ ! -e /proc/self/stat ] || [ $(stat -f -c %t /proc) = 9fa0 ] || echo bad-proc; [ -c /dev/null ] || echo bad-dev";
        let row = if name == "dev" { "S-11" } else { "S-12" };
        lines += &format!(
            "docker run --rm --name ctr {tag}:1 sh -c '{inside}' 2>/dev/null | sed 's/^/{row} {tag}: /'; docker rm -f ctr >/dev/null 2>&1\n"
        );
    }
    lines += "docker run --rm --name ctr link-tmp-abs:1 sh -c 'echo runs' 2>&1";
    // Exit statuses are not looked at: a refusal is as good as a link that was followed inside.
    site.prints("S-11 S-12", &lines, "runs");
    site.untouched("S-11 S-12");
}

/// S-12: the files that the engine puts into `/etc`, as links and pipes.
pub(crate) fn links_in_place_of_files_of_etc(site: &mut Site) {
    let file = site.canary.join("f").display().to_string();
    let mut layer = Layer::builder().dir("etc/", 0o755);
    for name in ["hosts", "hostname", "resolv.conf", "mtab"] {
        layer = layer.symlink(&format!("etc/{name}"), &file);
    }
    site.image("etc-links", layer, |image| image);
    let mut layer = Layer::builder().dir("etc/", 0o755);
    for name in ["hosts", "hostname", "resolv.conf", "mtab"] {
        layer = layer.entry(&format!("etc/{name}"), EntryType::Fifo, 0o666, &[], None);
    }
    site.image("etc-pipes", layer, |image| image);
    for tag in ["etc-links", "etc-pipes"] {
        let script = format!(
            "docker run -d --name ctr {tag}:1 sleep 1000 >/dev/null && docker exec ctr cat /etc/hosts | grep -c -m1 localhost
             docker cp ctr:/etc/mtab - >/dev/null 2>&1; docker commit ctr copy:1 >/dev/null; docker diff ctr >/dev/null
             docker restart -t 0 ctr >/dev/null; docker rm -f ctr >/dev/null; docker rmi -f copy:1 >/dev/null"
        );
        let output = site.sh("S-12", &script);
        // Either it runs with the engine's own file, or it is refused.
        if !matches!(output.text(), "1" | "") {
            site.faults.push(format!("S-12 {tag}: {output}"));
        }
    }
    site.untouched("S-12");
}

/// S-15, 2025-31133, 2025-52565: a volume stands in for `/dev`, with links where devices are expected.
pub(crate) fn volumes_in_place_of_dev(site: &mut Site) {
    let canary = site.canary.display().to_string();
    let script = format!(
        "docker volume create evil >/dev/null
         docker run --rm -v evil:/v {BB} sh -c 'cd /v; for n in null zero full tty console ptmx random urandom stdin stdout stderr fd; do ln -s /m/f $n; done; ln -s /m pts; ln -s /m shm; ln -s /m mqueue'
         for more in '' -t; do docker run --rm --name ctr $more -v evil:/dev -v {canary}:/m {BB} sh -c 'head -c 1 /proc/kcore | wc -c; ls -A /sys/firmware | wc -l' 2>/dev/null; docker rm -f ctr 2>/dev/null; done | grep -vE '^0?.?$'
         docker run --rm -v {canary}/f:/dev/null {BB} true; docker run --rm -v {canary}/f:/dev/console -t {BB} true
         docker run --rm -v {canary}:/dev {BB} true; docker run --rm --name ctr -v evil:/v -v {canary}:/m {BB} cat /v/null"
    );
    // With the canary itself as /dev, what the runtime makes in it is made there by request: done with a copy.
    let script = script.replace(&format!("-v {canary}:/dev {BB}"), &format!("-v evil:/dev -v {canary}:/dev/m {BB}"));
    site.prints("S-15", &script, "of the host");
    site.untouched("S-15");
    // An image's own /dev with such links is covered by the engine's.
    let layer = Layer::builder().dir("dev/", 0o755).symlink("dev/null", "/m").symlink("dev/console", "/m");
    site.image("devnull", layer, |image| image);
    let run = format!(
        "docker run --rm -v {canary}/f:/m devnull:1 sh -c 'echo x >/dev/null; [ -c /dev/null ] && echo device'"
    );
    site.prints("S-15", &run, "device");
    site.untouched("S-15");
    site.sh("S-15", "docker volume rm evil");
}

/// S-17.
pub(crate) fn working_directories(site: &mut Site) {
    let canary = site.canary.display().to_string();
    for (way, to) in ways(&canary) {
        let tag = format!("workdir-{way}");
        let layer = Layer::builder().symlink("w", &to).symlink("self", "/proc/self/cwd");
        site.image(&tag, layer, |image| image.config("WorkingDir", "/w/new/deep".into()));
        let script = format!(
            "docker create --name ctr {tag}:1 sh -c 'pwd | grep -c {canary}/new/deep; cat ../../f' >/dev/null && docker start -a ctr 2>/dev/null
             docker rm -f ctr >/dev/null; docker run --rm -w /self/w/x {tag}:1 cat ../f 2>/dev/null
             docker run -d --name ctr -w / {tag}:1 sleep 1000 >/dev/null; docker exec -w /w/sub ctr cat ../f 2>&1 | grep -v ^OCI; docker exec ctr echo runs; docker rm -f ctr >/dev/null"
        );
        // Made behind the link, but in the container's root.
        site.prints("S-17", &script, "1 runs");
        site.untouched("S-17");
    }
}

/// S-14, S-18: volumes, binds and tmpfs whose target, or the image's content under it, lies behind a link.
pub(crate) fn volumes_behind_links(site: &mut Site) {
    let canary = site.canary.display().to_string();
    for (way, to) in ways(&canary) {
        let tag = format!("volume-{way}");
        let layer = Layer::builder().symlink("v", &to).symlink("link", &to);
        site.image(&tag, layer, |image| image.config("Volumes", serde_json::json!({"/v": {}, "/link/deep/er": {}})));
        let script = format!(
            "docker run --rm {tag}:1 sh -c 'cat /v/f' 2>/dev/null
             docker run --rm -v one:/link/a/b --tmpfs /link/c/d -v /etc/hostname:/link/e {tag}:1 cat /link/f 2>/dev/null
             docker create --name ctr -v two:/link/g {tag}:1 true >/dev/null; docker cp ctr:/link/f - 2>/dev/null; docker start -a ctr && echo runs; docker rm -v ctr >/dev/null; docker volume rm one two >/dev/null 2>&1"
        );
        site.prints("S-14 S-18", &script, "runs");
        site.untouched("S-14 S-18");
    }
}

/// S-14, 2021-30465: a running container swaps a directory of a shared volume with a link to the host while others mount
/// below it.
pub(crate) fn targets_that_are_swapped(site: &mut Site) {
    let canary = site.canary.display().to_string();
    let script = format!(
        "docker volume create shared >/dev/null
         docker run -d --name swap -v shared:/v {BB} sh -c 'cd /v; mkdir -p d/sub; ln -s ../../../../../../../../..{canary} l; while :; do mv d x; mv l d; mv d l; mv x d; done' >/dev/null
         until docker exec swap ls /v/l >/dev/null 2>&1 || docker exec swap ls /v/d/sub >/dev/null 2>&1; do :; done
         for n in 1 2 3 4 5 6 7 8; do docker run --rm --name r$n -v shared:/v -v other:/v/d/sub --tmpfs /v/d/tmp -w /v/d/made {BB} cat /v/d/f ../f 2>/dev/null; docker rm -f r$n 2>/dev/null; done
         docker exec swap echo swaps; docker rm -f swap >/dev/null; docker volume rm shared other >/dev/null"
    );
    site.prints("S-14", &script, "swaps");
    site.untouched("S-14");
}
