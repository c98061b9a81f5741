//! Changes to a spec: JSON merge patches (RFC 7396), with one addition: a key `name+` appends to the list `name`.

use serde_json::Value;

/// Applies `patch` to `value`.
pub fn merge(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *value = patch;
        return;
    };
    if !value.is_object() {
        *value = Value::Object(serde_json::Map::new());
    }
    let Value::Object(object) = value else { return };
    for (key, change) in patch {
        if change.is_null() {
            object.remove(&key);
        } else if let (Some(list), Value::Array(more)) = (key.strip_suffix('+'), &change) {
            let slot = object.entry(list).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(all) = slot {
                all.extend(more.iter().cloned());
            }
        } else {
            merge(object.entry(key).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sets_removes_and_appends() {
        let mut value = json!({"a": {"b": 1, "c": 2}, "l": [1]});
        merge(&mut value, json!({"a": {"b": null, "d": {"e": 3}}, "l+": [2, 3], "n+": ["x"], "s": "t"}));
        assert_eq!(value, json!({"a": {"c": 2, "d": {"e": 3}}, "l": [1, 2, 3], "n": ["x"], "s": "t"}));
    }
}
