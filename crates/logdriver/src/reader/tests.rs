use std::fs;
use std::io::Write;

use super::*;
use crate::{JsonFileConfig, Writer, compress_rotated};

const T: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn config(dir: &Path, max_size: u64, max_file: u32) -> JsonFileConfig {
    JsonFileConfig { path: dir.join("c-json.log"), max_size: Some(max_size), max_file, compress: true, attrs: None }
}

fn put(w: &mut Writer, range: std::ops::Range<u32>) {
    for n in range {
        w.write(Stream::Stdout, T + i64::from(n) * SECOND, format!("line {n}\n").as_bytes()).expect("write");
    }
}

/// All numbers that can be read now, and how it stopped.
fn read(r: &mut Reader) -> (Vec<u32>, Next) {
    let mut numbers = Vec::new();
    loop {
        match r.next().expect("next") {
            Next::Entry(e) => {
                let text = String::from_utf8(e.line).expect("text");
                numbers.push(text.trim_end().strip_prefix("line ").expect("line").parse().expect("number"));
            }
            stop => return (numbers, stop),
        }
    }
}

fn all(path: &Path, options: &ReadOptions) -> Vec<u32> {
    let (numbers, stop) = read(&mut Reader::open(path, options).expect("open"));
    assert_eq!(stop, Next::End);
    numbers
}

fn range(r: std::ops::Range<u32>) -> Vec<u32> {
    r.collect()
}

#[test]
fn all_files_are_read_in_order() {
    for compressed in [false, true] {
        let dir = tempfile::tempdir().expect("dir");
        let c = config(dir.path(), 1000, 5);
        let mut w = Writer::open(&c).expect("open");
        put(&mut w, 0..50);
        if compressed {
            assert_eq!(compress_rotated(&c.path).expect("compress"), 3);
            assert_eq!(compress_rotated(&c.path).expect("compress"), 0);
            assert!(fs::exists(dir.path().join("c-json.log.1.gz")).expect("stat"));
            assert!(!fs::exists(dir.path().join("c-json.log.1")).expect("stat"));
        }
        let options = ReadOptions::default();
        assert_eq!(all(&c.path, &options), range(0..50));
        for tail in [0, 1, 3, 14, 15, 16, 29, 49, 50, 51, 1000] {
            let want = range(50_u32.saturating_sub(tail)..50);
            assert_eq!(all(&c.path, &ReadOptions { tail: Some(tail.into()), ..options.clone() }), want, "tail {tail}");
        }
        for n in [0, 13, 14, 40, 49, 50, 99] {
            let time = Some(T + i64::from(n) * SECOND);
            assert_eq!(all(&c.path, &ReadOptions { since: time, ..options.clone() }), range(n..50), "since {n}");
            assert_eq!(
                all(&c.path, &ReadOptions { until: time, ..options.clone() }),
                range(0..50.min(n + 1)),
                "until {n}"
            );
        }
        let both = ReadOptions { since: Some(T + 45 * SECOND), tail: Some(3), ..options.clone() };
        assert_eq!(all(&c.path, &both), [47, 48, 49]);
        put(&mut w, 50..100);
        assert_eq!(all(&c.path, &options), range(all(&c.path, &options)[0]..100));
    }
}

#[test]
fn a_missing_log_is_empty() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("c-json.log");
    assert_eq!(all(&path, &ReadOptions::default()), range(0..0));
    assert_eq!(all(&dir.path().join("no/dir"), &ReadOptions::default()), range(0..0));
    let mut r = Reader::open(&path, &ReadOptions { follow: true, ..ReadOptions::default() }).expect("open");
    assert_eq!(read(&mut r), (vec![], Next::Pending));
    let mut w = Writer::open(&config(dir.path(), 1000, 2)).expect("open");
    put(&mut w, 0..2);
    r.wait(None).expect("wait");
    assert_eq!(read(&mut r), (range(0..2), Next::Pending));
    r.finish();
    assert_eq!(read(&mut r), (vec![], Next::End));
}

#[test]
fn following_survives_rotation_and_compression() {
    let dir = tempfile::tempdir().expect("dir");
    let c = config(dir.path(), 1000, 5);
    let mut w = Writer::open(&c).expect("open");
    put(&mut w, 0..10);
    let mut r =
        Reader::open(&c.path, &ReadOptions { follow: true, tail: Some(2), ..ReadOptions::default() }).expect("open");
    assert_eq!(read(&mut r), (range(8..10), Next::Pending));
    // Three rotations at once, the files that follow compressed before they are read.
    put(&mut w, 10..50);
    compress_rotated(&c.path).expect("compress");
    assert_eq!(read(&mut r), (range(10..50), Next::Pending));
    // Each file removed right away.
    let one = JsonFileConfig { max_file: 1, ..c.clone() };
    let mut w = Writer::open(&one).expect("open");
    for n in 50..200 {
        put(&mut w, n..n + 1);
        assert_eq!(read(&mut r), (range(n..n + 1), Next::Pending));
    }
    r.finish();
    assert_eq!(r.next().expect("next"), Next::End);
    assert_eq!(r.next().expect("next"), Next::End);
}

