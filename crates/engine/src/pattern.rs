//! Name filters: as in Docker, each value is a regular expression that matches anywhere in a name.

use units::filter::Filters;

/// The values of one filter, compiled once for a whole list.
#[derive(Debug)]
pub struct NamePatterns {
    /// The filter is there: without it, every name passes.
    given: bool,
    values: Vec<(String, Option<regex_lite::Regex>)>,
}

impl NamePatterns {
    /// The values of `key`. One that is no regular expression matches the name that equals it only.
    pub fn of(filters: &Filters, key: &str) -> Self {
        let values = filters.get(key).map(|value| (value.to_owned(), regex_lite::Regex::new(value).ok()));
        Self { given: filters.contains(key), values: values.collect() }
    }

    /// Whether a name passes.
    pub fn pass(&self, name: &str) -> bool {
        let hit = |(value, regex): &(String, Option<regex_lite::Regex>)| {
            value == name || regex.as_ref().is_some_and(|regex| regex.is_match(name))
        };
        !self.given || self.values.is_empty() || self.values.iter().any(hit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, name: &str, want: bool) {
        let mut filters = Filters::new();
        filters.add("name", value);
        assert_eq!(NamePatterns::of(&filters, "name").pass(name), want, "{value} {name}");
    }

    #[test]
    fn values_match_anywhere_unless_anchored() {
        check("eb", "web", true);
        check("^web$", "web", true);
        check("^web$", "web2", false);
        check("^/w", "/web", true);
        check("^/w", "web", false);
        check("w.b|db", "my-db", true);
        check("[", "web", false);
        check("[", "[", true);
        assert!(NamePatterns::of(&Filters::new(), "name").pass("any"));
    }
}
