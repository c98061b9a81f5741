use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result};

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, one member or more.
    Gzip,
    /// RFC 8878, with windows of at most 128 MiB.
    Zstd,
}

impl Compression {
    /// From the first bytes of a stream (6 are enough).
    pub fn detect(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame in front (RFC 8878, 3.1.2).
            [m, 0x2a, 0x4d, 0x18, ..] if m & 0xf0 == 0x50 => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Whether `head` starts something that Docker knows and Gantry cannot read.
    pub fn unsupported(head: &[u8]) -> Option<&'static str> {
        match head {
            [b'B', b'Z', b'h', ..] => Some("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
            _ => None,
        }
    }
}

/// Bytes of decoded data held at once.
const BUFFER: usize = 128 << 10;

/// A stream without its compression, recognized by its first bytes.
pub enum Decoder<R: BufRead> {
    /// As it came.
    Plain(Peeked<R>),
    /// Inflated.
    Gzip(Box<BufReader<MultiGzDecoder<Peeked<R>>>>),
    /// Decoded.
    Zstd(Box<BufReader<zstd::Decoder<'static, Peeked<R>>>>),
}

impl<R: BufRead> fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decoder").field(&self.compression()).finish()
    }
}

impl<R: BufRead> Decoder<R> {
    /// Reads the first bytes of `input` and decides.
    ///
    /// # Errors
    /// A stream that fails, or a decoder that cannot be made.
    pub fn new(input: R) -> Result<Self> {
        let peeked = Peeked::new(input, 6).map_err(Error::Input)?;
        if let Some(format) = Compression::unsupported(peeked.head()) {
            return Err(Error::Compression { format, source: io::Error::from(io::ErrorKind::Unsupported) });
        }
        Ok(match Compression::detect(peeked.head()) {
            Compression::None => Self::Plain(peeked),
            Compression::Gzip => Self::Gzip(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(peeked)))),
            Compression::Zstd => {
                let decoder = zstd::Decoder::with_buffer(peeked)
                    .map_err(|source| Error::Compression { format: "zstd", source })?;
                Self::Zstd(Box::new(BufReader::with_capacity(BUFFER, decoder)))
            }
        })
    }

    /// What was recognized.
    pub fn compression(&self) -> Compression {
        match self {
            Self::Plain(_) => Compression::None,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
        }
    }

    /// The stream below, which may stand before its end (trailing bytes).
    pub fn into_inner(self) -> R {
        match self {
            Self::Plain(p) => p.input,
            Self::Gzip(d) => d.into_inner().into_inner().input,
            Self::Zstd(d) => d.into_inner().finish().input,
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(d) => d.read(buf),
            Self::Gzip(d) => d.read(buf),
            Self::Zstd(d) => d.read(buf),
        }
    }
}

impl<R: BufRead> BufRead for Decoder<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(d) => d.fill_buf(),
            Self::Gzip(d) => d.fill_buf(),
            Self::Zstd(d) => d.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Self::Plain(d) => d.consume(n),
            Self::Gzip(d) => d.consume(n),
            Self::Zstd(d) => d.consume(n),
        }
    }
}

/// A stream whose first bytes were looked at.
#[derive(Debug)]
pub struct Peeked<R> {
    head: Vec<u8>,
    at: usize,
    input: R,
}

impl<R: BufRead> Peeked<R> {
    /// Reads up to `n` bytes ahead.
    ///
    /// # Errors
    /// If the stream fails.
    pub fn new(mut input: R, n: usize) -> io::Result<Self> {
        let mut head = Vec::with_capacity(n);
        io::Read::take(&mut input, n as u64).read_to_end(&mut head)?;
        Ok(Self { head, at: 0, input })
    }

    /// The bytes looked at.
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}

impl<R: BufRead> Read for Peeked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let have = self.fill_buf()?;
        let n = have.len().min(buf.len());
        buf[..n].copy_from_slice(&have[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Peeked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at < self.head.len() { Ok(&self.head[self.at..]) } else { self.input.fill_buf() }
    }

    fn consume(&mut self, n: usize) {
        if self.at < self.head.len() {
            self.at += n;
        } else {
            self.input.consume(n);
        }
    }
}
