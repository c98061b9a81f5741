//! Reading: list, inspect, history.

use std::collections::BTreeMap;

use api_types::image::{
    AttestationProperties, HistoryItem, Identity, ImageInspect, ImageProperties, ImagePropertiesSize, ImageSummary,
    ManifestSize, ManifestSummary, Metadata, PullIdentity, RootFs,
};
use engine::{Engine, ListOptions};
use hyper::StatusCode;
use image::{ListFilter, ManifestKind};
use units::filter::Filters;

use crate::handlers::{Request, Result, convert, filters, platform_json};
use crate::http::ApiError;

/// The image filters of a request.
pub(crate) fn image_filter(filters: &Filters) -> Result<ListFilter> {
    let args: BTreeMap<String, Vec<String>> =
        filters.keys().map(|k| (k.to_owned(), filters.get(k).map(str::to_owned).collect())).collect();
    let now = jiff::Timestamp::now();
    let parse = |text: &str| {
        let zone = jiff::tz::TimeZone::system();
        units::timestamp::parse_user_time(text, now, &zone).ok().map(jiff::Timestamp::as_nanosecond)
    };
    Ok(ListFilter::parse(&args, parse)?)
}

/// `GET /images/json`
pub(crate) async fn list(request: Request) -> Result {
    let form = &request.form;
    let filter = image_filter(&filters(form)?)?;
    let manifests = form.bool("manifests");
    if form.bool("identity") && !manifests {
        return Err(ApiError::bad_request("conflicting options: identity requires manifests=1"));
    }
    let mut rows = summaries(&request.state.engine, &filter, form.bool("all"), form.bool("shared-size"))?;
    if !manifests {
        for row in &mut rows {
            row.manifests = None;
        }
    }
    request.reply(StatusCode::OK, &rows)
}

/// All images that pass, with their manifests and the number of their containers.
pub(crate) fn summaries(engine: &Engine, filter: &ListFilter, all: bool, shared: bool) -> Result<Vec<ImageSummary>> {
    let containers = engine.containers.list(&ListOptions { all: true, ..ListOptions::default() })?;
    let users = |manifest: &str| -> Vec<String> {
        let uses = |c: &engine::ContainerView| c.manifest.as_ref().is_some_and(|m| m.digest == manifest);
        containers.iter().filter(|c| uses(c)).map(|c| c.id.to_string()).collect()
    };
    let images = engine.images.store().list(filter, all, shared)?;
    let row = |image: image::ImageSummary| {
        let used = containers.iter().filter(|c| c.image_id == image.id).count();
        ImageSummary {
            containers: i64::try_from(used).unwrap_or(i64::MAX),
            created: image.created,
            id: image.id.to_string(),
            labels: (!image.labels.is_empty()).then(|| image.labels.clone()),
            parent_id: image.parent.map(|p| p.to_string()).unwrap_or_default(),
            descriptor: Some(image.descriptor.clone()),
            manifests: Some(image.manifests.iter().map(|m| manifest(m, &users)).collect()),
            repo_digests: image.repo_digests,
            repo_tags: image.repo_tags,
            shared_size: image.shared_size.map_or(-1, convert::signed),
            size: convert::signed(image.size),
        }
    };
    Ok(images.into_iter().map(row).collect())
}

fn manifest(m: &image::ManifestSummary, users: &dyn Fn(&str) -> Vec<String>) -> ManifestSummary {
    let mut shown = ManifestSummary {
        id: m.descriptor.digest.clone(),
        descriptor: m.descriptor.clone(),
        available: m.available,
        size: ManifestSize { content: convert::signed(m.content_size), total: convert::signed(m.content_size) },
        ..ManifestSummary::default()
    };
    match &m.kind {
        ManifestKind::Image { platform, unpacked } => {
            shown.kind = "image".to_owned();
            shown.size.total = convert::signed(m.content_size + unpacked);
            shown.image_data = Some(ImageProperties {
                platform: platform.clone(),
                size: ImagePropertiesSize { unpacked: convert::signed(*unpacked) },
                containers: users(&m.descriptor.digest),
            });
        }
        ManifestKind::Attestation { subject } => {
            shown.kind = "attestation".to_owned();
            shown.attestation_data = Some(AttestationProperties { subject: subject.to_string() });
        }
        ManifestKind::Unknown => shown.kind = "unknown".to_owned(),
    }
    shown
}

/// `GET /images/{name}/json`
pub(crate) async fn inspect(request: Request) -> Result {
    let form = &request.form;
    let manifests = form.bool("manifests");
    let platform = platform_json(form.get("platform"))?;
    if manifests && platform.is_some() {
        let text = "conflicting options: manifests and platform options cannot both be set";
        return Err(ApiError::bad_request(text));
    }
    let app = &request.state;
    super::embedded::ensure(app, &request.name).await?;
    let view = app.engine.images.store().inspect(&request.name, platform.as_ref())?;
    let document = view.document.as_deref().cloned().unwrap_or_default();
    let containers = app.engine.containers.list(&ListOptions { all: true, ..ListOptions::default() })?;
    let users = |digest: &str| -> Vec<String> {
        let uses = |c: &engine::ContainerView| c.manifest.as_ref().is_some_and(|m| m.digest == digest);
        containers.iter().filter(|c| uses(c)).map(|c| c.id.to_string()).collect()
    };
    // An image that was committed has its comment in its newest layer's history.
    let last = document.history.last().and_then(|h| h.comment.clone());
    let comment = document.comment.filter(|c| !c.is_empty()).or(last).unwrap_or_default();
    let shown = ImageInspect {
        id: view.id.to_string(),
        repo_tags: view.repo_tags,
        repo_digests: view.repo_digests,
        comment,
        created: document.created.unwrap_or_default(),
        author: document.author.unwrap_or_default(),
        config: document.config,
        architecture: document.architecture,
        variant: document.variant.unwrap_or_default(),
        os: document.os,
        os_version: document.os_version.unwrap_or_default(),
        size: convert::signed(view.size),
        root_fs: RootFs { kind: document.rootfs.r#type, layers: document.rootfs.diff_ids },
        metadata: Metadata { last_tag_time: convert::wide_time(view.last_tag_time) },
        descriptor: Some(view.descriptor),
        identity: identity(view.sources),
        manifests: manifests.then(|| view.manifests.iter().map(|m| manifest(m, &users)).collect()),
        ..ImageInspect::default()
    };
    request.reply(StatusCode::OK, &shown)
}

/// What is known of an image's origin.
fn identity(sources: Vec<String>) -> Option<Identity> {
    let pull: Vec<PullIdentity> = sources.into_iter().map(|repository| PullIdentity { repository }).collect();
    (!pull.is_empty()).then_some(Identity { pull })
}

/// `GET /images/{name}/history`
pub(crate) async fn history(request: Request) -> Result {
    let platform = platform_json(request.form.get("platform"))?;
    let items = request.state.engine.images.store().history(&request.name, platform.as_ref())?;
    let rows: Vec<HistoryItem> = items
        .into_iter()
        .map(|i| HistoryItem {
            comment: i.comment,
            created: i.created,
            created_by: i.created_by,
            id: i.id,
            size: convert::signed(i.size),
            tags: convert::none_if_empty(i.tags),
        })
        .collect();
    request.reply(StatusCode::OK, &rows)
}
