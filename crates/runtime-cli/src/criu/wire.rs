//! Protocol buffers, as far as criu's messages go: numbers and byte strings (the encoding's wire types 0 and 2).

/// A message that is being written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Of all kinds of numbers.
    Number(u64),
    /// Text, or a message.
    Bytes(&'a [u8]),
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push((value & 0x7f) as u8);
    }

    /// Adds an unsigned number, or an enumeration's.
    pub(crate) fn number(&mut self, field: u32, value: u64) -> &mut Self {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    /// Adds a signed number: negative ones are widened.
    pub(crate) fn signed(&mut self, field: u32, value: i32) -> &mut Self {
        self.number(field, i64::from(value).cast_unsigned())
    }

    /// Adds a truth.
    pub(crate) fn flag(&mut self, field: u32, value: bool) -> &mut Self {
        self.number(field, u64::from(value))
    }

    /// Adds bytes.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) -> &mut Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(u64::try_from(value.len()).unwrap_or(u64::MAX));
        self.bytes.extend_from_slice(value);
        self
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, field: u32, value: &str) -> &mut Self {
        self.bytes(field, value.as_bytes())
    }

    /// Adds a message.
    pub(crate) fn message(&mut self, field: u32, value: &Self) -> &mut Self {
        self.bytes(field, &value.bytes)
    }

    /// What is sent.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the fields of a message; `None` when it is none. Fields of other wire types are left out.
pub(crate) fn fields(mut bytes: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = u32::try_from(key >> 3).ok()?;
        match key & 7 {
            0 => found.push((field, Value::Number(varint(&mut bytes)?))),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                found.push((field, Value::Bytes(take(&mut bytes, length)?)));
            }
            1 => drop(take(&mut bytes, 8)?),
            5 => drop(take(&mut bytes, 4)?),
            _ => return None,
        }
    }
    Some(found)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(first)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?.first().copied()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_encoding_has_it() {
        let mut message = Message::default();
        message.number(1, 150).text(2, "testing").flag(50, true);
        let wanted = [0x08, 0x96, 0x01, 0x12, 7, b't', b'e', b's', b't', b'i', b'n', b'g', 0x90, 0x03, 1];
        assert_eq!(message.encoded(), wanted);
    }

    #[test]
    fn there_and_back() {
        let mut inner = Message::default();
        inner.signed(1, -5);
        let mut message = Message::default();
        message.message(3, &inner).number(4, u64::MAX);
        let found = fields(message.encoded()).unwrap();
        assert_eq!(found[1], (4, Value::Number(u64::MAX)));
        let Value::Bytes(bytes) = found[0].1 else { panic!("a message") };
        let Value::Number(number) = fields(bytes).unwrap()[0].1 else { panic!("a number") };
        assert_eq!(number.cast_signed(), -5);
    }

    #[test]
    fn nonsense() {
        let too_long = [&[0x08][..], &[0xff; 10], &[1]].concat();
        for bad in [&[0x08][..], &[0x12, 9, 1], &[0x0b], &too_long] {
            assert_eq!(fields(bad), None, "{bad:?}");
        }
        assert_eq!(fields(&[0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x0d, 1, 2, 3, 4]), Some(Vec::new()));
    }
}
