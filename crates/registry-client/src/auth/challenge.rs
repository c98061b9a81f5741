//! `WWW-Authenticate` (RFC 9110 §11.6.1).

use hyper::header::{HeaderMap, WWW_AUTHENTICATE};

/// A way to log in that a server offers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case: `bearer`, `basic`.
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

/// Longer headers are not read.
const LENGTH_MAX: usize = 8 * 1024;

impl Challenge {
    /// All challenges of an answer; Bearer first, as it is the better one.
    pub(super) fn all(headers: &HeaderMap) -> Vec<Self> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
        let mut found: Vec<Self> = texts.filter(|t| t.len() <= LENGTH_MAX).flat_map(parse).collect();
        found.sort_by_key(|c| c.scheme != "bearer");
        found
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn parse(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        if end == 0 {
            return found;
        }
        let word = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start_matches([' ', '\t']);
        let Some(after) = rest.strip_prefix('=') else {
            found.push(Challenge { scheme: word, parameters: Vec::new() });
            continue;
        };
        let (value, after) = value(after.trim_start_matches([' ', '\t']));
        rest = after;
        if let Some(challenge) = found.last_mut() {
            challenge.parameters.push((word, value));
        }
    }
}

/// A token or a quoted string, and what follows.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_parsed() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, "Basic realm=\"a, \\\"b\"".parse().expect("header"));
        headers.append(
            WWW_AUTHENTICATE,
            "Bearer realm=\"https://auth.x/token?a=b\",service=reg.x , scope=\"repository:a/b:pull,push\",error=x, Digest".parse().expect("header"),
        );
        let all = Challenge::all(&headers);
        assert_eq!(all.iter().map(|c| c.scheme.as_str()).collect::<Vec<_>>(), ["bearer", "basic", "digest"]);
        assert_eq!(all[0].parameter("realm"), Some("https://auth.x/token?a=b"));
        assert_eq!(all[0].parameter("service"), Some("reg.x"));
        assert_eq!(all[0].parameter("scope"), Some("repository:a/b:pull,push"));
        assert_eq!(all[1].parameter("realm"), Some("a, \"b"));
    }

    #[test]
    fn mutants_have_only_what_stands_in_them() {
        use testkit::mutate::{self, Random};
        let seed = b"Basic realm=\"a, \\\"b\", Bearer realm=\"https://a/t\",service=r , scope=\"x:y:pull\"";
        let words: [&[u8]; 7] = [b"\"", b"\\", b",", b"=", b" ", b"Bearer ", b"\xff"];
        let mut random = Random::new(23);
        let mut bearers = 0;
        for _ in 0..5000 {
            let mutant = mutate::bytes(&mut random, seed, &words);
            let text = String::from_utf8_lossy(&mutant);
            for challenge in parse(&text) {
                bearers += usize::from(challenge.scheme == "bearer");
                assert!(!challenge.scheme.is_empty() && challenge.scheme.chars().all(is_token), "{text:?}");
                let plain = text.replace('\\', "");
                for (name, value) in &challenge.parameters {
                    assert!(name.chars().all(is_token), "{text:?}");
                    assert!(plain.contains(&value.replace('\\', "")), "{text:?}: {value:?}");
                }
            }
        }
        assert!(bearers > 1000, "mutants are not only garbage: {bearers}");
    }

    #[test]
    fn garbage_ends() {
        for text in ["", ",,,", "=", "Bearer realm=\"", "Bearer realm=\"\\", "a=b=c", "Bearer ;;", "\"x\""] {
            let _ = parse(text);
        }
    }
}
