//! `docker context …`

use serde_json::{Value, json};

use super::{Handler, each};
use crate::app::{App, Context, env};
use crate::command::container::natural;
use crate::config::Config;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::{Listing, ellipsis, row, template_of};

pub(super) fn handler(verb: &str) -> Option<Handler> {
    Some(match verb {
        "inspect" => inspect,
        "ls" => list,
        "rm" => remove,
        "show" => show,
        "use" => choose,
        _ => return None,
    })
}

const HEADERS: [(&str, &str); 5] = [
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("DockerEndpoint", "DOCKER ENDPOINT"),
    ("Error", "ERROR"),
    ("Current", "CURRENT"),
];

fn description(context: &Context) -> &str {
    if context.name == "default" {
        return "Current DOCKER_HOST based configuration";
    }
    context.meta["Metadata"]["Description"].as_str().unwrap_or_default()
}

fn list(app: &App, m: &Matches) -> Result<()> {
    let current = app.context_name();
    let mut all = vec![app.context_named("default")?];
    all.extend(app.contexts());
    let mut rows: Vec<Value> =
        all.iter().map(|c| fields(&c.name, c.name == current, description(c), &c.host, "")).collect();
    if !all.iter().any(|c| c.name == current) {
        let error = app.context_named(&current).err().map(|f| f.text).unwrap_or_default();
        rows.push(fields(&current, true, "", "", &error));
    }
    rows.sort_by(|a, b| natural(a["Name"].as_str().unwrap_or_default(), b["Name"].as_str().unwrap_or_default()));
    let (template, table) = match m.text("format") {
        "" | "table" if m.on("quiet") => ("{{.Name}}".to_owned(), false),
        format => {
            template_of(format, "{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}")
        }
    };
    if !table {
        return Listing { format: template, headers: &HEADERS, type_name: "*formatter.clientContextContext" }
            .print(table, &rows);
    }
    let text = Listing { format: template, headers: &HEADERS, type_name: "*formatter.clientContextContext" }
        .render(table, &rows)?;
    // The header is no context, and not the current one.
    console::out(&text.replacen("NAME *", "NAME  ", 1))?;
    if env("DOCKER_HOST").is_some() && m.text("format").is_empty() && !m.on("quiet") {
        console::err(
            "Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or unset DOCKER_HOST environment variable.",
        );
    }
    Ok(())
}

fn fields(name: &str, current: bool, description: &str, host: &str, error: &str) -> Value {
    let first_line = error.lines().next().unwrap_or_default();
    row(&[
        ("Name", name.into()),
        ("Current", current.into()),
        ("Description", description.into()),
        ("DockerEndpoint", host.into()),
        ("Error", ellipsis(first_line, 45).into()),
    ])
}

fn show(app: &App, _m: &Matches) -> Result<()> {
    let context = app.context()?;
    console::line(&context.name)
}

fn choose(app: &App, m: &Matches) -> Result<()> {
    let name = m.arg(0);
    app.context_named(name)?;
    let mut config = Config::load(app.config.dir.clone());
    let wanted = if name == "default" { "" } else { name };
    if config.text("currentContext") != wanted {
        if wanted.is_empty() {
            config.values.remove("currentContext");
        } else {
            config.values.insert("currentContext".to_owned(), wanted.into());
        }
        config.save()?;
    }
    console::line(name)?;
    console::err(&format!("Current context is now {}", units::gofmt::quote(name)));
    if name != "default" && env("DOCKER_HOST").is_some() {
        console::err(&format!(
            "Warning: DOCKER_HOST environment variable overrides the active context. To use {}, either set the global --context flag, or unset DOCKER_HOST environment variable.",
            units::gofmt::quote(name)
        ));
    }
    Ok(())
}

fn inspect(app: &App, m: &Matches) -> Result<()> {
    let names = if m.args.is_empty() { vec![app.context_name()] } else { m.args.clone() };
    super::inspect::show(&names, m.text("format"), |name| {
        let context = app.context_named(name)?;
        if !context.meta.is_null() {
            let mut value = context.meta.clone();
            value["TLSMaterial"] = json!({});
            value["Storage"] =
                json!({"MetadataPath": app.config.dir.join("contexts/meta"), "TLSPath": context.tls_dir});
            return Ok(value);
        }
        Ok(json!({
            "Name": "default", "Metadata": {}, "Endpoints": {"docker": {"Host": context.host, "SkipTLSVerify": false}},
            "TLSMaterial": {}, "Storage": {"MetadataPath": "<IN MEMORY>", "TLSPath": "<IN MEMORY>"},
        }))
    })
}

fn remove(app: &App, m: &Matches) -> Result<()> {
    let current = app.context_name();
    each(&m.args, |name| {
        if name == "default" {
            return Err(Failure::new("context \"default\" cannot be removed"));
        }
        if name == current && !m.on("force") {
            let shown = units::gofmt::quote(name);
            return Err(Failure::new(format!("context {shown} is in use, set -f flag to force remove")));
        }
        let found = app.context_named(name);
        if found.is_err() && m.on("force") {
            return console::line(name);
        }
        found?;
        let meta = app.config.dir.join("contexts/meta");
        for entry in std::fs::read_dir(&meta).into_iter().flatten().flatten() {
            let text = std::fs::read(entry.path().join("meta.json")).unwrap_or_default();
            let value: Value = serde_json::from_slice(&text).unwrap_or_default();
            if value["Name"].as_str() == Some(name) {
                std::fs::remove_dir_all(entry.path())?;
                let _ = std::fs::remove_dir_all(app.config.dir.join("contexts/tls").join(entry.file_name()));
            }
        }
        console::line(name)
    })
}
