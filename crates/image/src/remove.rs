//! Tag, remove, prune (moby `daemon/containerd/image_{tag,delete,prune}.go`).

use std::collections::{BTreeMap, HashMap, HashSet};

use id::{Digest, Reference};
use oci::image::Descriptor;

use crate::names::{Named, familiar, repository};
use crate::record::{dangling_name, digest_of, is_dangling};
use crate::sweep::Sweeper;
use crate::walk::{Walk, best_of};
use crate::{Error, InUse, ListFilter, PruneReport, RemoveOptions, Removed, Result, Store, Use};

impl Store {
    /// Gives an image one more name; a name that pointed elsewhere leaves its old image dangling.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn tag(&self, reference: &str, new: &Reference) -> Result<Digest> {
        self.change(|names, change| {
            let (_, record) = names.resolve(reference)?;
            let name = new.clone().or_latest().to_string();
            change.set_name(names, &name, &record.target, record.labels.clone());
            digest_of(&record.target)
        })
    }

    /// Removes a name, or an image with all of its names, and then what nothing refers to any more.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is in use, and as [`Self::resolve`].
    pub async fn remove(&self, reference: &str, options: RemoveOptions, in_use: &dyn InUse) -> Result<Vec<Removed>> {
        let uses = in_use.uses();
        let (this, reference) = (self.clone(), reference.to_owned());
        blocking(move || this.remove_blocking(&reference, &options, &uses)).await
    }

    fn remove_blocking(&self, typed: &str, options: &RemoveOptions, uses: &[Use]) -> Result<Vec<Removed>> {
        if !options.platforms.is_empty() {
            return self.remove_platforms(typed, options);
        }
        let mut gone = None;
        let mut removed = self.change(|names, change| {
            let (exact, all) = names.resolve_all(typed)?;
            let Some((_, first)) = all.first() else { return Err(Error::Ambiguous) };
            let id = first.target.digest.clone();
            let by_id = is_id_prefix(&id, typed) || (is_dangling(typed) && exact.is_some());
            let named = if by_id && exact.is_none() { None } else { Reference::parse_normalized(typed).ok() };
            let mut soft = Soft { references: !options.force, stopped: !options.force };
            if let (Some(named), false) = (&named, by_id) {
                let same = same_references(Some(named), &all);
                if same.is_empty() {
                    return Err(Error::NotFound(named.clone().or_latest().familiar()));
                }
                if same.len() < all.len() {
                    return Ok(same
                        .into_iter()
                        .map(|(name, record)| {
                            change.remove_name(name);
                            Removed::Untagged(familiar(name, record))
                        })
                        .collect());
                }
                soft.references = false;
                if exact.is_some()
                    && let Some(user) = uses.iter().find(|u| u.image.as_str() == id)
                {
                    let reference = named.clone().or_latest();
                    if !options.force {
                        return Err(Error::Conflict {
                            reference: reference.familiar(),
                            hard: false,
                            why: format!(
                                "container {} is using its referenced image {}",
                                user.container.short(),
                                short(&id)
                            ),
                        });
                    }
                    all.iter().for_each(|(name, _)| change.remove_name(name));
                    change.put_name(dangling_name(&id), (*first).clone());
                    return Ok(vec![Removed::Untagged(reference.familiar())]);
                }
            } else if same_references(None, &all).len() == all.len() {
                soft.references = false;
            }
            conflicts(&id, &all, uses, soft)?;
            let mut removed: Vec<Removed> = Vec::new();
            for (name, record) in &all {
                change.remove_name(name);
                if !is_dangling(name) {
                    removed.push(Removed::Untagged(familiar(name, record)));
                }
            }
            removed.push(Removed::Deleted(digest_of(&first.target)?));
            gone = Some((first.target.clone(), first.labels.get(crate::record::PARENT_LABEL).cloned()));
            Ok(removed)
        })?;
        if let Some((target, parent)) = gone {
            Sweeper(self).targets(&[target])?;
            if !options.no_prune {
                self.remove_parents(parent, uses, &mut removed)?;
            }
        }
        Ok(removed)
    }

    /// Removes the classic builder's unnamed parents, as long as nothing else needs them.
    fn remove_parents(&self, mut parent: Option<String>, uses: &[Use], removed: &mut Vec<Removed>) -> Result<()> {
        while let Some(id) = parent.take() {
            let taken = self.change(|names, change| {
                let all: Vec<Named<'_>> = names.of_target(&id).collect();
                let is_parent = names.iter().any(|(_, r)| r.labels.get(crate::record::PARENT_LABEL) == Some(&id));
                let [(name, record)] = all.as_slice() else { return Ok(None) };
                let used = uses.iter().any(|u| u.image.as_str() == id);
                if !is_dangling(name) || is_parent || used {
                    return Ok(None);
                }
                change.remove_name(name);
                Ok(Some((record.target.clone(), record.labels.get(crate::record::PARENT_LABEL).cloned())))
            })?;
            let Some((target, next)) = taken else { return Ok(()) };
            removed.push(Removed::Deleted(digest_of(&target)?));
            Sweeper(self).targets(&[target])?;
            parent = next;
        }
        Ok(())
    }

    /// Removes the content of some platforms; the image and its names stay.
    fn remove_platforms(&self, typed: &str, options: &RemoveOptions) -> Result<Vec<Removed>> {
        if !options.force {
            return Err(Error::InvalidPlatform(
                "Content will be removed from all images referencing this variant. Use —-force to force delete."
                    .to_owned(),
            ));
        }
        let names = self.names();
        let (name, record) = names.resolve(typed)?;
        let all = Walk(self).manifests_of(&record.target)?;
        let mut removed = Vec::new();
        for platform in &options.platforms {
            let best = best_of(&all, Some(platform)).ok_or_else(|| Error::PlatformNotFound {
                reference: familiar(name, record),
                wanted: Some(crate::platform::format(platform)),
            })?;
            for digest in self.remove_manifest(&best.descriptor, &all)? {
                removed.push(Removed::Deleted(digest));
            }
        }
        Ok(removed)
    }

    /// Removes a manifest and what only it uses, although an index still names it.
    fn remove_manifest(&self, manifest: &Descriptor, all: &[crate::walk::ManifestAt]) -> Result<Vec<Digest>> {
        let digest = digest_of(manifest)?;
        let mut blobs = BTreeMap::new();
        Walk(self).blobs_of(manifest, &mut blobs)?;
        let mut shared = BTreeMap::new();
        for other in all.iter().filter(|m| m.descriptor.digest != manifest.digest) {
            Walk(self).blobs_of(&other.descriptor, &mut shared)?;
        }
        let record = self.manifest_record(digest.as_str());
        self.change(|_, change| {
            change.remove_manifest(digest.clone());
            Ok(())
        })?;
        self.inner.content.remove(&digest)?;
        blobs.retain(|d, _| !shared.contains_key(d) && *d != manifest.digest);
        Sweeper(self).blobs(blobs, record.map(|r| r.keys.clone()).unwrap_or_default())?;
        Ok(vec![digest])
    }

    /// Removes dangling images (all unused ones with `dangling=false`) that pass the filter.
    ///
    /// # Errors
    /// If the records cannot be written.
    pub async fn prune(&self, filter: &ListFilter, in_use: &dyn InUse) -> Result<PruneReport> {
        let uses = in_use.uses();
        let (this, filter) = (self.clone(), filter.clone());
        blocking(move || this.prune_blocking(filter, &uses)).await
    }

    fn prune_blocking(&self, mut filter: ListFilter, uses: &[Use]) -> Result<PruneReport> {
        let dangling_only = filter.dangling.take().unwrap_or(true);
        let names = self.names();
        let matcher = self.matcher(&names, &filter)?;
        let mut prunable: BTreeMap<&str, Named<'_>> = BTreeMap::new();
        let mut names_left: HashMap<&str, usize> = HashMap::new();
        for named @ (name, record) in names.iter() {
            *names_left.entry(record.target.digest.as_str()).or_default() += 1;
            if (!dangling_only || is_dangling(name)) && self.passes(&matcher, named)? {
                prunable.insert(name, named);
            }
        }
        let used_by_id = keep_used(uses, &mut prunable);
        // The last name of an image that a container was made from by id stays.
        let mut last_names = Vec::new();
        for (name, (_, record)) in &prunable {
            let left = names_left.entry(record.target.digest.as_str()).or_default();
            if *left > 1 {
                *left -= 1;
            } else if used_by_id.contains(record.target.digest.as_str()) {
                last_names.push(*name);
            }
        }
        for name in last_names {
            prunable.remove(name);
        }
        let mut report = PruneReport::default();
        let targets: Vec<Descriptor> = prunable.values().map(|(_, r)| r.target.clone()).collect();
        self.change(|now, change| {
            for (name, record) in prunable.values() {
                if now.get(name) == Some(record) {
                    change.remove_name(name);
                    report.removed.push(Removed::Untagged(familiar(name, record)));
                }
            }
            Ok(())
        })?;
        let swept = Sweeper(self).targets(&targets)?;
        report.removed.extend(swept.documents.into_iter().map(Removed::Deleted));
        // What failed pulls left behind goes, too.
        report.reclaimed = swept.bytes + Sweeper(self).stale(std::time::Duration::ZERO)?;
        Ok(report)
    }
}

