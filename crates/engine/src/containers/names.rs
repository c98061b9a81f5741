//! Names: the rule for those that users give, and the making of those that they don't.

use crate::{Error, files};

/// Adjectives of made-up names.
const FIRST: &[&str] = &[
    "able", "agile", "amber", "apt", "azure", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid", "clever",
    "cosmic", "crisp", "curious", "daring", "deft", "eager", "earnest", "fair", "fearless", "fleet", "fond", "frank",
    "gallant", "gentle", "glad", "golden", "grand", "hardy", "hearty", "honest", "humble", "jolly", "keen", "kind",
    "lively", "loyal", "lucid", "merry", "mild", "mighty", "modest", "neat", "nimble", "noble", "patient", "placid",
    "plucky", "polite", "proud", "quick", "quiet", "ready", "robust", "rosy", "serene", "sharp", "silent", "sincere",
    "smart", "solid", "spry", "steady", "stoic", "sturdy", "subtle", "sunny", "swift", "tender", "tidy", "trusty",
    "upbeat", "valiant", "vivid", "warm", "wise", "witty", "zesty",
];

/// Builders and engineers, the second half of made-up names.
const SECOND: &[&str] = &[
    "ampere",
    "archimedes",
    "arup",
    "babbage",
    "baird",
    "bardeen",
    "bazalgette",
    "bell",
    "bessemer",
    "boole",
    "brunel",
    "carnot",
    "cayley",
    "clarke",
    "curie",
    "daimler",
    "davinci",
    "diesel",
    "edison",
    "eiffel",
    "ericsson",
    "euler",
    "faraday",
    "fermi",
    "fourier",
    "franklin",
    "fulton",
    "galileo",
    "gauss",
    "goddard",
    "hamilton",
    "heron",
    "hertz",
    "hooke",
    "hopper",
    "huygens",
    "jacquard",
    "johnson",
    "joule",
    "kelvin",
    "kilby",
    "lamarr",
    "leibniz",
    "lovelace",
    "marconi",
    "maxwell",
    "meitner",
    "morse",
    "nasmyth",
    "newcomen",
    "newton",
    "nightingale",
    "noether",
    "noyce",
    "ohm",
    "otis",
    "otto",
    "papin",
    "pascal",
    "planck",
    "rankine",
    "ritchie",
    "roebling",
    "savery",
    "shannon",
    "siemens",
    "smeaton",
    "stephenson",
    "tesla",
    "telford",
    "thompson",
    "torricelli",
    "trevithick",
    "turing",
    "volta",
    "watt",
    "wheatstone",
    "whittle",
    "wright",
    "zuse",
];

/// Checks a name that a user gave (with or without Docker's leading slash) and returns it without the slash.
pub(crate) fn check(name: &str) -> Result<&str, Error> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let mut bytes = bare.bytes();
    let ok = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bare.len() > 1
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if ok { Ok(bare) } else { Err(Error::InvalidName(name.to_owned())) }
}

/// A made-up name; `attempt` counts the ones that were taken.
pub(crate) fn generate(attempt: u32) -> Result<String, Error> {
    let random = files::random()?;
    let pick = |list: &[&'static str], at: usize| {
        let n = usize::from(random[at]) << 8 | usize::from(random[at + 1]);
        list[n % list.len()]
    };
    let name = format!("{}_{}", pick(FIRST, 0), pick(SECOND, 2));
    Ok(if attempt == 0 { name } else { format!("{name}{}", random[4] % 10) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_dockers_rule() {
        for good in ["ab", "/web", "a.b-c_1", "0x"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "a", "-a", ".a", "a b", "a/b", "é1"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn made_up_names_are_valid() {
        for attempt in 0..50 {
            assert!(check(&generate(attempt).expect("random")).is_ok());
        }
    }
}
