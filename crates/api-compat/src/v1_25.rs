//! 1.25: the image list's `filter` argument is a filter like any other (`reference`).

use serde_json::{Map, Value};

use crate::{Operation, Step, tools};

pub(crate) const STEP: Step = Step {
    query: |operation, query| {
        if operation != Operation::ImageList {
            return;
        }
        let Some(pattern) = query.iter().find(|(k, v)| k == "filter" && !v.is_empty()).map(|(_, v)| v.clone()) else {
            return;
        };
        let given = query.iter().find(|(k, _)| k == "filters").map_or("", |(_, v)| v);
        let mut filters: Map<String, Value> = serde_json::from_str(given).unwrap_or_default();
        if !filters.contains_key("reference") {
            filters.insert("reference".to_owned(), serde_json::json!([pattern]));
            tools::drop_argument(query, "filters");
            query.push(("filters".to_owned(), Value::Object(filters).to_string()));
        }
    },
    ..Step::new(25)
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_filter_argument_becomes_a_filter() {
        let mut query = vec![("filter".to_owned(), "busybox*".to_owned())];
        crate::upgrade_query(crate::Version::new(1, 24), Operation::ImageList, &mut query);
        assert_eq!(query[1], ("filters".to_owned(), r#"{"reference":["busybox*"]}"#.to_owned()));
    }
}
