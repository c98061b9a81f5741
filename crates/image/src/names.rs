use std::collections::{BTreeMap, HashSet};

use id::{Digest, Reference, ReferenceError};

use crate::record::{NameRecord, is_dangling};
use crate::{Error, Result};

/// All names of the store at one moment.
#[derive(Debug, Default)]
pub(crate) struct Names {
    all: BTreeMap<String, NameRecord>,
}

/// What a user typed: `reference.ParseAnyReference`.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// A full id, with or without `sha256:`.
    Id(Digest),
    /// A name; may also be the start of an id.
    Name(Reference),
}

impl Wanted {
    pub(crate) fn parse(s: &str) -> Result<Self> {
        if let Ok(digest) = s.parse() {
            return Ok(Self::Id(digest));
        }
        match Reference::parse_normalized(s) {
            Ok(r) => Ok(Self::Name(r)),
            Err(ReferenceError::LooksLikeId(hex)) => {
                format!("sha256:{hex}").parse().map(Self::Id).map_err(|e| Error::Reference(ReferenceError::Digest(e)))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// [`Error::NotFound`] in Docker's words.
    pub(crate) fn not_found(&self) -> Error {
        Error::NotFound(match self {
            Self::Id(d) => d.to_string(),
            Self::Name(r) => r.clone().or_latest().familiar(),
        })
    }

    fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Id(d) => Some(d),
            Self::Name(r) => r.digest(),
        }
    }
}

/// A name with its record.
pub(crate) type Named<'a> = (&'a str, &'a NameRecord);

impl Names {
    pub(crate) fn new(all: BTreeMap<String, NameRecord>) -> Self {
        Self { all }
    }

    /// These names with some changed.
    pub(crate) fn with(&self, changes: BTreeMap<String, Option<NameRecord>>) -> Self {
        let mut all = self.all.clone();
        for (name, record) in changes {
            match record {
                Some(record) => drop(all.insert(name, record)),
                None => drop(all.remove(&name)),
            }
        }
        Self { all }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&NameRecord> {
        self.all.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Named<'_>> {
        self.all.iter().map(|(n, r)| (n.as_str(), r))
    }

    /// All names of one image.
    pub(crate) fn of_target<'a>(&'a self, digest: &str) -> impl Iterator<Item = Named<'a>> + use<'a> {
        let digest = digest.to_owned();
        self.iter().filter(move |(_, r)| r.target.digest == digest)
    }

    /// The number of images.
    pub(crate) fn targets(&self) -> usize {
        self.all.values().map(|r| r.target.digest.as_str()).collect::<HashSet<_>>().len()
    }

    /// Finds one image by what a user typed (moby `daemon/containerd/image.go`, `resolveImage`).
    pub(crate) fn resolve(&self, typed: &str) -> Result<Named<'_>> {
        let wanted = Wanted::parse(typed)?;
        if let Some(digest) = wanted.digest() {
            let mut same = self.of_target(digest.as_str());
            let found = match &wanted {
                Wanted::Id(_) => same.next(),
                // busybox@sha256:… does not mean the same digest in another repository.
                Wanted::Name(r) => same.find(|(n, _)| repository(n).as_deref() == Some(&r.name())),
            };
            return found.ok_or_else(|| wanted.not_found());
        }
        let Wanted::Name(name) = &wanted else { return Err(wanted.not_found()) };
        let name = name.clone().or_latest().to_string();
        if let Some((name, record)) = self.all.get_key_value(&name) {
            return Ok((name, record));
        }
        let mut found: Option<Named<'_>> = None;
        for named in self.by_prefix(typed) {
            if found.is_some_and(|(_, r)| r.target.digest != named.1.target.digest) {
                return Err(Error::Ambiguous);
            }
            found = found.or(Some(named));
        }
        found.ok_or_else(|| wanted.not_found())
    }

    /// Finds an image and all of its names (moby `resolveAllReferences`): the exact name, if one was typed.
    pub(crate) fn resolve_all(&self, typed: &str) -> Result<(Option<Named<'_>>, Vec<Named<'_>>)> {
        let wanted = Wanted::parse(typed)?;
        let mut exact = None;
        let mut digest = wanted.digest().map(ToString::to_string);
        match &wanted {
            Wanted::Id(_) => {}
            Wanted::Name(name) => {
                let full = name.clone().or_latest().to_string();
                exact = self.all.get_key_value(&full).map(|(n, r)| (n.as_str(), r));
                let by_prefix: Vec<_> = self.by_prefix(typed).collect();
                let mut targets = by_prefix.iter().chain(&exact).map(|(_, r)| &r.target.digest);
                if let Some(first) = targets.next() {
                    if targets.any(|d| d != first) {
                        return Err(Error::Ambiguous);
                    }
                    digest = Some(first.clone());
                }
            }
        }
        let digest = digest.ok_or_else(|| wanted.not_found())?;
        let all: Vec<_> =
            self.all.iter().map(|(n, r)| (n.as_str(), r)).filter(|(_, r)| r.target.digest == digest).collect();
        if all.is_empty() { Err(wanted.not_found()) } else { Ok((exact, all)) }
    }

