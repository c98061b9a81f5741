//! Text and actions, then the tokens inside an action.

use crate::ParseError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// `.name`
    Field(String),
    /// `.`
    Dot,
    /// `$name`
    Variable(String),
    /// A word: function or keyword.
    Word(String),
    /// A number as written.
    Number(String),
    /// A quoted string: as written, and its value.
    Text(String, String),
    /// A character constant: as written, and its value.
    Char(String, u32),
    Pipe,
    Open,
    Close,
    Comma,
    Declare,
    Assign,
    /// One or more blanks: separates `.a .b` from `.a.b`.
    Space,
}

#[derive(Debug, Clone)]
pub(crate) struct Spanned {
    pub(crate) token: Token,
    pub(crate) pos: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(String),
    Action { tokens: Vec<Spanned>, end: usize },
}

pub(crate) fn line_of(text: &str, pos: usize) -> usize {
    text.as_bytes()[..pos.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

pub(crate) fn fail(text: &str, pos: usize, reason: impl Into<String>) -> ParseError {
    ParseError { line: line_of(text, pos), reason: reason.into() }
}

/// Splits a template into text and actions.
pub(crate) fn split(text: &str) -> Result<Vec<Piece>, ParseError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    while at < text.len() {
        let open = text[at..].find("{{").map(|i| at + i);
        let mut chunk = &text[at..open.unwrap_or(text.len())];
        if trim_next {
            chunk = chunk.trim_start_matches([' ', '\t', '\r', '\n']);
        }
        let Some(open) = open else {
            push_text(&mut pieces, chunk);
            break;
        };
        let mut inner = open + 2;
        let rest = &text[inner..];
        if rest.starts_with("- ") || rest.starts_with("-\n") || rest.starts_with("-\t") || rest.starts_with("-\r") {
            chunk = chunk.trim_end_matches([' ', '\t', '\r', '\n']);
            inner += 2;
        }
        push_text(&mut pieces, chunk);
        if text[inner..].trim_start().starts_with("/*") {
            let Some(close) = text[inner..].find("*/") else { return Err(fail(text, open, "unclosed comment")) };
            let after = &text[inner + close + 2..];
            let trimmed = after.trim_start();
            trim_next = trimmed.starts_with("-}}") && trimmed.len() < after.len();
            let Some(end) = after.find("}}") else {
                return Err(fail(text, open, "comment ends before closing delimiter"));
            };
            at = inner + close + 2 + end + 2;
            continue;
        }
        let (tokens, end, trim) = lex_action(text, inner)?;
        pieces.push(Piece::Action { tokens, end });
        trim_next = trim;
        at = end;
    }
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn lex_action(text: &str, start: usize) -> Result<(Vec<Spanned>, usize, bool), ParseError> {
    let mut tokens = Vec::new();
    let mut at = start;
    let mut depth = 0_usize;
    loop {
        let rest = &text[at..];
        if rest.starts_with("}}") {
            if depth > 0 {
                return Err(fail(text, at, "unclosed left paren"));
            }
            return Ok((tokens, at + 2, false));
        }
        let Some(c) = rest.chars().next() else { return Err(fail(text, at, "unclosed action")) };
        let pos = at;
        let token = match c {
            ' ' | '\t' | '\r' | '\n' => {
                let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
                if rest[blank..].starts_with("-}}") {
                    return Ok((tokens, at + blank + 3, true));
                }
                at += blank;
                Token::Space
            }
            '"' => {
                let (raw, value) = quoted(text, at, '"')?;
                at += raw.len();
                Token::Text(raw, value)
            }
            '`' => {
                let Some(end) = rest[1..].find('`') else {
                    return Err(fail(text, at, "unterminated raw quoted string"));
                };
                at += end + 2;
                Token::Text(rest[..end + 2].to_owned(), rest[1..=end].to_owned())
            }
            '\'' => {
                let (raw, value) = quoted(text, at, '\'')?;
                at += raw.len();
                let code = value.chars().next().map_or(0, |c| c as u32);
                Token::Char(raw, code)
            }
            '|' => simple(&mut at, Token::Pipe),
            ',' => simple(&mut at, Token::Comma),
            '=' => simple(&mut at, Token::Assign),
            '(' => {
                depth += 1;
                simple(&mut at, Token::Open)
            }
            ')' => {
                depth = depth.checked_sub(1).ok_or_else(|| fail(text, pos, "unexpected right paren"))?;
                simple(&mut at, Token::Close)
            }
            ':' if rest.starts_with(":=") => {
                at += 2;
                Token::Declare
            }
            ':' => return Err(fail(text, at, "expected :=")),
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let name = word_at(&rest[1..]);
                at += 1 + name.len();
                if name.is_empty() { Token::Dot } else { Token::Field(name.to_owned()) }
            }
            '$' => {
                let name = word_at(&rest[1..]);
                at += 1 + name.len();
                Token::Variable(format!("${name}"))
            }
            '+' | '-' | '.' | '0'..='9' => {
                let length = rest[1..].find(|c: char| !(is_word(c) || c == '.')).map_or(rest.len(), |i| i + 1);
                at += length;
                Token::Number(rest[..length].to_owned())
            }
            c if is_word(c) => {
                let name = word_at(rest);
                at += name.len();
                Token::Word(name.to_owned())
            }
            c => {
                let reason = format!("unrecognized character in action: U+{:04X} {c:?}", c as u32);
                return Err(fail(text, at, reason));
            }
        };
        tokens.push(Spanned { token, pos });
    }
}

fn simple(at: &mut usize, token: Token) -> Token {
    *at += 1;
    token
}

fn word_at(text: &str) -> &str {
    &text[..text.find(|c: char| !is_word(c)).unwrap_or(text.len())]
}

fn quoted(text: &str, start: usize, quote: char) -> Result<(String, String), ParseError> {
    let what = if quote == '"' { "unterminated quoted string" } else { "unterminated character constant" };
    let mut value = String::new();
    let mut chars = text[start + 1..].char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((text[start..start + i + 2].to_owned(), value)),
            '\n' => break,
            '\\' => {
                let Some((_, escape)) = chars.next() else { break };
                match escape {
                    'n' => value.push('\n'),
                    't' => value.push('\t'),
                    'r' => value.push('\r'),
                    'a' => value.push('\x07'),
                    'b' => value.push('\x08'),
                    'f' => value.push('\x0c'),
                    'v' => value.push('\x0b'),
                    'x' | 'u' => {
                        let count = if escape == 'x' { 2 } else { 4 };
                        let digits: String = chars.by_ref().take(count).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        value.push(code.ok_or_else(|| fail(text, start, "invalid syntax"))?);
                    }
                    other => value.push(other),
                }
            }
            c => value.push(c),
        }
    }
    Err(fail(text, start, what))
}
