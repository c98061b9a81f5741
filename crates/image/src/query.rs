//! Resolve, list, inspect, history.

use std::collections::{BTreeMap, HashMap, HashSet};

use id::Digest;
use oci::image::{Descriptor, Platform};

use crate::names::{Named, Names, familiar, tags_and_digests};
use crate::record::{NameRecord, PARENT_LABEL, digest_of, is_dangling, size_of};
use crate::walk::{ManifestAt, Walk, best_of};
use crate::{
    Error, HistoryItem, ImageHandle, ImageSummary, ImageView, ListFilter, ManifestKind, ManifestSummary, Result, Store,
    document, glob, platform,
};

impl Store {
    /// Finds an image by name, `name@digest`, id or id prefix, and its manifest for `platform` (the host's if `None`).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`], [`Error::PlatformNotFound`], [`Error::Reference`].
    pub fn resolve(&self, reference: &str, platform: Option<&Platform>) -> Result<ImageHandle> {
        let names = self.names();
        let (name, record) = names.resolve(reference)?;
        self.handle(name, record, platform)
    }

    fn handle(&self, name: &str, record: &NameRecord, wanted: Option<&Platform>) -> Result<ImageHandle> {
        let manifests = Walk(self).manifests_of(&record.target)?;
        let best = best_of(&manifests, wanted);
        let Some((best, found)) = best.and_then(|b| Some((b, b.record.as_ref()?))) else {
            return Err(platform_not_found(&familiar(name, record), wanted));
        };
        let mut manifest = best.descriptor.clone();
        manifest.platform.get_or_insert_with(|| found.platform.clone());
        Ok(ImageHandle {
            id: digest_of(&record.target)?,
            platform: manifest.platform.clone().unwrap_or_default(),
            manifest,
            document: self.document(&found.config)?,
            diff_ids: found.diff_ids(),
            name: (!is_dangling(name)).then(|| name.to_owned()),
        })
    }

