use std::io::{self, BufRead};

use crate::entry::{Entry, Kind, Time};
use crate::header::{BLOCK, Format, Raw, cstr};
use crate::pax::Records;
use crate::sparse::{self, Segment};
use crate::{Error, Result};

/// What an archive may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole stream, uncompressed.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of one extension header (Go's `archive/tar` stops at 1 MiB too).
    pub header: u64,
    /// Bytes of a name or link target (`PATH_MAX`).
    pub path: usize,
    /// Components of a name.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: u64::MAX, entries: 4_000_000, header: 1 << 20, path: 4096, depth: 512 }
    }
}

/// Reads a tar stream entry by entry. The data of an entry is read with [`Reader::fill`] and [`Reader::consume`]
/// (or [`Reader::data`]); what is left of it is skipped by the next [`Reader::next_entry`].
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    limits: Limits,
    read: u64,
    entries: u64,
    data: u64,
    padding: u64,
    done: bool,
}

impl<R: BufRead> Reader<R> {
    /// Starts at the beginning of an archive.
    pub fn new(input: R, limits: Limits) -> Self {
        Self { input, limits, read: 0, entries: 0, data: 0, padding: 0, done: false }
    }

    /// The next entry, or `None` at the end of the archive.
    ///
    /// # Errors
    /// Broken headers, a stream that ends too early, budgets.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let (mut records, mut long_name, mut long_link) = (Records::default(), None, None);
        loop {
            self.skip_rest()?;
            let Some(block) = self.header_block()? else { return Ok(None) };
            let Some(raw) = Raw::parse(&block)? else { return Err(Error::Header) };
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(Error::Budget { what: "entries", limit: self.limits.entries });
            }
            match raw.type_flag() {
                b'x' => records = Records::parse(&self.special(&raw)?)?,
                // As Go's reader, which hands global records to the caller, and Docker, which skips them.
                b'g' => drop(Records::parse(&self.special(&raw)?)?),
                b'L' => long_name = Some(cstr(&self.special(&raw)?).to_vec()),
                b'K' => long_link = Some(cstr(&self.special(&raw)?).to_vec()),
                b'V' => self.open_data(&raw)?,
                _ => return self.entry(&raw, records, long_name, long_link).map(Some),
            }
        }
    }

    /// The next bytes of the entry's data; empty at its end. Not consumed yet.
    ///
    /// # Errors
    /// A stream that fails or ends too early.
    pub fn fill(&mut self) -> Result<&[u8]> {
        if self.data == 0 {
            return Ok(&[]);
        }
        let max = usize::try_from(self.data).unwrap_or(usize::MAX);
        let buf = fill(&mut self.input)?;
        if buf.is_empty() {
            return Err(Error::UnexpectedEof);
        }
        Ok(&buf[..buf.len().min(max)])
    }

    /// Takes `n` bytes of what [`Self::fill`] gave.
    pub fn consume(&mut self, n: usize) {
        self.input.consume(n);
        self.read += n as u64;
        self.data = self.data.saturating_sub(n as u64);
    }

    /// Bytes of data that are still to come.
    pub fn remaining(&self) -> u64 {
        self.data
    }

    /// The entry's data as a [`io::Read`].
    pub fn data(&mut self) -> Data<'_, R> {
        Data { reader: self }
    }

    /// Reads what follows the end of the archive (padding), so that the whole stream has been seen.
    ///
    /// # Errors
    /// A stream that fails, or the budget of bytes.
    pub fn drain(&mut self) -> Result<()> {
        loop {
            let n = fill(&mut self.input)?.len();
            if n == 0 {
                return Ok(());
            }
            self.input.consume(n);
            self.count(n as u64)?;
        }
    }

    /// The input, wherever it stands.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn count(&mut self, n: u64) -> Result<()> {
        self.read = self.read.saturating_add(n);
        if self.read > self.limits.bytes {
            return Err(Error::Budget { what: "bytes", limit: self.limits.bytes });
        }
        Ok(())
    }

    fn skip_rest(&mut self) -> Result<()> {
        let mut left = self.data.saturating_add(self.padding);
        while left > 0 {
            let buf = fill(&mut self.input)?;
            if buf.is_empty() {
                // As Go: padding may be missing at the very end, data may not.
                return if left <= self.padding { self.done_early() } else { Err(Error::UnexpectedEof) };
            }
            let n = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.input.consume(n);
            self.read += n as u64;
            left -= n as u64;
        }
        (self.data, self.padding) = (0, 0);
        Ok(())
    }

    fn done_early(&mut self) -> Result<()> {
        (self.data, self.padding, self.done) = (0, 0, true);
        Ok(())
    }

    /// A block with something in it, or `None` at the end: end of the stream, or two blocks of zeros.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        if self.done {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        if !self.block(&mut block)? {
            self.done = true;
            return Ok(None);
        }
        if block.iter().all(|b| *b == 0) {
            self.done = true;
            let second = self.block(&mut block)?;
            return if second && block.iter().any(|b| *b != 0) { Err(Error::Header) } else { Ok(None) };
        }
        Ok(Some(block))
    }

    /// Reads one block; false if the stream is at its end.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool> {
        let mut at = 0;
        while at < BLOCK {
            let buf = fill(&mut self.input)?;
            if buf.is_empty() {
                return if at == 0 { Ok(false) } else { Err(Error::UnexpectedEof) };
            }
            let n = buf.len().min(BLOCK - at);
            block[at..at + n].copy_from_slice(&buf[..n]);
            self.input.consume(n);
            at += n;
        }
        self.count(BLOCK as u64)?;
        Ok(true)
    }

    /// Sets up the data of the entry behind `raw`.
    fn open_data(&mut self, raw: &Raw<'_>) -> Result<()> {
        self.set_data(raw.size()?)
    }

    fn set_data(&mut self, size: i64) -> Result<()> {
        self.data = u64::try_from(size).map_err(|_| Error::Header)?;
        self.padding = self.data.wrapping_neg() % BLOCK as u64;
        if self.read.saturating_add(self.data) > self.limits.bytes {
            return Err(Error::Budget { what: "bytes", limit: self.limits.bytes });
        }
        Ok(())
    }

    /// The content of an extension header.
    fn special(&mut self, raw: &Raw<'_>) -> Result<Vec<u8>> {
        self.open_data(raw)?;
        if self.data > self.limits.header {
            return Err(Error::FieldTooLong);
        }
        let mut out = Vec::new();
        loop {
            let buf = self.fill()?;
            let n = buf.len();
            if n == 0 {
                return Ok(out);
            }
            out.extend_from_slice(buf);
            self.consume(n);
        }
    }

    fn entry(
        &mut self,
        raw: &Raw<'_>,
        records: Records,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry> {
        let mut path = long_name.or(records.path).unwrap_or_else(|| raw.path());
        if let Some(name) = &records.sparse.name {
            path.clone_from(name);
        }
        let link = long_link.or(records.link).unwrap_or_else(|| raw.link());
        if path.len() > self.limits.path || link.len() > self.limits.path {
            return Err(Error::Budget { what: "bytes of a name", limit: self.limits.path as u64 });
        }
        let kind = kind(raw, &path)?;
        let stored = records.size.map_or_else(|| raw.size(), Ok)?;
        let has_data = matches!(kind, Kind::Regular);
        self.set_data(if has_data { stored } else { 0 })?;
        if stored < 0 {
            return Err(Error::Header);
        }
        let id = |n: i64| u32::try_from(n).ok().filter(|n| *n != u32::MAX).ok_or(Error::Header);
        let mut entry = Entry {
            path,
            kind,
            link,
            mode: raw.mode()?,
            uid: id(records.uid.map_or_else(|| raw.uid(), Ok)?)?,
            gid: id(records.gid.map_or_else(|| raw.gid(), Ok)?)?,
            uname: records.uname.unwrap_or_else(|| raw.uname()),
            gname: records.gname.unwrap_or_else(|| raw.gname()),
            mtime: records.mtime.map_or_else(|| raw.mtime().map(|secs| Time { secs, nanos: 0 }), Ok)?,
            size: self.data,
            xattrs: records.xattrs,
            sparse: None,
        };
        if has_data {
            self.sparse(raw, &records.sparse, &mut entry)?;
        }
        Ok(entry)
    }

    /// Fills in the map and the real size of a file with holes.
    fn sparse(&mut self, raw: &Raw<'_>, records: &crate::pax::Sparse, entry: &mut Entry) -> Result<()> {
        let real = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).ok_or(Error::Header);
        let map = match (raw.type_flag(), records.major, records.minor) {
            (b'S', ..) if raw.format == Format::Gnu => {
                let (fields, more, size) = raw.gnu_sparse();
                entry.size = u64::try_from(crate::header::numeric(size)?).map_err(|_| Error::Header)?;
                Some(self.old_gnu_map(fields, more)?)
            }
            (b'S', ..) => return Err(Error::Header),
            (_, Some(1), Some(0)) => {
                entry.size = real(records.real_size)?;
                Some(self.leading_map()?)
            }
            (_, None | Some(0), None | Some(0 | 1)) => {
                let map = sparse::from_records(records)?;
                if map.is_some() {
                    entry.size = real(records.real_size)?;
                }
                map
            }
            _ => None,
        };
        if let Some(map) = &map {
            sparse::check(map, entry.size, self.data)?;
        }
        entry.sparse = map;
        Ok(())
    }

    fn old_gnu_map(&mut self, fields: &[u8], mut more: bool) -> Result<Vec<Segment>> {
        let mut map = Vec::new();
        sparse::old_gnu(fields, &mut map)?;
        let mut block = [0; BLOCK];
        while more {
            if !self.block(&mut block)? {
                return Err(Error::UnexpectedEof);
            }
            sparse::old_gnu(&block[..504], &mut map)?;
            more = block[504] != 0;
        }
        Ok(map)
    }

    fn leading_map(&mut self) -> Result<Vec<Segment>> {
        let mut parser = sparse::MapParser::default();
        let mut taken = 0u64;
        let mut complete = false;
        while !complete {
            let buf = self.fill()?;
            if buf.is_empty() {
                return Err(Error::UnexpectedEof);
            }
            let mut n = 0;
            while n < buf.len() && !complete {
                complete = parser.feed(buf[n])?;
                n += 1;
            }
            self.consume(n);
            taken += n as u64;
        }
        // The map is padded to a block.
        let mut pad = taken.wrapping_neg() % BLOCK as u64;
        while pad > 0 {
            let n = self.fill()?.len().min(usize::try_from(pad).unwrap_or(BLOCK));
            if n == 0 {
                return Err(Error::UnexpectedEof);
            }
            self.consume(n);
            pad -= n as u64;
        }
        Ok(parser.map)
    }
}

