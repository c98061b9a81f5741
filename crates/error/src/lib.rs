//! The vocabulary of failure: every error of the engine knows its [`ErrorKind`], and the API layer owns the
//! one table that turns a kind into an HTTP status. Texts that a client can see are Docker's.

/// What class of failure an error is. Says nothing about the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller's input is wrong (400).
    InvalidParameter,
    /// Credentials are missing or wrong (401).
    Unauthorized,
    /// The caller may not do this (403).
    Forbidden,
    /// The named object does not exist (404).
    NotFound,
    /// The object's state, or another object, is in the way (409).
    Conflict,
    /// The object is in the wanted state already (304).
    NotModified,
    /// The request is larger than its budget (413).
    TooLarge,
    /// Gantry has not got this (501).
    NotImplemented,
    /// Something needed is not there for now (503).
    Unavailable,
    /// The engine or the host failed (500).
    System,
    /// The caller went away.
    Cancelled,
    /// A time limit ran out (504 where a client sees it).
    DeadlineExceeded,
}

/// Implemented by every error type of the engine.
pub trait HasKind: std::error::Error {
    /// The class of this failure.
    fn kind(&self) -> ErrorKind;
}
