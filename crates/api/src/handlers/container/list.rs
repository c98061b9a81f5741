//! Reading: list, inspect, top.

use api_types::container::TopResponse;
use engine::{ContainerView, ListOptions};
use hyper::StatusCode;

use super::view;
use crate::handlers::{Request, Result, filters};

/// `GET /containers/json`
pub(crate) async fn list(request: Request) -> Result {
    let form = &request.form;
    let options = ListOptions {
        all: form.bool("all"),
        limit: form.int("limit")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
        filters: filters(form)?,
    };
    let engine = &request.state.engine;
    let mut rows = Vec::new();
    let linked = engine.containers.link_names();
    for container in engine.containers.list(&options)? {
        let mut row = view::summary(&container, image_name(&request, &container));
        row.names.extend(linked.get(&container.id).into_iter().flatten().map(|name| format!("/{name}")));
        if form.bool("size")
            && let Ok((rw, all)) = engine.containers.size(container.id.as_str()).await
        {
            row.size_rw = Some(rw).filter(|n| *n != 0);
            row.size_root_fs = Some(all).filter(|n| *n != 0);
        }
        rows.push(row);
    }
    request.reply(StatusCode::OK, &rows)
}

/// The name that the user gave, unless it means another image by now.
fn image_name(request: &Request, container: &ContainerView) -> String {
    let name = &container.spec.config.image;
    match request.state.engine.images.resolve(name, None) {
        Ok(image) if image.id == container.image_id => name.clone(),
        _ => container.image_id.to_string(),
    }
}

/// `GET /containers/{id}/json`
pub(crate) async fn inspect(request: Request) -> Result {
    let engine = &request.state.engine;
    let container = engine.containers.inspect(&request.name)?;
    let mut shown = view::inspect(&container);
    if let Some(host) = &mut shown.host_config {
        host.links = engine.containers.links(&container);
    }
    if request.form.bool("size") {
        let (rw, all) = engine.containers.size(container.id.as_str()).await?;
        shown.size_rw = Some(rw);
        shown.size_root_fs = Some(all);
    }
    request.reply(StatusCode::OK, &shown)
}

/// `GET /containers/{id}/top`
pub(crate) async fn top(request: Request) -> Result {
    let top = request.state.engine.containers.top(&request.name, request.form.get("ps_args")).await?;
    request.reply(StatusCode::OK, &TopResponse { processes: top.processes, titles: top.titles })
}
