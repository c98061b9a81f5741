//! Who we are to a registry: Basic, or Bearer tokens from the server that its challenge names
//! (distribution: `spec/auth/token`, `spec/auth/oauth`).

mod challenge;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Uri};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::host::may_lead_to;
use crate::request::{ATTEMPTS, RETRY_AFTER_MAX, is_passing, pause, read_body, retry_after, shown_url, status_error};
use crate::transport::Body;
use crate::{Credentials, Error};
use challenge::Challenge;

/// The longest answer of a token server.
const TOKEN_ANSWER_MAX: usize = 256 * 1024;
/// How long a token holds whose server does not say (`spec/auth/token`).
const TOKEN_LIFE: u64 = 60;
/// A token is renewed so long before it ends.
const TOKEN_MARGIN: Duration = Duration::from_secs(5);
const CLIENT_ID: &str = "docker";

/// The credentials for one repository and what was made of them. The lock is held while a token is fetched: of
/// many requests one does it.
#[derive(Debug)]
pub(crate) struct Auth {
    credentials: Option<Credentials>,
    /// The only host that the credentials are for.
    host: String,
    /// The whole name, for a refusal.
    reference: String,
    handlers: Mutex<HashMap<String, Handler>>,
    refresh_token: Mutex<Option<String>>,
}

/// How one host (`host[:port]`) wants us to log in.
#[derive(Debug)]
enum Handler {
    Basic(HeaderValue),
    Bearer(Bearer),
}

#[derive(Debug)]
struct Bearer {
    realm: Uri,
    service: String,
    scopes: BTreeSet<String>,
    tokens: HashMap<String, Token>,
}

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    ends: Instant,
}

