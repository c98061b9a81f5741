//! One file of a log, read line by line.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use flate2::bufread::GzDecoder;
use memchr::{memchr, memrchr};

use crate::compress::{Extra, Origin, last_time};
use crate::files::Identity;
use crate::reader::Position;
use crate::timestamp::parse_rfc3339;

const BLOCK: usize = 64 * 1024;
/// Longer lines are no records of a log driver (16 KiB of text, six bytes each at worst, and attributes): skipped.
const LINE_MAX: usize = 4 << 20;

/// What [`Source::line`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end; ask [`Source::bytes`] for it before anything else.
    Record(Range<usize>),
    /// Nothing more for now.
    Eof,
}

/// An open file of a log.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) identity: Identity,
    /// It was the live file when it was opened.
    pub(super) live: bool,
    /// The time of the last record, if the file says so.
    last_time: Option<i64>,
    /// For a compressed file: the plain one.
    made_from: Option<Origin>,
    input: Input,
    /// Lines still to be passed over.
    pub(super) skip: u64,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How much of `start..end` is known to have no newline.
    searched: usize,
    overlong: bool,
}

#[derive(Debug)]
enum Input {
    Plain { file: File, at: u64, until: u64 },
    Gzip { file: File, decoder: Box<GzDecoder<BufReader<File>>>, given: u64 },
}

impl Source {
    pub(super) fn live(file: File) -> io::Result<Self> {
        Self::new(file, true, false)
    }

    /// A rotated file. `None` if it says it is compressed and is not.
    pub(super) fn rotated(file: File, compressed: bool) -> io::Result<Option<Self>> {
        let source = Self::new(file, false, compressed)?;
        let damaged = matches!(&source.input, Input::Gzip { decoder, .. } if decoder.header().is_none());
        Ok((!damaged).then_some(source))
    }

    fn new(file: File, live: bool, compressed: bool) -> io::Result<Self> {
        let identity = Identity::of(&file)?;
        let (mut last_time, mut made_from) = (None, None);
        let input = if compressed {
            let decoder = gzip(&file)?;
            if let Some(extra) =
                decoder.header().and_then(|h| h.extra()).and_then(|e| serde_json::from_slice::<Extra>(e).ok())
            {
                last_time = extra.last_time.as_deref().and_then(parse_rfc3339);
                made_from = extra.source;
            }
            Input::Gzip { file, decoder, given: 0 }
        } else {
            Input::Plain { file, at: 0, until: u64::MAX }
        };
        Ok(Self {
            identity,
            live,
            last_time,
            made_from,
            input,
            skip: 0,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            searched: 0,
            overlong: false,
        })
    }

    /// Whether this file is the same as `other`, which is open, or what has become of it by compression.
    pub(super) fn is(&self, other: &Self) -> bool {
        let plain = matches!(other.input, Input::Plain { .. });
        self.identity == other.identity || (plain && self.made_from.is_some_and(|o| Some(o) == other.origin()))
    }

    fn origin(&self) -> Option<Origin> {
        match &self.input {
            Input::Plain { file, .. } => Origin::of(file).ok(),
            Input::Gzip { .. } => None,
        }
    }

    /// The place before the next line.
    pub(super) fn position(&self) -> Option<Position> {
        let (origin, read) = match &self.input {
            Input::Plain { at, .. } => (self.origin()?, *at),
            Input::Gzip { given, .. } => (self.made_from?, *given),
        };
        let offset = read.saturating_sub((self.end - self.start) as u64);
        Some(Position { inode: origin.inode, born_ns: origin.born_ns, offset })
    }

    /// Whether the place is in this file, or in what it was made from.
    pub(super) fn holds(&self, place: Position) -> bool {
        let origin = self.origin().or(self.made_from);
        origin.is_some_and(|o| (o.inode, o.born_ns) == (place.inode, place.born_ns))
    }

