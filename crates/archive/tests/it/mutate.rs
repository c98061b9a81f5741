//! Mutants of archives: nothing panics, nothing leaves the root, and what Python's `tarfile` reads too, it reads alike.

use std::fmt::Write as _;
use std::io::Read;
use std::process::{Command, Stdio};

use archive::{ApplyOptions, Decoder, Kind, Limits, Reader, Whiteouts};
use testkit::mutate::{self, Random};

use crate::support::Place;

/// Archives by GNU tar and Python in all their formats (`tests/corpus`), and inputs that once failed.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut all: Vec<_> = std::fs::read_dir(dir)
        .expect("corpus")
        .flatten()
        .map(|e| (e.file_name().to_string_lossy().into_owned(), std::fs::read(e.path()).expect("reads")))
        .collect();
    all.sort();
    assert!(all.len() >= 5, "the corpus is there");
    all
}

/// Changes fields of headers as somebody would who knows the format, or bytes as somebody who does not.
fn mutant(random: &mut Random, seed: &[u8]) -> Vec<u8> {
    let mut out = seed.to_vec();
    if random.below(4) == 0 {
        return mutate::bytes(random, &out, &[b"../", b"\0", b"/", b".wh.", b"ustar\0", b"27 path=../../canary/x\n"]);
    }
    for _ in 0..=random.below(3) {
        let block = random.below(out.len() / 512) * 512;
        let fields = [(0, 100), (100, 8), (124, 12), (156, 1), (157, 100), (345, 155)];
        // Only POSIX headers have a prefix; Python takes what GNU tar keeps there for one, too.
        let fields = if &out[block + 257..block + 263] == b"ustar\0" { &fields[..] } else { &fields[..5] };
        let (offset, length) = *random.pick(fields);
        // (No `x`: of two extended headers in a row the last counts, as in Go; in Python the first.)
        let values: [&[u8]; 13] = [
            b"../../canary/file\0",
            b"/etc/passwd\0",
            b".wh..wh..opq\0",
            b"d/.wh.f\0",
            b"l\0",
            b"d\0",
            b"00000000017\0",
            b"77777777777\0",
            b"\x80\0\0\0\0\0\0\0\0\0\0\x05",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe",
            b"0",
            b"1",
            b"2",
        ];
        let value = *random.pick(&values);
        let n = value.len().min(length).min(out.len() - block - offset);
        out[block + offset..block + offset + n].copy_from_slice(&value[..n]);
        if random.below(8) > 0 {
            fix(&mut out[block..block + 512]);
        }
    }
    if random.below(6) == 0 {
        out.truncate(random.below(out.len()));
    }
    out
}

/// Writes the checksum of a header.
fn fix(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[test]
fn mutants_stay_below_the_root() {
    let mut random = Random::new(11);
    for (name, seed) in corpus() {
        let place = Place::new();
        for n in 0..60 {
            let tar = mutant(&mut random, &seed);
            let whiteouts = if n % 2 == 0 { Whiteouts::Overlay } else { Whiteouts::Plain };
            let options = ApplyOptions { whiteouts, ..ApplyOptions::default() };
            // An error or not: what counts is the canary beside the root, which is looked at here.
            let _ = place.apply_with(&tar, options);
            let canary = place.tmp.path().join("canary");
            assert_eq!(std::fs::read_to_string(canary.join("file")).expect("canary"), "alive", "{name} {n}");
            assert_eq!(std::fs::read_dir(&canary).expect("canary").count(), 1, "{name} {n}");
            assert_eq!(std::fs::read_dir(place.tmp.path()).expect("ls").count(), 2, "{name} {n}");
        }
    }
}

#[test]
fn mutants_of_compressed_streams_end() {
    let mut random = Random::new(13);
    let plain = corpus().swap_remove(0).1;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &plain).expect("packs");
    let seeds = [gzip.finish().expect("packs"), zstd::encode_all(plain.as_slice(), 3).expect("packs")];
    let words: [&[u8]; 4] =
        [&[0x1f, 0x8b, 8, 0x1c], &[0x28, 0xb5, 0x2f, 0xfd], &[0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x7f], &[0; 9]];
    for seed in &seeds {
        let mut whole = 0;
        for _ in 0..400 {
            let mutant = mutate::bytes(&mut random, seed, &words);
            let Ok(decoder) = Decoder::new(mutant.as_slice()) else { continue };
            let mut out = Vec::new();
            if decoder.take(64 << 20).read_to_end(&mut out).is_ok() && out == plain {
                whole += 1;
            }
            assert!(out.len() < 64 << 20, "a few kilobytes do not become so much");
        }
        assert!(whole < 100, "damage is seen: {whole} of 400 came out whole");
    }
}