/// What came of a challenge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Ask again.
    Retry,
    /// There is nothing to try: the answer stands.
    Refused,
    /// A new token was refused, too.
    Denied,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    refresh_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Auth {
    pub(crate) fn new(credentials: Option<Credentials>, domain: &str, reference: String) -> Self {
        let credentials = credentials.filter(|c| !c.is_empty());
        let host = credentials.as_ref().map_or_else(String::new, |c| c.host(domain));
        Self { credentials, host, reference, handlers: Mutex::default(), refresh_token: Mutex::default() }
    }

    /// The `Authorization` for a request to `authority`, if it is known to want one.
    pub(crate) async fn header(
        &self,
        client: &crate::client::Shared,
        authority: &str,
        scopes: &[String],
    ) -> Result<Option<HeaderValue>, Error> {
        if let Some(c) = &self.credentials
            && !c.registry_token.is_empty()
        {
            return Ok(if authority == self.host { secret_header("Bearer", &c.registry_token) } else { None });
        }
        let mut handlers = self.handlers.lock().await;
        match handlers.get_mut(authority) {
            None => Ok(None),
            Some(Handler::Basic(header)) => Ok(Some(header.clone())),
            Some(Handler::Bearer(bearer)) => {
                let wanted: BTreeSet<String> = bearer.scopes.iter().chain(scopes).cloned().collect();
                let key = wanted.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
                if let Some(token) = bearer.tokens.get(&key)
                    && token.ends > Instant::now()
                {
                    return Ok(Some(token.header.clone()));
                }
                let token = self.fetch(client, bearer, &wanted, authority).await?;
                let header = token.header.clone();
                bearer.tokens.insert(key, token);
                Ok(Some(header))
            }
        }
    }

    /// A host answered 401. `url` is what was asked; `refusals` how often the same request was refused with an
    /// `Authorization`, this time included.
    pub(crate) async fn challenged(
        &self,
        trust: &crate::host::Trust,
        url: &Uri,
        authority: &str,
        headers: &HeaderMap,
        refusals: u32,
    ) -> Result<Outcome, Error> {
        let own = authority == self.host;
        if self.credentials.as_ref().is_some_and(|c| !c.registry_token.is_empty()) {
            return Ok(Outcome::Refused);
        }
        let pair = self.credentials.as_ref().filter(|_| own).and_then(Credentials::pair);
        let mut handlers = self.handlers.lock().await;
        for challenge in Challenge::all(headers) {
            match challenge.scheme.as_str() {
                "bearer" => {
                    if refusals > 1 {
                        let explained = challenge.parameter("error").is_some();
                        return Ok(if explained { Outcome::Denied } else { Outcome::Refused });
                    }
                    if refusals == 1
                        && let Some(Handler::Bearer(bearer)) = handlers.get_mut(authority)
                    {
                        // The token may have ended.
                        bearer.tokens.clear();
                        return Ok(Outcome::Retry);
                    }
                    let bearer = Bearer::new(trust, url, &challenge)?;
                    handlers.insert(authority.to_owned(), Handler::Bearer(bearer));
                    return Ok(Outcome::Retry);
                }
                "basic" => {
                    let Some((user, secret)) = pair.filter(|(user, _)| !user.is_empty()) else {
                        return Err(Error::NoBasicAuth { reference: self.reference.clone() });
                    };
                    if refusals > 0 {
                        return Ok(Outcome::Refused);
                    }
                    let Some(header) = basic_header(user, secret) else { return Ok(Outcome::Refused) };
                    handlers.insert(authority.to_owned(), Handler::Basic(header));
                    return Ok(Outcome::Retry);
                }
                _ => {}
            }
        }
        Ok(Outcome::Refused)
    }

    /// The refresh (identity) token that the token server gave along, if it did.
    pub(crate) async fn refresh_token(&self) -> Option<String> {
        self.refresh_token.lock().await.clone()
    }

    async fn fetch(
        &self,
        client: &crate::client::Shared,
        bearer: &Bearer,
        scopes: &BTreeSet<String>,
        authority: &str,
    ) -> Result<Token, Error> {
        let pair = self.credentials.as_ref().filter(|_| authority == self.host).and_then(Credentials::pair);
        let (stage, result) = match pair {
            None => ("failed to fetch anonymous token", ask(client, || bearer.get(scopes, None, false)).await),
            Some((user, secret)) => {
                let posted = ask(client, || bearer.post(scopes, user, secret)).await;
                let result = match posted {
                    // Token servers without this call say so in many ways (containerd's list).
                    Err(e) if refuses_post(&e, user) => {
                        ask(client, || bearer.get(scopes, Some((user, secret)), true)).await
                    }
                    other => other,
                };
                ("failed to fetch oauth token", result)
            }
        };
        let answer = result.map_err(|e| match e {
            Error::Registry { .. } => e,
            other => Error::Token { stage, source: Box::new(other) },
        })?;
        let token = if answer.access_token.is_empty() { answer.token } else { answer.access_token };
        if !answer.refresh_token.is_empty() {
            *self.refresh_token.lock().await = Some(answer.refresh_token);
        }
        let missing =
            || Error::Challenge { why: "authorization server did not include a token in the response".to_owned() };
        let life = Duration::from_secs(answer.expires_in.filter(|n| *n > 0).unwrap_or(TOKEN_LIFE).clamp(1, 86_400));
        let header =
            Some(token).filter(|t| !t.is_empty()).and_then(|t| secret_header("Bearer", &t)).ok_or_else(missing)?;
        let ends = Instant::now() + life.checked_sub(TOKEN_MARGIN).unwrap_or(life / 2);
        Ok(Token { header, ends })
    }
}

impl Bearer {
    fn new(trust: &crate::host::Trust, url: &Uri, challenge: &Challenge) -> Result<Self, Error> {
        let realm = challenge
            .parameter("realm")
            .ok_or_else(|| Error::Challenge { why: "no realm specified for token auth challenge".to_owned() })?;
        let bad = |why: &str| Error::Challenge { why: format!("invalid token auth challenge realm: {why}") };
        let uri: Uri = realm.parse().map_err(|_| bad("not a URL"))?;
        if uri.authority().is_none_or(|a| a.as_str().contains('@')) || !may_lead_to(trust, url, &uri) {
            return Err(bad(&format!("{} may not be asked on behalf of {}", shown_url(&uri), shown_url(url))));
        }
        Ok(Self {
            realm: uri,
            service: challenge.parameter("service").unwrap_or("").to_owned(),
            scopes: challenge
                .parameter("scope")
                .into_iter()
                .flat_map(str::split_whitespace)
                .map(str::to_owned)
                .collect(),
            tokens: HashMap::new(),
        })
    }

