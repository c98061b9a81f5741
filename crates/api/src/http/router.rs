use std::fmt;
use std::sync::Arc;

use api_compat::{Operation, Version};
use hyper::Method;

use crate::http::{ApiError, BoxFuture, Request, Response};

/// What answers a request.
pub(crate) type Handler<S> = Arc<dyn Fn(Request<S>) -> BoxFuture<'static, Result<Response, ApiError>> + Send + Sync>;

/// One line of the routing table. A pattern has at most one open part, `{name}`, that takes anything, slashes too.
pub struct Route<S> {
    method: Method,
    pattern: &'static str,
    operation: Operation,
    since: Option<Version>,
    pub(crate) handler: Handler<S>,
}

impl<S> Clone for Route<S> {
    fn clone(&self) -> Self {
        Self {
            method: self.method.clone(),
            pattern: self.pattern,
            operation: self.operation,
            since: self.since,
            handler: self.handler.clone(),
        }
    }
}

impl<S> Route<S> {
    /// A route.
    pub fn new<F, R>(method: Method, pattern: &'static str, operation: Operation, handler: F) -> Self
    where
        F: Fn(Request<S>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        Self { method, pattern, operation, since: None, handler: Arc::new(move |request| Box::pin(handler(request))) }
    }

    /// The same route, refused to clients of older API versions.
    #[must_use]
    pub fn since(mut self, version: Version) -> Self {
        self.since = Some(version);
        self
    }

    /// Which operation it is.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Refuses clients for which this route does not exist.
    pub(crate) fn check_version(&self, version: Version) -> Result<(), ApiError> {
        match self.since {
            Some(since) if version < since => Err(ApiError::bad_request(format!(
                "{} {} requires minimum API version {since}",
                self.method,
                self.pattern.replace("{name}", "{name:.*}")
            ))),
            _ => Ok(()),
        }
    }

    /// What the open part is if the path fits; empty if the pattern has none.
    fn fit<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self.pattern.split_once("{name}") {
            None => (path == self.pattern).then_some(""),
            Some((before, after)) => path.strip_prefix(before)?.strip_suffix(after),
        }
    }
}

impl<S> fmt::Display for Route<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.pattern)
    }
}

impl<S> fmt::Debug for Route<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The routing table: the first route that fits wins.
#[derive(Debug)]
pub struct Router<S> {
    routes: Vec<Route<S>>,
    grpc: Option<Route<S>>,
}

impl<S> Router<S> {
    /// A table.
    pub fn new(routes: Vec<Route<S>>) -> Self {
        Self { routes, grpc: None }
    }

    /// The same table, with what answers gRPC calls over HTTP/2; its open part is the path.
    #[must_use]
    pub fn with_grpc(mut self, route: Route<S>) -> Self {
        self.grpc = Some(route);
        self
    }

    /// What answers gRPC calls.
    pub(crate) fn grpc(&self) -> Option<&Route<S>> {
        self.grpc.as_ref()
    }

    /// The routes in order.
    pub fn routes(&self) -> &[Route<S>] {
        &self.routes
    }

    /// The route for a request, and its open part.
    pub(crate) fn find<'p>(&self, method: &Method, path: &'p str) -> Option<(&Route<S>, &'p str)> {
        self.routes.iter().filter(|r| r.method == *method).find_map(|r| Some((r, r.fit(path)?)))
    }
}

/// Takes `/v1.44` off the front: the version's text (if any) and the rest.
pub(crate) fn split_version(path: &str) -> (Option<&str>, &str) {
    let Some(rest) = path.strip_prefix("/v") else { return (None, path) };
    let end = rest.find('/').unwrap_or(rest.len());
    let version = &rest[..end];
    if version.is_empty() || end == rest.len() || !version.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return (None, path);
    }
    (Some(version), &rest[end..])
}

/// The path without `//`, `/./`, `/../` (Go's router redirects there); `None` if it is clean.
pub(crate) fn cleaned(path: &str) -> Option<String> {
    if !path.contains("//") && !path.contains("/.") {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut clean = format!("/{}", parts.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    (clean != path).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::empty;

    fn table() -> Router<()> {
        let route = |method, pattern| {
            Route::new(method, pattern, Operation::Other, |_| async { Ok(empty(hyper::StatusCode::OK)) })
        };
        Router::new(vec![
            route(Method::GET, "/images/json"),
            route(Method::GET, "/images/{name}/json"),
            route(Method::GET, "/networks/{name}"),
            route(Method::DELETE, "/images/{name}"),
        ])
    }

    #[test]
    fn names_may_have_slashes_in_the_middle_of_a_route() {
        let table = table();
        let find = |m: Method, p| table.find(&m, p).map(|(r, name)| (r.to_string(), name));
        assert_eq!(find(Method::GET, "/images/json"), Some(("GET /images/json".into(), "")));
        let want = Some(("GET /images/{name}/json".into(), "r.io:5000/a/b:1"));
        assert_eq!(find(Method::GET, "/images/r.io:5000/a/b:1/json"), want);
        assert_eq!(find(Method::DELETE, "/images/a/b"), Some(("DELETE /images/{name}".into(), "a/b")));
        assert_eq!(find(Method::POST, "/images/a/b"), None);
        assert_eq!(find(Method::GET, "/images"), None);
    }

    #[test]
    fn versions_are_taken_off() {
        assert_eq!(split_version("/v1.44/info"), (Some("1.44"), "/info"));
        assert_eq!(split_version("/info"), (None, "/info"));
        assert_eq!(split_version("/version"), (None, "/version"));
        assert_eq!(split_version("/volumes/v1"), (None, "/volumes/v1"));
        assert_eq!(split_version("/v1.44"), (None, "/v1.44"));
    }

    #[test]
    fn paths_are_cleaned_as_gos_router_does() {
        assert_eq!(cleaned("/containers//json").as_deref(), Some("/containers/json"));
        assert_eq!(cleaned("/a/../b/./c/").as_deref(), Some("/b/c/"));
        assert_eq!(cleaned("/images/.hidden/json"), None);
        assert_eq!(cleaned("/images/a/json"), None);
    }
}
