//! `/volumes`. The engine has no volumes yet: there are none, and none can be made.

use api_types::volume::{ListResponse, PruneReport};
use hyper::StatusCode;

use super::{Request, Result, filters};
use crate::http::ApiError;

/// `GET /volumes`
pub(crate) async fn list(request: Request) -> Result {
    filters(&request.form)?.validate(&["dangling", "driver", "label", "name"])?;
    request.reply(StatusCode::OK, &ListResponse::default())
}

/// `GET /volumes/{name}`, `DELETE /volumes/{name}`
pub(crate) async fn missing(request: Request) -> Result {
    Err(ApiError::not_found(format!("get {}: no such volume", request.name)))
}

/// `POST /volumes/create`
pub(crate) async fn create(_request: Request) -> Result {
    Err(ApiError::not_implemented("named volumes are not supported yet: use a bind mount"))
}

/// `POST /volumes/prune`
pub(crate) async fn prune(request: Request) -> Result {
    filters(&request.form)?.validate(&["all", "label", "label!"])?;
    request.reply(StatusCode::OK, &PruneReport::default())
}
