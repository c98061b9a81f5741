//! The wire types of the Engine API, latest version only (1.56): Docker's field names and its rules of what is
//! `null`, what is `[]` and what is absent, written down per field. What users declare (`Config`, `HostConfig`, …)
//! lives in `spec` and is used here as it is. Older API versions are made by `api-compat` from these.
//!
//! Source of each shape: `api/types` of moby and `contract/swagger-v1.56.yaml`. Go's rules, as they show here:
//! a slice or map that may be nil is `Option<…>` (`null` when `None`); one that never is nil is a plain `Vec` or
//! map; `omitempty` is `skip_serializing_if`. On the way in every `null` means the default.

pub mod build;
pub mod container;
pub mod event;
pub mod exec;
pub mod image;
pub mod jsonmessage;
pub mod network;
pub mod registry;
mod rules;
pub mod stats;
pub mod system;
pub mod volume;

use serde::{Deserialize, Serialize};

/// A map with a stable order (Go writes maps sorted by key, so do we).
pub type Map<V> = std::collections::BTreeMap<String, V>;

/// The version of the API that these types describe.
pub const API_VERSION: &str = "1.56";
/// The oldest version that is served.
pub const MIN_API_VERSION: &str = "1.24";

/// Content type of a stream without framing (a terminal's output).
pub const MEDIA_TYPE_RAW_STREAM: &str = "application/vnd.docker.raw-stream";
/// Content type of a stream with 8-byte headers that tell stdout from stderr.
pub const MEDIA_TYPE_MULTIPLEXED_STREAM: &str = "application/vnd.docker.multiplexed-stream";
/// Content type of a single JSON value.
pub const MEDIA_TYPE_JSON: &str = "application/json";
/// Content type of newline-delimited JSON.
pub const MEDIA_TYPE_NDJSON: &str = "application/x-ndjson";
/// Content type of JSON lines (the same bytes as NDJSON).
pub const MEDIA_TYPE_JSON_LINES: &str = "application/jsonl";
/// Content type of an RFC 7464 JSON text sequence.
pub const MEDIA_TYPE_JSON_SEQUENCE: &str = "application/json-seq";

/// The body of every failed request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// What went wrong, for a human.
    pub message: String,
}

/// The answer of requests that make something and only tell its id (`POST /commit`, `POST /containers/{id}/exec`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdResponse {
    /// The new object's id.
    #[serde(rename = "Id")]
    pub id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json<T: Serialize>(value: &T) -> String {
        serde_json::to_string(value).expect("serializes")
    }

    #[test]
    fn zero_values_look_as_docker_writes_them() {
        assert_eq!(json(&container::CreateResponse::default()), r#"{"Id":"","Warnings":[]}"#);
        assert_eq!(json(&container::WaitResponse::default()), r#"{"StatusCode":0}"#);
        assert_eq!(json(&volume::ListResponse::default()), r#"{"Volumes":[],"Warnings":null}"#);
        assert_eq!(json(&image::DeleteItem::default()), "{}");
        assert_eq!(json(&container::PruneReport::default()), r#"{"ContainersDeleted":null,"SpaceReclaimed":0}"#);
        assert_eq!(
            json(&container::PortSummary { private_port: 80, kind: "tcp".into(), ..Default::default() }),
            r#"{"PrivatePort":80,"Type":"tcp"}"#
        );
        assert_eq!(json(&stats::PidsStats::default()), "{}");
    }

    #[test]
    fn null_is_the_default_on_the_way_in() {
        let got: container::ContainerSummary =
            serde_json::from_str(r#"{"Id":"x","Ports":null,"Labels":null,"Names":null,"Mounts":null,"New":1}"#)
                .expect("parses");
        assert_eq!(got, container::ContainerSummary { id: "x".into(), ..Default::default() });
    }

    #[test]
    fn progress_lines_have_dockers_order() {
        let line = jsonmessage::JsonMessage {
            progress: Some(jsonmessage::ProgressDetail { current: Some(1), total: Some(2), ..Default::default() }),
            ..jsonmessage::JsonMessage::status_of("abc", "Downloading")
        };
        assert_eq!(json(&line), r#"{"status":"Downloading","progressDetail":{"current":1,"total":2},"id":"abc"}"#);
        assert_eq!(json(&jsonmessage::JsonMessage::failure("no")), r#"{"errorDetail":{"message":"no"},"error":"no"}"#);
    }

    #[test]
    fn credentials_never_show_in_debug_output() {
        let auth = registry::AuthConfig { password: "s3cret".into(), ..Default::default() };
        assert!(!format!("{auth:?}").contains("s3cret"));
    }
}
