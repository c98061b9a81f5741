//! The events on disk: one line of JSON each, so that a daemon that starts again, also after it was killed, knows what
//! its predecessor told.
//!
//! A line is written whole before any subscriber sees its event. It is not forced to the disk: it survives the death of
//! the daemon, and of the machine once the kernel has written it back.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Event;

/// The file is written anew when it has this many times the lines that are kept.
const SLACK: usize = 4;
/// Bytes of the file that are looked at, from its end. A file of ours stays far below; what is more is no journal.
const BUDGET: u64 = 64 << 20;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
    keep: usize,
}

impl Journal {
    /// Opens or makes the journal; gives the newest `keep` events of it, oldest first. What a crash cut short at the end
    /// is cut off, and what lies before a damaged place is given up: past the gap the numbers would not follow.
    ///
    /// # Errors
    /// The file cannot be opened, read or written.
    pub(crate) fn open(path: &Path, keep: usize) -> io::Result<(Self, VecDeque<Arc<Event>>)> {
        let mut bytes = Vec::new();
        let mut damaged = false;
        match File::open(path) {
            Ok(file) => {
                let length = file.metadata()?.len();
                let start = length.saturating_sub(BUDGET);
                bytes.resize(usize::try_from(length - start).unwrap_or(0), 0);
                file.read_exact_at(&mut bytes, start)?;
                damaged = start > 0;
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        let (mut events, whole) = parse(&bytes);
        damaged |= !whole;
        let lines = events.len();
        while events.len() > keep {
            events.pop_front();
        }
        let mut journal = Self { path: path.to_owned(), file: append_to(path)?, lines, keep };
        if damaged || lines > keep * SLACK {
            journal.rewrite(&events)?;
        }
        Ok((journal, events))
    }

    /// Writes the newest event of `history`.
    pub(crate) fn append(&mut self, history: &VecDeque<Arc<Event>>) -> io::Result<()> {
        if self.lines >= self.keep * SLACK {
            return self.rewrite(history);
        }
        let Some(event) = history.back() else { return Ok(()) };
        let line = line(event)?;
        if let Err(e) = self.file.write_all(&line) {
            // Half a line would spoil the next one: everything is written anew then.
            self.lines = usize::MAX / 2;
            return Err(e);
        }
        self.lines += 1;
        Ok(())
    }

    /// Replaces the file by one that holds `events` only.
    fn rewrite(&mut self, events: &VecDeque<Arc<Event>>) -> io::Result<()> {
        let mut all = Vec::new();
        for event in events {
            all.extend_from_slice(&line(event)?);
        }
        let aside = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&all)?;
        file.sync_data()?;
        std::fs::rename(&aside, &self.path)?;
        self.file = append_to(&self.path)?;
        self.lines = events.len();
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn line(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}

/// The longest run of events at the end whose numbers follow each other, and whether that is all there is.
fn parse(bytes: &[u8]) -> (VecDeque<Arc<Event>>, bool) {
    let mut events: VecDeque<Arc<Event>> = VecDeque::new();
    let mut whole = true;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let event = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Event>(line).ok());
        let Some(event) = event else {
            whole = false;
            continue;
        };
        if events.back().is_some_and(|last| last.seq + 1 != event.seq) {
            whole = false;
            events.clear();
        }
        events.push_back(Arc::new(event));
    }
    (events, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64) -> Arc<Event> {
        Arc::new(Event {
            seq,
            kind: crate::Kind::Volume,
            action: "create".to_owned(),
            actor: crate::Actor::default(),
            scope: "local".to_owned(),
            time: 0,
            time_nano: i64::try_from(seq).expect("small"),
        })
    }

    /// A journal of so many events in a directory of its own.
    fn journal(name: &str, events: u64, keep: usize) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("gantry-journal-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("made");
        let path = dir.join("events.jsonl");
        let (mut journal, mut history) = Journal::open(&path, keep).expect("opens");
        for seq in 1..=events {
            history.push_back(event(seq));
            if history.len() > keep {
                history.pop_front();
            }
            journal.append(&history).expect("written");
        }
        path
    }

    fn seqs(path: &Path, keep: usize) -> Vec<u64> {
        let (_, events) = Journal::open(path, keep).expect("opens");
        events.iter().map(|e| e.seq).collect()
    }

    fn clean(path: &Path) {
        std::fs::remove_dir_all(path.parent().expect("has one")).expect("removed");
    }

    #[test]
    fn the_newest_come_back() {
        let path = journal("newest", 5, 3);
        assert_eq!(seqs(&path, 3), [3, 4, 5]);
        assert_eq!(seqs(&path, 9), [1, 2, 3, 4, 5]);
        clean(&path);
    }

    #[test]
    fn the_file_is_bounded() {
        let path = journal("bounded", 1000, 10);
        let lines = std::fs::read_to_string(&path).expect("read").lines().count();
        assert!(lines <= 10 * SLACK, "{lines}");
        assert_eq!(seqs(&path, 10), (991..=1000).collect::<Vec<_>>());
        clean(&path);
    }

    #[test]
    fn a_line_cut_short_is_cut_off() {
        let path = journal("torn", 3, 10);
        let text = std::fs::read(&path).expect("read");
        std::fs::write(&path, &text[..text.len() - 9]).expect("written");
        assert_eq!(seqs(&path, 10), [1, 2]);
        // What is written next is read again.
        let (mut journal, mut events) = Journal::open(&path, 10).expect("opens");
        events.push_back(event(3));
        journal.append(&events).expect("written");
        assert_eq!(seqs(&path, 10), [1, 2, 3]);
        clean(&path);
    }

    #[test]
    fn what_lies_before_a_damaged_line_is_given_up() {
        let path = journal("damaged", 5, 10);
        let text = std::fs::read_to_string(&path).expect("read").replacen("\"seq\":3", "\"seq\":x", 1);
        std::fs::write(&path, text).expect("written");
        assert_eq!(seqs(&path, 10), [4, 5]);
        assert_eq!(std::fs::read_to_string(&path).expect("read").lines().count(), 2);
        clean(&path);
    }
}
