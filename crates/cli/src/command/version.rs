//! `docker version`

use gotemplate::{Data, Missing};
use serde_json::{Value, json};

use crate::app::{App, BUILD, VERSION};
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::{self, align, text};

/// What this client says of itself.
pub(super) fn client_version(context: &str, api: &str) -> Value {
    let arch = if std::env::consts::ARCH == "x86_64" { "amd64" } else { "arm64" };
    let mut value = json!({"Version": VERSION});
    if !api.is_empty() {
        value["ApiVersion"] = api.into();
    }
    value["DefaultAPIVersion"] = client::API_VERSION.into();
    value["GitCommit"] = BUILD.into();
    // Not made with Go; templates still find the field.
    value["GoVersion"] = "".into();
    value["Os"] = "linux".into();
    value["Arch"] = arch.into();
    value["BuildTime"] = "".into();
    value["Context"] = context.into();
    value
}

/// `docker version`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let template = match m.text("format") {
        "" => None,
        "json" => Some(format::parse("{{json .}}")),
        text => Some(format::parse(text)),
    };
    let template = template.transpose().map_err(|f| f.with_code(64))?;
    let connection = app.client()?;
    let server = client::system::version(connection);
    let api = connection.api_version().unwrap_or(client::API_VERSION);
    let ours = client_version(&app.context_name(), api);
    let (server, failure) = match server {
        Ok(server) => (server_version(server), None),
        Err(e) => (Value::Null, Some(Failure::from(e))),
    };
    match template {
        None => console::out(&screen(&ours, &server))?,
        Some(template) => {
            let all = json!({"Client": ours, "Server": server});
            // Go's templates read the field by its own name, not by that in JSON.
            let mut named = all.clone();
            for half in ["Client", "Server"] {
                if let Some(version) = all[half].get("ApiVersion") {
                    named[half]["APIVersion"] = version.clone();
                }
            }
            let value = if m.text("format") == "json" || m.text("format").contains("json .") { &all } else { &named };
            let data = Data { missing: Missing::Field, type_name: "system.versionInfo", ..Data::new(value) };
            match template.execute(&data) {
                Ok(text) => console::line(&text)?,
                Err(e) => {
                    console::out("\n")?;
                    return Err(failure.unwrap_or_else(|| Failure::new(e.to_string())));
                }
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

/// The server's answer as Docker's client shows it.
fn server_version(server: Value) -> Value {
    let mut out = json!({
        "Platform": server["Platform"], "Version": server["Version"], "ApiVersion": server["ApiVersion"],
        "MinAPIVersion": server["MinAPIVersion"], "Os": server["Os"], "Arch": server["Arch"], "Components": [],
    });
    let mut components = Vec::new();
    for component in server["Components"].as_array().into_iter().flatten() {
        let mut component = component.clone();
        if component["Name"] == "Engine" {
            let raw = component["Details"]["BuildTime"].as_str().unwrap_or_default().to_owned();
            component["Details"]["BuildTime"] = ansi_date(&raw).into();
            for key in ["GitCommit", "GoVersion", "KernelVersion"] {
                out[key] = component["Details"][key].clone();
            }
            if component["Details"]["Experimental"] == "true" {
                out["Experimental"] = true.into();
            }
            out["BuildTime"] = raw.into();
        }
        components.push(component);
    }
    if !components.iter().any(|c| c["Name"] == "Engine") {
        let details = json!({
            "ApiVersion": server["ApiVersion"], "MinAPIVersion": server["MinAPIVersion"], "Os": server["Os"], "Arch": server["Arch"],
        });
        components.push(json!({"Name": "Engine", "Version": server["Version"], "Details": details}));
    }
    out["Components"] = Value::Array(components);
    out
}

/// Go's `time.ANSIC` of an RFC 3339 time; other texts stay as they are.
fn ansi_date(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a %b %e %H:%M:%S %Y").to_string(),
        Err(_) => text.to_owned(),
    }
}

fn screen(ours: &Value, server: &Value) -> String {
    let (api, newest) = (text(ours, "ApiVersion"), text(ours, "DefaultAPIVersion"));
    let downgraded = if api == newest { String::new() } else { format!(" (downgraded from {newest})") };
    let mut out = "Client:\n".to_owned();
    out.push_str(&format!(" Version:\t{}\n", text(ours, "Version")));
    out.push_str(&format!(" API version:\t{api}{downgraded}\n"));
    out.push_str(&format!(" Go version:\t{}\n", text(ours, "GoVersion")));
    out.push_str(&format!(" Git commit:\t{}\n", text(ours, "GitCommit")));
    out.push_str(&format!(" Built:\t{}\n", text(ours, "BuildTime")));
    out.push_str(&format!(" OS/Arch:\t{}/{}\n", text(ours, "Os"), text(ours, "Arch")));
    out.push_str(&format!(" Context:\t{}", text(ours, "Context")));
    if !server.is_null() {
        let platform = server["Platform"]["Name"].as_str().unwrap_or_default();
        out.push_str("\n\nServer:");
        if !platform.is_empty() {
            out.push_str(&format!(" {platform}"));
        }
        for component in server["Components"].as_array().into_iter().flatten() {
            push_component(&mut out, component);
        }
    }
    out.push('\n');
    align(&out, 20, 1)
}

fn push_component(out: &mut String, component: &Value) {
    let details = &component["Details"];
    let name = text(component, "Name");
    out.push_str(&format!("\n {name}:\n  Version:\t{}", text(component, "Version")));
    if name != "Engine" {
        let mut keys: Vec<&String> = details.as_object().into_iter().flatten().map(|(k, _)| k).collect();
        keys.sort();
        for key in keys {
            out.push_str(&format!("\n  {key}:\t{}", text(details, key)));
        }
        return;
    }
    out.push_str(&format!(
        "\n  API version:\t{} (minimum version {})",
        text(details, "ApiVersion"),
        text(details, "MinAPIVersion")
    ));
    out.push_str(&format!("\n  Go version:\t{}", text(details, "GoVersion")));
    out.push_str(&format!("\n  Git commit:\t{}", text(details, "GitCommit")));
    out.push_str(&format!("\n  Built:\t{}", text(details, "BuildTime")));
    out.push_str(&format!("\n  OS/Arch:\t{}/{}", text(details, "Os"), text(details, "Arch")));
    out.push_str(&format!("\n  Experimental:\t{}", text(details, "Experimental")));
}
