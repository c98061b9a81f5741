//! `GET /events`.

use std::time::Duration;

use api_compat::Behaviour;
use api_types::event::{EventActor, EventMessage};
use api_types::{MEDIA_TYPE_JSON, MEDIA_TYPE_JSON_LINES, MEDIA_TYPE_JSON_SEQUENCE, MEDIA_TYPE_NDJSON};
use event::{Event, Subscription};
use units::filter::Filters;

use super::{Request, Result, convert, filters};
use crate::http::{ApiError, JsonLines};

const KEYS: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

/// Streams what happens, from `since` to `until`.
pub(crate) async fn events(request: Request) -> Result {
    let form = &request.form;
    let since = point(&request, "since")?;
    let until = point(&request, "until")?;
    if let (since, Some(until)) = (since.unwrap_or(0), until)
        && until < since
    {
        return Err(ApiError::bad_request(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            form.get("since"),
            form.get("until")
        )));
    }
    let filters = filters(form)?;
    filters.validate(KEYS)?;
    let behaviour = Behaviour::of(request.version);
    let asked = accepted(request.header("accept"));
    let content_type = asked.unwrap_or(if behaviour.event_lines { MEDIA_TYPE_JSON_LINES } else { MEDIA_TYPE_JSON });
    // Docker gives the past only to those who ask for a part of it.
    let since = since.or(until.map(|_| 0));
    let subscription = request.state.engine.events.subscribe(since);
    let (lines, response) = JsonLines::open(content_type);
    let left = until.map(|until| Duration::from_nanos(u64::try_from(until - convert::now()).unwrap_or(0)));
    tokio::spawn(async move {
        let wanted = |event: &Event| {
            until.is_none_or(|until| event.time_nano <= until)
                && passes(event, &filters)
                && (behaviour.image_create_events || !is_image_create(event))
        };
        let all = pump(&request, &lines, subscription, wanted, left == Some(Duration::ZERO));
        tokio::select! {
            // A client that is gone is the usual end.
            _ = all => {}
            () = lines.closed() => {}
            () = sleep(left) => {}
        }
    });
    Ok(response)
}

async fn sleep(left: Option<Duration>) {
    match left {
        // The past is sent without looking at the clock.
        Some(Duration::ZERO) | None => std::future::pending().await,
        Some(left) => tokio::time::sleep(left).await,
    }
}

async fn pump(
    request: &Request,
    lines: &JsonLines,
    mut subscription: Subscription,
    wanted: impl Fn(&Event) -> bool,
    past_only: bool,
) -> std::io::Result<()> {
    loop {
        let event = if past_only { subscription.next_past() } else { subscription.next().await };
        let Some(event) = event else { return Ok(()) };
        if wanted(&event) {
            send(request, lines, &event).await?;
        }
    }
}

async fn send(request: &Request, lines: &JsonLines, event: &Event) -> std::io::Result<()> {
    let message = message(event);
    if !api_compat::downgrades(request.version, request.operation) {
        return lines.send(&message).await;
    }
    let mut value = serde_json::to_value(&message)?;
    api_compat::downgrade(request.version, request.operation, &mut value);
    lines.send(&value).await
}

fn kind_name(event: &Event) -> String {
    format!("{:?}", event.kind).to_ascii_lowercase()
}

fn message(event: &Event) -> EventMessage {
    EventMessage {
        kind: kind_name(event),
        action: event.action.clone(),
        actor: EventActor { id: event.actor.id.clone(), attributes: event.actor.attributes.clone() },
        scope: event.scope.clone(),
        time: event.time,
        time_nano: event.time_nano,
    }
}

fn is_image_create(event: &Event) -> bool {
    event.kind == event::Kind::Image && event.action == "create"
}

fn point(request: &Request, key: &str) -> Result<Option<i64>> {
    let text = request.form.get(key);
    if text.is_empty() {
        return Ok(None);
    }
    let time = units::timestamp::parse_unix(text)
        .map_err(|e| ApiError::bad_request(format!("invalid value for '{key}': {e}")))?;
    Ok(Some(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)))
}

