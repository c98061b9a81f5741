//! `--format`: tables, JSON and templates over lists of rows.

mod tabwriter;

use gotemplate::{Data, Missing, Template};
use serde_json::{Map, Value};

use crate::console;
use crate::failure::{Failure, Result};

pub(crate) use tabwriter::align;

/// How a list is to be shown.
#[derive(Debug, Clone)]
pub(crate) struct Listing<'a> {
    /// The format the user gave, or the command's own.
    pub(crate) format: String,
    /// Column headers by field.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The Go type whose fields these are, for error texts.
    pub(crate) type_name: &'a str,
}

/// Turns what the user wrote for `--format` into a template, and says whether it is a table.
pub(crate) fn template_of(format: &str, default_table: &str) -> (String, bool) {
    let expand = |text: &str| text.trim().replace("\\t", "\t").replace("\\n", "\n");
    match format {
        "" | "table" => (default_table.to_owned(), true),
        "json" => ("{{json .}}".to_owned(), false),
        _ => match format.strip_prefix("table") {
            Some(rest) => (expand(rest.trim()), true),
            None => (expand(format), false),
        },
    }
}

/// A template, or Docker's words of why not.
pub(crate) fn parse(text: &str) -> Result<Template> {
    Template::parse(text).map_err(|e| Failure::new(format!("template parsing error: {e}")))
}

impl Listing<'_> {
    /// Prints rows by template; for a table with headers and aligned columns.
    pub(crate) fn print(&self, table: bool, rows: &[Value]) -> Result<()> {
        console::out(&self.render(table, rows)?)
    }

    /// As [`Listing::print`], to a text.
    pub(crate) fn render(&self, table: bool, rows: &[Value]) -> Result<String> {
        let template = parse(&self.format)?;
        let mut body = String::new();
        for row in rows {
            if self.format == "{{json .}}" {
                body.push_str(&escape_html(&row.to_string()));
            } else {
                body.push_str(&self.row(&template, row)?);
            }
            body.push('\n');
        }
        if !table {
            return Ok(body);
        }
        let headers: Map<String, Value> =
            self.headers.iter().map(|(k, v)| ((*k).to_owned(), Value::String((*v).to_owned()))).collect();
        let headers = Value::Object(headers);
        // Functions that make no sense of a header leave it as it is.
        let plain = parse(&header_template(&self.format))?;
        let header = plain.execute(&Data::new(&headers)).map_err(|e| Failure::new(e.to_string()))?;
        Ok(align(&format!("{header}\n{body}"), 10, 3))
    }

    fn row(&self, template: &Template, row: &Value) -> Result<String> {
        let label = |name: &str, args: &[Value]| {
            if name != "Label" {
                return None;
            }
            let key = args.first()?.as_str()?;
            let labels = row.get("Labels")?.as_str()?;
            let found = labels.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
            Some(Value::String(found.unwrap_or_default().to_owned()))
        };
        let data = Data {
            value: row,
            type_name: self.type_name,
            missing: Missing::Field,
            optional: &[],
            maps: &[],
            method: Some(&label),
        };
        template.execute(&data).map_err(|e| Failure::new(format!("failed to execute template: {e}")))
    }
}

/// `{{json .X}}`, `{{.Label "x"}}` and the like, as they are for the header line.
fn header_template(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(end) = rest[start..].find("}}") else { break };
        let action = &rest[start..start + end + 2];
        out.push_str(&rest[..start]);
        let field = action.split(['{', ' ', '}', '(', ')', '|']).find(|w| w.starts_with('.') && w.len() > 1);
        let keyword = action.trim_start_matches(['{', '-', ' ']).split([' ', '}']).next().unwrap_or_default();
        let field = field.filter(|_| !matches!(keyword, "if" | "else" | "end" | "range" | "with"));
        match field {
            Some(".Label") => {
                let key = action.split('"').nth(1).unwrap_or_default();
                out.push_str(key.rsplit(['.', '/']).next().unwrap_or_default().replace(['-', '_'], " ").as_str());
            }
            Some(field)
                if action.trim_matches(['{', '}', ' ', '-']) != field
                    && !action.contains("upper")
                    && !action.contains("lower") =>
            {
                out.push_str(&format!("{{{{{field}}}}}"));
            }
            _ => out.push_str(action),
        }
        rest = &rest[start + end + 2..];
    }
    out.push_str(rest);
    out
}

/// Go's default escapes in JSON: `<`, `>` and `&`.
pub(crate) fn escape_html(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A JSON object of texts with its keys in order, as Go prints maps.
pub(crate) fn row(fields: &[(&str, Value)]) -> Value {
    let mut sorted: Vec<_> = fields.to_vec();
    sorted.sort_by(|a, b| a.0.cmp(b.0));
    Value::Object(sorted.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

/// `k=v,k=v` of a JSON object, sorted.
pub(crate) fn labels(value: &Value) -> String {
    let mut pairs: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    pairs.join(",")
}

/// At most `length` columns, the last one an ellipsis when something is cut.
pub(crate) fn ellipsis(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(length.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The first twelve digits of an id, without its algorithm.
pub(crate) fn short_id(id: &str) -> &str {
    let bare = id.split_once(':').map_or(id, |(_, rest)| rest);
    bare.get(..12).unwrap_or(bare)
}

/// The text of a JSON field, empty when it is none.
pub(crate) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
