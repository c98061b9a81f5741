//! Options as Go's `flag` reads them and runc's command line orders them: one or two dashes, `-x=v` or `-x v`, before and
//! after the arguments.

/// An option.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    /// Name first, then its alias.
    pub(crate) names: &'static [&'static str],
    /// Whether it takes a value.
    pub(crate) value: bool,
    /// Shown behind the description; empty when there is none.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

/// Where options may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Before the first argument only: what follows belongs to somebody else.
    First,
    /// Anywhere.
    Any,
}

/// Options and arguments of one command.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    values: Vec<(&'static str, String)>,
    pub(crate) args: Vec<String>,
}

/// What is wrong with a command line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("flag provided but not defined: -{name}")]
    Unknown { name: String },
    #[error("flag needs an argument: -{name}")]
    NoValue { name: String },
    #[error("invalid boolean value {value:?} for -{name}: parse error")]
    NoBool { name: String, value: String },
    #[error("invalid value {value:?} for flag -{name}: parse error")]
    NoNumber { name: String, value: String },
    #[error("bad flag syntax: {text}")]
    Syntax { text: String },
}

impl Matches {
    /// Whether a switch is on.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.value(name) == Some("true")
    }

    /// The last value of an option.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// All values of an option.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// A number, as Go reads them (`0x` and the like).
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let fault = || Fault::NoNumber { name: name.to_owned(), value: value.to_owned() };
        let (sign, digits) = value.strip_prefix('-').map_or((1, value), |rest| (-1, rest));
        let parsed = match digits.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        parsed.map(|number| Some(sign * number)).map_err(|_| fault())
    }

    /// The options, and the arguments on their own.
    pub(crate) fn split(mut self) -> (Self, Vec<String>) {
        let args = std::mem::take(&mut self.args);
        (self, args)
    }

    /// The first argument, taken away.
    pub(crate) fn take_first(&mut self) -> String {
        if self.args.is_empty() { String::new() } else { self.args.remove(0) }
    }
}

/// `-x` or `--x`, with or without `=value`.
fn option_of(arg: &str) -> Option<(&str, Option<&str>)> {
    let rest = arg.strip_prefix('-')?;
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    if rest.is_empty() {
        return None;
    }
    Some(rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value))))
}

fn find<'f>(flags: &'f [Flag], name: &str) -> Option<&'f Flag> {
    flags.iter().find(|flag| flag.names.contains(&name))
}

fn boolean(name: &str, value: &str) -> Result<bool, Fault> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Fault::NoBool { name: name.to_owned(), value: value.to_owned() }),
    }
}

/// Reads options and arguments. `help` and `h` are options of every command.
pub(crate) fn options(flags: &'static [Flag], args: &[String], order: Order) -> Result<Matches, Fault> {
    const HELP: Flag = Flag { names: &["help", "h"], value: false, default: "", help: "show help" };
    let mut matches = Matches::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            matches.args.extend(rest.by_ref().cloned());
            break;
        }
        let Some((name, value)) = option_of(arg) else {
            matches.args.push(arg.clone());
            if order == Order::First {
                matches.args.extend(rest.by_ref().cloned());
            }
            continue;
        };
        let Some(flag) = find(flags, name).or_else(|| HELP.names.contains(&name).then_some(&HELP)) else {
            if !matches.args.is_empty() {
                // Behind an argument it is one too (a negative number, say).
                matches.args.push(arg.clone());
                continue;
            }
            if name.is_empty() || name.starts_with('-') || name.starts_with('=') {
                return Err(Fault::Syntax { text: arg.clone() });
            }
            return Err(Fault::Unknown { name: name.to_owned() });
        };
        let value = match (flag.value, value) {
            (true, Some(value)) => value.to_owned(),
            (true, None) => rest.next().cloned().ok_or_else(|| Fault::NoValue { name: name.to_owned() })?,
            (false, Some(value)) => boolean(name, value)?.to_string(),
            (false, None) => "true".to_owned(),
        };
        let key = flag.names.first().copied().unwrap_or_default();
        matches.values.push((key, value));
    }
    Ok(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    static FLAGS: &[Flag] = &[
        Flag { names: &["bundle", "b"], value: true, default: "", help: "" },
        Flag { names: &["force", "f"], value: false, default: "", help: "" },
    ];

    fn parse(args: &[&str], order: Order) -> Result<Matches, Fault> {
        let args: Vec<String> = args.iter().map(|&a| a.to_owned()).collect();
        options(FLAGS, &args, order)
    }

    #[track_caller]
    fn check(args: &[&str], bundle: Option<&str>, force: bool, rest: &[&str]) {
        let got = parse(args, Order::Any).unwrap();
        assert_eq!((got.value("bundle"), got.flag("force")), (bundle, force), "{args:?}");
        assert_eq!(got.args, rest, "{args:?}");
    }

    #[test]
    fn before_and_after() {
        check(&["-b", "x", "id"], Some("x"), false, &["id"]);
        check(&["id", "--bundle=x", "-f"], Some("x"), true, &["id"]);
        check(&["id", "--bundle", "-f"], Some("-f"), false, &["id"]);
        check(&["--force=false", "id", "-9"], None, false, &["id", "-9"]);
        check(&["id", "--", "-f"], None, false, &["id", "-f"]);
        check(&["-", "-f"], None, true, &["-"]);
    }

    #[test]
    fn what_belongs_to_the_program() {
        let got = parse(&["-f", "id", "sh", "-b", "-c"], Order::First).unwrap();
        assert_eq!(got.args, ["id", "sh", "-b", "-c"]);
        assert!(got.flag("force") && got.value("bundle").is_none());
    }

    #[test]
    fn faults() {
        let fault = |args: &[&str]| parse(args, Order::Any).unwrap_err().to_string();
        assert_eq!(fault(&["--foo"]), "flag provided but not defined: -foo");
        assert_eq!(fault(&["id", "--bundle"]), "flag needs an argument: -bundle");
        assert_eq!(fault(&["-f=x"]), "invalid boolean value \"x\" for -f: parse error");
        let number = parse(&["-b", "x"], Order::Any).unwrap().number("bundle").unwrap_err();
        assert_eq!(number.to_string(), "invalid value \"x\" for flag -bundle: parse error");
        assert_eq!(parse(&["-b", "-0x10"], Order::Any).unwrap().number("bundle"), Ok(Some(-16)));
    }
}
