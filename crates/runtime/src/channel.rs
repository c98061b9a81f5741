//! What a starting process and its shim say to each other.

use serde::{Deserialize, Serialize};
use shim_proto::Step;

use crate::failure::Failure;

/// From the starting process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromChild {
    /// The master side of the terminal comes along.
    Console,
    /// (Exec) The process that will become the user's, in the shim's numbering; its pidfd comes along.
    Forked {
        /// Its id.
        pid: i32,
    },
    /// Hooks of the runtime may run now; answered with [`ToChild::Go`].
    Hooks,
    /// The listener of the filter, which is loaded, comes along; answered with [`ToChild::Go`] when it is where it belongs.
    Listener,
    /// Nothing is left but the filter and execve.
    Ready,
    /// It went wrong.
    Failed {
        /// Where.
        step: Step,
        /// errno or 0.
        errno: i32,
        /// What it was done to.
        path: String,
        /// In words.
        text: String,
    },
}

/// To the starting process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToChild {
    /// Id maps and limits are in force; go on.
    Go,
}

impl From<Failure> for FromChild {
    fn from(failure: Failure) -> Self {
        let Failure { step, errno, path, text } = failure;
        Self::Failed { step, errno, path, text }
    }
}