    /// The names of images whose id starts with what was typed (at least four digits).
    fn by_prefix<'a>(&'a self, typed: &str) -> impl Iterator<Item = Named<'a>> + use<'a> {
        let hex = typed.strip_prefix("sha256:").unwrap_or(typed);
        let ok = (4..=64).contains(&hex.len()) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let prefix = format!("sha256:{hex}");
        self.iter().filter(move |(_, r)| ok && r.target.digest.starts_with(&prefix))
    }
}

/// `domain/path` of a stored name; `None` for a dangling one.
pub(crate) fn repository(name: &str) -> Option<String> {
    if is_dangling(name) { None } else { Reference::parse_normalized(name).ok().map(|r| r.name()) }
}

/// The name as Docker shows it: familiar, or the digest for a dangling image.
pub(crate) fn familiar(name: &str, record: &NameRecord) -> String {
    if is_dangling(name) {
        return record.target.digest.clone();
    }
    Reference::parse_normalized(name).map_or_else(|_| name.to_owned(), |r| r.familiar())
}

/// `RepoTags` and `RepoDigests` from all names of an image.
pub(crate) fn tags_and_digests(names: &[Named<'_>]) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut digests) = (Vec::new(), Vec::new());
    for (name, record) in names.iter().filter(|(n, _)| !is_dangling(n)) {
        let Ok(reference) = Reference::parse_normalized(name) else { continue };
        push(&mut tags, reference.familiar());
        if reference.digest().is_some() {
            push(&mut digests, reference.familiar());
        } else if let Ok(digest) = record.target.digest.parse() {
            push(&mut digests, reference.with_digest(digest).familiar());
        }
    }
    (tags, digests)
}

fn push(list: &mut Vec<String>, s: String) {
    if !list.contains(&s) {
        list.push(s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::image::Descriptor;

    fn names(list: &[(&str, u8)]) -> Names {
        let all = list.iter().map(|(n, d)| {
            let target = Descriptor { digest: id(*d), ..Descriptor::default() };
            ((*n).to_owned(), NameRecord { target, created: 0, updated: 0, labels: BTreeMap::new() })
        });
        Names::new(all.collect())
    }

    fn id(n: u8) -> String {
        Digest::sha256([n; 32]).to_string()
    }

    #[test]
    fn what_is_typed_is_found() {
        let n = names(&[
            ("docker.io/library/a:latest", 0x11),
            ("docker.io/library/a:2", 0x22),
            ("x.io/b:1", 0x22),
            ("moby-dangling@sha256:33", 0x33),
            ("docker.io/library/2222:latest", 0x44),
            ("docker.io/library/c:1", 0x12),
        ]);
        let found = |s: &str| n.resolve(s).map(|(_, r)| r.target.digest.clone()).map_err(|e| e.to_string());
        assert_eq!(found("a"), Ok(id(0x11)));
        assert_eq!(found("docker.io/library/a:2"), Ok(id(0x22)));
        assert_eq!(found(&id(0x33)), Ok(id(0x33)));
        assert_eq!(found(&id(0x33)[7..]), Ok(id(0x33)));
        assert_eq!(found("3333"), Ok(id(0x33)));
        assert_eq!(found("sha256:33333"), Ok(id(0x33)));
        assert_eq!(found("2222"), Ok(id(0x44)), "a name goes before an id");
        assert_eq!(found("22222"), Ok(id(0x22)), "two names of one image are not ambiguous");
        assert_eq!(found(&format!("a@{}", id(0x22))), Ok(id(0x22)));
        assert_eq!(found(&format!("a@{}", id(0x33))), Err(format!("No such image: a@{}", id(0x33))));
        assert_eq!(found("333"), Err("No such image: 333:latest".to_owned()));
        assert_eq!(found("nope"), Err("No such image: nope:latest".to_owned()));
        assert_eq!(found(&id(0x77)), Err(format!("No such image: {}", id(0x77))));
        assert_eq!(
            found("UP"),
            Err("invalid reference format: repository name (library/UP) must be lowercase".to_owned())
        );
        let two = names(&[("docker.io/library/a:1", 0x55), ("docker.io/library/b:1", 0x55)]);
        assert!(two.resolve("5555").is_ok());
        let mut all = two.all.clone();
        let mut other = all["docker.io/library/a:1"].clone();
        other.target.digest = format!("sha256:5555{}", "0".repeat(60));
        all.insert("docker.io/library/z:1".to_owned(), other);
        assert!(matches!(Names::new(all).resolve("5555"), Err(Error::Ambiguous)));
    }
}
