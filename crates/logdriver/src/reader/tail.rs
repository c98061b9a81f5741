//! Leaving out the beginning of a log.

use std::collections::VecDeque;
use std::io;

use super::source::Source;

/// Keeps the last `lines` records; files before them are not even read.
pub(super) fn keep_last(sources: &mut VecDeque<Source>, lines: u64) -> io::Result<()> {
    let mut wanted = lines;
    let mut first = sources.len();
    while first > 0 {
        // The live file is kept, if only to be followed.
        let live = sources[first - 1].live;
        if wanted == 0 && !live {
            break;
        }
        match sources[first - 1].seek_tail(wanted) {
            Ok(found) => wanted -= found,
            // A damaged old file ends the tail.
            Err(_) if !live => break,
            Err(e) => return Err(e),
        }
        first -= 1;
    }
    sources.drain(..first);
    Ok(())
}

/// Drops rotated files whose last record is older than `since`.
pub(super) fn drop_older(sources: &mut VecDeque<Source>, since: i64) -> io::Result<()> {
    while let Some(first) = sources.front() {
        if first.live || first.last_time()?.is_none_or(|last| last >= since) {
            break;
        }
        sources.pop_front();
    }
    Ok(())
}
