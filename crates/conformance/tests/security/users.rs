//! Users and groups: what is asked for, what an image says, and what neither may do.

use crate::{BB, Site};
use testkit::images::{EntryType, Layer};

/// S-58: exactly the groups that the tables and the request say.
pub(crate) fn groups(site: &mut Site) {
    let layer = Layer::builder()
        .dir("etc/", 0o755)
        .file("etc/passwd", b"root:x:0:0::/:/bin/sh\nu:x:1000:1000::/:/bin/sh\n7:x:5:5::/:/bin/sh\n")
        .file("etc/group", b"root:x:0:\nu:x:1000:\nfive:x:5:u\nsix:x:6:u\n")
        .entry("secret", EntryType::Regular, 0o040, b"of group 0", None);
    site.image("groups", layer, |image| image);
    let look = "sh -c 'id -u; id -g; grep Groups /proc/self/status | cut -f2; cat /secret 2>/dev/null'";
    for (how, want) in [
        ("-u u", "1000 1000 5 6 1000"),
        ("-u 1000", "1000 1000 5 6 1000"),
        ("-u 1000:1000", "1000 1000 1000"),
        ("-u u:six", "1000 6 6"),
        ("-u 1000:5 --group-add 77", "1000 5 5 77"),
        ("-u u --group-add six --group-add 88", "1000 1000 5 6 88 1000"),
        ("-u 4000", "4000 0 0 of group 0"),
        ("-u 4000:4000", "4000 4000 4000"),
        // A name that looks like a number is a name.
        ("-u 7", "5 5 5"),
    ] {
        let sort = |text: &str| {
            let mut words: Vec<&str> = text.split_whitespace().collect();
            words.sort_unstable();
            words.dedup();
            words.join(" ")
        };
        let script = format!("docker run --rm {how} groups:1 {look}");
        let output = site.sh("S-58", &script);
        if sort(output.text()) != sort(want) || !output.text().starts_with(&want[..1]) {
            site.faults.push(format!("S-58: not {want:?} but {output}"));
        }
        let (user, _) = how.split_once(" --").unwrap_or((how, ""));
        if user == how {
            let script = format!(
                "docker run -d --name ctr groups:1 sleep 1000 >/dev/null; docker exec {how} ctr {look}; docker rm -f ctr >/dev/null"
            );
            let output = site.sh("S-58 exec", &script);
            if sort(output.text()) != sort(want) {
                site.faults.push(format!("S-58 exec: not {want:?} but {output}"));
            }
        }
    }
}

/// S-59: what is no user is an error and never root, from a request and from an image.
pub(crate) fn numbers(site: &mut Site) {
    let odd = [
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "-1",
        "0x0",
        "1e3",
        " 0",
        "0 ",
        "+0",
        "1000:-1",
        "1000:4294967296",
    ];
    for (n, user) in odd.into_iter().enumerate() {
        site.image(&format!("user{n}"), Layer::builder().dir("etc/", 0o755), |image| image.config("User", user.into()));
        let script = format!(
            "docker run --rm --name ctr --user '{user}' {BB} id -u 2>/dev/null && echo ran; docker rm -f ctr >/dev/null 2>&1
             docker run --rm --name ctr user{n}:1 id -u 2>/dev/null && echo ran; docker rm -f ctr >/dev/null 2>&1
             docker run --rm --name ctr --user 5 user{n}:1 id -u"
        );
        site.prints(&format!("S-59 {user:?}"), &script, "5");
    }
    let each = odd.map(|user| format!("docker exec --user '{user}' ctr id -u 2>/dev/null && echo ran")).join("\n");
    let script = format!(
        "docker run -d --name ctr {BB} sleep 1000 >/dev/null\n{each}\ndocker exec --user 5 ctr id -u; docker rm -f ctr >/dev/null"
    );
    site.prints("S-59 exec", &script, "5");
}

/// S-38: tables of users that are pipes, directories, devices without end, or very large.
pub(crate) fn hostile_tables(site: &mut Site) {
    let long = vec![b'x'; 24 << 20];
    for (n, kind) in ["pipe", "zero", "kcore", "dir", "loop", "long"].into_iter().enumerate() {
        let mut layer = Layer::builder().dir("etc/", 0o755);
        for name in ["etc/passwd", "etc/group"] {
            layer = match kind {
                "pipe" => layer.entry(name, EntryType::Fifo, 0o666, &[], None),
                "zero" => layer.symlink(name, "/dev/zero"),
                "kcore" => layer.symlink(name, "/proc/kcore"),
                "dir" => layer.dir(&format!("{name}/"), 0o755),
                "loop" => layer.symlink(name, &format!("/{name}")),
                _ => layer.file(name, &long),
            };
        }
        site.image(&format!("tables{n}"), layer, |image| image);
        let script = format!(
            "docker run --rm --name ctr --user x tables{n}:1 id -u 2>/dev/null; docker rm -f ctr >/dev/null 2>&1
             docker run --rm --name ctr --user 1000 --group-add y tables{n}:1 id -u 2>/dev/null; docker rm -f ctr >/dev/null 2>&1
             docker run --rm --name ctr --user 1000:1000 tables{n}:1 echo runs; docker rm -f ctr >/dev/null 2>&1"
        );
        site.prints(&format!("S-38 {kind}"), &script, "runs");
    }
}

/// S-61, S-37: lines in values do not become lines of files.
pub(crate) fn injection(site: &mut Site) {
    let script = format!(
        "before=$(docker run --rm {BB} cat /etc/passwd)
         after=$(docker run --rm -e HOME=$'/\\nroot2::0:0' {BB} cat /etc/passwd); [ \"$before\" = \"$after\" ] || echo HOME
         for how in --user --hostname --domainname --add-host --dns --dns-search --dns-option --group-add --network-alias; do
           docker run --rm --name ctr $how $'x\\nroot2::0:0' {BB} cat /etc/passwd /etc/hosts /etc/resolv.conf /etc/hostname 2>/dev/null | grep root2; docker rm -f ctr >/dev/null 2>&1; done
         docker run --rm --sysctl 'kernel.msgmax=1+kernel.core_pattern=|/x' {BB} true 2>/dev/null && echo sysctl; docker rm -f ctr 2>/dev/null; docker ps -aq | xargs -r docker rm -f >/dev/null; cat /proc/sys/kernel/core_pattern | grep '|/x'; docker run --rm --hostname plain.name {BB} hostname"
    );
    site.prints("S-61 S-37", &script, "plain.name");
}

/// S-60: remapping is not there, and nobody is told otherwise; a container cannot make a namespace of users.
pub(crate) fn namespaces(site: &mut Site) {
    let script = format!(
        "docker run --rm {BB} cat /proc/self/uid_map; docker run --rm {BB} unshare -U true 2>/dev/null && echo made; docker run --rm -u 1000 {BB} unshare -Ur true 2>/dev/null && echo made; docker run --rm --userns nonsense {BB} true 2>/dev/null && echo taken; true"
    );
    site.prints("S-60", &script, "0 0 4294967295");
}
