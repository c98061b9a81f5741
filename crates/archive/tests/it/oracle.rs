//! GNU tar as the other side: it writes what we read in every format it knows, and reads what we write.

use std::io::Write;
use std::process::Command;

use archive::{Entry, Kind, Time, Writer};

use crate::support::Place;

fn sh(script: &str, dir: &std::path::Path) -> String {
    let out = Command::new("sh").args(["-ec", script]).current_dir(dir).output().expect("sh");
    assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

const LIST: &str = r"find . -mindepth 1 -printf '%p %y %#m %U %G %s %n %l %T@\n' | sed 's/^\(.*\) d \(\S* \S* \S*\) \S*/\1 d \2/' | sort";

#[test]
fn every_format_of_gnu_tar_is_read_alike() {
    let src = tempfile::tempdir().expect("tempdir");
    let long = "long-".repeat(30);
    sh(
        &format!(
            "mkdir -p d/{long}/{long} && echo hi > d/{long}/{long}/f && ln d/{long}/{long}/f d/h && ln -s ../{long}{long} d/s
             mkfifo d/p && mknod d/n c 1 3 && chown 12:34 d/p && chmod 7755 d/h && touch -d '2001-02-03 04:05:06' d/h
             truncate -s 3M d/sparse && printf x | dd of=d/sparse bs=1 seek=1500000 conv=notrunc status=none && chmod 1777 d"
        ),
        src.path(),
    );
    let want = sh(LIST, src.path());
    for format in [
        "gnu",
        "oldgnu",
        "pax",
        "posix --sparse",
        "gnu --sparse",
        "oldgnu --sparse",
        "posix --sparse --sparse-version=0.0",
        "posix --sparse --sparse-version=0.1",
    ] {
        let place = Place::new();
        let tar = place.tmp.path().join("t.tar");
        sh(&format!("tar --format={format} -cf {} d", tar.display()), src.path());
        place.apply(&std::fs::read(&tar).expect("read")).unwrap_or_else(|e| panic!("{format}: {e}"));
        let got = sh(LIST, &place.root());
        let whole_seconds =
            |s: &str| s.lines().map(|l| l.rsplit_once('.').expect("time").0.to_owned()).collect::<Vec<_>>();
        assert_eq!(whole_seconds(&got), whole_seconds(&want), "{format}");
        assert_eq!(sh("md5sum d/sparse d/h", &place.root()), sh("md5sum d/sparse d/h", src.path()), "{format}");
    }
    for (tool, ext) in [("gzip", "gz"), ("zstd", "zst")] {
        if Command::new(tool).arg("--version").output().is_err() {
            continue;
        }
        let place = Place::new();
        let tar = place.tmp.path().join(format!("t.tar.{ext}"));
        sh(&format!("tar -c d | {tool} -c > {}", tar.display()), src.path());
        place.apply(&std::fs::read(&tar).expect("read")).unwrap_or_else(|e| panic!("{tool}: {e}"));
        assert_eq!(sh("md5sum d/sparse d/h", &place.root()), sh("md5sum d/sparse d/h", src.path()), "{tool}");
    }
}

#[test]
fn gnu_tar_reads_what_we_write() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut w = Writer::new(std::fs::File::create(dir.path().join("t.tar")).expect("create"));
    let names = ["short".to_owned(), "d/".repeat(80) + "ustar-prefix", "x".repeat(200), "ünïcode".to_owned()];
    for name in &names {
        let mut e = Entry::new(name.as_str(), Kind::Regular, 0o640);
        (e.uid, e.gid, e.size) = (5_000_000, 3, 4);
        e.mtime = Time { secs: 981_173_106, nanos: 500_000_000 };
        w.entry(&e, &b"data"[..]).expect("writes");
    }
    w.finish().expect("finishes").flush().expect("flush");
    let listed = sh("tar --numeric-owner --quoting-style=literal -tvf t.tar", dir.path());
    for (line, name) in listed.lines().zip(&names) {
        assert!(line.starts_with("-rw-r----- 5000000/3"), "{line}");
        assert!(line.ends_with(name.as_str()), "{line}");
    }
    assert_eq!(listed.lines().count(), names.len());
}
