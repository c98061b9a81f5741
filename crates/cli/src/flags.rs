//! Reading a command line against the table, in the manner of Go's pflag.

use std::net::IpAddr;

use units::{Filters, env, gofmt, limit, mount, num, size};

use crate::console;
use crate::failure::{Failure, Result};
use crate::table::{Command, Flag, Kind};

/// What was given on a command line.
#[derive(Debug)]
pub(crate) struct Matches {
    pub(crate) command: &'static Command,
    values: Vec<(&'static Flag, String)>,
    /// Arguments that are no flags.
    pub(crate) args: Vec<String>,
    /// `--help` was among the flags.
    pub(crate) help: bool,
}

impl Matches {
    /// Whether a flag was given.
    pub(crate) fn given(&self, name: &str) -> bool {
        self.values.iter().any(|(f, _)| f.name == name)
    }

    /// The last value of a flag, if it was given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(f, _)| f.name == name).map(|(_, v)| v.as_str())
    }

    /// The last value of a text flag, or its default.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| self.flag(name).map_or("", |f| f.default))
    }

    /// All values of a flag that can be repeated.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.values.iter().filter(|(f, _)| f.name == name).map(|(_, v)| v.as_str()).collect()
    }

    /// A switch, or its default.
    pub(crate) fn on(&self, name: &str) -> bool {
        matches!(self.text(name), "true")
    }

    /// A whole number, or its default.
    pub(crate) fn int(&self, name: &str) -> i64 {
        num::parse_int_any_base(self.text(name)).unwrap_or(0)
    }

    /// A size in bytes, or its default.
    pub(crate) fn bytes(&self, name: &str) -> i64 {
        match self.text(name) {
            "-1" => -1,
            text => size::ram_in_bytes(text).unwrap_or(0),
        }
    }

    /// A duration in nanoseconds, or its default.
    pub(crate) fn nanos(&self, name: &str) -> i64 {
        units::parse_duration(self.text(name)).unwrap_or(0)
    }

    /// All `--filter` values together.
    pub(crate) fn filters(&self) -> Filters {
        let mut filters = Filters::new();
        for value in self.all("filter") {
            // Checked while parsing.
            let _ = filters.add_cli(value);
        }
        filters
    }

    /// The first argument.
    pub(crate) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map_or("", String::as_str)
    }

    fn flag(&self, name: &str) -> Option<&'static Flag> {
        self.command.flags().find(|f| f.name == name)
    }

    /// Flags are refused when their values do not fit, as pflag says it.
    pub(crate) fn invalid(&self, name: &str, value: &str, reason: &str) -> Failure {
        let shown = self.flag(name).map_or_else(|| format!("--{name}"), shown_name);
        Failure::usage(self.command, &invalid_text(value, &shown, reason))
    }
}

fn shown_name(flag: &'static Flag) -> String {
    if flag.short == '\0' { format!("--{}", flag.name) } else { format!("-{}, --{}", flag.short, flag.name) }
}

fn invalid_text(value: &str, shown: &str, reason: &str) -> String {
    format!("invalid argument {} for {} flag: {reason}", gofmt::quote(value), gofmt::quote(shown))
}

/// Parses the arguments of a command.
pub(crate) fn parse(command: &'static Command, args: &[String], interspersed: bool) -> Result<Matches> {
    let mut matches = Matches { command, values: Vec::new(), args: Vec::new(), help: false };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            matches.args.extend(rest.cloned());
            break;
        }
        let outcome = if let Some(body) = arg.strip_prefix("--") {
            parse_long(&mut matches, body, &mut rest)
        } else if arg.len() > 1 && arg.starts_with('-') {
            parse_short(&mut matches, &arg[1..], &mut rest)
        } else {
            matches.args.push(arg.clone());
            if !interspersed {
                matches.args.extend(rest.cloned());
                break;
            }
            Ok(())
        };
        outcome.map_err(|text| Failure::usage(command, &text))?;
    }
    Ok(matches)
}

type Rest<'a> = std::slice::Iter<'a, String>;

fn parse_long(matches: &mut Matches, body: &str, rest: &mut Rest<'_>) -> std::result::Result<(), String> {
    if body.is_empty() || body.starts_with('-') || body.starts_with('=') {
        return Err(format!("bad flag syntax: --{body}"));
    }
    let (name, given) = match body.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (body, None),
    };
    if name == "help" {
        matches.help = given.is_none_or(|v| num::parse_bool(v).unwrap_or(false));
        return Ok(());
    }
    let Some(flag) = matches.flag(name) else { return Err(format!("unknown flag: --{name}")) };
    let value = match given {
        Some(value) => value.to_owned(),
        None if flag.kind == Kind::Bool => "true".to_owned(),
        None => rest.next().cloned().ok_or_else(|| format!("flag needs an argument: --{name}"))?,
    };
    store(matches, flag, &value)
}

