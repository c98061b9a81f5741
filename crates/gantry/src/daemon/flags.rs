//! Reading the command line, as Docker's flag library does: `--x=y`, `--x y`, `-x y`, `-xy`, booleans without a value.

use std::fmt::Write;

use super::table::{FLAGS, Flag, Kind};

/// A command line that cannot be read. The texts are those of Docker's flag library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlagError {
    #[error("unknown flag: {0}")]
    Unknown(String),
    #[error("unknown shorthand flag: '{flag}' in -{text}")]
    UnknownShort { flag: char, text: String },
    #[error("flag needs an argument: {0}")]
    NeedsValue(String),
    #[error("invalid argument {value:?} for \"{flag}\" flag: {why}")]
    Invalid { flag: String, value: String, why: String },
    #[error("\"dockerd\" accepts no arguments.")]
    Arguments,
}

/// The flags that were given: each with its values in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Given(Vec<(&'static str, String)>);

impl Given {
    /// Whether a flag was given at all (booleans: and is true).
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().rev().find(|(n, _)| *n == name).is_some_and(|(_, v)| v != "false")
    }

    /// Whether a flag was given, with whatever value.
    pub(super) fn set(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| *n == name)
    }

    /// All values of a flag.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| *n == name).map(|(_, v)| v.as_str())
    }
}

/// Reads the arguments.
pub(super) fn parse(args: &[String]) -> Result<Given, FlagError> {
    let mut given = Given::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            return if args.next().is_some() { Err(FlagError::Arguments) } else { Ok(given) };
        }
        if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_owned())));
            let flag = FLAGS.iter().find(|f| f.name == name).ok_or_else(|| FlagError::Unknown(format!("--{name}")))?;
            let value = match value {
                Some(value) => value,
                None if flag.kind == Kind::Bool => "true".to_owned(),
                None => args.next().ok_or_else(|| FlagError::NeedsValue(format!("--{name}")))?.clone(),
            };
            push(&mut given, flag, value)?;
        } else if let Some(short) = arg.strip_prefix('-').filter(|s| !s.is_empty()) {
            parse_short(short, &mut args, &mut given)?;
        } else {
            return Err(FlagError::Arguments);
        }
    }
    Ok(given)
}

fn parse_short<'a>(
    text: &str,
    args: &mut impl Iterator<Item = &'a String>,
    given: &mut Given,
) -> Result<(), FlagError> {
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let flag = FLAGS.iter().find(|f| f.short == Some(letter));
        let flag = flag.ok_or_else(|| FlagError::UnknownShort { flag: letter, text: rest.to_owned() })?;
        rest = &rest[letter.len_utf8()..];
        if let Some(value) = rest.strip_prefix('=') {
            return push(given, flag, value.to_owned());
        }
        if flag.kind == Kind::Bool {
            push(given, flag, "true".to_owned())?;
            continue;
        }
        let value = match rest {
            "" => args.next().ok_or_else(|| FlagError::NeedsValue(format!("'{letter}' in -{text}")))?.clone(),
            rest => rest.to_owned(),
        };
        return push(given, flag, value);
    }
    Ok(())
}

fn push(given: &mut Given, flag: &'static Flag, value: String) -> Result<(), FlagError> {
    let invalid = |why: &str| FlagError::Invalid {
        flag: flag.short.map_or_else(|| format!("--{}", flag.name), |s| format!("-{s}, --{}", flag.name)),
        value: value.clone(),
        why: why.to_owned(),
    };
    let value = match flag.kind {
        Kind::Bool => units::num::parse_bool(&value).map_err(|e| invalid(&e.to_string()))?.to_string(),
        Kind::Number => units::num::parse_int_any_base(&value).map_err(|e| invalid(&e.to_string()))?.to_string(),
        _ => {
            super::values::check(flag, &value).map_err(|why| invalid(&why))?;
            value
        }
    };
    given.0.push((flag.name, value));
    Ok(())
}

/// What `--help` shows.
pub(super) fn help() -> String {
    let mut text = "Usage:  dockerd [OPTIONS]\n\nA self-sufficient engine for containers.\n\nOptions:".to_owned();
    for flag in FLAGS {
        let short = flag.short.map_or("    ".to_owned(), |s| format!("-{s}, "));
        let value = match flag.kind {
            Kind::Bool => "",
            Kind::Text => " string",
            Kind::Number => " int",
            Kind::List => " list",
            Kind::Map => " map",
        };
        let name = format!("{}{value}", flag.name);
        // Writing to a String does not fail.
        let _ = write!(text, "\n  {short}--{name:<36} {}", flag.help);
        if !flag.default.is_empty() && flag.default != "false" && flag.default != "0" {
            let _ = write!(text, " (default {})", flag.default);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Given, FlagError> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read_in_all_their_forms() {
        let given =
            read("-D -H unix:///a --host=tcp://b -Hc --debug=false --iptables=0 --mtu 0x10 -l=warn").expect("parses");
        assert_eq!(given.all("host").collect::<Vec<_>>(), ["unix:///a", "tcp://b", "c"]);
        assert!(!given.has("debug") && given.set("debug"));
        assert_eq!(given.all("iptables").collect::<Vec<_>>(), ["false"]);
        assert_eq!(given.all("mtu").collect::<Vec<_>>(), ["16"]);
        assert_eq!(given.all("log-level").collect::<Vec<_>>(), ["warn"]);
    }

    #[test]
    fn failures_are_told_in_dockers_words() {
        for (line, want) in [
            ("--nosuch", "unknown flag: --nosuch"),
            ("-Z", "unknown shorthand flag: 'Z' in -Z"),
            ("--host", "flag needs an argument: --host"),
            ("-H", "flag needs an argument: 'H' in -H"),
            ("run", "\"dockerd\" accepts no arguments."),
            (
                "--tls=maybe",
                "invalid argument \"maybe\" for \"--tls\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
        ] {
            assert_eq!(read(line).map_err(|e| e.to_string()), Err(want.to_owned()), "{line}");
        }
    }

    #[test]
    fn every_flag_of_dockerd_is_there() {
        assert_eq!(FLAGS.len(), 93, "92 of dockerd's and help");
        assert!(help().contains("--storage-driver"));
    }
}
