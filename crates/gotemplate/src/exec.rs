//! Running a tree.

use serde_json::Value;

use crate::ast::{Arg, ArgKind, Command, Node, Pipe};
use crate::builtin;
use crate::lex::line_of;
use crate::value::Val;
use crate::{Data, ExecError, Missing};

pub(crate) fn run(text: &str, nodes: &[Node], data: &Data<'_>, out: &mut String) -> Result<(), ExecError> {
    let root = Val::Json(data.value.clone());
    let mut state = State { text, data, variables: vec![("$".to_owned(), root.clone())], out };
    state.nodes(nodes, &root).map(|_| ())
}

#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct State<'s> {
    text: &'s str,
    data: &'s Data<'s>,
    variables: Vec<(String, Val)>,
    out: &'s mut String,
}

impl State<'_> {
    fn fail<T>(&self, pos: usize, node: &str, reason: impl Into<String>) -> Result<T, ExecError> {
        let line_start = self.text[..pos].rfind('\n').map_or(0, |i| i + 1);
        let shown =
            if node.len() > 20 { format!("{}...", node.chars().take(20).collect::<String>()) } else { node.to_owned() };
        Err(ExecError { line: line_of(self.text, pos), column: pos - line_start, node: shown, reason: reason.into() })
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Val) -> Result<Flow, ExecError> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Val) -> Result<Flow, ExecError> {
        let scope = self.variables.len();
        let flow = match node {
            Node::Text(text) => {
                self.out.push_str(text);
                Flow::On
            }
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.declare.is_empty() {
                    self.out.push_str(&value.print());
                }
                return Ok(Flow::On);
            }
            Node::If { pipe, then, otherwise } => {
                let chosen = if self.pipe(pipe, dot)?.truth() { then } else { otherwise };
                self.nodes(chosen, dot)?
            }
            Node::With { pipe, then, otherwise } => {
                let value = self.pipe(pipe, dot)?;
                if value.truth() { self.nodes(then, &value)? } else { self.nodes(otherwise, dot)? }
            }
            Node::Range { pipe, body, otherwise } => self.range(pipe, body, otherwise, dot)?,
            Node::Break => Flow::Break,
            Node::Continue => Flow::Continue,
        };
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn range(&mut self, pipe: &Pipe, body: &[Node], otherwise: &[Node], dot: &Val) -> Result<Flow, ExecError> {
        let declares = Pipe { declare: Vec::new(), assign: false, commands: pipe.commands.clone() };
        let value = self.pipe(&declares, dot)?;
        let pairs: Vec<(Value, Value)> = match value {
            Val::Json(Value::Array(items)) => items.into_iter().enumerate().map(|(i, v)| (Value::from(i), v)).collect(),
            Val::Json(Value::Object(map)) => {
                let mut pairs: Vec<_> = map.into_iter().collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                pairs.into_iter().map(|(k, v)| (Value::String(k), v)).collect()
            }
            Val::Json(Value::Number(n)) if n.is_i64() || n.is_u64() => {
                (0..n.as_u64().unwrap_or(0)).map(|i| (Value::from(i), Value::from(i))).collect()
            }
            Val::Missing | Val::Json(Value::Null) => Vec::new(),
            other => {
                let pos = pipe.commands.first().and_then(|c| c.args.first()).map_or(0, |a| a.pos);
                return self.fail(pos, &pipe.to_string(), format!("range can't iterate over {}", other.print()));
            }
        };
        if pairs.is_empty() {
            return self.nodes(otherwise, dot);
        }
        let scope = self.variables.len();
        for (key, item) in pairs {
            let item = Val::Json(item);
            match pipe.declare.as_slice() {
                [value_name] => self.bind(value_name, item.clone(), pipe.assign),
                [key_name, value_name] => {
                    self.bind(key_name, Val::Json(key), pipe.assign);
                    self.bind(value_name, item.clone(), pipe.assign);
                }
                _ => {}
            }
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn bind(&mut self, name: &str, value: Val, assign: bool) {
        if assign && let Some(slot) = self.variables.iter_mut().rev().find(|(n, _)| n == name) {
            slot.1 = value;
        } else {
            self.variables.push((name.to_owned(), value));
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Val) -> Result<Val, ExecError> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Val::Missing);
        for name in &pipe.declare {
            self.bind(name, value.clone(), pipe.assign);
        }
        Ok(value)
    }

    fn command(&mut self, command: &Command, dot: &Val, last: Option<Val>) -> Result<Val, ExecError> {
        let Some((first, rest)) = command.args.split_first() else { return Ok(Val::Missing) };
        match &first.kind {
            ArgKind::Function(name) => self.function(first, name, rest, dot, last),
            ArgKind::Field(fields) => self.chain(first, dot.clone(), fields, rest, dot, last),
            ArgKind::Variable { name, fields } if !fields.is_empty() => {
                let base = self.variable(name);
                self.chain(first, base, fields, rest, dot, last)
            }
            ArgKind::Pipe { pipe, fields } if !fields.is_empty() => {
                let base = self.pipe(pipe, dot)?;
                self.chain(first, base, fields, rest, dot, last)
            }
            _ if !rest.is_empty() || last.is_some() => {
                self.fail(first.pos, &first.to_string(), format!("can't give argument to non-function {first}"))
            }
            _ => self.arg(first, dot),
        }
    }

    fn function(
        &mut self,
        first: &Arg,
        name: &str,
        rest: &[Arg],
        dot: &Val,
        last: Option<Val>,
    ) -> Result<Val, ExecError> {
        if name == "and" || name == "or" {
            let mut value = Val::Missing;
            for arg in rest {
                value = self.arg(arg, dot)?;
                if value.truth() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut args = Vec::with_capacity(rest.len() + 1);
        for arg in rest {
            args.push(self.arg(arg, dot)?);
        }
        args.extend(last);
        match builtin::call(name, &args) {
            Ok(value) => Ok(value),
            Err(reason) => {
                let shown = Command { args: std::iter::once(first).chain(rest).cloned().collect() };
                let whole = if reason.starts_with("error calling") { shown.to_string() } else { first.to_string() };
                self.fail(first.pos, &whole, reason)
            }
        }
    }

    fn arg(&mut self, arg: &Arg, dot: &Val) -> Result<Val, ExecError> {
        match &arg.kind {
            ArgKind::Dot => Ok(dot.clone()),
            ArgKind::Nil => Ok(Val::Json(Value::Null)),
            ArgKind::Literal { value, .. } => Ok(Val::Json(value.clone())),
            ArgKind::Field(fields) => self.chain(arg, dot.clone(), fields, &[], dot, None),
            ArgKind::Variable { name, fields } => {
                let base = self.variable(name);
                self.chain(arg, base, fields, &[], dot, None)
            }
            ArgKind::Function(name) => self.function(arg, name, &[], dot, None),
            ArgKind::Pipe { pipe, fields } => {
                let base = self.pipe(pipe, dot)?;
                self.chain(arg, base, fields, &[], dot, None)
            }
        }
    }

    fn variable(&self, name: &str) -> Val {
        self.variables.iter().rev().find(|(n, _)| n == name).map_or(Val::Missing, |(_, v)| v.clone())
    }

    fn chain(
        &mut self,
        node: &Arg,
        base: Val,
        fields: &[String],
        rest: &[Arg],
        dot: &Val,
        last: Option<Val>,
    ) -> Result<Val, ExecError> {
        let mut args = Vec::new();
        for arg in rest {
            args.push(self.arg(arg, dot)?.json());
        }
        args.extend(last.map(Val::json));
        let mut current = base;
        let mut previous = "";
        for (i, name) in fields.iter().enumerate() {
            if i + 1 == fields.len() && !args.is_empty() {
                return self.method(node, name, &args);
            }
            current = self.field(node, current, name, previous)?;
            previous = name;
        }
        Ok(current)
    }

    fn method(&self, node: &Arg, name: &str, args: &[Value]) -> Result<Val, ExecError> {
        match self.data.method.and_then(|method| method(name, args)) {
            Some(value) => Ok(Val::Json(value)),
            None if self.data.value.get(name).is_some() => self.fail(
                node.pos,
                &node.to_string(),
                format!("{name} has arguments but cannot be invoked as function"),
            ),
            None => {
                let reason = format!("can't evaluate field {name} in type {}", self.data.type_name);
                self.fail(node.pos, &node.to_string(), reason)
            }
        }
    }

    fn field(&self, node: &Arg, value: Val, name: &str, previous: &str) -> Result<Val, ExecError> {
        match value {
            Val::Json(Value::Object(mut map)) => {
                if let Some(found) = map.remove(name) {
                    return Ok(Val::Json(found));
                }
                let shown = node.to_string();
                if self.data.maps.contains(&previous) {
                    return Ok(Val::Missing);
                }
                if self.data.optional.contains(&name) {
                    return Ok(Val::Json(Value::Null));
                }
                match self.data.missing {
                    Missing::NoValue => Ok(Val::Missing),
                    Missing::Entry => self.fail(node.pos, &shown, format!("map has no entry for key {name:?}")),
                    Missing::Field => {
                        let reason = format!("can't evaluate field {name} in type {}", self.data.type_name);
                        self.fail(node.pos, &shown, reason)
                    }
                }
            }
            Val::Missing | Val::Json(Value::Null) => match self.data.missing {
                Missing::NoValue => Ok(Val::Missing),
                Missing::Entry if self.data.optional.contains(&previous) => {
                    self.fail(node.pos, &node.to_string(), format!("map has no entry for key {previous:?}"))
                }
                _ => {
                    let reason = format!("nil pointer evaluating interface {{}}.{name}");
                    self.fail(node.pos, &node.to_string(), reason)
                }
            },
            Val::Json(other) => {
                let kind = match other {
                    Value::Bool(_) => "bool",
                    Value::Number(n) if n.is_f64() => "float64",
                    Value::Number(_) => "int",
                    Value::String(_) => "string",
                    _ => "[]interface {}",
                };
                let reason = format!("can't evaluate field {name} in type {kind}");
                let reason = if self.data.missing == Missing::Entry {
                    reason
                        .replace("in type", "in type interface {}")
                        .replace(&format!("interface {{}} {kind}"), "interface {}")
                } else {
                    reason
                };
                self.fail(node.pos, &node.to_string(), reason)
            }
        }
    }
}
