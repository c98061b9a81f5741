//! Progress streams: typed steps of a long operation become lines of JSON.

use std::sync::Arc;

use api_types::jsonmessage::{JsonMessage, ProgressDetail};
use image::{Progress, ProgressSink};
use tokio::sync::mpsc;

use super::Result;
use crate::http::{ApiError, BoxFuture, JsonLines, Response};

/// One step as a line.
pub(super) fn line(progress: Progress) -> JsonMessage {
    match progress {
        Progress::Status { id, text, layer } => {
            JsonMessage { id, progress: layer.then(ProgressDetail::default), ..JsonMessage::status(text) }
        }
        Progress::Layer { id, action, current, total } => {
            let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            let progress = ProgressDetail {
                current: Some(signed(current)).filter(|n| *n != 0),
                total: total.map(signed).filter(|n| *n != 0),
                units: if action == image::Action::Extracting { "s".to_owned() } else { String::new() },
                ..ProgressDetail::default()
            };
            let said = match id.is_empty() {
                true => JsonMessage::status(action.as_str()),
                false => JsonMessage::status_of(id, action.as_str()),
            };
            JsonMessage { progress: Some(progress), ..said }
        }
        Progress::Stream(text) => JsonMessage::stream(text),
    }
}

/// Runs `work` with a sink. If it fails before its first step, that is a plain failure with its own status; after
/// that the response is under way, and a failure is its last line. `last` makes more lines of the result. The work is
/// dropped, and so cancelled, when the client goes away.
pub(super) async fn progress<T, E>(
    work: impl FnOnce(ProgressSink) -> BoxFuture<'static, std::result::Result<T, E>>,
    last: impl FnOnce(T) -> Vec<JsonMessage> + Send + 'static,
) -> Result
where
    T: Send + 'static,
    E: Into<ApiError> + Send + 'static,
{
    let (sender, mut steps) = mpsc::unbounded_channel();
    let sink: ProgressSink = Arc::new(move |step| {
        // After the client has gone nobody listens.
        let _ = sender.send(step);
    });
    let mut work = work(sink);
    let first = tokio::select! {
        biased;
        Some(step) = steps.recv() => step,
        done = &mut work => {
            let done = done.map_err(Into::into)?;
            let (lines, response) = open();
            let mut rest = Vec::new();
            while let Ok(step) = steps.try_recv() {
                rest.push(line(step));
            }
            rest.extend(last(done));
            tokio::spawn(async move {
                for message in rest {
                    if lines.send(&message).await.is_err() {
                        break;
                    }
                }
            });
            return Ok(response);
        }
    };
    let (lines, response) = open();
    tokio::spawn(async move {
        // The client's going ends everything.
        let _ = pump(&lines, first, steps, work, last).await;
    });
    Ok(response)
}

fn open() -> (JsonLines, Response) {
    JsonLines::open_crlf(api_types::MEDIA_TYPE_JSON)
}

async fn pump<T, E: Into<ApiError>>(
    lines: &JsonLines,
    first: Progress,
    mut steps: mpsc::UnboundedReceiver<Progress>,
    mut work: BoxFuture<'static, std::result::Result<T, E>>,
    last: impl FnOnce(T) -> Vec<JsonMessage>,
) -> std::io::Result<()> {
    lines.send(&line(first)).await?;
    let done = loop {
        tokio::select! {
            biased;
            Some(step) = steps.recv() => lines.send(&line(step)).await?,
            done = &mut work => break done,
            () = lines.closed() => return Ok(()),
        }
    };
    while let Ok(step) = steps.try_recv() {
        lines.send(&line(step)).await?;
    }
    match done {
        Ok(done) => {
            for message in last(done) {
                lines.send(&message).await?;
            }
            Ok(())
        }
        Err(e) => lines.send(&JsonMessage::failure(e.into().message())).await,
    }
}

#[cfg(test)]
mod tests {
    use image::Action;

    use super::*;

    fn json(progress: Progress) -> String {
        serde_json::to_string(&line(progress)).expect("serializes")
    }

    #[test]
    fn steps_look_as_docker_writes_them() {
        assert_eq!(json(Progress::message("Digest: x")), r#"{"status":"Digest: x"}"#);
        let layer = Progress::layer("abc", "Pulling fs layer");
        assert_eq!(json(layer), r#"{"status":"Pulling fs layer","progressDetail":{},"id":"abc"}"#);
        let bytes = Progress::Layer { id: "abc".into(), action: Action::Downloading, current: 5, total: Some(9) };
        assert_eq!(json(bytes), r#"{"status":"Downloading","progressDetail":{"current":5,"total":9},"id":"abc"}"#);
        let seconds = Progress::Layer { id: "abc".into(), action: Action::Extracting, current: 1, total: None };
        assert_eq!(json(seconds), r#"{"status":"Extracting","progressDetail":{"current":1,"units":"s"},"id":"abc"}"#);
        assert_eq!(json(Progress::Stream("x\n".into())), r#"{"stream":"x\n"}"#);
    }
}
