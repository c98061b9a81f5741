use crate::Version;

/// What differs between versions without being the shape of a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// Multiplexed streams have a content type of their own (1.42).
    pub multiplexed_type: bool,
    /// `wait` has a condition and sends its headers at once (1.30).
    pub wait_early: bool,
    /// `wait` tells that a removal failed (1.34).
    pub wait_errors: bool,
    /// The WebSocket attach looks at `stdin`, `stdout`, `stderr` (1.42); older ones always take all.
    pub websocket_flags: bool,
    /// The WebSocket attach sends binary frames (1.28).
    pub websocket_binary: bool,
    /// Logs can be JSON (1.54).
    pub json_logs: bool,
    /// Events have the content type of JSON lines (1.52).
    pub event_lines: bool,
    /// `image create` events are sent (1.46).
    pub image_create_events: bool,
    /// Read-only bind mounts are so recursively (1.44).
    pub recursive_readonly: bool,
}

impl Behaviour {
    /// That of `version`.
    pub fn of(version: Version) -> Self {
        let since = |minor| version >= Version::new(1, minor);
        Self {
            multiplexed_type: since(42),
            wait_early: since(30),
            wait_errors: since(34),
            websocket_flags: since(42),
            websocket_binary: since(28),
            json_logs: since(54),
            event_lines: since(52),
            image_create_events: since(46),
            recursive_readonly: since(44),
        }
    }
}
