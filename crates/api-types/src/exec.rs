//! `/containers/{id}/exec` and `/exec/{id}`.

use serde::{Deserialize, Serialize};

use crate::rules::null_default;

/// Body of `POST /containers/{id}/exec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecCreateRequest {
    /// User (and group) of the command; empty: the container's.
    #[serde(deserialize_with = "null_default")]
    pub user: String,
    /// Run with all capabilities and without confinement.
    #[serde(deserialize_with = "null_default")]
    pub privileged: bool,
    /// Give it a terminal.
    #[serde(deserialize_with = "null_default")]
    pub tty: bool,
    /// First size of the terminal: rows, columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u32; 2]>,
    /// Stdin will be attached.
    #[serde(deserialize_with = "null_default")]
    pub attach_stdin: bool,
    /// Stderr will be attached.
    #[serde(deserialize_with = "null_default")]
    pub attach_stderr: bool,
    /// Stdout will be attached.
    #[serde(deserialize_with = "null_default")]
    pub attach_stdout: bool,
    /// Keys that detach a client.
    #[serde(deserialize_with = "null_default")]
    pub detach_keys: String,
    /// Additional environment, `KEY=value`.
    pub env: Option<Vec<String>>,
    /// Working directory; empty: the container's.
    #[serde(deserialize_with = "null_default")]
    pub working_dir: String,
    /// Command and arguments.
    pub cmd: Option<Vec<String>>,
}

/// Body of `POST /exec/{id}/start`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecStartRequest {
    /// Do not attach.
    #[serde(deserialize_with = "null_default")]
    pub detach: bool,
    /// Must agree with what the session was created with.
    #[serde(deserialize_with = "null_default")]
    pub tty: bool,
    /// Size of the terminal: rows, columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u32; 2]>,
}

/// Answer of `GET /exec/{id}/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecInspect {
    /// The session's id.
    #[serde(rename = "ID")]
    pub id: String,
    /// The command runs.
    #[serde(rename = "Running")]
    pub running: bool,
    /// How it ended; `null` while it runs or before it was started.
    #[serde(rename = "ExitCode")]
    pub exit_code: Option<i32>,
    /// What is run.
    #[serde(rename = "ProcessConfig")]
    pub process_config: Option<ExecProcessConfig>,
    /// Stdin was asked for.
    #[serde(rename = "OpenStdin")]
    pub open_stdin: bool,
    /// Stderr was asked for.
    #[serde(rename = "OpenStderr")]
    pub open_stderr: bool,
    /// Stdout was asked for.
    #[serde(rename = "OpenStdout")]
    pub open_stdout: bool,
    /// The session is over and will be forgotten.
    #[serde(rename = "CanRemove")]
    pub can_remove: bool,
    /// The container it runs in.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// The detach keys, as base64 of their bytes.
    #[serde(rename = "DetachKeys")]
    pub detach_keys: Option<String>,
    /// Process id on the host, 0 before start.
    #[serde(rename = "Pid")]
    pub pid: i32,
}

/// The process part of [`ExecInspect`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecProcessConfig {
    /// Has a terminal.
    pub tty: bool,
    /// The program.
    pub entrypoint: String,
    /// Its arguments.
    #[serde(default, deserialize_with = "null_default")]
    pub arguments: Vec<String>,
    /// All capabilities were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// User (and group); absent: the container's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
}