/// Name, kind, size and link of all entries, as long as they can be read; `None` if the archive is refused.
fn ours(tar: &[u8]) -> Option<String> {
    let mut reader = Reader::new(tar, Limits::default());
    let mut out = String::new();
    loop {
        match reader.next_entry() {
            Ok(None) => return Some(out),
            Ok(Some(e)) => {
                let kind = match e.kind {
                    Kind::Regular => 'f',
                    Kind::Directory => 'd',
                    Kind::Symlink => 'l',
                    Kind::HardLink => 'h',
                    Kind::Char { .. } => 'c',
                    Kind::Block { .. } => 'b',
                    Kind::Fifo => 'p',
                };
                let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
                let path = e.path.strip_suffix(b"/").unwrap_or(&e.path);
                let size = if kind == 'f' { e.size } else { 0 };
                let link = if matches!(kind, 'l' | 'h') { hex(&e.link) } else { String::new() };
                writeln!(out, "{kind} {} {size} {:o} {link}", hex(path), e.mode & 0o7777).expect("writes");
            }
            Err(_) => return None,
        }
    }
}

const PYTHON: &str = r"
import sys, tarfile, struct, io
data = sys.stdin.buffer.read(); at = 0; out = []
while at < len(data):
    n, = struct.unpack_from('<Q', data, at); at += 8
    tar = data[at:at+n]; at += n
    try:
        lines = []
        with tarfile.open(fileobj=io.BytesIO(tar), mode='r:', encoding='utf-8', errors='surrogateescape') as t:
            for m in t:
                k = 'h' if m.islnk() else 'l' if m.issym() else 'd' if m.isdir() else 'c' if m.ischr() else 'b' if m.isblk() else 'p' if m.isfifo() else 'f' if m.isreg() else '?'
                raw = lambda s: s.encode('utf-8', 'surrogateescape').hex()
                lines.append('%s %s %d %o %s\n' % (k, raw(m.name.rstrip('/')), m.size if k == 'f' else 0, m.mode & 0o7777, raw(m.linkname) if k in 'lh' else ''))
        out.append(''.join(lines))
    except Exception as e:
        out.append(None)
for o in out: sys.stdout.write('!\n' if o is None else '=\n' + o)
sys.stdout.write('.\n')
";

/// What Python makes of each archive.
fn theirs(archives: &[Vec<u8>]) -> Option<Vec<Option<String>>> {
    let mut python =
        Command::new("python3").args(["-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut input = Vec::new();
    for tar in archives {
        input.extend_from_slice(&(tar.len() as u64).to_le_bytes());
        input.extend_from_slice(tar);
    }
    let mut stdin = python.stdin.take().expect("stdin");
    std::io::Write::write_all(&mut stdin, &input).expect("writes");
    drop(stdin);
    let out = python.wait_with_output().expect("python");
    let text = String::from_utf8(out.stdout).expect("text");
    let mut all: Vec<Option<String>> = Vec::new();
    for line in text.lines() {
        match line {
            "!" => all.push(None),
            "=" => all.push(Some(String::new())),
            "." => return Some(all),
            line => {
                let last = all.last_mut().and_then(Option::as_mut).expect("an archive");
                last.push_str(line);
                last.push('\n');
            }
        }
    }
    panic!("python failed: {text}");
}

#[test]
#[expect(clippy::print_stdout, reason = "says that it is skipped")]
fn mutants_are_read_as_python_reads_them() {
    let mut random = Random::new(17);
    let mut archives: Vec<Vec<u8>> = corpus().into_iter().map(|(_, tar)| tar).collect();
    let seeds = archives.clone();
    for seed in &seeds {
        archives.extend((0..150).map(|_| mutant(&mut random, seed)));
    }
    let Some(theirs) = theirs(&archives) else {
        println!("skipped: python3 is not there");
        return;
    };
    assert_eq!(theirs.len(), archives.len());
    let (mut both, mut apart) = (0, Vec::new());
    for (n, (tar, theirs)) in archives.iter().zip(&theirs).enumerate() {
        let (Some(ours), Some(theirs)) = (ours(tar), theirs) else { continue };
        both += 1;
        // Python stops silently at the first header it cannot read; what it read until then must be ours, too.
        if !ours.starts_with(theirs.as_str()) {
            apart.push(format!("{n}: ours\n{ours}theirs\n{theirs}"));
        }
    }
    assert!(both > archives.len() / 4, "only {both} of {} were read by both", archives.len());
    assert!(apart.is_empty(), "{} of {both} differ:\n{}", apart.len(), apart[..apart.len().min(3)].join("\n"));
}
