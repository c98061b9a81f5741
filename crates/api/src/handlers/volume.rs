//! `/volumes`.

use api_types::volume::{self, CreateRequest, ListResponse, PruneReport, UsageData};
use engine::{VolumeUsage, VolumeView};
use hyper::StatusCode;

use super::{Request, Result, convert, filters};
use crate::http::{ApiError, empty};

/// `GET /volumes`
pub(crate) async fn list(request: Request) -> Result {
    let volumes = request.state.engine.volumes.list(&filters(&request.form)?)?;
    let answer = ListResponse { volumes: volumes.iter().map(shown).collect(), warnings: None };
    request.reply(StatusCode::OK, &answer)
}

/// `GET /volumes/{name}`
pub(crate) async fn inspect(request: Request) -> Result {
    let volume = request.state.engine.volumes.inspect(&request.name).await?;
    request.reply(StatusCode::OK, &shown(&volume))
}

/// `POST /volumes/create`
pub(crate) async fn create(mut request: Request) -> Result {
    let body: CreateRequest = request.json().await?.unwrap_or_default();
    if body.cluster_volume_spec.is_some() {
        return Err(ApiError::new(
            error::ErrorKind::Unavailable,
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this \
             node to swarm and try again.",
        ));
    }
    let wanted =
        engine::NewVolume { name: body.name, driver: body.driver, options: body.driver_opts, labels: body.labels };
    let volume = request.state.engine.volumes.create(wanted).await?;
    request.reply(StatusCode::CREATED, &shown(&volume))
}

/// `DELETE /volumes/{name}`
pub(crate) async fn remove(request: Request) -> Result {
    request.state.engine.volumes.remove(&request.name, request.form.bool("force")).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `POST /volumes/prune`
pub(crate) async fn prune(request: Request) -> Result {
    let (names, bytes) = request.state.engine.volumes.prune(&filters(&request.form)?).await?;
    let report = PruneReport { volumes_deleted: Some(names), space_reclaimed: bytes };
    request.reply(StatusCode::OK, &report)
}

/// The volume part of `GET /system/df`.
pub(super) fn disk_usage(usage: &[VolumeUsage]) -> (volume::DiskUsage, Vec<volume::Volume>) {
    let size = |u: &VolumeUsage| u.size.map_or(-1, convert::signed);
    let sum =
        |unused_only: bool| usage.iter().filter(|u| !unused_only || u.users == 0).map(|u| size(u).max(0)).sum::<i64>();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let items = usage.iter().map(|u| volume::Volume {
        usage_data: Some(UsageData { ref_count: count(u.users), size: size(u) }),
        ..shown(&u.volume)
    });
    let summary = volume::DiskUsage {
        active_count: count(usage.iter().filter(|u| u.users > 0).count()),
        reclaimable: sum(true),
        total_count: count(usage.len()),
        total_size: sum(false),
        items: None,
    };
    (summary, items.collect())
}

fn shown(volume: &VolumeView) -> volume::Volume {
    let created_at = if volume.created_at.is_empty() {
        // To the second, as Docker tells it.
        convert::time(volume.record.created_at / 1_000_000_000 * 1_000_000_000)
    } else {
        volume.created_at.clone()
    };
    volume::Volume {
        created_at,
        driver: volume.record.driver.clone(),
        labels: volume.record.labels.clone(),
        mountpoint: volume.mountpoint.display().to_string(),
        name: volume.record.name.clone(),
        options: volume.record.options.clone(),
        scope: volume.scope.clone(),
        status: volume.status.clone(),
        usage_data: None,
    }
}
