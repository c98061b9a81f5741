//! One line of `GET /events`.

use serde::{Deserialize, Serialize};

use crate::Map;
use crate::rules::null_default;

/// Something that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventMessage {
    /// Kind of the object: `container`, `image`, `network`, `volume`, `daemon`, `builder`, …
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened to it: `create`, `start`, `die`, `exec_create: sh`, …
    #[serde(rename = "Action")]
    pub action: String,
    /// The object.
    #[serde(rename = "Actor")]
    pub actor: EventActor,
    /// `local` or `swarm`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// When, Unix seconds.
    pub time: i64,
    /// When, Unix nanoseconds.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// Whom an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventActor {
    /// The object's id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its labels, name, and details of the event.
    #[serde(rename = "Attributes", deserialize_with = "null_default")]
    pub attributes: Map<String>,
}
