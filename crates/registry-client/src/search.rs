//! Searching a registry by its index (the v1 search call, the only one there is; `GET /v1/search?q=…&n=…`).

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use id::DEFAULT_DOMAIN;
use serde::Deserialize;

use crate::auth::{basic_header, push_field};
use crate::host::Endpoint;
use crate::request::{read_body, shown_url};
use crate::{Client, Credentials, Error, TransportError};

/// The host that searches Docker Hub.
const HUB_INDEX: &str = "index.docker.io";
/// Most bytes of an answer.
const ANSWER_MAX: usize = 8 << 20;

/// One hit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Hit {
    /// Stars.
    pub star_count: i64,
    /// It is maintained by the Hub itself.
    pub is_official: bool,
    /// Its repository.
    pub name: String,
    /// What it says of itself.
    pub description: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Option<Vec<Hit>>,
}

impl Client {
    /// Searches the index that `term` names (`host/word`), or Docker Hub, for at most `limit` repositories.
    ///
    /// # Errors
    /// [`Error::InvalidSearch`], [`Error::SearchStatus`], and whatever keeps the index from answering.
    pub async fn search(&self, term: &str, limit: u32, credentials: Option<&Credentials>) -> Result<Vec<Hit>, Error> {
        if term.contains("://") {
            return Err(Error::InvalidSearch { term: term.to_owned() });
        }
        let (index, word) = split(term);
        let shared = self.shared();
        let mut query = String::new();
        push_field(&mut query, "q", word);
        push_field(&mut query, "n", &limit.to_string());
        let endpoint = match index {
            DEFAULT_DOMAIN => Endpoint { authority: HUB_INDEX.to_owned(), ..Endpoint::registry(index, &shared.trust) },
            host => Endpoint::registry(host, &shared.trust),
        };
        // Credentials are for one registry; with none named they are for the index that is asked.
        let own = Endpoint::registry(index, &shared.trust).authority;
        let pair = credentials.filter(|c| c.host(index) == own).and_then(Credentials::pair);
        let authorization =
            pair.filter(|(user, _)| !user.is_empty()).and_then(|(user, secret)| basic_header(user, secret));
        let mut failure = None;
        for scheme in endpoint.schemes(&shared.trust) {
            let url = format!("{scheme}://{}{}/v1/search?{query}", endpoint.authority, endpoint.prefix);
            match self.search_at(&url, authorization.clone()).await {
                Err(Error::Request { method, url, source }) if source.suggests_plain() => {
                    failure.get_or_insert(Error::Request { method, url, source });
                }
                found => {
                    if *scheme == "http" && !endpoint.plain {
                        shared.trust.remember_plain(&endpoint.authority);
                    }
                    return found;
                }
            }
        }
        Err(failure.unwrap_or_else(|| Error::InvalidSearch { term: term.to_owned() }))
    }

    async fn search_at(&self, url: &str, authorization: Option<HeaderValue>) -> Result<Vec<Hit>, Error> {
        let bad = |why: String| Error::Malformed { what: "search result", why };
        let uri: Uri = url.parse().map_err(|e| bad(format!("{e}")))?;
        let shown = shown_url(&uri);
        let fail = |source: TransportError| Error::Request { method: "Get", url: shown.clone(), source };
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::new(body);
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri;
        request.headers_mut().insert("x-docker-token", HeaderValue::from_static("true"));
        if let Some(authorization) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        // No redirection is followed: the credentials are for this host.
        let response = self.shared().transport.send(request).await.map_err(&fail)?;
        if response.status() != StatusCode::OK {
            return Err(Error::SearchStatus { code: response.status().as_u16() });
        }
        let bytes = read_body(response.into_body(), ANSWER_MAX).await.map_err(&fail)?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        Ok(answer.results.unwrap_or_default())
    }
}

/// The index and the word to search it for.
fn split(term: &str) -> (&str, &str) {
    let (index, word) = match term.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
        _ => (DEFAULT_DOMAIN, term),
    };
    let index = if index == HUB_INDEX { DEFAULT_DOMAIN } else { index };
    let word = if index == DEFAULT_DOMAIN { word.strip_prefix("library/").unwrap_or(word) } else { word };
    (index, word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_names_its_index() {
        for (term, want) in [
            ("busybox", (DEFAULT_DOMAIN, "busybox")),
            ("library/busybox", (DEFAULT_DOMAIN, "busybox")),
            ("me/app", (DEFAULT_DOMAIN, "me/app")),
            ("index.docker.io/library/x", (DEFAULT_DOMAIN, "x")),
            ("localhost/x", ("localhost", "x")),
            ("r.example:5000/a/b", ("r.example:5000", "a/b")),
        ] {
            assert_eq!(split(term), want, "{term}");
        }
    }
}
