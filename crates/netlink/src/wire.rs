//! Netlink's framing (linux/netlink.h): messages and attributes, lengths in host order, everything aligned to four.

use crate::Error;

pub(crate) const HEADER: usize = 16;

pub(crate) const F_REQUEST: u16 = 0x1;
pub(crate) const F_ACK: u16 = 0x4;
pub(crate) const F_REPLACE: u16 = 0x100;
pub(crate) const F_EXCL: u16 = 0x200;
pub(crate) const F_CREATE: u16 = 0x400;
pub(crate) const F_APPEND: u16 = 0x800;
pub(crate) const F_DUMP: u16 = 0x300;

const F_CAPPED: u16 = 0x100;
const F_ACK_TLVS: u16 = 0x200;
const F_DUMP_INTR: u16 = 0x10;

const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;

/// Bit 15 of an attribute's type: it holds other attributes.
pub(crate) const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;

/// Builds messages one after the other.
#[derive(Debug, Default, Clone)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

/// Where an unfinished message or attribute begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(usize);

impl Writer {
    pub(crate) fn begin(&mut self, kind: u16, flags: u16, sequence: u32) -> Mark {
        let mark = Mark(self.bytes.len());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        mark
    }

    pub(crate) fn end(&mut self, mark: Mark) {
        self.align();
        let length = u32::try_from(self.bytes.len() - mark.0).unwrap_or(u32::MAX);
        self.bytes[mark.0..mark.0 + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Raw bytes of a fixed header.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.align();
    }

    pub(crate) fn attr(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.align();
    }

    /// A value in host order (rtnetlink).
    pub(crate) fn attr_u32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_ne_bytes());
    }

    /// A value in network order (nfnetlink).
    pub(crate) fn attr_be32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_be_bytes());
    }

    /// A zero-terminated string.
    pub(crate) fn attr_str(&mut self, kind: u16, value: &str) {
        let length = u16::try_from(5 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.align();
    }

    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        fill(self);
        let length = u16::try_from(self.bytes.len() - at).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn align(&mut self) {
        let rest = self.bytes.len() % 4;
        if rest != 0 {
            self.bytes.extend_from_slice(&[0; 4][rest..]);
        }
    }
}

/// Sets flags in a message that has been written already.
pub(crate) fn add_flags(bytes: &mut [u8], message: usize, flags: u16) {
    let at = message + 6;
    let old = u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
    bytes[at..at + 2].copy_from_slice(&(old | flags).to_ne_bytes());
}

/// One received message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// What a received message means to the one who waits for an answer.
#[derive(Debug)]
pub(crate) enum Meaning<'a> {
    Data,
    Done,
    Ack,
    /// errno and the kernel's explanation.
    Refused(i32, &'a str),
}

impl<'a> Message<'a> {
    /// Whether a dump was disturbed by a change and is to be repeated.
    pub(crate) fn interrupted(&self) -> bool {
        self.flags & F_DUMP_INTR != 0
    }

    pub(crate) fn meaning(&self) -> Result<Meaning<'a>, Error> {
        match self.kind {
            TYPE_DONE => match self.payload.first_chunk::<4>().map(|e| i32::from_ne_bytes(*e)) {
                Some(errno) if errno < 0 => Ok(Meaning::Refused(-errno, "")),
                _ => Ok(Meaning::Done),
            },
            TYPE_ERROR => {
                let code = self.payload.first_chunk::<4>().ok_or(Error::Malformed("short error message"))?;
                match i32::from_ne_bytes(*code) {
                    0 => Ok(Meaning::Ack),
                    errno => Ok(Meaning::Refused(-errno, self.explanation())),
                }
            }
            _ => Ok(Meaning::Data),
        }
    }

    /// NLMSGERR_ATTR_MSG of an extended acknowledgement.
    fn explanation(&self) -> &'a str {
        if self.flags & F_ACK_TLVS == 0 || self.payload.len() < 4 + HEADER {
            return "";
        }
        let inner = if self.flags & F_CAPPED != 0 {
            HEADER
        } else {
            u32::from_ne_bytes([self.payload[4], self.payload[5], self.payload[6], self.payload[7]]) as usize
        };
        let Some(rest) = self.payload.get(4 + inner.next_multiple_of(4)..) else { return "" };
        attributes(rest).find(|(kind, _)| *kind == 1).map_or("", |(_, text)| text_of(text))
    }
}

/// Splits a datagram into messages.
pub(crate) fn messages(mut rest: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<HEADER>()?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let payload = rest.get(HEADER..length)?;
        let message = Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            payload,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Splits attributes: type without flags, value. Stops at anything malformed.
pub(crate) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = rest.get(4..length)?;
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE_MASK;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A string value without its terminating zero; empty if it is not UTF-8.
pub(crate) fn text_of(value: &[u8]) -> &str {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).unwrap_or_default()
}

pub(crate) fn u32_of(value: &[u8]) -> u32 {
    value.first_chunk::<4>().map_or(0, |v| u32::from_ne_bytes(*v))
}

pub(crate) fn be32_of(value: &[u8]) -> u32 {
    value.first_chunk::<4>().map_or(0, |v| u32::from_be_bytes(*v))
}

pub(crate) fn be64_of(value: &[u8]) -> u64 {
    value.first_chunk::<8>().map_or(0, |v| u64::from_be_bytes(*v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut w = Writer::default();
        let m = w.begin(16, F_REQUEST, 7);
        w.raw(&[1, 2, 3, 4]);
        w.attr_str(3, "eth0");
        w.nest(18, |w| w.attr_u32(1, 5));
        w.end(m);
        add_flags(&mut w.bytes, 0, F_ACK);
        let all: Vec<_> = messages(&w.bytes).collect();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].kind, all[0].flags, all[0].sequence), (16, F_REQUEST | F_ACK, 7));
        let attrs: Vec<_> = attributes(&all[0].payload[4..]).collect();
        assert_eq!(attrs[0].0, 3);
        assert_eq!(text_of(attrs[0].1), "eth0");
        assert_eq!(attributes(attrs[1].1).next().map(|(k, v)| (k, u32_of(v))), Some((1, 5)));
    }

    #[test]
    fn garbage_ends_the_walk() {
        for bytes in [&[0xff_u8; 40][..], &[0; 40], &[4, 0, 0], &[]] {
            assert!(attributes(bytes).count() <= 10);
            assert_eq!(messages(bytes).count(), 0);
        }
    }
}
