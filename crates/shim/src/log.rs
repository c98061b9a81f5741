//! The container's log.

use logdriver::{JsonFileConfig, LogError, Stream, Writer};
use shim_proto::LogPlan;

use crate::clock;

/// A log, or none.
#[derive(Debug)]
pub(crate) struct Log {
    writer: Option<Writer>,
    /// It was rotated since [`Self::take_rotated`].
    rotated: bool,
}

impl Log {
    /// Opens it.
    pub(crate) fn open(plan: &LogPlan) -> Result<Self, LogError> {
        let writer = match plan {
            LogPlan::None => None,
            LogPlan::JsonFile(file) => Some(Writer::open(&JsonFileConfig {
                path: file.path.clone(),
                max_size: file.max_size,
                max_file: file.max_file,
                compress: false,
                attrs: file.attrs.clone(),
            })?),
        };
        Ok(Self { writer, rotated: false })
    }

    /// Logs a chunk of an output (0 or 1). A disk that is full loses these lines and stops nothing.
    pub(crate) fn write(&mut self, stream: u8, data: &[u8]) {
        if let Some(writer) = &mut self.writer
            && let Ok(written) = writer.write(name(stream), clock::now(), data)
        {
            self.rotated |= written.rotated;
        }
    }

    /// The output has ended: an unfinished line is written.
    pub(crate) fn finish(&mut self, stream: u8) {
        if let Some(writer) = &mut self.writer
            && let Ok(written) = writer.finish(name(stream), clock::now())
        {
            self.rotated |= written.rotated;
        }
    }

    /// Whether it was rotated since the last time asked.
    pub(crate) fn take_rotated(&mut self) -> bool {
        std::mem::take(&mut self.rotated)
    }
}

fn name(stream: u8) -> Stream {
    if stream == 0 { Stream::Stdout } else { Stream::Stderr }
}
