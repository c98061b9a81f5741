use logdriver::{Entry, Stream};

/// A line, or a part of one that is longer than 16 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) stream: Stream,
    pub(crate) time_ns: i64,
    /// Without the line's end.
    pub(crate) text: Vec<u8>,
    pub(crate) partial: Option<Partial>,
}

/// Which part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partial {
    /// The same for all parts of a line.
    pub(crate) id: String,
    /// Counted from 1.
    pub(crate) ordinal: u32,
    pub(crate) last: bool,
}

/// Makes messages of records.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    /// The line that is under way, by stream: its id, and how many parts there were.
    open: [Option<(String, u32)>; 2],
}

impl Assembler {
    pub(crate) fn message(&mut self, entry: Entry) -> Message {
        let mut text = entry.line;
        let ended = text.last() == Some(&b'\n');
        if ended {
            text.pop();
        }
        let slot = &mut self.open[entry.stream as usize];
        let partial = match (slot.take(), ended) {
            (None, true) => None,
            (open, last) => {
                let (id, before) = open.unwrap_or_else(|| (random_id(), 0));
                let ordinal = before + 1;
                if !last {
                    *slot = Some((id.clone(), ordinal));
                }
                Some(Partial { id, ordinal, last })
            }
        };
        Message { stream: entry.stream, time_ns: entry.time_ns, text, partial }
    }
}

/// 32 random bytes in hexadecimal; of zeros if the kernel has none.
pub(crate) fn random_id() -> String {
    let mut bytes = [0_u8; 32];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
