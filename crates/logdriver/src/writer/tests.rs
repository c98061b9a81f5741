use std::fs;

use super::*;

const T: i64 = 1_700_000_000_000_000_000;

fn config(dir: &Path) -> JsonFileConfig {
    JsonFileConfig { path: dir.join("c-json.log"), max_size: None, max_file: 1, compress: false, attrs: None }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("log").lines().map(str::to_owned).collect()
}

#[test]
fn records_are_dockers() {
    let dir = tempfile::tempdir().expect("dir");
    let mut c = config(dir.path());
    c.attrs = Some(r#"{"k":"v"}"#.to_owned());
    let mut w = Writer::open(&c).expect("open");
    assert_eq!(w.write(Stream::Stdout, T, b"one\ntwo <\nthr").expect("write").records, 2);
    assert_eq!(w.write(Stream::Stderr, T + 500_000_000, b"err\n").expect("write").records, 1);
    assert_eq!(w.write(Stream::Stdout, T + 1_000_000_000, b"ee\n\n").expect("write").records, 2);
    w.write(Stream::Stdout, T, b"no end").expect("write");
    w.finish(Stream::Stdout, T).expect("finish");
    w.finish(Stream::Stderr, T).expect("finish");
    assert_eq!(
        lines(&c.path),
        [
            r#"{"log":"one\n","stream":"stdout","attrs":{"k":"v"},"time":"2023-11-14T22:13:20Z"}"#,
            r#"{"log":"two \u003c\n","stream":"stdout","attrs":{"k":"v"},"time":"2023-11-14T22:13:20.000000001Z"}"#,
            r#"{"log":"err\n","stream":"stderr","attrs":{"k":"v"},"time":"2023-11-14T22:13:20.5Z"}"#,
            r#"{"log":"three\n","stream":"stdout","attrs":{"k":"v"},"time":"2023-11-14T22:13:21Z"}"#,
            r#"{"log":"\n","stream":"stdout","attrs":{"k":"v"},"time":"2023-11-14T22:13:21.000000001Z"}"#,
            r#"{"log":"no end","stream":"stdout","attrs":{"k":"v"},"time":"2023-11-14T22:13:20Z"}"#,
        ]
    );
}

#[test]
fn long_lines_become_parts_with_one_time() {
    for piece in [1, 7, 1000, 16384, 40000] {
        let dir = tempfile::tempdir().expect("dir");
        let c = config(dir.path());
        let mut w = Writer::open(&c).expect("open");
        let text = format!("{}\n{}\nlast\n", "a".repeat(40_000), "b".repeat(PARTIAL_MAX));
        for (n, chunk) in text.as_bytes().chunks(piece).enumerate() {
            w.write(Stream::Stdout, T + n as i64 * 1000, chunk).expect("write");
        }
        let got: Vec<(usize, bool, String)> = lines(&c.path)
            .iter()
            .map(|l| {
                let v: serde_json::Value = serde_json::from_str(l).expect("json");
                let log = v["log"].as_str().expect("log");
                (log.len(), log.ends_with('\n'), v["time"].as_str().expect("time").to_owned())
            })
            .collect();
        let shape: Vec<_> = got.iter().map(|(n, e, _)| (*n, *e)).collect();
        assert_eq!(
            shape,
            [(16384, false), (16384, false), (7233, true), (16384, false), (1, true), (5, true)],
            "{piece}"
        );
        assert_eq!(got[0].2, got[2].2);
        assert_eq!(got[3].2, got[4].2);
    }
}

#[test]
fn characters_survive_the_cut() {
    let dir = tempfile::tempdir().expect("dir");
    let c = config(dir.path());
    let text = format!("x{}\n", "日".repeat(20_000));
    Writer::open(&c).and_then(|mut w| w.write(Stream::Stdout, T, text.as_bytes())).expect("write");
    let joined: String = lines(&c.path)
        .iter()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).expect("json")["log"].as_str().expect("log").to_owned())
        .collect();
    assert_eq!(joined, text);
}

