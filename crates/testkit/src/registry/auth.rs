//! Who may come in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::json;

use super::serve::{Reply, Request};
use super::{Shared, lock};

/// What a registry wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// Nothing.
    #[default]
    None,
    /// Name and password with every request.
    Basic(String, String),
    /// A token of `/token`, which gives one for name and password.
    Token {
        /// Name and password.
        user: (String, String),
        /// Tokens to read are given to everybody.
        anonymous_pull: bool,
        /// Tokens end after so many seconds; `None`: the answer does not say (60).
        expires_in: Option<u64>,
        /// The token server knows no POST (404).
        no_post: bool,
        /// The realm of the challenge, if not `/token` here.
        realm: Option<String>,
    },
}

impl Login {
    /// Tokens for one user.
    pub fn token(user: &str, password: &str) -> Self {
        Self::Token {
            user: (user.to_owned(), password.to_owned()),
            anonymous_pull: false,
            expires_in: Some(300),
            no_post: false,
            realm: None,
        }
    }
}

/// Tokens given: what they allow, until when.
pub(super) type Tokens = BTreeMap<String, (Vec<String>, Instant)>;

/// The refresh token that a login by password gives, for the user's name.
fn refresh_token(user: &str) -> String {
    format!("refresh-{user}")
}

/// `None`: come in.
pub(super) fn check(shared: &Shared, request: &Request) -> Option<Reply> {
    let authorization = request.header("authorization").unwrap_or("");
    match &shared.options.login {
        Login::None => None,
        Login::Basic(user, password) => {
            let denied = || Reply::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
            (basic(authorization) != Some((user.clone(), password.clone())))
                .then(|| denied().with("www-authenticate", "Basic realm=\"testkit\""))
        }
        Login::Token { realm, .. } => {
            let wanted = scope(request);
            let token = authorization.strip_prefix("Bearer ").unwrap_or("");
            let tokens = lock(&shared.tokens);
            let known = tokens.get(token).filter(|(_, ends)| *ends > Instant::now());
            if known.is_some_and(|(scopes, _)| wanted.as_ref().is_none_or(|w| allows(scopes, w))) {
                return None;
            }
            let own = format!("{}://{}/token", if shared.options.tls { "https" } else { "http" }, shared.address);
            let mut challenge = format!("Bearer realm=\"{}\",service=\"testkit\"", realm.as_ref().unwrap_or(&own));
            if let Some(scope) = wanted {
                challenge.push_str(&format!(",scope=\"{scope}\""));
            }
            if !token.is_empty() {
                challenge.push_str(if known.is_some() {
                    ",error=\"insufficient_scope\""
                } else {
                    ",error=\"invalid_token\""
                });
            }
            let reply = Reply::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
            Some(reply.with("www-authenticate", &challenge))
        }
    }
}

/// What a request needs: `repository:<name>:<actions>`.
fn scope(request: &Request) -> Option<String> {
    let rest = request.path.strip_prefix("/v2/")?;
    let name = ["/manifests/", "/blobs/", "/tags/", "/referrers/"]
        .iter()
        .find_map(|part| rest.find(part).map(|at| &rest[..at]))?;
    let actions = if matches!(request.method.as_str(), "GET" | "HEAD") { "pull" } else { "pull,push" };
    Some(format!("repository:{name}:{actions}"))
}

fn allows(scopes: &[String], wanted: &str) -> bool {
    let Some((name, actions)) = wanted.rsplit_once(':') else { return false };
    let given = |action: &str| {
        scopes.iter().any(|s| s.rsplit_once(':').is_some_and(|(n, a)| n == name && a.split(',').any(|a| a == action)))
    };
    actions.split(',').all(given)
}

/// `/token`, both ways.
pub(super) fn token(shared: &Shared, request: &Request) -> Reply {
    let Login::Token { user, anonymous_pull, expires_in, no_post, .. } = &shared.options.login else {
        return Reply::error(StatusCode::NOT_FOUND, "UNKNOWN", "no token server");
    };
    let post = request.method == "POST";
    if post && *no_post {
        return Reply::empty(StatusCode::NOT_FOUND);
    }
    let fields = if post { form(&request.body) } else { form(request.query.as_bytes()) };
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let mut scopes: Vec<String> =
        fields.iter().filter(|(n, _)| n == "scope").flat_map(|(_, v)| v.split(' ')).map(str::to_owned).collect();
    let known = if post {
        match field("grant_type") {
            "password" => (field("username"), field("password")) == (user.0.as_str(), user.1.as_str()),
            "refresh_token" => field("refresh_token") == refresh_token(&user.0),
            _ => false,
        }
    } else {
        match basic(request.header("authorization").unwrap_or("")) {
            Some(pair) if pair == *user || pair.1 == refresh_token(&user.0) => true,
            Some(_) => false,
            None => {
                scopes.iter_mut().for_each(|s| *s = s.replace("pull,push", "pull"));
                scopes.retain(|_| *anonymous_pull);
                let name = give(shared, scopes, *expires_in);
                return Reply::json(StatusCode::OK, &json!({"token": name, "expires_in": expires_in}));
            }
        }
    };
    if !known {
        return Reply::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "incorrect username or password");
    }
    let name = give(shared, scopes, *expires_in);
    let mut answer = json!({"access_token": name, "token": name});
    if let Some(seconds) = expires_in {
        answer["expires_in"] = json!(seconds);
    }
    if field("access_type") == "offline" || field("offline_token") == "true" {
        answer["refresh_token"] = json!(refresh_token(&user.0));
    }
    Reply::json(StatusCode::OK, &answer)
}

fn give(shared: &Shared, scopes: Vec<String>, expires_in: Option<u64>) -> String {
    let mut tokens = lock(&shared.tokens);
    let nonce = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), tokens.len());
    let name = format!("token-{nonce:016x}");
    let life = Duration::from_secs(expires_in.unwrap_or(60));
    tokens.insert(name.clone(), (scopes, Instant::now() + life));
    name
}

fn basic(authorization: &str) -> Option<(String, String)> {
    let decoded = base64_decode(authorization.strip_prefix("Basic ")?)?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn base64_decode(text: &str) -> Option<String> {
    let value = |b: u8| match b {
        b'A'..=b'Z' => Some(u32::from(b - b'A')),
        b'a'..=b'z' => Some(u32::from(b - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(b - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = Vec::new();
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut bits = 0;
        for b in chunk {
            bits = (bits << 6) | value(*b)?;
        }
        bits <<= 6 * (4 - chunk.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    String::from_utf8(out).ok()
}

/// A form or query.
pub(super) fn form(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs.map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(n, v)| (decode(n), decode(v))).collect()
}

pub(super) fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        rest = tail;
        match (*first, code) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => out.push(b' '),
            (other, _) => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
