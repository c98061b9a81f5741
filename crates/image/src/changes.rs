//! `--change`: Dockerfile instructions that alter an image's config (import, commit).

use oci::image::{Empty, Healthcheck, ImageConfig};

use crate::{Error, Result};

fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::InvalidChange(text.into()))
}

/// Applies instructions to a config. Each string may hold several lines.
///
/// # Errors
/// [`Error::InvalidChange`] in Docker's words.
pub fn apply_changes(config: &mut ImageConfig, changes: &[String]) -> Result<()> {
    let mut cmd_set = false;
    for line in changes.iter().flat_map(|c| logical_lines(c)) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        instruction(config, &word.to_ascii_lowercase(), rest.trim(), &mut cmd_set)?;
    }
    Ok(())
}

/// Lines without comments, continued ones joined.
fn logical_lines(text: &str) -> Vec<String> {
    let (mut out, mut current) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        match line.strip_suffix('\\') {
            Some(begun) => current.push_str(begun),
            None => {
                current.push_str(line);
                out.push(std::mem::take(&mut current));
            }
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

fn instruction(config: &mut ImageConfig, name: &str, rest: &str, cmd_set: &mut bool) -> Result<()> {
    let upper = name.to_ascii_uppercase();
    if !matches!(
        name,
        "cmd"
            | "entrypoint"
            | "healthcheck"
            | "env"
            | "expose"
            | "label"
            | "onbuild"
            | "stopsignal"
            | "user"
            | "volume"
            | "workdir"
    ) {
        return fail(format!("{upper} is not a valid change command"));
    }
    if rest.is_empty() && !matches!(name, "cmd" | "entrypoint") {
        let many = matches!(name, "env" | "expose" | "label" | "volume" | "healthcheck" | "onbuild");
        let want = if many { "at least one argument" } else { "exactly one argument" };
        return fail(format!("{upper} requires {want}"));
    }
    match name {
        "cmd" => {
            config.cmd = command(rest);
            *cmd_set = true;
        }
        "entrypoint" => {
            config.entrypoint = command(rest);
            if !*cmd_set {
                config.cmd.clear();
            }
        }
        "env" => {
            for (k, v) in pairs("ENV", rest)? {
                let (k, v) = (expand(&k, &config.env)?, expand(&v, &config.env)?);
                set_env(&mut config.env, &k, &v);
            }
        }
        "label" => {
            for (k, v) in pairs("LABEL", rest)? {
                config.labels.insert(expand(&k, &config.env)?, expand(&v, &config.env)?);
            }
        }
        "expose" => {
            for word in words(rest)? {
                expose(config, &expand(&word, &config.env)?)?;
            }
        }
        "volume" => {
            let list = json_list(rest).map_or_else(|| words(rest), Ok)?;
            for path in list {
                let path = expand(&path, &config.env)?;
                if path.trim().is_empty() {
                    return fail("VOLUME specified can not be an empty string");
                }
                config.volumes.insert(path, Empty {});
            }
        }
        "workdir" => config.working_dir = join_dir(&config.working_dir, &expand(rest, &config.env)?),
        "user" => config.user = expand(rest, &config.env)?,
        "stopsignal" => config.stop_signal = Some(expand(rest, &config.env)?),
        "onbuild" => onbuild(config, rest)?,
        _ => config.healthcheck = Some(healthcheck(rest)?),
    }
    Ok(())
}

/// A JSON list, or a line for the shell.
fn command(rest: &str) -> Vec<String> {
    match json_list(rest) {
        Some(list) => list,
        None if rest.is_empty() => Vec::new(),
        None => vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.to_owned()],
    }
}

fn json_list(rest: &str) -> Option<Vec<String>> {
    rest.starts_with('[').then(|| serde_json::from_str(rest).ok()).flatten()
}

fn onbuild(config: &mut ImageConfig, rest: &str) -> Result<()> {
    let trigger = rest.split_whitespace().next().unwrap_or("").to_ascii_uppercase();
    match trigger.as_str() {
        "ONBUILD" => fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        "MAINTAINER" | "FROM" => fail(format!("{trigger} isn't allowed as an ONBUILD trigger")),
        _ => {
            config.on_build.push(rest.to_owned());
            Ok(())
        }
    }
}

fn set_env(env: &mut Vec<String>, key: &str, value: &str) {
    let prefix = format!("{key}=");
    let new = format!("{prefix}{value}");
    match env.iter_mut().find(|e| e.starts_with(&prefix)) {
        Some(old) => *old = new,
        None => env.push(new),
    }
}

/// `80`, `80/udp`, `8000-8010/tcp`.
fn expose(config: &mut ImageConfig, spec: &str) -> Result<()> {
    let (ports, proto) = spec.split_once('/').unwrap_or((spec, "tcp"));
    let proto = proto.to_ascii_lowercase();
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let parsed = (first.parse::<u16>(), last.parse::<u16>());
    let ((Ok(first), Ok(last)), "tcp" | "udp" | "sctp") = (parsed, proto.as_str()) else {
        return fail(format!("invalid containerPort: {spec}"));
    };
    if first > last {
        return fail(format!("invalid range specified for port: {ports}"));
    }
    for port in first..=last {
        config.exposed_ports.insert(format!("{port}/{proto}"), Empty {});
    }
    Ok(())
}

fn join_dir(current: &str, new: &str) -> String {
    let path = if new.starts_with('/') { new.to_owned() } else { format!("/{current}/{new}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn healthcheck(rest: &str) -> Result<Healthcheck> {
    let mut out = Healthcheck::default();
    let mut rest = rest;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        rest = after.trim_start();
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let nanos = || duration(value).ok_or_else(|| Error::InvalidChange(format!("invalid duration \"{value}\"")));
        match name {
            "interval" => out.interval = Some(nanos()?),
            "timeout" => out.timeout = Some(nanos()?),
            "start-period" => out.start_period = Some(nanos()?),
            "start-interval" => out.start_interval = Some(nanos()?),
            "retries" => match value.parse() {
                Ok(n) if n >= 0 => out.retries = Some(n),
                _ => return fail(format!("--retries must be at least 0 (not {value})")),
            },
            _ => return fail(format!("Unknown flag: {name}")),
        }
    }
    let (kind, args) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match kind.to_ascii_uppercase().as_str() {
        "NONE" if args.trim().is_empty() => out.test = vec!["NONE".to_owned()],
        "NONE" => return fail("HEALTHCHECK NONE takes no arguments"),
        "CMD" if args.trim().is_empty() => return fail("Missing command after HEALTHCHECK CMD"),
        "CMD" => {
            out.test = match json_list(args.trim()) {
                Some(list) => std::iter::once("CMD".to_owned()).chain(list).collect(),
                None => vec!["CMD-SHELL".to_owned(), args.trim().to_owned()],
            }
        }
        kind => return fail(format!("Unknown type \"{kind}\" in HEALTHCHECK (try CMD)")),
    }
    Ok(out)
}

/// A Go duration in nanoseconds: `1h2m3.5s`, `100ms`.
fn duration(s: &str) -> Option<i64> {
    let (mut rest, mut total) = (s, 0f64);
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..unit].parse().ok()?;
        let end = rest[unit..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |e| unit + e);
        total += number
            * match &rest[unit..end] {
                "h" => 3600e9,
                "m" => 60e9,
                "s" => 1e9,
                "ms" => 1e6,
                "us" | "µs" => 1e3,
                "ns" => 1.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    // Up to 292 years, as in Go.
    (total > 0.0 && total < 9.2e18).then_some(total as i64)
}

/// `k=v k2="v 2"`, or the old form `k rest of the line`.
fn pairs(name: &str, rest: &str) -> Result<Vec<(String, String)>> {
    let list = words(rest)?;
    if !list.first().is_some_and(|w| w.contains('=')) {
        return match rest.split_once(char::is_whitespace) {
            Some((k, v)) => Ok(vec![(k.to_owned(), v.trim().to_owned())]),
            None => fail(format!("{name} must have two arguments")),
        };
    }
    list.iter()
        .map(|w| match w.split_once('=') {
            Some(("", _)) => fail(format!("{name} names can not be blank")),
            Some((k, v)) => Ok((k.to_owned(), v.to_owned())),
            None => fail(format!("Syntax error - can't find = in \"{w}\". Must be of the form: name=value")),
        })
        .collect()
}

/// Splits at blanks outside of quotes; quotes and escapes stay for [`expand`].
fn words(rest: &str) -> Result<Vec<String>> {
    let (mut out, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', q) if q != Some('\'') => {
                word.push(c);
                word.extend(chars.next());
            }
            ('"' | '\'', None) => {
                quote = Some(c);
                word.push(c);
            }
            (c, Some(q)) if c == q => {
                quote = None;
                word.push(c);
            }
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
            }
            (c, _) => word.push(c),
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    Ok(out)
}

/// Takes quotes and escapes away and puts variables in (`$A`, `${A}`, `${A:-word}`, `${A:+word}`).
fn expand(word: &str, env: &[String]) -> Result<String> {
    let get = |name: &str| env.iter().find_map(|e| e.split_once('=').filter(|(k, _)| *k == name).map(|(_, v)| v));
    let (mut out, mut quote) = (String::new(), None);
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            ('\\', None) => out.extend(chars.next()),
            ('\\', Some('"')) => match chars.peek() {
                Some('"' | '$' | '\\') => out.extend(chars.next()),
                _ => out.push('\\'),
            },
            ('$', q) if q != Some('\'') => {
                if chars.next_if_eq(&'{').is_some() {
                    let inner: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len());
                    let (name, rule) = inner.split_at(end);
                    let value = get(name).filter(|v| !v.is_empty());
                    match rule {
                        "" => out.push_str(get(name).unwrap_or("")),
                        r if r.starts_with(":-") => {
                            out.push_str(&value.map_or_else(|| expand(&r[2..], env), |v| Ok(v.to_owned()))?);
                        }
                        r if r.starts_with(":+") => {
                            out.push_str(&value.map_or_else(|| Ok(String::new()), |_| expand(&r[2..], env))?);
                        }
                        _ => {
                            return fail(format!(
                                "failed to process \"{word}\": unsupported modifier ({rule}) in substitution"
                            ));
                        }
                    }
                } else {
                    let mut name = String::new();
                    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                        name.push(c);
                    }
                    if name.is_empty() {
                        out.push('$');
                    } else {
                        out.push_str(get(&name).unwrap_or(""));
                    }
                }
            }
            (c, _) => out.push(c),
        }
    }
    match quote {
        Some(_) => {
            fail(format!("failed to process \"{word}\": unexpected end of statement while looking for matching quote"))
        }
        None => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(changes: &[&str], want: &str) {
        let mut config = ImageConfig { env: vec!["A=1".to_owned()], cmd: vec!["old".to_owned()], ..Default::default() };
        let changes: Vec<String> = changes.iter().map(|c| (*c).to_owned()).collect();
        let got = apply_changes(&mut config, &changes).map(|()| serde_json::to_string(&config).expect("json"));
        assert_eq!(got.unwrap_or_else(|e| e.to_string()), want, "{changes:?}");
    }

    #[test]
    fn instructions_change_the_config() {
        let base = r#""Env":["A=1"]"#;
        check(&["CMD a b"], &format!(r#"{{{base},"Cmd":["/bin/sh","-c","a b"]}}"#));
        check(
            &[r#"cmd ["a","b"]"#, r#"ENTRYPOINT ["e"]"#],
            &format!(r#"{{{base},"Entrypoint":["e"],"Cmd":["a","b"]}}"#),
        );
        check(&[r#"ENTRYPOINT ["e"]"#], &format!(r#"{{{base},"Entrypoint":["e"]}}"#));
        let cmd = r#""Cmd":["old"]"#;
        check(&["ENV A=2 B=\"x y\" C=$A${Z:-d}"], &format!(r#"{{"Env":["A=2","B=x y","C=2d"],{cmd}}}"#));
        check(&["ENV B x  y"], &format!(r#"{{"Env":["A=1","B=x  y"],{cmd}}}"#));
        check(
            &["EXPOSE 80 90-91/UDP"],
            &format!(r#"{{"ExposedPorts":{{"80/tcp":{{}},"90/udp":{{}},"91/udp":{{}}}},{base},{cmd}}}"#),
        );
        check(&["LABEL a=b c='$A'"], &format!(r#"{{{base},{cmd},"Labels":{{"a":"b","c":"$A"}}}}"#));
        check(&["WORKDIR a", "WORKDIR ../b"], &format!(r#"{{{base},{cmd},"WorkingDir":"/b"}}"#));
        check(
            &["VOLUME /a /b", "USER u:g\nSTOPSIGNAL 9"],
            &format!(r#"{{"User":"u:g",{base},{cmd},"Volumes":{{"/a":{{}},"/b":{{}}}},"StopSignal":"9"}}"#),
        );
        check(
            &["HEALTHCHECK --interval=1m30s --retries=2 CMD true"],
            &format!(
                r#"{{{base},{cmd},"Healthcheck":{{"Test":["CMD-SHELL","true"],"Interval":90000000000,"Retries":2}}}}"#
            ),
        );
        check(&["ONBUILD RUN x"], &format!(r#"{{{base},{cmd},"OnBuild":["RUN x"]}}"#));
    }

    #[test]
    fn bad_instructions_have_dockers_words() {
        check(&["RUN x"], "RUN is not a valid change command");
        check(&["ENV"], "ENV requires at least one argument");
        check(&["USER"], "USER requires exactly one argument");
        check(&["ENV x"], "ENV must have two arguments");
        check(&["ENV a=b c"], "Syntax error - can't find = in \"c\". Must be of the form: name=value");
        check(&["EXPOSE x"], "invalid containerPort: x");
        check(&["ONBUILD FROM x"], "FROM isn't allowed as an ONBUILD trigger");
    }
}
