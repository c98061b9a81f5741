//! Endpoints of the API that exist in Docker and that Gantry has not got: they say so, instead of not being there.

use hyper::StatusCode;

use super::{Request, Result};
use crate::http::ApiError;

/// 501 with what is missing.
pub(crate) fn lacks(what: &'static str) -> impl Fn(Request) -> std::future::Ready<Result> + Send + Sync + 'static {
    move |_| std::future::ready(Err(ApiError::not_implemented(format!("{what} is not supported by this engine yet"))))
}

/// What Docker answers when Swarm is not initialized: true here as well.
pub(crate) async fn no_swarm(_request: Request) -> Result {
    Err(ApiError::new(
        error::ErrorKind::Unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to \
         swarm and try again.",
    ))
}

/// An empty list: there are none of these.
pub(crate) async fn none(request: Request) -> Result {
    let none: [(); 0] = [];
    request.reply(StatusCode::OK, &none)
}