/// The stream type that the client asks for by name (wildcards ask for nothing).
fn accepted(accept: &str) -> Option<&'static str> {
    let mut best = None;
    for part in accept.split(',') {
        let mut words = part.split(';').map(str::trim);
        let name = words.next().unwrap_or_default();
        let quality = words.find_map(|w| w.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let known = [MEDIA_TYPE_JSON_LINES, MEDIA_TYPE_NDJSON, MEDIA_TYPE_JSON_SEQUENCE];
        let Some(offer) = known.into_iter().find(|k| *k == name) else { continue };
        if quality > best.map_or(0.0, |(_, q)| q) {
            best = Some((offer, quality));
        }
    }
    best.map(|(offer, _)| offer)
}

/// moby's `events.Filter`.
fn passes(event: &Event, filters: &Filters) -> bool {
    let kind = kind_name(event);
    let actor = &event.actor;
    let attribute = |key: &str| actor.attributes.get(key).map(String::as_str);
    // An object's own id or name; of another kind's event the attribute that names it.
    let object = |key: &str| {
        if !filters.contains(key) {
            return true;
        }
        let of_kind = kind == key;
        let fuzzy = |text: &str| filters.fuzzy_match(key, text);
        (of_kind && (fuzzy(&actor.id) || attribute("name").is_some_and(fuzzy))) || attribute(key).is_some_and(fuzzy)
    };
    let action = event.action.split(':').next().unwrap_or_default();
    (!filters.contains("event") || filters.has("event", &event.action) || filters.has("event", action))
        && filters.exact_match("type", &kind)
        && filters.exact_match("scope", &event.scope)
        && filters.match_kv("label", attribute)
        && ["container", "plugin", "volume", "network", "daemon", "service", "node", "secret", "config"]
            .into_iter()
            .all(object)
        && passes_image(event, &kind, filters)
}

fn passes_image(event: &Event, kind: &str, filters: &Filters) -> bool {
    if !filters.contains("image") {
        return true;
    }
    let name_of = if kind == "image" { "name" } else { "image" };
    let name = event.actor.attributes.get(name_of).map_or("", String::as_str);
    let untagged = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(n, _)| n);
    [event.actor.id.as_str(), name, untagged].into_iter().any(|n| !n.is_empty() && filters.exact_match("image", n))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn check(filter: &str, want: bool) {
        let event = Event {
            seq: 1,
            kind: event::Kind::Container,
            action: "exec_create: sh".to_owned(),
            actor: event::Actor {
                id: "abcdef".to_owned(),
                attributes: BTreeMap::from([
                    ("name".to_owned(), "web".to_owned()),
                    ("image".to_owned(), "busybox:1".to_owned()),
                    ("tier".to_owned(), "front".to_owned()),
                ]),
            },
            scope: "local".to_owned(),
            time: 1,
            time_nano: 1_000_000_000,
        };
        let filters = Filters::from_json(filter).expect("parses");
        assert_eq!(passes(&event, &filters), want, "{filter}");
    }

    #[test]
    fn filters_choose_events() {
        check("{}", true);
        for filter in [
            r#"{"type":["container"]}"#,
            r#"{"event":["exec_create"]}"#,
            r#"{"event":["exec_create: sh"]}"#,
            r#"{"container":["web"]}"#,
            r#"{"container":["abc"]}"#,
            r#"{"image":["busybox"]}"#,
            r#"{"image":["busybox:1"]}"#,
            r#"{"label":["tier=front"]}"#,
            r#"{"scope":["local"]}"#,
        ] {
            check(filter, true);
        }
        for filter in [
            r#"{"type":["image"]}"#,
            r#"{"event":["die"]}"#,
            r#"{"container":["db"]}"#,
            r#"{"image":["alpine"]}"#,
            r#"{"label":["tier=back"]}"#,
            r#"{"network":["x"]}"#,
        ] {
            check(filter, false);
        }
    }

    #[test]
    fn only_named_types_are_negotiated() {
        assert_eq!(accepted(""), None);
        assert_eq!(accepted("*/*"), None);
        assert_eq!(accepted("application/json, application/x-ndjson;q=0.5"), Some(MEDIA_TYPE_NDJSON));
        assert_eq!(accepted("application/x-ndjson;q=0.5, application/json-seq"), Some(MEDIA_TYPE_JSON_SEQUENCE));
        assert_eq!(accepted("application/jsonl;q=0"), None);
    }
}
