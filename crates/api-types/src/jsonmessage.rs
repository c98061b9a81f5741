//! One line of a progress stream (`jsonstream.Message`): pull, push, load, import, build, service updates.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A line of a progress stream. The order of the fields is Docker's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonMessage {
    /// Text to print as it is (builder output, `Loaded image: …\n`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// What is being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// How far it is; `{}` in messages with an id and without figures.
    #[serde(rename = "progressDetail", skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressDetail>,
    /// The bar, ready-made: only for clients of API < 1.53 (made by `api-compat`).
    #[serde(rename = "progress", skip_serializing_if = "Option::is_none")]
    pub progress_text: Option<String>,
    /// What the line is about (a layer's short id, a tag).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The failure that ended the stream.
    #[serde(rename = "errorDetail", skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    /// The failure's text once more, for old clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Out-of-band data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<Box<RawValue>>,
}

/// Figures of a [`JsonMessage`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    /// Done so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<i64>,
    /// All there is to do; absent when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// When it began, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// Do not show the counts.
    #[serde(rename = "hidecounts", skip_serializing_if = "std::ops::Not::not")]
    pub hide_counts: bool,
    /// The unit of the counts; empty: bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub units: String,
}

/// The failure that ended a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    /// Exit code of a failed build step; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The text.
    pub message: String,
}

impl JsonMessage {
    /// A line with a status text only.
    pub fn status(text: impl Into<String>) -> Self {
        Self { status: Some(text.into()), ..Self::default() }
    }

    /// A line with a status text about `id`.
    pub fn status_of(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::status(text) }
    }

    /// A line of text to print as it is.
    pub fn stream(text: impl Into<String>) -> Self {
        Self { stream: Some(text.into()), ..Self::default() }
    }

    /// The line that ends a failed stream.
    pub fn failure(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error: Some(message.clone()),
            error_detail: Some(ErrorDetail { code: None, message }),
            ..Self::default()
        }
    }
}
