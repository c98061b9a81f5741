//! Tag, delete, prune.

use api_types::image::{DeleteItem, PruneReport};
use hyper::StatusCode;
use image::{RemoveOptions, Removed};

use super::list::image_filter;
use crate::handlers::{Request, Result, convert, filters, platforms, repo_tag};
use crate::http::{ApiError, empty};

/// `POST /images/{name}/tag`
pub(crate) async fn tag(request: Request) -> Result {
    let new = repo_tag(request.form.get("repo"), request.form.get("tag"))?
        .ok_or_else(|| ApiError::bad_request("repository name must have at least one component"))?;
    if new.familiar_name() == "sha256" {
        let text = "refusing to create an ambiguous tag using digest algorithm as name";
        return Err(ApiError::bad_request(text));
    }
    super::embedded::ensure(&request.state, &request.name).await?;
    request.state.engine.images.tag(&request.name, &new)?;
    Ok(empty(StatusCode::CREATED))
}

/// `DELETE /images/{name}`
pub(crate) async fn remove(request: Request) -> Result {
    if request.name.trim().is_empty() {
        return Err(ApiError::bad_request("image name cannot be blank"));
    }
    let form = &request.form;
    let options = RemoveOptions {
        force: form.bool("force"),
        no_prune: form.bool("noprune"),
        platforms: platforms(form, "platforms")?,
    };
    let removed = request.state.engine.images.remove(&request.name, options).await?;
    request.reply(StatusCode::OK, &items(removed))
}

/// `POST /images/prune`
pub(crate) async fn prune(request: Request) -> Result {
    let filters = filters(&request.form)?;
    filters.validate(&["dangling", "label", "label!", "until"])?;
    let filter = image_filter(&filters)?;
    let report = request.state.engine.images.prune(&filter).await?;
    let report = PruneReport {
        images_deleted: convert::none_if_empty(items(report.removed)),
        space_reclaimed: report.reclaimed,
    };
    request.reply(StatusCode::OK, &report)
}

fn items(removed: Vec<Removed>) -> Vec<DeleteItem> {
    removed
        .into_iter()
        .map(|one| match one {
            Removed::Untagged(untagged) => DeleteItem { untagged, ..DeleteItem::default() },
            Removed::Deleted(digest) => DeleteItem { deleted: digest.to_string(), ..DeleteItem::default() },
        })
        .collect()
}