fn parse_short(matches: &mut Matches, letters: &str, rest: &mut Rest<'_>) -> std::result::Result<(), String> {
    let mut left = letters;
    while let Some(letter) = left.chars().next() {
        let after = &left[letter.len_utf8()..];
        let flag = matches.command.flags().find(|f| f.short == letter);
        let Some(flag) = flag else {
            if letter == 'h' {
                matches.help = true;
                let _ = console::line("Flag shorthand -h has been deprecated, use --help");
                left = after;
                continue;
            }
            return Err(format!("unknown shorthand flag: '{letter}' in -{left}"));
        };
        if let Some(value) = after.strip_prefix('=')
            && after.len() > 1
        {
            return store(matches, flag, value);
        }
        if flag.kind == Kind::Bool {
            store(matches, flag, "true")?;
            left = after;
            continue;
        }
        if !after.is_empty() {
            return store(matches, flag, after);
        }
        let value = rest.next().cloned().ok_or_else(|| format!("flag needs an argument: '{letter}' in -{left}"))?;
        return store(matches, flag, &value);
    }
    Ok(())
}

fn store(matches: &mut Matches, flag: &'static Flag, value: &str) -> std::result::Result<(), String> {
    let checked =
        check(matches.command, flag, value).map_err(|reason| invalid_text(value, &shown_name(flag), &reason))?;
    if let Some(message) = flag.deprecated {
        let _ = console::line(&format!("Flag --{} has been deprecated, {message}", flag.name));
    }
    if flag.kind == Kind::Slice {
        let parts = mount::split_csv(&checked).map_err(|e| invalid_text(value, &shown_name(flag), &e.to_string()))?;
        matches.values.extend(parts.into_iter().map(|part| (flag, part)));
    } else {
        matches.values.push((flag, checked));
    }
    Ok(())
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// Checks a value and gives it in the form that is kept.
fn check(command: &Command, flag: &Flag, value: &str) -> std::result::Result<String, String> {
    match flag.kind {
        Kind::Bool => num::parse_bool(value).map(|b| b.to_string()).map_err(text),
        Kind::Int => num::parse_int_any_base(value).map(|n| n.to_string()).map_err(text),
        Kind::Uint => num::parse_uint_any_base(value, 64).map(|n| n.to_string()).map_err(text),
        Kind::Uint16 => num::parse_uint_any_base(value, 16).map(|n| n.to_string()).map_err(text),
        Kind::Uint32 => num::parse_uint_any_base(value, 32).map(|n| n.to_string()).map_err(text),
        Kind::Float => num::parse_float(value).map(|_| value.to_owned()).map_err(text),
        Kind::Bytes if flag.name == "memory-swap" && value == "-1" => Ok(value.to_owned()),
        Kind::Bytes => size::ram_in_bytes(value).map(|_| value.to_owned()).map_err(text),
        Kind::Decimal => limit::parse_cpus(value).map(|_| value.to_owned()).map_err(text),
        Kind::Duration => units::parse_duration(value).map(|_| value.to_owned()).map_err(text),
        Kind::Filter => Filters::new().add_cli(value).map(|()| value.to_owned()).map_err(text),
        Kind::Ip => {
            value.trim().parse::<IpAddr>().map(text).map_err(|_| format!("failed to parse IP: {}", gofmt::quote(value)))
        }
        Kind::Ulimit => limit::Ulimit::parse(value).map(|_| value.to_owned()).map_err(text),
        Kind::Mount => mount::MountSpec::parse(value).map(|_| value.to_owned()).map_err(text),
        Kind::Network => crate::command::container::endpoint::parse(value).map(|_| value.to_owned()),
        Kind::Pairs if !value.contains('=') => Err(format!("{value} must be formatted as key=value")),
        Kind::List | Kind::Map => check_list(command, flag, value),
        _ => Ok(value.to_owned()),
    }
}

fn check_list(command: &Command, flag: &Flag, value: &str) -> std::result::Result<String, String> {
    let kept = || value.to_owned();
    let family = command.canonical.split(' ').next().unwrap_or_default();
    match (family, flag.name) {
        (_, "env") => env::parse_env(value, |k| std::env::var(k).ok()).map_err(text),
        (_, "label") if command.canonical != "container commit" => {
            env::validate_label(value).map(|()| kept()).map_err(text)
        }
        (_, "add-host") => env::parse_extra_host(value).map_err(text),
        (_, "dns" | "link-local-ip") => match value.trim().parse::<IpAddr>() {
            Ok(ip) => Ok(ip.to_string()),
            Err(_) => Err(format!("IP address is not correctly formatted: {value}")),
        },
        (_, "dns-search") => check_domain(value),
        ("container", "attach") => match value.to_lowercase().as_str() {
            stream @ ("stdin" | "stdout" | "stderr") => Ok(stream.to_owned()),
            _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
        },
        (_, "sysctl") if family == "container" => env::validate_sysctl(value).map(|()| kept()).map_err(text),
        (_, "link") => check_link(value),
        (_, "device-read-bps" | "device-write-bps") => limit::parse_throttle_bps(value).map(|_| kept()).map_err(text),
        (_, "device-read-iops" | "device-write-iops") => {
            limit::parse_throttle_iops(value).map(|_| kept()).map_err(text)
        }
        (_, "blkio-weight-device") => limit::parse_weight_device(value).map(|_| kept()).map_err(text),
        (_, "device-cgroup-rule") => limit::validate_device_rule(value).map(|()| kept()).map_err(text),
        _ => Ok(kept()),
    }
}

fn check_link(value: &str) -> std::result::Result<String, String> {
    if value.is_empty() {
        return Err("empty string specified for links".to_owned());
    }
    if value.matches(':').count() > 1 {
        return Err(format!("bad format for links: {value}"));
    }
    Ok(value.to_owned())
}

fn check_domain(value: &str) -> std::result::Result<String, String> {
    let trimmed = value.trim_matches(' ');
    if trimmed == "." {
        return Ok(trimmed.to_owned());
    }
    let body = trimmed.strip_suffix('.').unwrap_or(trimmed);
    let label = |l: &str| {
        let bytes = l.as_bytes();
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    let good = body.bytes().any(|b| b.is_ascii_alphabetic()) && body.len() < 255 && body.split('.').all(label);
    if good { Ok(body.to_owned()) } else { Err(format!("{trimmed} is not a valid domain")) }
}

/// Checks the number of arguments, in Docker's words.
pub(crate) fn check_arity(command: &Command, got: usize) -> Result<()> {
    let (path, min, max) = (command.full_path(), command.min, command.max);
    let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
    let (reason, see) = match max {
        Some(0) if got > 0 => ("accepts no arguments".to_owned(), "Run"),
        Some(max) if max == min && got != min => (format!("requires {min} {}", plural(min)), "Run"),
        Some(max) if min == 0 && got > max => (format!("requires at most {max} {}", plural(max)), "Run"),
        Some(max) if got < min || got > max => {
            (format!("requires at least {min} and at most {max} {}", plural(max)), "Run")
        }
        None if got < min => (format!("requires at least {min} {}", plural(min)), "See"),
        _ => return Ok(()),
    };
    let usage = command.use_line();
    Err(Failure::new(format!(
        "docker: '{path}' {reason}\n\nUsage:  {usage}\n\n{see} '{path} --help' for more information"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::root;

    fn run(args: &[&str]) -> Result<Matches> {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        parse(root().child("run").unwrap(), &args, false)
    }

    #[track_caller]
    fn refuses(args: &[&str], want: &str) {
        let failure = run(args).unwrap_err();
        assert_eq!(failure.code, 125);
        assert_eq!(failure.text.split("\n\n").next(), Some(want));
    }

    #[test]
    fn forms() {
        let m = run(&["-dit", "--rm=false", "-ePATH=x", "-e", "A=b", "--name", "n", "-m=64m", "img", "-x", "--rm"])
            .unwrap();
        assert!(m.on("detach") && m.on("interactive") && m.on("tty") && !m.on("rm"));
        assert_eq!(m.all("env"), ["PATH=x", "A=b"]);
        assert_eq!((m.text("name"), m.bytes("memory")), ("n", 64 << 20));
        assert_eq!(m.args, ["img", "-x", "--rm"]);
        assert!(m.on("sig-proxy"));
    }

    #[test]
    fn refusals() {
        refuses(&["--nope"], "unknown flag: --nope");
        refuses(&["-dZ"], "unknown shorthand flag: 'Z' in -Z");
        refuses(&["--name"], "flag needs an argument: --name");
        refuses(&["-de"], "flag needs an argument: 'e' in -e");
        refuses(&["-m", "x"], "invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'");
        refuses(
            &["--rm=maybe"],
            "invalid argument \"maybe\" for \"--rm\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
        );
        refuses(&["--ulimit", "x"], "invalid argument \"x\" for \"--ulimit\" flag: invalid ulimit argument: x");
        refuses(
            &["-a", "x"],
            "invalid argument \"x\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR",
        );
    }
}
