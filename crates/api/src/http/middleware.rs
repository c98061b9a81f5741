use std::sync::Arc;

use crate::http::router::Route;
use crate::http::{ApiError, BoxFuture, Request, Response};

/// Wraps every route, hijacked ones too: sees the request before the handler and the response after it.
pub type Layer<S> =
    Arc<dyn for<'a> Fn(Request<S>, Next<'a, S>) -> BoxFuture<'a, Result<Response, ApiError>> + Send + Sync>;

/// The rest of the chain.
pub struct Next<'a, S> {
    pub(crate) layers: &'a [Layer<S>],
    pub(crate) route: &'a Route<S>,
}

impl<S> std::fmt::Debug for Next<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Next").field("layers", &self.layers.len()).field("route", &self.route).finish()
    }
}

impl<'a, S> Next<'a, S> {
    /// The route that will handle the request, `POST /containers/{name}/start`.
    pub fn route(&self) -> String {
        self.route.to_string()
    }

    /// Goes on with the request.
    pub fn run(self, request: Request<S>) -> BoxFuture<'a, Result<Response, ApiError>> {
        match self.layers.split_first() {
            Some((first, rest)) => first(request, Next { layers: rest, route: self.route }),
            None => (self.route.handler)(request),
        }
    }
}