    fn get(
        &self,
        scopes: &BTreeSet<String>,
        pair: Option<(&str, &str)>,
        offline: bool,
    ) -> Result<Request<Body>, Error> {
        let mut query = self.realm.query().unwrap_or("").to_owned();
        if !self.service.is_empty() {
            push_field(&mut query, "service", &self.service);
        }
        for scope in scopes {
            push_field(&mut query, "scope", scope);
        }
        if offline {
            push_field(&mut query, "client_id", CLIENT_ID);
            push_field(&mut query, "offline_token", "true");
        }
        let base = self.realm.to_string();
        let base = base.split('?').next().unwrap_or("");
        let mut request = Request::builder().method(Method::GET).uri(format!("{base}?{query}"));
        if let Some(header) = pair.and_then(|(user, secret)| basic_header(user, secret)) {
            request = request.header(header::AUTHORIZATION, header);
        }
        build(request, Bytes::new())
    }

    fn post(&self, scopes: &BTreeSet<String>, user: &str, secret: &str) -> Result<Request<Body>, Error> {
        let mut form = String::new();
        if !scopes.is_empty() {
            push_field(&mut form, "scope", &scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
        }
        push_field(&mut form, "service", &self.service);
        push_field(&mut form, "client_id", CLIENT_ID);
        if user.is_empty() {
            push_field(&mut form, "grant_type", "refresh_token");
            push_field(&mut form, "refresh_token", secret);
        } else {
            push_field(&mut form, "grant_type", "password");
            push_field(&mut form, "access_type", "offline");
            push_field(&mut form, "username", user);
            push_field(&mut form, "password", secret);
        }
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.realm.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        build(request, form.into())
    }
}

/// Asks a token server; what is of a passing nature is tried again.
async fn ask(
    client: &crate::client::Shared,
    make: impl Fn() -> Result<Request<Body>, Error>,
) -> Result<TokenAnswer, Error> {
    let mut attempt = 1;
    let (method, url_shown, response) = loop {
        let request = make()?;
        // The query of a realm may be long and may hold names: not for the log.
        let (method, url_shown) = (request.method().clone(), shown_url(request.uri()));
        let patient = attempt < ATTEMPTS;
        let wait = match client.transport.send(request).await {
            Ok(response) => match retry_after(response.headers()) {
                wait if patient && is_passing(response.status()) && wait.is_none_or(|w| w <= RETRY_AFTER_MAX) => wait,
                _ => break (method, url_shown, response),
            },
            Err(source) if patient && source.is_transient() => None,
            Err(source) => {
                return Err(Error::Request { method: crate::request::go_method(&method), url: url_shown, source });
            }
        };
        tracing::debug!(url = url_shown, attempt, "token request failed, repeating");
        pause(client, attempt, wait).await;
        attempt += 1;
    };
    // Redirections are not followed: they would carry the credentials along.
    if !response.status().is_success() {
        return Err(status_error(&method, &url_shown, response).await);
    }
    let body = read_body(response.into_body(), TOKEN_ANSWER_MAX).await.map_err(|source| Error::Request {
        method: crate::request::go_method(&method),
        url: url_shown,
        source,
    })?;
    serde_json::from_slice(&body).map_err(|e| Error::Challenge { why: format!("unable to decode token response: {e}") })
}

fn refuses_post(error: &Error, user: &str) -> bool {
    match error {
        Error::Status { code, .. } | Error::Registry { status: code, .. } => {
            matches!(code, 400 | 401 | 404) || (*code == 405 && !user.is_empty())
        }
        _ => false,
    }
}

fn build(request: hyper::http::request::Builder, body: Bytes) -> Result<Request<Body>, Error> {
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    request.body(body).map_err(|e| Error::Challenge { why: format!("invalid token auth challenge realm: {e}") })
}

fn secret_header(scheme: &str, secret: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(&format!("{scheme} {secret}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

pub(crate) fn basic_header(user: &str, secret: &str) -> Option<HeaderValue> {
    secret_header("Basic", &STANDARD.encode(format!("{user}:{secret}")))
}

/// Appends `name=value` to a query or form, escaped.
pub(crate) fn push_field(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push('&');
    }
    for (n, part) in [name, value].into_iter().enumerate() {
        if n == 1 {
            out.push('=');
        }
        for b in part.bytes() {
            match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(b)),
                _ => out.push_str(&format!("%{b:02X}")),
            }
        }
    }
}