#[test]
fn a_fast_writer_and_a_slow_follower_agree() {
    let dir = tempfile::tempdir().expect("dir");
    let c = config(dir.path(), 20_000, 500);
    let mut r = Reader::open(&c.path, &ReadOptions { follow: true, ..ReadOptions::default() }).expect("open");
    let path = c.path.clone();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let compressor = std::thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                compress_rotated(&path).expect("compress");
            }
        }
    });
    let writer = std::thread::spawn(move || {
        let mut w = Writer::open(&c).expect("open");
        for n in (0..100_000).step_by(100) {
            let text: String = (n..n + 100).map(|n| format!("line {n}\n")).collect();
            for piece in text.as_bytes().chunks(333) {
                w.write(Stream::Stdout, T, piece).expect("write");
            }
        }
    });
    let mut numbers = Vec::new();
    let begin = std::time::Instant::now();
    while numbers.len() < 100_000 {
        if begin.elapsed() > Duration::from_secs(30) {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            let gap = numbers.windows(2).find(|w: &&[u32]| w[1] != w[0] + 1);
            panic!("{} lines, first gap {gap:?}, writer finished {}", numbers.len(), writer.is_finished());
        }
        let (more, state) = read(&mut r);
        numbers.extend(more);
        assert_eq!(state, Next::Pending);
        if numbers.len() < 100_000 {
            r.wait(Some(Duration::from_secs(10))).expect("wait");
        }
    }
    writer.join().expect("writer");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    compressor.join().expect("compressor");
    assert_eq!(numbers, range(0..100_000));
}

#[test]
fn garbage_is_passed_over() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("c-json.log");
    let mut text = b"\n{}\nnonsense\n\0\0\0".to_vec();
    text.extend_from_slice(b"{\"log\":\"line 1\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20Z\"}\n");
    text.extend(std::iter::repeat_n(b'x', 9 << 20));
    text.extend_from_slice(b"\n{\"time\":\"2023-11-14T22:13:20Z\",\"stream\":\"stderr\",\"log\":\"line 2\\n\",\"attrs\":{\"b\":\"x y\",\"a\":\"\\u003c\"}}\n{\"log\":\"torn");
    fs::write(&path, text).expect("write");
    fs::write(dir.path().join("c-json.log.1.gz"), "not gzip").expect("write");
    fs::write(
        dir.path().join("c-json.log.2"),
        "{\"log\":\"line 0\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:19Z\"}\n",
    )
    .expect("write");
    assert_eq!(all(&path, &ReadOptions::default()), [0, 1, 2]);
    let mut r =
        Reader::open(&path, &ReadOptions { tail: Some(1), follow: true, ..ReadOptions::default() }).expect("open");
    let Ok(Next::Entry(e)) = r.next() else { panic!("no entry") };
    assert_eq!((e.stream, e.details().as_str()), (Stream::Stderr, "a=%3C,b=x+y"));
    let mut f = fs::OpenOptions::new().append(true).open(&path).expect("open");
    f.write_all(b" no more\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20Z\"}\n").expect("write");
    let Ok(Next::Entry(e)) = r.next() else { panic!("no entry") };
    assert_eq!(e.line, b"torn no more\n");
    f.set_len(0).expect("truncate");
    f.write_all(b"{\"log\":\"new\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20Z\"}\n").expect("write");
    let Ok(Next::Entry(e)) = r.next() else { panic!("no entry") };
    assert_eq!(e.line, b"new");
}

#[test]
fn reading_goes_on_after_a_position() {
    for compressed in [false, true] {
        for stop_after in [1_u32, 20, 49] {
            let dir = tempfile::tempdir().expect("dir");
            let c = config(dir.path(), 1000, 9);
            let mut w = Writer::open(&c).expect("open");
            put(&mut w, 0..50);
            let mut first = Reader::open(&c.path, &ReadOptions::default()).expect("open");
            for _ in 0..stop_after {
                assert!(matches!(first.next().expect("next"), Next::Entry(_)));
            }
            let after = first.position();
            assert!(after.is_some());
            put(&mut w, 50..80);
            if compressed {
                compress_rotated(&c.path).expect("compress");
            }
            let options = ReadOptions { after, ..ReadOptions::default() };
            assert_eq!(all(&c.path, &options), range(stop_after..80), "compressed {compressed}, {stop_after}");
        }
    }
}
