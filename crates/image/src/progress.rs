use std::sync::Arc;

/// What a layer is going through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `Downloading`, with bytes done and total.
    Downloading,
    /// `Extracting`, with seconds so far (no total, as Docker shows it).
    Extracting,
    /// `Importing`, with bytes done and total.
    Importing,
    /// `Pushing`, with bytes done and total.
    Pushing,
}

impl Action {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Downloading => "Downloading",
            Self::Extracting => "Extracting",
            Self::Importing => "Importing",
            Self::Pushing => "Pushing",
        }
    }
}

/// One step of a long operation, in the order in which a client shall see it.
///
/// As `jsonmessage`: `Status` is `{"status":text,"id":id}` (with an empty `progressDetail` when `layer` is set),
/// `Layer` is `{"status":action,"progressDetail":{"current","total"|"units"},"id"}`, `Stream` is `{"stream":text}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A line of its own, or the state of the item `id`.
    Status {
        /// The short digest of a layer, or a tag (`Pulling from`).
        id: Option<String>,
        /// The text.
        text: String,
        /// Whether `id` is a layer (then an empty `progressDetail` goes with it).
        layer: bool,
    },
    /// A layer's progress.
    Layer {
        /// The short digest; empty for an import.
        id: String,
        /// What is done.
        action: Action,
        /// Bytes done; seconds while extracting.
        current: u64,
        /// Bytes in all, when known. `None` while extracting (then the units are `s`).
        total: Option<u64>,
    },
    /// Raw text with its newline.
    Stream(String),
}

impl Progress {
    /// A line without an id.
    pub fn message(text: impl Into<String>) -> Self {
        Self::Status { id: None, text: text.into(), layer: false }
    }

    /// A line with an id that is no layer.
    pub fn tagged(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Status { id: Some(id.into()), text: text.into(), layer: false }
    }

    /// The state of a layer.
    pub fn layer(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Status { id: Some(id.into()), text: text.into(), layer: true }
    }
}

/// Takes progress from any thread; must not block for long.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// A sink that drops everything.
pub fn null_sink() -> ProgressSink {
    Arc::new(|_| {})
}
