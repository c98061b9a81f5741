//! Values of D-Bus as bytes (D-Bus specification, "Marshaling"), little-endian, as far as they are needed here.

/// A value to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// `b`.
    Bool(bool),
    /// `t`.
    Number(u64),
    /// `s`.
    Str(String),
    /// `au`.
    Numbers(Vec<u32>),
    /// `ay`.
    Bytes(Vec<u8>),
    /// `a(sv)`.
    Properties(Vec<(&'static str, Self)>),
    /// `a(sa(sv))`, empty.
    NoAuxiliaries,
}

impl Value {
    /// Its type.
    pub(super) fn signature(&self) -> &'static str {
        match self {
            Self::Bool(_) => "b",
            Self::Number(_) => "t",
            Self::Str(_) => "s",
            Self::Numbers(_) => "au",
            Self::Bytes(_) => "ay",
            Self::Properties(_) => "a(sv)",
            Self::NoAuxiliaries => "a(sa(sv))",
        }
    }
}

/// Bytes with the alignment of D-Bus.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

impl Writer {
    pub(super) fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    /// `s` and `o`.
    pub(super) fn string(&mut self, text: &str) {
        self.align(4);
        self.bytes.extend(length(text.len()));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// `g`.
    pub(super) fn signature(&mut self, text: &str) {
        self.bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// An array whose elements are aligned to `to`.
    pub(super) fn array(&mut self, to: usize, elements: impl FnOnce(&mut Self)) {
        self.u32(0);
        let at = self.bytes.len();
        self.align(to);
        let start = self.bytes.len();
        elements(self);
        let size = length(self.bytes.len() - start);
        if let Some(place) = self.bytes.get_mut(at - 4..at) {
            place.copy_from_slice(&size);
        }
    }

    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => self.u32(u32::from(*value)),
            Value::Number(value) => {
                self.align(8);
                self.bytes.extend(value.to_le_bytes());
            }
            Value::Str(text) => self.string(text),
            Value::Numbers(list) => self.array(4, |w| list.iter().for_each(|n| w.u32(*n))),
            Value::Bytes(bytes) => self.array(1, |w| w.bytes.extend(bytes)),
            Value::Properties(list) => self.array(8, |w| {
                for (name, value) in list {
                    w.align(8);
                    w.string(name);
                    w.signature(value.signature());
                    w.value(value);
                }
            }),
            Value::NoAuxiliaries => self.array(8, |_| {}),
        }
    }
}

/// Reads what a [`Writer`] of either byte order wrote; `None` is a message that ends too early.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let part = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(part)
    }

    pub(super) fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.align(4);
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// `s` and `o`.
    pub(super) fn string(&mut self) -> Option<String> {
        let length = usize::try_from(self.u32()?).ok()?;
        let text = self.take(length)?.to_vec();
        self.take(1)?;
        String::from_utf8(text).ok()
    }

    /// `g`.
    pub(super) fn signature(&mut self) -> Option<String> {
        let length = usize::from(self.u8()?);
        let text = self.take(length)?.to_vec();
        self.take(1)?;
        String::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_values() {
        let mut w = Writer::default();
        w.value(&Value::Bool(true));
        w.value(&Value::Number(5));
        w.value(&Value::Str("ab".to_owned()));
        assert_eq!(w.bytes, [1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, b'a', b'b', 0]);
        let mut w = Writer::default();
        w.value(&Value::Properties(vec![("A", Value::Numbers(vec![7])), ("B", Value::Bool(false))]));
        let wanted: &[&[u8]] = &[
            // length, padding to 8
            &[32, 0, 0, 0, 0, 0, 0, 0],
            // "A", signature "au", length of the array, 7
            &[1, 0, 0, 0, b'A', 0, 2, b'a', b'u', 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0],
            // padding, "B", signature "b", padding... the value
            &[0, 0, 0, 0, 1, 0, 0, 0, b'B', 0, 1, b'b', 0, 0, 0, 0],
        ];
        let wanted = wanted.concat();
        assert_eq!(w.bytes.get(4..44), wanted.get(4..44));
        assert_eq!(w.bytes.first(), Some(&(u8::try_from(w.bytes.len()).unwrap() - 8)));
    }

    #[test]
    fn short_messages_are_no_panic() {
        for bytes in [&[][..], &[9, 0, 0, 0, b'x'], &[255, 255, 255, 255]] {
            assert_eq!(Reader::new(bytes).string(), None);
        }
        assert_eq!(Reader::new(&[3, b'x']).signature(), None);
    }
}