#[test]
fn rotation_keeps_the_newest_files() {
    let dir = tempfile::tempdir().expect("dir");
    let c = JsonFileConfig { max_size: Some(300), max_file: 3, ..config(dir.path()) };
    let mut w = Writer::open(&c).expect("open");
    let mut rotated = 0;
    let text: String = (0..40).map(|n| format!("line {n}\n")).collect();
    for chunk in text.as_bytes().chunks(100) {
        rotated += u32::from(w.write(Stream::Stdout, T, chunk).expect("write").rotated);
    }
    assert!(rotated > 2);
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .expect("dir")
        .map(|e| e.expect("entry").file_name().into_string().expect("name"))
        .collect();
    names.sort();
    assert_eq!(names, ["c-json.log", "c-json.log.1", "c-json.log.2"]);
    let mut all = lines(&numbered(&c.path, 2, ""));
    all.extend(lines(&numbered(&c.path, 1, "")));
    all.extend(lines(&c.path));
    let first = 40 - all.len();
    for (n, line) in all.iter().enumerate() {
        assert!(line.starts_with(&format!(r#"{{"log":"line {}\n""#, first + n)), "{line}");
    }
    for n in 1..3 {
        let size = fs::metadata(numbered(&c.path, n, "")).expect("stat").len();
        assert!((300..400).contains(&size), "{size}");
    }
}

#[test]
fn one_file_is_begun_anew() {
    let dir = tempfile::tempdir().expect("dir");
    let c = JsonFileConfig { max_size: Some(200), ..config(dir.path()) };
    let mut w = Writer::open(&c).expect("open");
    for n in 0..50 {
        w.write(Stream::Stdout, T, format!("line {n}\n").as_bytes()).expect("write");
    }
    assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 1);
    assert!(fs::metadata(&c.path).expect("stat").len() < 300);
    assert!(lines(&c.path).last().expect("line").contains("line 49"));
}

#[test]
fn a_torn_record_is_cut_off() {
    let dir = tempfile::tempdir().expect("dir");
    let c = config(dir.path());
    fs::write(&c.path, "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20Z\"}\n{\"log\":\"b")
        .expect("write");
    Writer::open(&c).and_then(|mut w| w.write(Stream::Stdout, T, b"c\n")).expect("write");
    assert_eq!(lines(&c.path).len(), 2);
    assert!(lines(&c.path)[1].starts_with(r#"{"log":"c\n""#));
}

#[test]
fn a_truncated_file_is_not_rotated() {
    let dir = tempfile::tempdir().expect("dir");
    let c = JsonFileConfig { max_size: Some(500), max_file: 2, ..config(dir.path()) };
    let mut w = Writer::open(&c).expect("open");
    for _ in 0..20 {
        assert!(!w.write(Stream::Stdout, T, b"some text\n").expect("write").rotated);
        fs::OpenOptions::new().write(true).open(&c.path).and_then(|f| f.set_len(0)).expect("truncate");
    }
}

#[test]
fn a_full_disk_leaves_whole_records() {
    let dir = tempfile::tempdir().expect("dir");
    let c = JsonFileConfig { path: dir.path().join("x"), ..config(dir.path()) };
    std::os::unix::fs::symlink("/dev/full", &c.path).expect("symlink");
    assert!(matches!(Writer::open(&c), Err(LogError::Open { .. })), "links are not followed");
    fs::remove_file(&c.path).expect("unlink");
    let mut w = Writer::open(&c).expect("open");
    w.file = fs::OpenOptions::new().write(true).open("/dev/full").expect("full");
    assert!(matches!(w.write(Stream::Stdout, T, b"a\nb\n"), Err(LogError::Write { lost: 2, .. })));
}

#[test]
#[expect(clippy::print_stderr, reason = "a measurement")]
fn speed() {
    let dir = tempfile::tempdir().expect("dir");
    let c = JsonFileConfig { max_size: Some(20_000_000), max_file: 5, ..config(dir.path()) };
    let mut w = Writer::open(&c).expect("open");
    let line = format!("{}\n", "the quick brown fox jumps over the lazy dog 0123456789 ".repeat(2).split_at(99).0);
    for per_write in [1, 20, 640] {
        let chunk = line.repeat(per_write);
        let count = 1_000_000 / per_write;
        let begun = std::time::Instant::now();
        for _ in 0..count {
            w.write(Stream::Stdout, T, chunk.as_bytes()).expect("write");
        }
        let rate = (count * per_write) as f64 / begun.elapsed().as_secs_f64() / 1e6;
        eprintln!("{per_write} lines of 100 bytes a write: {rate:.1} M lines/s");
    }
}