/// Which soft conflicts count.
#[derive(Debug, Clone, Copy)]
struct Soft {
    references: bool,
    stopped: bool,
}

fn conflicts(id: &str, all: &[Named<'_>], uses: &[Use], soft: Soft) -> Result<()> {
    let conflict = |hard, why| Err(Error::Conflict { reference: short(id).to_owned(), hard, why });
    let users = || uses.iter().filter(|u| u.image.as_str() == id);
    if let Some(user) = users().find(|u| u.running) {
        return conflict(true, format!("image is being used by running container {}", user.container.short()));
    }
    if soft.stopped
        && let Some(user) = users().next()
    {
        return conflict(false, format!("image is being used by stopped container {}", user.container.short()));
    }
    if soft.references && all.len() > 1 {
        return conflict(false, "image is referenced in multiple repositories".to_owned());
    }
    Ok(())
}

/// The names that mean the same as `named` (or as the first name): the same repository and tag; digested names of
/// the repository when no other tag of it is there; dangling names.
fn same_references<'a>(named: Option<&Reference>, all: &[Named<'a>]) -> Vec<Named<'a>> {
    let (mut repo, mut tag, mut all_tags) = (None, None, false);
    if let Some(named) = named {
        repo = Some(named.name());
        tag = named.tag().map(str::to_owned);
        all_tags = tag.is_none() && named.digest().is_some();
    }
    let (mut same, mut digested, mut other_tags) = (Vec::new(), Vec::new(), false);
    for named @ (name, _) in all.iter().copied() {
        if is_dangling(name) {
            same.push(named);
            continue;
        }
        let (Some(own_repo), Ok(own)) = (repository(name), Reference::parse_normalized(name)) else {
            same.push(named);
            continue;
        };
        if *repo.get_or_insert_with(|| own_repo.clone()) != own_repo {
            continue;
        }
        match own.tag() {
            _ if all_tags => same.push(named),
            None => digested.push(named),
            Some(own) if tag.get_or_insert_with(|| own.to_owned()) == own => same.push(named),
            Some(_) => other_tags = true,
        }
    }
    if !other_tags {
        same.extend(digested);
    }
    same
}

