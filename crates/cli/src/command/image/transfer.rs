//! `docker pull`, `push`, `load`, `save`, `import`.

use std::fs::File;
use std::io::{self, Read};

use client::{Query, Response};
use serde_json::Value;

use super::{add_platforms, platform_json};
use crate::app::{App, env};
use crate::command::container::Output;
use crate::console;
use crate::failure::{Failure, Result, path_error};
use crate::flags::Matches;
use crate::progress::{self, Target};
use crate::reference::Reference;

fn platform(m: &Matches) -> String {
    m.get("platform").map(str::to_owned).or_else(|| env("DOCKER_DEFAULT_PLATFORM")).unwrap_or_default()
}

/// Asks the engine to pull one reference.
pub(crate) fn pull_request(app: &App, reference: &Reference, platform: &str) -> Result<Response> {
    let auth = app.config.credentials(reference.auth_key()).header();
    let tag = reference.digest.as_deref().or(reference.tag.as_deref()).unwrap_or_default();
    let query = Query::new()
        .with("fromImage", &reference.name())
        .with_some("platform", &platform.to_lowercase())
        .with_some("tag", tag);
    Ok(client::image::pull(app.client()?, &query, &auth)?)
}

/// `docker pull`
pub(super) fn pull(app: &App, m: &Matches) -> Result<()> {
    let mut reference = Reference::parse(m.arg(0))?;
    let bare = reference.tag.is_none() && reference.digest.is_none();
    let quiet = m.on("quiet");
    if m.on("all-tags") && !bare {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    if !m.on("all-tags") && bare {
        reference = reference.with_default_tag();
        if !quiet {
            console::line("Using default tag: latest")?;
        }
    }
    let platform = platform(m);
    if !platform.is_empty() {
        platform_json(&platform)?;
    }
    let response = pull_request(app, &reference, &platform)?;
    progress::show(response.body, if quiet { Target::Nowhere } else { Target::Stdout }, |_| {})?;
    console::line(&reference.full())
}

/// `docker push`
pub(super) fn push(app: &App, m: &Matches) -> Result<()> {
    let mut query = Query::new();
    if !m.text("platform").is_empty() {
        query.add("platform", &platform_json(m.text("platform"))?);
    }
    let mut reference = Reference::parse(m.arg(0))?;
    let bare = reference.tag.is_none() && reference.digest.is_none();
    let quiet = m.on("quiet");
    if m.on("all-tags") && !bare {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    if !m.on("all-tags") && bare {
        reference = reference.with_default_tag();
        if !quiet {
            console::line("Using default tag: latest")?;
        }
    }
    if reference.digest.is_some() {
        return Err(Failure::new("cannot push a digest reference"));
    }
    if let Some(tag) = &reference.tag {
        query.add("tag", tag);
    }
    let auth = app.config.credentials(reference.auth_key()).header();
    let response = client::image::push(app.client()?, &reference.name(), &query, &auth)?;
    let mut notes = Vec::new();
    let outcome = progress::show(response.body, if quiet { Target::Nowhere } else { Target::Stdout }, |aux| {
        notes.extend(note(aux));
    });
    for note in notes {
        console::line(&format!("\nInfo → {note}"))?;
    }
    outcome?;
    if quiet { console::line(&reference.full()) } else { Ok(()) }
}

/// What the engine tells beside the progress of a push.
fn note(aux: &Value) -> Option<String> {
    if aux["manifestPushedInsteadOfIndex"] == Value::Bool(true) {
        let digest = |key: &str| aux[key]["digest"].as_str().unwrap_or_default().to_owned();
        return Some(format!(
            "Not all multiplatform-content is present and only the available single-platform image was pushed\n         {} -> {}",
            digest("originalIndex"),
            digest("selectedManifest")
        ));
    }
    (aux["contentMissing"] == Value::Bool(true)).then(|| {
        "Some of the platforms of this image are missing here and at the registry; use --platform to push one of them".to_owned()
    })
}

/// `docker load`
pub(super) fn load(app: &App, m: &Matches) -> Result<()> {
    let path = m.text("input");
    let quiet = m.on("quiet") || !console::stdout_is_terminal();
    let mut query = Query::new().with("quiet", if quiet { "1" } else { "0" });
    add_platforms(&mut query, "platform", &m.all("platform"))?;
    let mut input: Box<dyn Read> = if path.is_empty() {
        if console::stdin_is_terminal() {
            return Err(Failure::new("requested load from stdin, but stdin is empty"));
        }
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|e| path_error("open", path, &e))?)
    };
    let response = client::image::load(app.client()?, &query, &mut input)?;
    if response.headers.get("content-type").is_some_and(|t| t.starts_with("application/json")) {
        return progress::show(response.body, Target::Stdout, |_| {});
    }
    console::out_bytes(&response.bytes()?)
}

/// `docker save`
pub(super) fn save(app: &App, m: &Matches) -> Result<()> {
    let mut query = Query::new();
    for name in &m.args {
        query.add("names", name);
    }
    add_platforms(&mut query, "platform", &m.all("platform"))?;
    let output = Output::choose(m.text("output"), "save image")?;
    let response = client::image::save(app.client()?, &query)?;
    output.take(response.body)
}

/// `docker import`
pub(super) fn import(app: &App, m: &Matches) -> Result<()> {
    let source = m.arg(0);
    let remote = source.starts_with("https://") || source.starts_with("http://");
    let mut query = Query::new().with("fromSrc", if remote { source } else { "-" });
    if !m.arg(1).is_empty() {
        Reference::parse(m.arg(1))?;
    }
    query = query.with_some("repo", m.arg(1)).with_some("message", m.text("message"));
    let platform = platform(m);
    if !platform.is_empty() {
        platform_json(&platform)?;
        query.add("platform", &platform.to_lowercase());
    }
    for change in m.all("change") {
        query.add("changes", change);
    }
    let client = app.client()?;
    let response = if remote {
        client::image::import(client, &query, None)?
    } else if source == "-" {
        client::image::import(client, &query, Some(&mut io::stdin().lock()))?
    } else {
        let mut file = File::open(source).map_err(|e| path_error("open", source, &e))?;
        client::image::import(client, &query, Some(&mut file))?
    };
    progress::show(response.body, Target::Stdout, |_| {})
}
