//! Extended header records, `<length> <key>=<value>\n` (POSIX.1-2008 pax, "pax Extended Header").

use crate::entry::Time;
use crate::{Error, Result};

/// The records of one extended header that matter here.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<i64>,
    pub(crate) uid: Option<i64>,
    pub(crate) gid: Option<i64>,
    pub(crate) uname: Option<Vec<u8>>,
    pub(crate) gname: Option<Vec<u8>>,
    pub(crate) mtime: Option<Time>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) sparse: Sparse,
}

/// The `GNU.sparse.*` records.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    pub(crate) major: Option<i64>,
    pub(crate) minor: Option<i64>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) real_size: Option<i64>,
    /// Format 0.1: `offset,length,…`.
    pub(crate) map: Option<Vec<u8>>,
    /// Format 0.0: one record per number.
    pub(crate) numbers: Vec<Vec<u8>>,
}

impl Records {
    pub(crate) fn parse(mut data: &[u8]) -> Result<Self> {
        let mut out = Self::default();
        while !data.is_empty() {
            let (key, value, rest) = record(data)?;
            data = rest;
            out.take(key, value)?;
        }
        Ok(out)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.xattrs.retain(|(have, _)| have != name);
            self.xattrs.push((name.to_vec(), value.to_vec()));
            return Ok(());
        }
        match key {
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                let want_offset = self.sparse.numbers.len().is_multiple_of(2);
                if want_offset != (key == b"GNU.sparse.offset") || value.contains(&b',') {
                    return Err(Error::Header);
                }
                self.sparse.numbers.push(value.to_vec());
            }
            // An empty value leaves the field as the plain header has it.
            _ if value.is_empty() => {}
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"uname" => self.uname = Some(value.to_vec()),
            b"gname" => self.gname = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            b"GNU.sparse.major" => self.sparse.major = Some(decimal(value)?),
            b"GNU.sparse.minor" => self.sparse.minor = Some(decimal(value)?),
            b"GNU.sparse.name" => self.sparse.name = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.real_size = Some(decimal(value)?),
            b"GNU.sparse.map" => self.sparse.map = Some(value.to_vec()),
            _ => {}
        }
        Ok(())
    }
}

/// Splits the first record off.
fn record(data: &[u8]) -> Result<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(20).position(|b| *b == b' ').ok_or(Error::Header)?;
    let len = usize::try_from(decimal(&data[..space])?).map_err(|_| Error::Header)?;
    if len < space + 3 || len > data.len() {
        return Err(Error::Header);
    }
    let (rec, rest) = data[space + 1..].split_at(len - space - 1);
    let (b'\n', rec) = rec.split_last().ok_or(Error::Header)? else { return Err(Error::Header) };
    let eq = rec.iter().position(|b| *b == b'=').ok_or(Error::Header)?;
    let (key, value) = (&rec[..eq], &rec[eq + 1..]);
    let text = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
    if key.is_empty() || key.contains(&0) || (text && value.contains(&0)) {
        return Err(Error::Header);
    }
    Ok((key, value, rest))
}

/// A decimal number, signed.
pub(crate) fn decimal(s: &[u8]) -> Result<i64> {
    std::str::from_utf8(s).ok().and_then(|s| s.parse().ok()).ok_or(Error::Header)
}

/// `[-]seconds[.fraction]`; digits beyond nanoseconds are dropped.
fn time(s: &[u8]) -> Result<Time> {
    let (whole, fraction) = match s.iter().position(|b| *b == b'.') {
        Some(dot) => (&s[..dot], &s[dot + 1..]),
        None => (s, &b""[..]),
    };
    let secs = decimal(whole)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(Error::Header);
    }
    let nanos = (0..9).fold(0, |n, i| n * 10 + u32::from(fraction.get(i).map_or(0, |d| d - b'0')));
    if whole.starts_with(b"-") && nanos > 0 {
        return Ok(Time { secs: secs.checked_sub(1).ok_or(Error::Header)?, nanos: 1_000_000_000 - nanos });
    }
    Ok(Time { secs, nanos })
}

/// Appends one record; its length counts itself.
pub(crate) fn append(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let body = key.len() + value.len() + 3;
    let mut len = body + 1;
    while len != body + len.to_string().len() {
        len = body + len.to_string().len();
    }
    out.extend_from_slice(len.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        for n in [1usize, 5, 80, 95, 96, 97, 980, 9990] {
            let mut data = Vec::new();
            append(&mut data, b"path", &vec![b'x'; n]);
            append(&mut data, b"SCHILY.xattr.user.a", b"1\0=\n2");
            let r = Records::parse(&data).expect("parses");
            assert_eq!(r.path.expect("path").len(), n);
            assert_eq!(r.xattrs, [(b"user.a".to_vec(), b"1\0=\n2".to_vec())]);
        }
    }

    #[test]
    fn bad_records_are_invalid_headers() {
        for bad in [
            &b"x"[..],
            b"5 a=b",
            b"6 a=b\n\n",
            b"99 a=b\n",
            b"-6 a=b\n",
            b"3 \n",
            b"5 =b\n",
            b"11 path=a\0b\n",
            b"99999999999999999999 a=b\n",
            b"13 mtime=1.x\n",
            b"10 size=x\n",
            b"24 GNU.sparse.numbytes=1\n",
        ] {
            assert!(Records::parse(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn times_keep_nanoseconds_and_sign() {
        for (s, secs, nanos) in
            [("1.5", 1, 500_000_000), ("-1.25", -2, 750_000_000), ("7", 7, 0), ("0.0000000019", 0, 1)]
        {
            assert_eq!(time(s.as_bytes()).expect(s), Time { secs, nanos }, "{s}");
        }
    }
}
