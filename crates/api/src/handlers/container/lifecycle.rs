//! Start, stop, and what else happens to a container without a body.

use api_compat::Behaviour;
use api_types::container::{PruneReport, UpdateResponse, WaitExitError, WaitResponse};
use engine::{RemoveOptions, WaitCondition};
use hyper::StatusCode;

use crate::handlers::{Request, Result, convert, filters};
use crate::http::{ApiError, JsonLines, empty};

fn done() -> Result {
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `POST /containers/{id}/start`
pub(crate) async fn start(request: Request) -> Result {
    if request.content_length().is_none_or(|n| n > 7) {
        return Err(ApiError::bad_request(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
    if request.form.non_empty("checkpoint").is_some() {
        return Err(ApiError::not_implemented("checkpoints are not supported"));
    }
    request.state.engine.containers.start(&request.name).await?;
    done()
}

/// `POST /containers/{id}/stop`
pub(crate) async fn stop(request: Request) -> Result {
    let timeout = request.form.int("t")?;
    request.state.engine.containers.stop(&request.name, timeout, request.form.get("signal")).await?;
    done()
}

/// `POST /containers/{id}/restart`
pub(crate) async fn restart(request: Request) -> Result {
    let timeout = request.form.int("t")?;
    request.state.engine.containers.restart(&request.name, timeout, request.form.get("signal")).await?;
    done()
}

/// `POST /containers/{id}/kill`
pub(crate) async fn kill(request: Request) -> Result {
    request.state.engine.containers.kill(&request.name, request.form.get("signal")).await?;
    done()
}

/// `POST /containers/{id}/pause`
pub(crate) async fn pause(request: Request) -> Result {
    request.state.engine.containers.pause(&request.name).await?;
    done()
}

/// `POST /containers/{id}/unpause`
pub(crate) async fn unpause(request: Request) -> Result {
    request.state.engine.containers.unpause(&request.name).await?;
    done()
}

/// `POST /containers/{id}/rename`
pub(crate) async fn rename(request: Request) -> Result {
    request.state.engine.containers.rename(&request.name, request.form.get("name")).await?;
    done()
}

/// `DELETE /containers/{id}`
pub(crate) async fn remove(request: Request) -> Result {
    let form = &request.form;
    let options = RemoveOptions { force: form.bool("force"), volumes: form.bool("v"), link: form.bool("link") };
    request.state.engine.containers.remove(&request.name, options).await?;
    done()
}

/// `POST /containers/{id}/resize`
pub(crate) async fn resize(request: Request) -> Result {
    let (rows, cols) = size(&request)?;
    request.state.engine.containers.resize(&request.name, rows, cols).await?;
    Ok(empty(StatusCode::OK))
}

/// `h` and `w` of a request: rows and columns.
pub(crate) fn size(request: &Request) -> Result<(u16, u16)> {
    let one = |key, what| {
        let bad = |why| ApiError::bad_request(format!("invalid resize {what} {:?}: {why}", request.form.get(key)));
        let n = request.form.uint32(key).map_err(bad)?;
        u16::try_from(n).map_err(|_| bad("value out of range"))
    };
    Ok((one("h", "height")?, one("w", "width")?))
}

/// `POST /containers/{id}/update`
pub(crate) async fn update(mut request: Request) -> Result {
    let mut host: spec::HostConfig = request.json().await?.unwrap_or_default();
    if host.pids_limit.is_some_and(|n| n <= 0) {
        host.pids_limit = Some(0);
    }
    let warnings = request.state.engine.containers.update(&request.name, host).await?;
    request.reply(StatusCode::OK, &UpdateResponse { warnings: Some(warnings).filter(|w| !w.is_empty()) })
}

/// `POST /containers/{id}/wait`
pub(crate) async fn wait(request: Request) -> Result {
    let behaviour = Behaviour::of(request.version);
    let condition = match request.form.get("condition") {
        "next-exit" if behaviour.wait_early => WaitCondition::NextExit,
        "removed" if behaviour.wait_early => WaitCondition::Removed,
        "" | "not-running" => WaitCondition::NotRunning,
        other if behaviour.wait_early => return Err(ApiError::bad_request(format!("invalid condition: {other:?}"))),
        _ => WaitCondition::NotRunning,
    };
    let waiter = request.state.engine.containers.wait(&request.name, condition)?;
    let answer = |result: engine::WaitResult| WaitResponse {
        error: result.error.map(|message| WaitExitError { message }),
        status_code: result.status,
    };
    if !behaviour.wait_early {
        return request.reply(StatusCode::OK, &answer(waiter.result().await?));
    }
    // The client must know that it waits before it goes on (it starts the container next): headers go out now.
    let (lines, response) = JsonLines::open(api_types::MEDIA_TYPE_JSON);
    tokio::spawn(async move {
        let result = tokio::select! {
            result = waiter.result() => result,
            () = lines.closed() => return,
        };
        let answer = match result {
            Ok(result) => answer(result),
            Err(e) => WaitResponse { error: Some(WaitExitError { message: e.to_string() }), status_code: -1 },
        };
        if behaviour.wait_errors || answer.error.is_none() {
            // A client that is gone does not wait any more.
            let _ = lines.send(&answer).await;
        }
    });
    Ok(response)
}

/// `POST /containers/prune`
pub(crate) async fn prune(request: Request) -> Result {
    let (ids, bytes) = request.state.engine.containers.prune(&filters(&request.form)?).await?;
    let report = PruneReport {
        containers_deleted: convert::none_if_empty(ids.iter().map(ToString::to_string).collect()),
        space_reclaimed: bytes,
    };
    request.reply(StatusCode::OK, &report)
}
