use thiserror::Error;

/// A template that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: :{line}: {reason}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Go's words.
    pub reason: String,
}

/// A template that failed while it ran.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: :{line}:{column}: executing \"\" at <{node}>: {reason}")]
pub struct ExecError {
    /// Line, from 1.
    pub line: usize,
    /// Byte in the line, from 0.
    pub column: usize,
    /// The part of the template, shortened.
    pub node: String,
    /// Go's words.
    pub reason: String,
}
