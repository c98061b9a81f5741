//! Exec sessions.

use api_types::IdResponse;
use api_types::exec::{ExecCreateRequest, ExecInspect, ExecProcessConfig, ExecStartRequest};
use engine::{ExecCreate, ExecStart};
use error::{ErrorKind, HasKind};
use hyper::StatusCode;

use super::container::attach::{carry, media_type};
use super::container::lifecycle::size;
use super::container::logs::frame;
use super::{Request, Result};
use crate::http::{ApiError, empty};

fn console(size: Option<[u32; 2]>) -> Option<(u16, u16)> {
    let [rows, cols] = size?;
    Some((u16::try_from(rows).ok()?, u16::try_from(cols).ok()?))
}

/// `POST /containers/{id}/exec`
pub(crate) async fn create(mut request: Request) -> Result {
    let body: ExecCreateRequest = request.json().await?.unwrap_or_default();
    let create = ExecCreate {
        cmd: body.cmd.unwrap_or_default(),
        user: body.user,
        env: body.env.unwrap_or_default(),
        working_dir: body.working_dir,
        tty: body.tty,
        privileged: body.privileged,
        attach_stdin: body.attach_stdin,
        attach_stdout: body.attach_stdout,
        attach_stderr: body.attach_stderr,
        detach_keys: Some(body.detach_keys).filter(|k| !k.is_empty()),
        console_size: console(body.console_size),
    };
    if create.cmd.is_empty() {
        return Err(ApiError::bad_request("No exec command specified"));
    }
    let id = request.state.engine.containers.exec_create(&request.name, create).await?;
    request.reply(StatusCode::CREATED, &IdResponse { id })
}

/// `POST /exec/{id}/start`
pub(crate) async fn start(mut request: Request) -> Result {
    let body: ExecStartRequest = request.json().await?.unwrap_or_default();
    if !body.detach && !request.can_hijack() {
        return Err(ApiError::bad_request("hijack connection missing"));
    }
    let console_size = console(body.console_size).filter(|_| body.tty);
    let start = ExecStart { detach: body.detach, tty: body.tty, console_size };
    let content_type = media_type(&request, body.tty);
    match request.state.engine.containers.exec_start(&request.name, start).await {
        Ok(Some(session)) if !body.detach => request.hijack(content_type, |hijacked| carry(session, hijacked)),
        Ok(_) if body.detach => Ok(empty(StatusCode::OK)),
        Ok(_) => request.hijack(content_type, |hijacked| hijacked.close()),
        // Docker takes the connection over before it tries, so its clients look for this failure in the stream.
        Err(e) if !body.detach && !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {
            let text = frame(1, &format!("{e}\r\n"), body.tty);
            request.hijack(content_type, |hijacked| async move { hijacked.finish(&text).await })
        }
        Err(e) => Err(e.into()),
    }
}

/// `POST /exec/{id}/resize`
pub(crate) async fn resize(request: Request) -> Result {
    let (rows, cols) = size(&request)?;
    request.state.engine.containers.exec_resize(&request.name, rows, cols).await?;
    Ok(empty(StatusCode::OK))
}

/// `GET /exec/{id}/json`
pub(crate) async fn inspect(request: Request) -> Result {
    let view = request.state.engine.containers.exec_inspect(&request.name).await?;
    let (entrypoint, arguments) =
        view.create.cmd.split_first().map_or_else(Default::default, |(e, a)| (e.clone(), a.to_vec()));
    let shown = ExecInspect {
        id: view.id,
        running: view.running,
        exit_code: view.exit_code,
        process_config: Some(ExecProcessConfig {
            tty: view.create.tty,
            entrypoint,
            arguments,
            privileged: Some(view.create.privileged),
            user: view.create.user,
        }),
        open_stdin: view.create.attach_stdin,
        open_stderr: view.create.attach_stderr,
        open_stdout: view.create.attach_stdout,
        can_remove: view.exit_code.is_some(),
        container_id: view.container.to_string(),
        detach_keys: Some(String::new()),
        pid: view.pid,
    };
    request.reply(StatusCode::OK, &shown)
}