fn kind(raw: &Raw<'_>, path: &[u8]) -> Result<Kind> {
    Ok(match raw.type_flag() {
        // Version 7 has no type for directories, only a slash.
        0 if path.ends_with(b"/") => Kind::Directory,
        b'0' | 0 | b'7' | b'S' => Kind::Regular,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => raw.device().map(|(major, minor)| Kind::Char { major, minor })?,
        b'4' => raw.device().map(|(major, minor)| Kind::Block { major, minor })?,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        _ => return Err(Error::Header),
    })
}

fn fill<R: BufRead>(input: &mut R) -> Result<&[u8]> {
    loop {
        // A second call without consuming gives the same buffer back.
        match input.fill_buf() {
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::from_input(e)),
        }
    }
    input.fill_buf().map_err(Error::from_input)
}

/// The data of the current entry.
#[derive(Debug)]
pub struct Data<'a, R> {
    reader: &'a mut Reader<R>,
}

impl<R: BufRead> io::Read for Data<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let have = self.reader.fill().map_err(Error::into_io)?;
        let n = have.len().min(buf.len());
        buf[..n].copy_from_slice(&have[..n]);
        self.reader.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Data<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill().map_err(Error::into_io)
    }

    fn consume(&mut self, n: usize) {
        self.reader.consume(n);
    }
}
