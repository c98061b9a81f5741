use std::io::{Read, Write};

use crate::entry::{Entry, Kind};
use crate::header::BLOCK;
use crate::{Error, Result, pax};

/// Writes a tar stream: ustar headers, with a pax header in front where ustar cannot hold something.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Starts an archive.
    pub fn new(output: W) -> Self {
        Self { output }
    }

    /// Writes an entry and, for a regular file, its `entry.size` bytes of data.
    ///
    /// # Errors
    /// If the output fails, or `data` has fewer bytes than promised.
    pub fn entry(&mut self, entry: &Entry, data: impl Read) -> Result<()> {
        let size = if entry.kind == Kind::Regular { entry.size } else { 0 };
        let mut records = Vec::new();
        let header = Header::new(entry, size, &mut records);
        if !records.is_empty() {
            let name = b"PaxHeaders.0/entry";
            let mut special = Header::blank();
            special.text(0, 100, name);
            special.common(b'x', 0o644, 0, 0, records.len() as u64, 0);
            self.block(special.finish())?;
            self.padded(&mut records.as_slice(), records.len() as u64)?;
        }
        self.block(header.finish())?;
        self.padded(&mut { data }, size)
    }

    /// Writes the end of the archive and gives the output back.
    ///
    /// # Errors
    /// If the output fails.
    pub fn finish(mut self) -> Result<W> {
        self.output.write_all(&[0; 2 * BLOCK]).map_err(Error::Input)?;
        self.output.flush().map_err(Error::Input)?;
        Ok(self.output)
    }

    fn block(&mut self, block: [u8; BLOCK]) -> Result<()> {
        self.output.write_all(&block).map_err(Error::Input)
    }

    fn padded(&mut self, data: &mut impl Read, size: u64) -> Result<()> {
        let mut buf = vec![0u8; usize::try_from(size.min(64 << 10)).unwrap_or(64 << 10)];
        let mut left = size;
        while left > 0 {
            let want = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            data.read_exact(&mut buf[..want]).map_err(Error::from_input)?;
            self.output.write_all(&buf[..want]).map_err(Error::Input)?;
            left -= want as u64;
        }
        let pad = (size.wrapping_neg() % BLOCK as u64) as usize;
        self.output.write_all(&[0; BLOCK][..pad]).map_err(Error::Input)
    }
}

struct Header([u8; BLOCK]);

impl Header {
    fn blank() -> Self {
        let mut h = Self([0; BLOCK]);
        h.text(257, 6, b"ustar\0");
        h.text(263, 2, b"00");
        h
    }

    /// The header of an entry; what does not fit goes into `records`.
    fn new(entry: &Entry, size: u64, records: &mut Vec<u8>) -> Self {
        let mut h = Self::blank();
        let mut path = entry.path.clone();
        if entry.kind == Kind::Directory && !path.ends_with(b"/") {
            path.push(b'/');
        }
        if !h.path(&path) {
            pax::append(records, b"path", &path);
            h.text(0, 100, &path[..path.len().min(100)]);
        }
        if entry.link.len() > 100 || !entry.link.is_ascii() {
            pax::append(records, b"linkpath", &entry.link);
        }
        h.text(157, 100, &entry.link[..entry.link.len().min(100)]);
        let mut number = |name: &[u8], n: u64, max: u64| {
            if n > max {
                pax::append(records, name, n.to_string().as_bytes());
            }
            if n > max { 0 } else { n }
        };
        let uid = number(b"uid", entry.uid.into(), 0o7_777_777);
        let gid = number(b"gid", entry.gid.into(), 0o7_777_777);
        let small = number(b"size", size, 0o77_777_777_777);
        let secs = u64::try_from(entry.mtime.secs).ok().filter(|s| *s <= 0o77_777_777_777);
        if secs.is_none() || entry.mtime.nanos != 0 {
            pax::append(records, b"mtime", pax_time(entry).as_bytes());
        }
        for (name, value) in &entry.xattrs {
            pax::append(records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        h.common(flag(entry.kind), entry.mode, uid, gid, small, secs.unwrap_or(0));
        h.text(265, 31, &entry.uname);
        h.text(297, 31, &entry.gname);
        if let Kind::Char { major, minor } | Kind::Block { major, minor } = entry.kind {
            h.octal(329, 8, major.into());
            h.octal(337, 8, minor.into());
        }
        h
    }

    /// Puts the name into the two fields of ustar; false if it does not fit.
    fn path(&mut self, path: &[u8]) -> bool {
        if !path.is_ascii() {
            return false;
        }
        if path.len() <= 100 {
            self.text(0, 100, path);
            return true;
        }
        let cut = path.iter().enumerate().skip(path.len().saturating_sub(101));
        let slash = cut.take_while(|(i, _)| *i <= 155).find(|(i, b)| **b == b'/' && *i > 0 && i + 1 < path.len());
        let Some((slash, _)) = slash else { return false };
        self.text(0, 100, &path[slash + 1..]);
        self.text(345, 155, &path[..slash]);
        true
    }

    fn common(&mut self, flag: u8, mode: u32, uid: u64, gid: u64, size: u64, mtime: u64) {
        self.octal(100, 8, mode.into());
        self.octal(108, 8, uid);
        self.octal(116, 8, gid);
        self.octal(124, 12, size);
        self.octal(136, 12, mtime);
        self.0[156] = flag;
    }

    fn text(&mut self, at: usize, len: usize, text: &[u8]) {
        let n = text.len().min(len);
        self.0[at..at + n].copy_from_slice(&text[..n]);
    }

    fn octal(&mut self, at: usize, len: usize, n: u64) {
        let digits = format!("{n:0width$o}\0", width = len - 1);
        self.text(at, len, digits.as_bytes());
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.0[148..156].fill(b' ');
        let sum: u64 = self.0.iter().map(|b| u64::from(*b)).sum();
        let digits = format!("{sum:06o}\0 ");
        self.text(148, 8, digits.as_bytes());
        self.0
    }
}

fn pax_time(entry: &Entry) -> String {
    let t = entry.mtime;
    let (sign, secs, nanos) = if t.secs < 0 && t.nanos > 0 {
        ("-", t.secs.unsigned_abs() - 1, 1_000_000_000 - t.nanos)
    } else {
        (if t.secs < 0 { "-" } else { "" }, t.secs.unsigned_abs(), t.nanos)
    };
    if nanos == 0 {
        return format!("{sign}{secs}");
    }
    format!("{sign}{secs}.{nanos:09}").trim_end_matches('0').to_owned()
}

fn flag(kind: Kind) -> u8 {
    match kind {
        Kind::Regular => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::Char { .. } => b'3',
        Kind::Block { .. } => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    }
}
