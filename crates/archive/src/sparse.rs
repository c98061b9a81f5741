//! Files with holes: the old GNU header, and GNU's pax formats 0.0, 0.1 and 1.0 (GNU tar manual, "Sparse Formats").

use crate::header::octal;
use crate::pax::{self, decimal};
use crate::{Error, Result};

/// A stretch of a file that the archive has bytes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// More segments than this are hostile (a map is read whole into memory).
pub(crate) const MAX_SEGMENTS: usize = 64 * 1024;

/// Checks order and bounds: ascending, not overlapping, inside the file, as many bytes as the stream has.
pub(crate) fn check(map: &[Segment], size: u64, stored: u64) -> Result<()> {
    let (mut at, mut sum) = (0u64, 0u64);
    for s in map {
        let end = s.offset.checked_add(s.length).ok_or(Error::Header)?;
        if s.offset < at || end > size {
            return Err(Error::Header);
        }
        at = end;
        sum += s.length;
    }
    if sum == stored && i64::try_from(size).is_ok() { Ok(()) } else { Err(Error::Header) }
}

/// Reads pairs of octal fields of the old GNU header or of one of its extension blocks.
pub(crate) fn old_gnu(fields: &[u8], map: &mut Vec<Segment>) -> Result<()> {
    for pair in fields.as_chunks::<24>().0 {
        if pair[0] == 0 {
            break;
        }
        push(map, octal(&pair[..12])?, octal(&pair[12..])?)?;
    }
    Ok(())
}

/// Formats 0.0 and 0.1: the map is in the records.
pub(crate) fn from_records(records: &pax::Sparse) -> Result<Option<Vec<Segment>>> {
    let numbers: Vec<&[u8]> = match &records.map {
        Some(map) => map.split(|b| *b == b',').collect(),
        None if records.numbers.is_empty() => return Ok(None),
        None => records.numbers.iter().map(Vec::as_slice).collect(),
    };
    let mut map = Vec::new();
    if !numbers.len().is_multiple_of(2) {
        return Err(Error::Header);
    }
    for pair in numbers.chunks_exact(2) {
        let n = |s| u64::try_from(decimal(s)?).map_err(|_| Error::Header);
        push(&mut map, n(pair[0])?, n(pair[1])?)?;
    }
    Ok(Some(map))
}

fn push(map: &mut Vec<Segment>, offset: u64, length: u64) -> Result<()> {
    if map.len() >= MAX_SEGMENTS {
        return Err(Error::Budget { what: "sparse segments", limit: MAX_SEGMENTS as u64 });
    }
    map.push(Segment { offset, length });
    Ok(())
}

/// Format 1.0: the map is decimal lines in front of the data. Fed byte by byte.
#[derive(Debug, Default)]
pub(crate) struct MapParser {
    wanted: Option<usize>,
    offset: Option<u64>,
    digits: Vec<u8>,
    pub(crate) map: Vec<Segment>,
}

impl MapParser {
    /// Takes one byte; true when the map is complete.
    pub(crate) fn feed(&mut self, byte: u8) -> Result<bool> {
        if byte != b'\n' {
            if self.digits.len() >= 20 {
                return Err(Error::Header);
            }
            self.digits.push(byte);
            return Ok(false);
        }
        let n = u64::try_from(decimal(&self.digits)?).map_err(|_| Error::Header)?;
        self.digits.clear();
        match (self.wanted, self.offset.take()) {
            (None, _) => {
                let n = usize::try_from(n).unwrap_or(usize::MAX);
                if n > MAX_SEGMENTS {
                    return Err(Error::Budget { what: "sparse segments", limit: MAX_SEGMENTS as u64 });
                }
                self.wanted = Some(n);
            }
            (Some(_), None) => self.offset = Some(n),
            (Some(_), Some(offset)) => push(&mut self.map, offset, n)?,
        }
        Ok(self.wanted == Some(self.map.len()) && self.offset.is_none())
    }
}
