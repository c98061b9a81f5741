//! Go's `text/template` as far as `--format` needs it, over JSON values: actions, pipelines, variables, `if`, `range`,
//! `with`, `break`, `continue`, Go's built-in functions and the ones Docker adds.
//!
//! Values are JSON, so a struct and a map look alike; [`Data`] says how a missing key is to be taken.

mod ast;
mod builtin;
mod error_type;
mod exec;
mod lex;
mod parse;
mod value;

use serde_json::Value;

pub use error_type::{ExecError, ParseError};
pub use value::to_go_json;

/// What happens when a key is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The value is a struct: `can't evaluate field X in type T`.
    Field,
    /// `missingkey=error`: `map has no entry for key "X"`.
    Entry,
    /// The value is a plain map: prints `<no value>`.
    NoValue,
}

/// A method that can be called on the data with arguments, like `.Label "key"`.
pub type Method<'a> = &'a dyn Fn(&str, &[Value]) -> Option<Value>;

/// What a template is executed over.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// The data (`.` and `$`).
    pub value: &'a Value,
    /// Its Go type, for error texts.
    pub type_name: &'a str,
    /// How missing keys are taken.
    pub missing: Missing,
    /// Keys that may be absent from the JSON and are nil then.
    pub optional: &'a [&'a str],
    /// Keys whose values are maps (labels and the like): a missing entry prints `<no value>`.
    pub maps: &'a [&'a str],
    /// Methods with arguments.
    pub method: Option<Method<'a>>,
}

impl std::fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Data").field("value", self.value).field("type_name", &self.type_name).finish_non_exhaustive()
    }
}

impl<'a> Data<'a> {
    /// Plain data: missing keys print `<no value>`.
    pub fn new(value: &'a Value) -> Self {
        Self {
            value,
            type_name: "map[string]interface {}",
            missing: Missing::NoValue,
            optional: &[],
            maps: &[],
            method: None,
        }
    }
}

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    text: String,
    nodes: Vec<ast::Node>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// Go's syntax errors, without the `template parsing error: ` that Docker puts before them.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self { text: text.to_owned(), nodes: parse::parse(text)? })
    }

    /// Executes it.
    ///
    /// # Errors
    /// Go's execution errors.
    pub fn execute(&self, data: &Data<'_>) -> Result<String, ExecError> {
        let mut out = String::new();
        exec::run(&self.text, &self.nodes, data, &mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