    /// The data of `docker image inspect`.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn inspect(&self, reference: &str, wanted: Option<&Platform>) -> Result<ImageView> {
        let names = self.names();
        let (_, record) = names.resolve(reference)?;
        let all: Vec<Named<'_>> = names.of_target(&record.target.digest).collect();
        let manifests = Walk(self).manifests_of(&record.target)?;
        let best = best_of(&manifests, wanted);
        if best.is_none() && wanted.is_some() {
            return Err(platform_not_found(reference, wanted));
        }
        let (repo_tags, repo_digests) = tags_and_digests(&all);
        let summaries: Vec<ManifestSummary> = manifests.iter().map(|m| self.summarize(m)).collect::<Result<_>>()?;
        let document = best.and_then(|b| b.record.as_ref()).map(|r| self.document(&r.config)).transpose()?;
        let target = best.filter(|_| wanted.is_some()).map_or(&record.target, |b| &b.descriptor);
        let size = match best.and_then(|b| b.record.as_ref()) {
            Some(r) => r.content + r.unpacked,
            None => summaries.iter().map(total).sum(),
        };
        Ok(ImageView {
            id: digest_of(target)?,
            descriptor: target.clone(),
            repo_tags,
            repo_digests,
            size,
            last_tag_time: all.iter().map(|(_, r)| r.updated).max().unwrap_or(0).into(),
            parent: parent(&all),
            document,
            manifests: summaries,
            sources: self.sources(&record.target.digest)?,
        })
    }

    /// The data of `docker image ls`, newest first. `all` shows the classic builder's intermediate images too.
    ///
    /// # Errors
    /// As [`Self::resolve`] for the images named in `before` and `since`.
    pub fn list(&self, filter: &ListFilter, all: bool, shared_size: bool) -> Result<Vec<ImageSummary>> {
        let names = self.names();
        let matcher = self.matcher(&names, filter)?;
        let parents: HashSet<&str> =
            names.iter().filter_map(|(_, r)| r.labels.get(PARENT_LABEL).map(String::as_str)).collect();
        let mut order: Vec<&str> = Vec::new();
        let mut groups: HashMap<&str, Vec<Named<'_>>> = HashMap::new();
        for named @ (name, record) in names.iter() {
            let target = record.target.digest.as_str();
            if !all && is_dangling(name) && parents.contains(target) {
                continue;
            }
            match self.passes(&matcher, named) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(e) => {
                    tracing::warn!(image = name, error = %e, "image cannot be read");
                    continue;
                }
            }
            let group = groups.entry(target).or_default();
            if group.is_empty() {
                order.push(target);
            }
            group.push(named);
        }
        let mut out = Vec::with_capacity(order.len());
        for target in order {
            match self.summary(&groups[target]) {
                Ok(summary) => out.push(summary),
                // One broken image must not hide the others.
                Err(e) => tracing::error!(image = target, error = %e, "image cannot be listed"),
            }
        }
        if shared_size {
            self.fill_shared_sizes(&mut out)?;
        }
        out.sort_by_key(|s| std::cmp::Reverse(s.created));
        Ok(out)
    }

    fn summary(&self, group: &[Named<'_>]) -> Result<ImageSummary> {
        let Some((_, first)) = group.first() else { return Err(Error::Ambiguous) };
        let manifests = Walk(self).manifests_of(&first.target)?;
        let best = best_of(&manifests, None).or_else(|| manifests.iter().find(|m| m.record.is_some()));
        let summaries: Vec<ManifestSummary> = manifests.iter().map(|m| self.summarize(m)).collect::<Result<_>>()?;
        let record = best.and_then(|b| b.record.as_ref());
        let (repo_tags, repo_digests) = tags_and_digests(group);
        Ok(ImageSummary {
            id: digest_of(&first.target)?,
            parent: parent(group),
            repo_tags,
            repo_digests,
            created: record.and_then(|r| r.created).map_or(0, |ns| ns.div_euclid(1_000_000_000)),
            size: summaries.iter().map(total).sum(),
            shared_size: None,
            labels: record.map(|r| r.labels.clone()).unwrap_or_default(),
            descriptor: first.target.clone(),
            manifests: summaries,
        })
    }

    fn summarize(&self, m: &ManifestAt) -> Result<ManifestSummary> {
        let mut content_size = 0;
        let kind = match (document::attestation_subject(&m.descriptor), &m.record) {
            (Some(subject), _) => {
                let mut blobs = BTreeMap::new();
                Walk(self).blobs_of(&m.descriptor, &mut blobs)?;
                content_size = blobs.values().map(size_of).sum();
                ManifestKind::Attestation { subject }
            }
            (None, Some(record)) => {
                content_size = record.content;
                let platform = m.platform().unwrap_or_default();
                ManifestKind::Image { platform, unpacked: record.unpacked }
            }
            (None, None) => match m.platform().filter(|p| p.os != "unknown") {
                Some(platform) => ManifestKind::Image { platform, unpacked: 0 },
                None => ManifestKind::Unknown,
            },
        };
        let available = match kind {
            ManifestKind::Attestation { .. } => content_size > 0,
            _ => m.record.is_some(),
        };
        Ok(ManifestSummary { descriptor: m.descriptor.clone(), available, content_size, kind })
    }

    /// What each image shares with others: layers and blobs that more than one image has.
    fn fill_shared_sizes(&self, out: &mut [ImageSummary]) -> Result<()> {
        let mut parts: Vec<BTreeMap<String, u64>> = Vec::with_capacity(out.len());
        let mut users: HashMap<String, usize> = HashMap::new();
        for summary in out.iter() {
            let part = self.parts(&summary.descriptor)?;
            for name in part.keys() {
                *users.entry(name.clone()).or_default() += 1;
            }
            parts.push(part);
        }
        for (summary, part) in out.iter_mut().zip(parts) {
            let shared = part.iter().filter(|(name, _)| users.get(*name).is_some_and(|n| *n > 1));
            summary.shared_size = Some(shared.map(|(_, bytes)| bytes).sum());
        }
        Ok(())
    }

    /// Everything on disk that belongs to an image, with its bytes.
    fn parts(&self, target: &Descriptor) -> Result<BTreeMap<String, u64>> {
        let mut blobs = BTreeMap::new();
        Walk(self).blobs_of(target, &mut blobs)?;
        let mut parts: BTreeMap<String, u64> = blobs.iter().map(|(d, b)| (d.clone(), size_of(b))).collect();
        for m in Walk(self).manifests_of(target)? {
            for key in m.record.iter().flat_map(|r| &r.keys) {
                let bytes = self.inner.snapshots.layer(key)?.map_or(0, |l| l.bytes);
                parts.insert(format!("layer {key}"), bytes);
            }
        }
        Ok(parts)
    }

    /// Bytes on disk that these images need together: what stays when all others are removed.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn bytes_of<'a>(&self, targets: impl IntoIterator<Item = &'a Descriptor>) -> Result<u64> {
        let mut parts = BTreeMap::new();
        for target in targets {
            parts.append(&mut self.parts(target)?);
        }
        Ok(parts.values().sum())
    }

    /// The data of `docker image history`, newest first.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn history(&self, reference: &str, wanted: Option<&Platform>) -> Result<Vec<HistoryItem>> {
        let names = self.names();
        let (name, record) = names.resolve(reference)?;
        let image = self.handle(name, record, wanted)?;
        let found = self.manifest_record(&image.manifest.digest);
        let mut sizes = Vec::new();
        for key in found.iter().flat_map(|f| &f.keys) {
            sizes.push(self.inner.snapshots.layer(key)?.map_or(0, |l| l.bytes));
        }
        let mut sizes = sizes.into_iter();
        let mut out: Vec<HistoryItem> = image
            .document
            .history
            .iter()
            .map(|h| HistoryItem {
                id: "<missing>".to_owned(),
                created: h.created.as_deref().and_then(unix_nanos).map_or(0, |ns| ns.div_euclid(1_000_000_000)),
                created_by: h.created_by.clone().unwrap_or_default(),
                tags: Vec::new(),
                size: if h.empty_layer { 0 } else { sizes.next().unwrap_or(0) },
                comment: h.comment.clone().unwrap_or_default(),
            })
            .collect();
        out.reverse();
        // The classic builder's steps are images of their own, linked by a label.
        let mut current = Some(record.target.digest.clone());
        for item in &mut out {
            let Some(digest) = current.take() else { break };
            let all: Vec<Named<'_>> = names.of_target(&digest).collect();
            item.tags = tags_and_digests(&all).0;
            item.id = digest;
            current = parent(&all).map(|p| p.to_string()).filter(|p| names.of_target(p).next().is_some());
        }
        Ok(out)
    }

    /// Turns the images that a filter names into times.
    pub(crate) fn matcher<'a>(&self, names: &Names, filter: &'a ListFilter) -> Result<Matcher<'a>> {
        let created = |typed: &String| -> Result<Option<i64>> {
            let (name, record) = names.resolve(typed)?;
            let image = self.handle(name, record, None)?;
            Ok(self.manifest_record(&image.manifest.digest).and_then(|r| r.created))
        };
        let times = |list: &[String]| list.iter().map(created).collect::<Result<Vec<_>>>();
        Ok(Matcher {
            filter,
            before: times(&filter.before)?.into_iter().flatten().min(),
            since: times(&filter.since)?.into_iter().flatten().max(),
        })
    }

    /// Whether a name passes a filter.
    pub(crate) fn passes(&self, m: &Matcher<'_>, (name, record): Named<'_>) -> Result<bool> {
        let f = m.filter;
        if f.dangling.is_some_and(|d| d != is_dangling(name))
            || f.until.is_some_and(|until| i128::from(record.created) >= until)
            || (!f.reference.is_empty() && !f.reference.iter().any(|p| matches_reference(p, name)))
        {
            return Ok(false);
        }
        if f.labels.is_empty() && m.before.is_none() && m.since.is_none() {
            return Ok(true);
        }
        let manifests = Walk(self).manifests_of(&record.target)?;
        let here = || manifests.iter().filter(|x| !x.is_attestation()).filter_map(|x| x.record.as_ref());
        let created = best_of(&manifests, None).and_then(|b| b.record.as_ref()?.created);
        if m.before.is_some_and(|t| created.is_none_or(|c| c >= t))
            || m.since.is_some_and(|t| created.is_none_or(|c| c <= t))
        {
            return Ok(false);
        }
        let has_labels = |labels: &BTreeMap<String, String>| {
            f.labels.iter().all(|check| check.passes(|key| labels.get(key).map(String::as_str)))
        };
        Ok(f.labels.is_empty() || here().any(|r| has_labels(&r.labels)))
    }
}

/// A filter with its images resolved.
pub(crate) struct Matcher<'a> {
    filter: &'a ListFilter,
    before: Option<i64>,
    since: Option<i64>,
}

fn total(m: &ManifestSummary) -> u64 {
    m.content_size + if let ManifestKind::Image { unpacked, .. } = m.kind { unpacked } else { 0 }
}

fn parent(names: &[Named<'_>]) -> Option<Digest> {
    names.iter().find_map(|(_, r)| r.labels.get(PARENT_LABEL)?.parse().ok())
}

fn platform_not_found(reference: &str, wanted: Option<&Platform>) -> Error {
    Error::PlatformNotFound { reference: reference.to_owned(), wanted: wanted.map(platform::format) }
}

/// A pattern matches a name as Docker shows it, with or without its tag.
fn matches_reference(pattern: &str, name: &str) -> bool {
    if is_dangling(name) {
        return false;
    }
    let Ok(r) = id::Reference::parse_normalized(name) else { return false };
    [r.familiar(), r.familiar_name()].iter().any(|s| glob::matches(pattern, s))
}

/// RFC 3339 to Unix nanoseconds.
pub(crate) fn unix_nanos(s: &str) -> Option<i64> {
    i64::try_from(s.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}