    /// Goes on at this byte of the (uncompressed) file. Only before anything was read.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        match &mut self.input {
            Input::Plain { at, .. } => *at = offset,
            Input::Gzip { decoder, given, .. } => {
                *given = io::copy(&mut decoder.take(offset), &mut io::sink())?;
            }
        }
        Ok(())
    }

    /// The time of the last record of the file, if it can be had without reading the file.
    pub(super) fn last_time(&self) -> io::Result<Option<i64>> {
        match &self.input {
            Input::Plain { file, .. } => last_time(file),
            Input::Gzip { .. } => Ok(self.last_time),
        }
    }

    /// What is written after now is not wanted.
    pub(super) fn stop_at_snapshot(&mut self) {
        if let Input::Plain { file, until, .. } = &mut self.input {
            *until = file.metadata().map_or(0, |m| m.len());
        }
    }

    /// Goes on at the `lines`th line from the end, or at the beginning if there are fewer. Gives how many lines follow.
    pub(super) fn seek_tail(&mut self, lines: u64) -> io::Result<u64> {
        match &mut self.input {
            Input::Plain { file, at, .. } => {
                let (offset, found) = tail_offset(file, lines)?;
                *at = offset;
                Ok(found)
            }
            Input::Gzip { file, decoder, .. } => {
                let mut block = vec![0; BLOCK];
                let mut total = 0;
                loop {
                    match decoder.read(&mut block)? {
                        0 => break,
                        n => total += memchr::memchr_iter(b'\n', &block[..n]).count() as u64,
                    }
                }
                *decoder = gzip(file)?;
                self.skip = total.saturating_sub(lines);
                Ok(total.min(lines))
            }
        }
    }

    /// The next line.
    pub(super) fn line(&mut self) -> io::Result<Line> {
        loop {
            if let Some(i) = memchr(b'\n', &self.buffer[self.start + self.searched..self.end]) {
                let range = self.start..self.start + self.searched + i;
                self.start = range.end + 1;
                self.searched = 0;
                if std::mem::take(&mut self.overlong) {
                    continue;
                }
                if self.skip > 0 {
                    self.skip -= 1;
                    continue;
                }
                return Ok(Line::Record(range));
            }
            self.searched = self.end - self.start;
            if self.searched > LINE_MAX {
                self.overlong = true;
                self.start = self.end;
                self.searched = 0;
            }
            if !self.more()? {
                return Ok(Line::Eof);
            }
        }
    }

    /// The bytes of the line just found.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Reads on. False: there is nothing to read.
    pub(super) fn more(&mut self) -> io::Result<bool> {
        self.make_room();
        let space = &mut self.buffer[self.end..];
        let n = loop {
            let result = match &mut self.input {
                Input::Plain { file, at, until } => {
                    let want = usize::try_from(until.saturating_sub(*at)).unwrap_or(usize::MAX).min(space.len());
                    let result = file.read_at(&mut space[..want], *at);
                    if let Ok(0) = result
                        && want > 0
                        && file.metadata()?.len() < *at
                    {
                        // Somebody truncated the log (`> x-json.log`): go on from its beginning.
                        (*at, self.start, self.end, self.searched) = (0, 0, 0, 0);
                        return self.more();
                    }
                    result.inspect(|n| *at += *n as u64)
                }
                Input::Gzip { decoder, given, .. } => decoder.read(space).inspect(|n| *given += *n as u64),
            };
            match result {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.end += n;
        Ok(n > 0)
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < BLOCK / 2 {
            self.buffer.resize(self.end + BLOCK, 0);
        }
    }
}

fn gzip(file: &File) -> io::Result<Box<GzDecoder<BufReader<File>>>> {
    use std::io::Seek;
    let mut file = file.try_clone()?;
    file.rewind()?;
    Ok(Box::new(GzDecoder::new(BufReader::with_capacity(BLOCK, file))))
}

/// Where the last `lines` whole lines of a plain file begin, and how many they are.
fn tail_offset(file: &File, lines: u64) -> io::Result<(u64, u64)> {
    let mut block = vec![0; BLOCK];
    let mut end = file.metadata()?.len();
    // Each newline found going back ends a line; the one before the wanted lines is where they begin.
    let mut newlines = 0;
    let mut whole_end = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let len = usize::try_from(end - start).unwrap_or(0);
        let mut have = read_fully_at(file, &mut block[..len], start)?;
        while let Some(i) = memrchr(b'\n', &block[..have]) {
            newlines += 1;
            if newlines == 1 {
                whole_end = start + i as u64 + 1;
            }
            if newlines > lines {
                return Ok((start + i as u64 + 1, lines));
            }
            have = i;
        }
        end = start;
    }
    Ok(if lines == 0 { (whole_end, 0) } else { (0, newlines) })
}

fn read_fully_at(file: &File, block: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < block.len() {
        match file.read_at(&mut block[done..], at + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}
