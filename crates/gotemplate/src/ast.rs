//! The tree of a template.

use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Text(String),
    Action(Pipe),
    If { pipe: Pipe, then: Vec<Self>, otherwise: Vec<Self> },
    With { pipe: Pipe, then: Vec<Self>, otherwise: Vec<Self> },
    Range { pipe: Pipe, body: Vec<Self>, otherwise: Vec<Self> },
    Break,
    Continue,
}

/// `$a, $b := cmd | cmd`
#[derive(Debug, Clone)]
pub(crate) struct Pipe {
    pub(crate) declare: Vec<String>,
    pub(crate) assign: bool,
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) args: Vec<Arg>,
}

#[derive(Debug, Clone)]
pub(crate) struct Arg {
    pub(crate) pos: usize,
    pub(crate) kind: ArgKind,
}

#[derive(Debug, Clone)]
pub(crate) enum ArgKind {
    Dot,
    Nil,
    Literal { text: String, value: Value },
    Field(Vec<String>),
    Variable { name: String, fields: Vec<String> },
    Function(String),
    Pipe { pipe: Box<Pipe>, fields: Vec<String> },
}

impl std::fmt::Display for Arg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chain =
            |f: &mut std::fmt::Formatter<'_>, fields: &[String]| fields.iter().try_for_each(|x| write!(f, ".{x}"));
        match &self.kind {
            ArgKind::Dot => f.write_str("."),
            ArgKind::Nil => f.write_str("nil"),
            ArgKind::Literal { text, .. } => f.write_str(text),
            ArgKind::Field(fields) => chain(f, fields),
            ArgKind::Variable { name, fields } => {
                f.write_str(name)?;
                chain(f, fields)
            }
            ArgKind::Function(name) => f.write_str(name),
            ArgKind::Pipe { pipe, fields } => {
                write!(f, "({pipe})")?;
                chain(f, fields)
            }
        }
    }
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{arg}")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.declare.is_empty() {
            write!(f, "{} {} ", self.declare.join(", "), if self.assign { "=" } else { ":=" })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        Ok(())
    }
}
