//! Answers checked against the API description: the tables `api_endpoints.json` and `api_schemas.json` that
//! were made from `swagger-v1.56.yaml`, read in place from the `contract` directory beside the project.
//!
//! A user's clone has no such directory: then [`Contract::load`] gives `None`, and the caller says so.

use crate::place;
use anyhow::Context as _;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// The description of every endpoint and type.
#[derive(Debug)]
pub struct Contract {
    endpoints: Value,
    schemas: Value,
}

impl Contract {
    /// Where the tables lie, if they are there: `GANTRY_CONTRACT`, or `shared/contract` beside the project.
    pub fn dir() -> Option<PathBuf> {
        let beside = || place::project().parent().map(|p| p.join("shared/contract"));
        let dir = std::env::var_os("GANTRY_CONTRACT").map(PathBuf::from).or_else(beside)?;
        dir.join("api_schemas.json").exists().then_some(dir)
    }

    /// Reads the tables; `None` when there are none.
    pub fn load() -> anyhow::Result<Option<Self>> {
        let Some(dir) = Self::dir() else { return Ok(None) };
        let read = |name: &str| -> anyhow::Result<Value> {
            let path = dir.join(name);
            serde_json::from_slice(&fs::read(&path)?).with_context(|| path.display().to_string())
        };
        Ok(Some(Self { endpoints: read("api_endpoints.json")?, schemas: read("api_schemas.json")? }))
    }

    /// Everything in the answer to `method template` (`/containers/{id}/json`) that the description does not allow.
    pub fn violations(&self, method: &str, template: &str, status: u16, body: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let mut endpoints = self.endpoints["endpoints"].as_array().into_iter().flatten();
        let Some(endpoint) = endpoints.find(|e| e["method"] == method && e["path"] == template) else {
            return vec![format!("{method} {template} is not described")];
        };
        let schema = &endpoint["responses"][status.to_string()]["schema"];
        if schema.is_null() {
            found.push(format!("status {status} is not described with a body"));
        } else {
            self.check(schema, body, "$", &mut found);
        }
        found
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        match schema {
            Value::String(name) => self.check_named(name, value, at, found),
            Value::Array(parts) if parts.first().is_some_and(|p| p == "array") && parts.len() == 2 => {
                self.check_items(value, at, found, |item, at, found| self.check(&parts[1], item, at, found));
            }
            Value::Object(o) => {
                let fields = o.get("object").unwrap_or(schema);
                self.check_fields(fields, value, at, found);
            }
            _ => {}
        }
    }

    /// A type by its written form: a scalar, `[T]`, `map<T>`, or the name of a schema.
    fn check_named(&self, name: &str, value: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(schema) = self.schemas.get(name) {
            return self.check_schema(schema, value, at, found);
        }
        if let Some(inner) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
            return self.check_items(value, at, found, |item, at, found| self.check_named(inner, item, at, found));
        }
        if let Some(inner) = name.strip_prefix("map<").and_then(|n| n.strip_suffix('>')) {
            match value {
                Value::Object(map) => {
                    for (key, item) in map {
                        self.check_named(inner, item, &format!("{at}.{key}"), found);
                    }
                }
                Value::Null => {}
                other => found.push(format!("{at}: {other} is no map")),
            }
            return;
        }
        let fits = match name.split(':').next().unwrap_or(name) {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            _ => true,
        };
        if !fits {
            found.push(format!("{at}: {value} is no {name}"));
        }
    }

    fn check_schema(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            found.push(format!("{at}: {value} is none of {values:?}"));
        }
        match schema["kind"].as_str() {
            Some("object") => self.check_fields(&schema["fields"], value, at, found),
            Some(kind) => self.check_named(kind, value, at, found),
            None => {}
        }
    }

    fn check_fields(&self, fields: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let (Some(fields), Value::Object(object)) = (fields.as_object(), value) else {
            if !value.is_null() {
                found.push(format!("{at}: {value} is no object"));
            }
            return;
        };
        for (name, field) in fields {
            let at = format!("{at}.{name}");
            // A field is `{"type": T, "required": …}`, or T itself inside an inline object.
            let schema = field.get("type").unwrap_or(field);
            match object.get(name) {
                None if field["required"] == true => found.push(format!("{at}: missing")),
                None => {}
                Some(Value::Null) if field["nullable"] == true || !is_scalar(schema) => {}
                Some(value) => {
                    self.check(schema, value, &at, found);
                    let values = field["enum"].as_array();
                    if let Some(values) = values.filter(|v| !v.contains(value) && value != "") {
                        found.push(format!("{at}: {value} is none of {values:?}"));
                    }
                }
            }
        }
        if !fields.is_empty() {
            for name in object.keys().filter(|name| !fields.contains_key(*name)) {
                found.push(format!("{at}.{name}: not described"));
            }
        }
    }

    fn check_items(
        &self,
        value: &Value,
        at: &str,
        found: &mut Vec<String>,
        each: impl Fn(&Value, &str, &mut Vec<String>),
    ) {
        match value {
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    each(item, &format!("{at}[{i}]"), found);
                }
            }
            Value::Null => {}
            other => found.push(format!("{at}: {other} is no list")),
        }
    }
}

fn is_scalar(schema: &Value) -> bool {
    let name = schema.as_str().unwrap_or("");
    ["string", "integer", "number", "boolean"].contains(&name.split(':').next().unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn contract() -> Contract {
        Contract {
            endpoints: json!({"endpoints": [{"method": "GET", "path": "/x", "responses": {"200": {"schema": ["array", "T"]}}}]}),
            schemas: json!({"T": {"kind": "object", "fields": {
                "Id": {"type": "string", "required": true},
                "Names": {"type": "[string]"},
                "Labels": {"type": "map<string>"},
                "Size": {"type": "integer:int64"},
            }}}),
        }
    }

    fn violations(body: &Value) -> Vec<String> {
        contract().violations("GET", "/x", 200, body)
    }

    #[test]
    fn a_true_answer_passes() {
        let body = json!([{"Id": "a", "Names": null, "Labels": {"k": "v"}, "Size": 3}]);
        assert_eq!(violations(&body), Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_fault_is_named() {
        assert_eq!(violations(&json!([{}])), ["$[0].Id: missing"]);
        assert_eq!(violations(&json!([{"Id": 3}])), ["$[0].Id: 3 is no string"]);
        assert_eq!(violations(&json!([{"Id": "a", "Size": null}])), ["$[0].Size: null is no integer:int64"]);
        assert_eq!(violations(&json!([{"Id": "a", "Labels": {"k": 1}}])), ["$[0].Labels.k: 1 is no string"]);
        assert_eq!(violations(&json!([{"Id": "a", "id": "b"}])), ["$[0].id: not described"]);
        assert_eq!(violations(&json!({"Id": "a"})), ["$: {\"Id\":\"a\"} is no list"]);
    }
}