/// Takes names that containers were made from out of `prunable`; gives the images that were used by id or digest.
fn keep_used<'u>(uses: &'u [Use], prunable: &mut BTreeMap<&str, Named<'_>>) -> HashSet<&'u str> {
    let mut by_id = HashSet::new();
    for user in uses {
        let id = user.image.as_str();
        prunable.remove(dangling_name(id).as_str());
        let typed = user.reference.strip_prefix("sha256:").unwrap_or(&user.reference);
        let digested = user.reference.strip_suffix(id).is_some_and(|r| r.ends_with('@'));
        if (!typed.is_empty() && id.starts_with(&format!("sha256:{typed}"))) || digested {
            by_id.insert(id);
        }
        if let Ok(reference) = Reference::parse_normalized(&user.reference) {
            prunable.remove(reference.clone().or_latest().to_string().as_str());
            let tagged = reference.tag().and_then(|t| reference.with_tag(t));
            if let Some(tagged) = tagged.filter(|_| reference.digest().is_some()) {
                prunable.remove(tagged.to_string().as_str());
            }
        }
    }
    by_id
}

fn is_id_prefix(id: &str, typed: &str) -> bool {
    id.starts_with(typed) || id.split_once(':').is_some_and(|(_, hex)| hex.starts_with(typed))
}

/// The first 12 digits.
fn short(id: &str) -> &str {
    let hex = id.split_once(':').map_or(id, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}

/// Runs work that blocks on disk away from the async workers.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(out) => out,
        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
        Err(_) => Err(Error::Cancelled),
    }
}
