//! As much of TOML 1.0 as `hosts.toml` files need: tables, strings, booleans, numbers, arrays, inline tables.

/// Deepest nesting of arrays and inline tables.
const MAX_DEPTH: usize = 16;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Flag(bool),
    /// A number or date, as written.
    Other(String),
    List(Vec<Self>),
    Table(Vec<(String, Self)>),
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(s) => Some(s),
            _ => None,
        }
    }
}

/// One `key = value` with the table it stands in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    /// `[a."b"]` and the key, dots resolved.
    pub(super) path: Vec<String>,
    pub(super) value: Value,
}

/// Reads a document; gives its pairs, and its tables (pairs may have none), in the order of the file.
pub(super) fn parse(text: &str) -> Result<(Vec<Vec<String>>, Vec<Pair>), String> {
    let mut parser = Parser { rest: text, all: text };
    let (mut tables, mut pairs, mut table) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        parser.blank();
        if parser.rest.is_empty() {
            return Ok((tables, pairs));
        }
        if parser.eat("[[") {
            return Err(parser.fail("arrays of tables have no meaning here"));
        }
        if parser.eat("[") {
            table = parser.path()?;
            parser.expect("]")?;
            if tables.contains(&table) {
                return Err(parser.fail("table is defined twice"));
            }
            tables.push(table.clone());
        } else {
            let mut path = table.clone();
            path.extend(parser.path()?);
            parser.expect("=")?;
            let value = parser.value(0)?;
            if pairs.iter().any(|p: &Pair| p.path == path) {
                return Err(parser.fail("key is defined twice"));
            }
            pairs.push(Pair { path, value });
        }
        parser.spaces();
        parser.comment();
        if !parser.rest.is_empty() && !parser.rest.starts_with(['\n', '\r']) {
            return Err(parser.fail("expected the end of the line"));
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    all: &'a str,
}

impl Parser<'_> {
    fn fail(&self, why: &str) -> String {
        let line = self.all[..self.all.len() - self.rest.len()].matches('\n').count() + 1;
        format!("line {line}: {why}")
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn comment(&mut self) {
        if self.rest.starts_with('#') {
            self.rest = &self.rest[self.rest.find('\n').unwrap_or(self.rest.len())..];
        }
    }

    /// Spaces, line ends and comments.
    fn blank(&mut self) {
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
            self.comment();
            if self.rest.len() == before {
                return;
            }
        }
    }

    fn eat(&mut self, what: &str) -> bool {
        self.spaces();
        let found = self.rest.strip_prefix(what);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn expect(&mut self, what: &str) -> Result<(), String> {
        if self.eat(what) { Ok(()) } else { Err(self.fail(&format!("expected {what:?}"))) }
    }

    fn path(&mut self) -> Result<Vec<String>, String> {
        let mut path = Vec::new();
        loop {
            self.spaces();
            path.push(match self.rest.as_bytes().first() {
                Some(b'"' | b'\'') => self.string()?,
                _ => {
                    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    let end = self.rest.find(|c| !bare(c)).unwrap_or(self.rest.len());
                    let (key, rest) = self.rest.split_at(end);
                    if key.is_empty() {
                        return Err(self.fail("expected a key"));
                    }
                    self.rest = rest;
                    key.to_owned()
                }
            });
            if !self.eat(".") {
                return Ok(path);
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(self.fail("nested too deep"));
        }
        self.spaces();
        match self.rest.as_bytes().first() {
            Some(b'"' | b'\'') => Ok(Value::Text(self.string()?)),
            Some(b'[') => self.list(depth),
            Some(b'{') => self.inline_table(depth),
            _ => {
                let end = self.rest.find([',', ']', '}', '#', '\n', '\r']).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                let word = word.trim();
                let value = match word {
                    "true" => Value::Flag(true),
                    "false" => Value::Flag(false),
                    w if w.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') && !w.contains(' ') => {
                        Value::Other(w.to_owned())
                    }
                    _ => return Err(self.fail("expected a value")),
                };
                self.rest = rest;
                Ok(value)
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        self.expect("[")?;
        let mut list = Vec::new();
        loop {
            self.blank();
            if self.eat("]") {
                return Ok(Value::List(list));
            }
            list.push(self.value(depth + 1)?);
            self.blank();
            if !self.eat(",") {
                self.blank();
                self.expect("]")?;
                return Ok(Value::List(list));
            }
        }
    }

    fn inline_table(&mut self, depth: usize) -> Result<Value, String> {
        self.expect("{")?;
        let mut table = Vec::new();
        if self.eat("}") {
            return Ok(Value::Table(table));
        }
        loop {
            let key = self.path()?.join(".");
            self.expect("=")?;
            table.push((key, self.value(depth + 1)?));
            if !self.eat(",") {
                self.expect("}")?;
                return Ok(Value::Table(table));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        if self.rest.starts_with("\"\"\"") || self.rest.starts_with("'''") {
            return Err(self.fail("strings of several lines have no meaning here"));
        }
        if let Some(rest) = self.rest.strip_prefix('\'') {
            let end = rest.find(['\'', '\n']).filter(|n| rest.as_bytes()[*n] == b'\'');
            let end = end.ok_or_else(|| self.fail("string without an end"))?;
            self.rest = &rest[end + 1..];
            return Ok(rest[..end].to_owned());
        }
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(out);
                }
                '\n' => break,
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('b') => out.push('\u{8}'),
                    Some('f') => out.push('\u{c}'),
                    Some(c @ ('"' | '\\')) => out.push(c),
                    Some(c @ ('u' | 'U')) => {
                        let digits: String =
                            chars.by_ref().take(if c == 'u' { 4 } else { 8 }).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        out.push(code.ok_or_else(|| self.fail("not a character"))?);
                    }
                    _ => return Err(self.fail("unknown escape")),
                },
                c => out.push(c),
            }
        }
        Err(self.fail("string without an end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read() {
        let text = "# c\nserver = \"https://r.example\" # x\n\n[host.\"http://m:5000\"]\n  capabilities = [\"pull\",\n \
                    'resolve', # y\n ]\n  n = 1.5\r\n  client = [[\"a\", \"b\"]]\n[host.\"http://m:5000\".header]\n\
                    \"x-a\" = {b = true, c.d = \"\\u0041\\\"\"}\n";
        let (tables, pairs) = parse(text).expect("parses");
        assert_eq!(tables, [vec!["host", "http://m:5000"], vec!["host", "http://m:5000", "header"]]);
        let shown: Vec<String> = pairs.iter().map(|p| format!("{}={:?}", p.path.join("|"), p.value)).collect();
        assert_eq!(
            shown,
            [
                "server=Text(\"https://r.example\")",
                "host|http://m:5000|capabilities=List([Text(\"pull\"), Text(\"resolve\")])",
                "host|http://m:5000|n=Other(\"1.5\")",
                "host|http://m:5000|client=List([List([Text(\"a\"), Text(\"b\")])])",
                "host|http://m:5000|header|x-a=Table([(\"b\", Flag(true)), (\"c.d\", Text(\"A\\\"\"))])",
            ]
        );
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, want) in [
            ("a = ", "line 1: expected a value"),
            ("\na = \"x", "line 2: string without an end"),
            ("a = 1 b", "line 1: expected a value"),
            ("a = \"1\" b", "line 1: expected the end of the line"),
            ("[a]\n[a]", "line 2: table is defined twice"),
            ("a = 1\na = 2", "line 2: key is defined twice"),
            ("[[a]]", "line 1: arrays of tables have no meaning here"),
            ("a = [1", "line 1: expected \"]\""),
            ("= 1", "line 1: expected a key"),
            ("a = \"\\q\"", "line 1: unknown escape"),
        ] {
            assert_eq!(parse(text).expect_err(text), want, "{text:?}");
        }
        assert!(parse(&format!("a = {}", "[".repeat(100))).is_err(), "nesting has a limit");
    }
}
