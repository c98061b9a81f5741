use crate::{JsonFileConfig, LogError, Stream};

/// The longest text of one record, in bytes before escaping; longer lines are split (Docker's copier buffer).
pub const PARTIAL_MAX: usize = 16 * 1024;

/// What a [`Writer::write`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Records appended.
    pub records: u64,
    /// The file was rotated at least once: time to run `compress_rotated` somewhere (a forked child, the daemon).
    pub rotated: bool,
}

/// Appends a container's output to its log. One per container; not shared.
#[derive(Debug)]
pub struct Writer {}

impl Writer {
    /// Opens (or creates, mode 0640) the live file for appending. A torn last record (the machine died) is cut off.
    pub fn open(config: &JsonFileConfig) -> Result<Self, LogError> {
        let _ = config;
        Ok(Self {})
    }

    /// Logs `chunk`, any number of bytes that came from `stream` at `time_ns` (nanoseconds since 1970 UTC), with
    /// one `write(2)` unless the file is rotated meanwhile. A line without its end is kept (≤ 16 KiB) until its end comes.
    pub fn write(&mut self, stream: Stream, time_ns: i64, chunk: &[u8]) -> Result<Written, LogError> {
        let _ = (stream, time_ns, chunk);
        Ok(Written::default())
    }

    /// The stream has ended: logs the line that had no end.
    pub fn finish(&mut self, stream: Stream, time_ns: i64) -> Result<Written, LogError> {
        let _ = (stream, time_ns);
        Ok(Written::default())
    }
}
