//! The 512-byte block: ustar, GNU and version 7 (POSIX.1-2008 pax, "ustar Interchange Format"; GNU tar manual,
//! "Basic Tar Format"). What is accepted is what Go's `archive/tar` accepts, as Docker reads with that.

use crate::{Error, Result};

/// The size of every block.
pub(crate) const BLOCK: usize = 512;

/// The dialects that give the fields behind byte 257 a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    V7,
    Gnu,
    Ustar,
}

/// A block with a valid checksum.
pub(crate) struct Raw<'a> {
    block: &'a [u8; BLOCK],
    pub(crate) format: Format,
}

impl<'a> Raw<'a> {
    /// `None` for a block of zeros (end of archive).
    pub(crate) fn parse(block: &'a [u8; BLOCK]) -> Result<Option<Self>> {
        if block.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let want = octal(&block[148..156])?;
        let (unsigned, signed) = checksums(block);
        if want != unsigned && i64::try_from(want).ok() != Some(signed) {
            return Err(Error::Header);
        }
        let format = match &block[257..265] {
            b"ustar  \0" => Format::Gnu,
            m if &m[..6] == b"ustar\0" => Format::Ustar,
            _ => Format::V7,
        };
        Ok(Some(Self { block, format }))
    }

    pub(crate) fn type_flag(&self) -> u8 {
        self.block[156]
    }

    /// The name, with ustar's prefix.
    pub(crate) fn path(&self) -> Vec<u8> {
        let name = cstr(&self.block[..100]);
        if self.format == Format::Ustar {
            let prefix = cstr(&self.block[345..500]);
            if !prefix.is_empty() {
                return [prefix, b"/", name].concat();
            }
        }
        name.to_vec()
    }

    pub(crate) fn link(&self) -> Vec<u8> {
        cstr(&self.block[157..257]).to_vec()
    }

    pub(crate) fn mode(&self) -> Result<u32> {
        // Only the low bits mean anything, and some writers add the file type.
        Ok((numeric(&self.block[100..108])? & 0o7777) as u32)
    }

    pub(crate) fn uid(&self) -> Result<i64> {
        numeric(&self.block[108..116])
    }

    pub(crate) fn gid(&self) -> Result<i64> {
        numeric(&self.block[116..124])
    }

    pub(crate) fn size(&self) -> Result<i64> {
        numeric(&self.block[124..136])
    }

    pub(crate) fn mtime(&self) -> Result<i64> {
        numeric(&self.block[136..148])
    }

    pub(crate) fn uname(&self) -> Vec<u8> {
        if self.format == Format::V7 { Vec::new() } else { cstr(&self.block[265..297]).to_vec() }
    }

    pub(crate) fn gname(&self) -> Vec<u8> {
        if self.format == Format::V7 { Vec::new() } else { cstr(&self.block[297..329]).to_vec() }
    }

    /// Major and minor number.
    pub(crate) fn device(&self) -> Result<(u32, u32)> {
        if self.format == Format::V7 {
            return Ok((0, 0));
        }
        let part = |r: &[u8]| u32::try_from(numeric(r)?).map_err(|_| Error::Header);
        Ok((part(&self.block[329..337])?, part(&self.block[337..345])?))
    }

    /// The old GNU sparse fields: four segments, "more follow", the real size.
    pub(crate) fn gnu_sparse(&self) -> (&'a [u8], bool, &'a [u8]) {
        (&self.block[386..482], self.block[482] != 0, &self.block[483..495])
    }
}

fn checksums(block: &[u8; BLOCK]) -> (u64, i64) {
    let (mut unsigned, mut signed) = (0u64, 0i64);
    for (i, b) in block.iter().enumerate() {
        let b = if (148..156).contains(&i) { b' ' } else { *b };
        unsigned += u64::from(b);
        signed += i64::from(b.cast_signed());
    }
    (unsigned, signed)
}

/// Bytes up to the first NUL.
pub(crate) fn cstr(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|b| *b == 0).unwrap_or(field.len())]
}

/// A number: octal text, or GNU's base-256 two's complement when the top bit is set.
pub(crate) fn numeric(field: &[u8]) -> Result<i64> {
    if field.first().is_none_or(|b| b & 0x80 == 0) {
        return i64::try_from(octal(field)?).map_err(|_| Error::Header);
    }
    let negative = field[0] & 0x40 != 0;
    let invert = if negative { 0xff } else { 0 };
    let mut value = 0u64;
    for (i, b) in field.iter().enumerate() {
        let mut b = b ^ invert;
        if i == 0 {
            b &= 0x7f;
        }
        if value >> 56 > 0 {
            return Err(Error::Header);
        }
        value = value << 8 | u64::from(b);
    }
    let value = i64::try_from(value).map_err(|_| Error::Header)?;
    Ok(if negative { !value } else { value })
}

/// Octal text with leading and trailing spaces and NULs; empty is zero.
pub(crate) fn octal(field: &[u8]) -> Result<u64> {
    let trimmed = field.trim_ascii_start();
    let start = trimmed.iter().position(|b| *b != 0 && *b != b' ').unwrap_or(trimmed.len());
    let digits = cstr(&trimmed[start..]).trim_ascii_end();
    if digits.len() > 21 {
        return Err(Error::Header);
    }
    digits.iter().try_fold(0u64, |n, d| match d {
        b'0'..=b'7' => Ok(n << 3 | u64::from(d - b'0')),
        _ => Err(Error::Header),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_writers_are_read() {
        for (field, want) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"0000008\0", None),
            (b"-000001\0", None),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"7777777777777777777777777", None),
        ] {
            assert_eq!(numeric(field).ok(), want, "{field:?}");
        }
    }

    #[test]
    fn a_wrong_checksum_is_an_invalid_header() {
        let mut block = [0u8; BLOCK];
        assert!(matches!(Raw::parse(&block), Ok(None)));
        block[0] = b'a';
        assert!(matches!(Raw::parse(&block), Err(Error::Header)));
    }
}
