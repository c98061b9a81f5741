//! Pieces to tree.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::{Number, Value};

use crate::ParseError;
use crate::ast::{Arg, ArgKind, Command, Node, Pipe};
use crate::builtin::is_function;
use crate::lex::{Piece, Spanned, Token, fail, split};

pub(crate) fn parse(text: &str) -> Result<Vec<Node>, ParseError> {
    let mut parser = Parser { text, pieces: split(text)?.into_iter(), variables: vec!["$".to_owned()], loops: 0 };
    let (nodes, end) = parser.list()?;
    match end {
        End::Eof => Ok(nodes),
        End::Here(pos) => Err(fail(text, pos, "unexpected {{end}}")),
        End::Else(pos, _) => Err(fail(text, pos, "unexpected {{else}}")),
    }
}

enum End {
    Eof,
    Here(usize),
    Else(usize, Vec<Spanned>),
}

struct Parser<'t> {
    text: &'t str,
    pieces: IntoIter<Piece>,
    variables: Vec<String>,
    loops: usize,
}

impl Parser<'_> {
    fn list(&mut self) -> Result<(Vec<Node>, End), ParseError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            match piece {
                Piece::Text(text) => nodes.push(Node::Text(text)),
                Piece::Action { tokens, end } => {
                    if let Some(end) = self.action(tokens, end, &mut nodes)? {
                        return Ok((nodes, end));
                    }
                }
            }
        }
        Ok((nodes, End::Eof))
    }

    fn action(&mut self, tokens: Vec<Spanned>, end: usize, nodes: &mut Vec<Node>) -> Result<Option<End>, ParseError> {
        let mut rest = tokens;
        while rest.first().is_some_and(|t| t.token == Token::Space) {
            rest.remove(0);
        }
        let keyword = match rest.first() {
            Some(Spanned { token: Token::Word(word), .. }) => word.clone(),
            _ => String::new(),
        };
        match keyword.as_str() {
            "end" => return Ok(Some(End::Here(end))),
            "else" => {
                rest.remove(0);
                return Ok(Some(End::Else(end, rest)));
            }
            "if" | "with" | "range" => {
                rest.remove(0);
                let node = self.control(&keyword, rest, end)?;
                nodes.push(node);
            }
            "break" | "continue" => {
                if self.loops == 0 {
                    return Err(fail(self.text, end, format!("{{{{{keyword}}}}} outside {{{{range}}}}")));
                }
                nodes.push(if keyword == "break" { Node::Break } else { Node::Continue });
            }
            _ => {
                let pipe = self.whole_pipe(rest, end, "command")?;
                nodes.push(Node::Action(pipe));
            }
        }
        Ok(None)
    }

    fn control(&mut self, keyword: &str, tokens: Vec<Spanned>, end: usize) -> Result<Node, ParseError> {
        let scope = self.variables.len();
        let pipe = self.whole_pipe(tokens, end, keyword)?;
        self.loops += usize::from(keyword == "range");
        let (then, stop) = self.list()?;
        self.loops -= usize::from(keyword == "range");
        let otherwise = match stop {
            End::Here(_) => Vec::new(),
            End::Eof => return Err(fail(self.text, self.text.len(), "unexpected EOF")),
            End::Else(pos, rest) => self.else_branch(keyword, pos, rest)?,
        };
        self.variables.truncate(scope);
        Ok(match keyword {
            "if" => Node::If { pipe, then, otherwise },
            "with" => Node::With { pipe, then, otherwise },
            _ => Node::Range { pipe, body: then, otherwise },
        })
    }

    fn else_branch(&mut self, keyword: &str, pos: usize, mut rest: Vec<Spanned>) -> Result<Vec<Node>, ParseError> {
        while rest.first().is_some_and(|t| t.token == Token::Space) {
            rest.remove(0);
        }
        if let Some(Spanned { token: Token::Word(word), .. }) = rest.first()
            && word == keyword
            && keyword != "range"
        {
            // `else if` nests and shares the one `end`.
            rest.remove(0);
            return Ok(vec![self.control(keyword, rest, pos)?]);
        }
        let (nodes, stop) = self.list()?;
        match stop {
            End::Here(_) => Ok(nodes),
            End::Eof => Err(fail(self.text, self.text.len(), "unexpected EOF")),
            End::Else(pos, _) => Err(fail(self.text, pos, "expected end; found {{else}}")),
        }
    }

    fn whole_pipe(&mut self, tokens: Vec<Spanned>, end: usize, context: &str) -> Result<Pipe, ParseError> {
        let mut tokens = tokens.into_iter().peekable();
        let pipe = self.pipe(&mut tokens, end, context)?;
        match tokens.next() {
            None => Ok(pipe),
            Some(token) => Err(fail(self.text, token.pos, format!("unexpected {} in {context}", show(&token.token)))),
        }
    }

    fn pipe(
        &mut self,
        tokens: &mut Peekable<IntoIter<Spanned>>,
        end: usize,
        context: &str,
    ) -> Result<Pipe, ParseError> {
        let (declare, assign) = self.declaration(tokens, context);
        for name in &declare {
            if assign && !self.variables.contains(name) {
                return Err(fail(self.text, end, format!("undefined variable {name:?}")));
            }
        }
        let mut commands = Vec::new();
        loop {
            skip_space(tokens);
            let command = self.command(tokens, end)?;
            match (command, tokens.peek().map(|t| &t.token)) {
                (Some(command), Some(Token::Pipe)) => {
                    commands.push(command);
                    tokens.next();
                }
                (Some(command), _) => {
                    commands.push(command);
                    break;
                }
                (None, _) if commands.is_empty() => {
                    return Err(fail(self.text, end, format!("missing value for {context}")));
                }
                (None, _) => return Err(fail(self.text, end, "missing value for command")),
            }
        }
        if !assign {
            self.variables.extend(declare.iter().cloned());
        }
        Ok(Pipe { declare, assign, commands })
    }

    fn declaration(&self, tokens: &mut Peekable<IntoIter<Spanned>>, context: &str) -> (Vec<String>, bool) {
        skip_space(tokens);
        let mut probe = tokens.clone();
        let mut names = Vec::new();
        loop {
            let Some(Spanned { token: Token::Variable(name), .. }) = probe.next() else { return (Vec::new(), false) };
            names.push(name);
            skip_space(&mut probe);
            match probe.next().map(|t| t.token) {
                Some(Token::Declare) => {
                    *tokens = probe;
                    return (names, false);
                }
                Some(Token::Assign) => {
                    *tokens = probe;
                    return (names, true);
                }
                Some(Token::Comma) if context == "range" && names.len() < 2 => skip_space(&mut probe),
                _ => return (Vec::new(), false),
            }
        }
    }

    fn command(&mut self, tokens: &mut Peekable<IntoIter<Spanned>>, end: usize) -> Result<Option<Command>, ParseError> {
        let mut args = Vec::new();
        loop {
            match tokens.peek().map(|t| &t.token) {
                None | Some(Token::Pipe | Token::Close) => break,
                Some(Token::Space) => {
                    tokens.next();
                }
                Some(_) => {
                    let arg = self.operand(tokens, end)?;
                    args.push(arg);
                    match tokens.peek() {
                        None => break,
                        Some(t) if matches!(t.token, Token::Space | Token::Pipe | Token::Close) => {}
                        Some(t) => {
                            return Err(fail(self.text, t.pos, format!("unexpected {} in operand", show(&t.token))));
                        }
                    }
                }
            }
        }
        if let [first, _, ..] = args.as_slice()
            && matches!(first.kind, ArgKind::Literal { .. } | ArgKind::Nil)
        {
            return Err(fail(self.text, first.pos, format!("can't give argument to non-function {first}")));
        }
        Ok((!args.is_empty()).then_some(Command { args }))
    }

    fn operand(&mut self, tokens: &mut Peekable<IntoIter<Spanned>>, end: usize) -> Result<Arg, ParseError> {
        let Some(Spanned { token, mut pos }) = tokens.next() else {
            return Err(fail(self.text, end, "unexpected EOF"));
        };
        let mut kind = match token {
            Token::Dot => ArgKind::Dot,
            Token::Field(name) => ArgKind::Field(vec![name]),
            Token::Variable(name) => {
                if !self.variables.contains(&name) {
                    return Err(fail(self.text, pos, format!("undefined variable {name:?}")));
                }
                ArgKind::Variable { name, fields: Vec::new() }
            }
            Token::Word(word) => match word.as_str() {
                "nil" => ArgKind::Nil,
                "true" | "false" => ArgKind::Literal { value: Value::Bool(word == "true"), text: word },
                _ if is_function(&word) => ArgKind::Function(word),
                _ => return Err(fail(self.text, pos, format!("function {word:?} not defined"))),
            },
            Token::Number(text) => {
                let value =
                    number(&text).ok_or_else(|| fail(self.text, pos, format!("bad number syntax: {text:?}")))?;
                ArgKind::Literal { text, value }
            }
            Token::Text(text, value) => ArgKind::Literal { text, value: Value::String(value) },
            Token::Char(text, code) => ArgKind::Literal { text, value: Value::from(code) },
            Token::Open => {
                let pipe = self.pipe(tokens, end, "parenthesized pipeline")?;
                match tokens.next() {
                    Some(Spanned { token: Token::Close, .. }) => {}
                    _ => return Err(fail(self.text, end, "unclosed left paren")),
                }
                ArgKind::Pipe { pipe: Box::new(pipe), fields: Vec::new() }
            }
            other => return Err(fail(self.text, pos, format!("unexpected {} in command", show(&other)))),
        };
        let mut chained = Vec::new();
        while let Some(Spanned { token: Token::Field(_), .. }) = tokens.peek() {
            if let Some(Spanned { token: Token::Field(name), pos: at }) = tokens.next() {
                if chained.is_empty() {
                    pos = at;
                }
                chained.push(name);
            }
        }
        if !chained.is_empty() {
            match &mut kind {
                ArgKind::Field(fields) | ArgKind::Variable { fields, .. } | ArgKind::Pipe { fields, .. } => {
                    fields.extend(chained);
                }
                _ => return Err(fail(self.text, pos, format!("unexpected .{} after term", chained.join(".")))),
            }
        }
        Ok(Arg { pos, kind })
    }
}

fn skip_space(tokens: &mut Peekable<IntoIter<Spanned>>) {
    while tokens.next_if(|t| t.token == Token::Space).is_some() {}
}

fn number(text: &str) -> Option<Value> {
    if let Ok(int) = units::num::parse_int_any_base(text) {
        return Some(Value::from(int));
    }
    Number::from_f64(text.parse().ok()?).map(Value::Number)
}

fn show(token: &Token) -> String {
    let text = match token {
        Token::Field(name) => format!(".{name}"),
        Token::Variable(name) => name.clone(),
        Token::Word(word) => word.clone(),
        Token::Number(text) | Token::Text(text, _) | Token::Char(text, _) => text.clone(),
        Token::Dot => ".".to_owned(),
        Token::Pipe => "|".to_owned(),
        Token::Open => "(".to_owned(),
        Token::Close => ")".to_owned(),
        Token::Comma => ",".to_owned(),
        Token::Declare => ":=".to_owned(),
        Token::Assign => "=".to_owned(),
        Token::Space => " ".to_owned(),
    };
    match token {
        Token::Field(_) | Token::Word(_) | Token::Variable(_) => format!("<{text}>"),
        _ => units::gofmt::quote(&text),
    }
}
