//! Legacy links: containers of the default bridge that another one there knows by names of its own, in its `/etc/hosts`.
//! On other networks a link is an endpoint's, and the name service answers it.

use std::collections::BTreeMap;

use id::ContainerId;
use spec::ContainerSpec;

use super::actor::{Actor, Msg};
use super::view::ContainerView;
use super::{CONTAINERS, Containers};
use crate::Error;
use crate::engine::Shared;

/// Alias → container.
pub type Links = BTreeMap<String, ContainerId>;

/// `name` or `name:alias`; `/name:/parent/alias` is how inspect writes it.
fn parse(link: &str) -> Result<(&str, &str), Error> {
    let bad = || Error::Invalid(format!("bad format for links: {link}"));
    if link.is_empty() {
        return Err(Error::Invalid("empty string specified for links".to_owned()));
    }
    let (name, alias) = link.split_once(':').unwrap_or((link, link));
    if alias.contains(':') {
        return Err(bad());
    }
    let alias = if name.starts_with('/') { alias.rsplit('/').next().unwrap_or(alias) } else { alias };
    Ok((name, alias))
}

/// What the links of a declaration mean. Those for a network of the user's mean nothing here.
pub(super) fn resolve(shared: &Shared, spec: &ContainerSpec) -> Result<Links, Error> {
    let mut links = Links::new();
    if !matches!(spec.host.network_mode.as_str(), "" | "default" | "bridge" | "none") {
        return Ok(links);
    }
    for link in spec.host.links.iter().flatten() {
        let (name, alias) = parse(link)?;
        let find = |name: &str| shared.containers.find(name).map_err(|_| Error::LinkTarget(name.to_owned()));
        let mut view = find(name)?.view();
        while let Some(other) = view.spec.host.network_mode.strip_prefix("container:") {
            view = find(other)?.view();
        }
        if view.spec.host.network_mode == "host" {
            return Err(Error::Invalid(
                "conflicting options: host type networking can't be used with links. This would result in undefined behavior"
                    .to_owned(),
            ));
        }
        links.entry(alias.to_owned()).or_insert_with(|| view.id.clone());
    }
    Ok(links)
}

impl Containers {
    /// The links of a container as inspect writes them: `/child:/parent/alias`.
    #[must_use]
    pub fn links(&self, view: &ContainerView) -> Option<Vec<String>> {
        if view.links.is_empty() {
            return view.spec.host.links.clone().filter(|_| !matches!(view.spec.host.network_mode.as_str(), "bridge"));
        }
        let write = |(alias, child): (&String, &ContainerId)| {
            let child = self.shared.containers.get(child)?;
            Some(format!("/{}:/{}/{alias}", child.view().name, view.name))
        };
        Some(view.links.iter().filter_map(write).collect())
    }

    /// The names that other containers have for each container, as `parent/alias`.
    #[must_use]
    pub fn link_names(&self) -> BTreeMap<ContainerId, Vec<String>> {
        let mut names: BTreeMap<ContainerId, Vec<String>> = BTreeMap::new();
        for parent in self.shared.containers.all().iter().map(|handle| handle.view()) {
            for (alias, child) in &parent.links {
                names.entry(child.clone()).or_default().push(format!("{}/{alias}", parent.name));
            }
        }
        names
    }

    /// Takes a link away, given as `parent/alias`. The container that it leads to stays.
    pub(super) async fn unlink(&self, reference: &str) -> Result<(), Error> {
        self.find(reference)?;
        let name = reference.trim_start_matches('/');
        let Some((parent, alias)) = name.rsplit_once('/') else {
            return Err(Error::Unlink("Conflict, cannot remove the default link name of the container".to_owned()));
        };
        let parent = self
            .find(parent)
            .map_err(|_| Error::Unlink(format!("Cannot get parent /{parent} for link name /{name}")))?;
        parent.ask(|reply| Msg::Unlink { alias: alias.to_owned(), reply }).await
    }
}

/// The containers that this one links to, and what they are called here. For a start they `must_run`.
pub(super) fn linked(actor: &Actor, must_run: bool) -> Result<Vec<(ContainerId, Vec<String>)>, Error> {
    let mut out = Vec::new();
    for (alias, child) in &actor.record.links {
        // One that was removed is no link any more.
        let Some(child) = actor.shared.containers.get(child).map(|handle| handle.view()) else { continue };
        if must_run && !child.state.is_alive() {
            return Err(Error::Unlinkable(format!(
                "Cannot link to a non running container: /{} AS /{}/{alias}",
                child.name, actor.record.name
            )));
        }
        if !child.network.endpoints.contains_key("bridge") {
            return Err(Error::Unlinkable(format!("container {} not attached to default bridge network", child.id)));
        }
        let mut names = vec![alias.clone(), child.spec.config.hostname.clone()];
        if *alias != child.name {
            names.push(child.name.clone());
        }
        out.push((child.id.clone(), names));
    }
    Ok(out)
}

/// Tells the containers that link to this one that it has a new address.
pub(super) fn tell_parents(actor: &Actor) {
    for parent in actor.shared.containers.all() {
        let view = parent.view();
        if view.state.is_alive() && view.links.values().any(|child| child == actor.id()) {
            // One that is gone needs no news.
            let _ = parent.queue.send(Msg::Relink);
        }
    }
}

impl Actor {
    /// Brings `/etc/hosts` up to the links as they are.
    pub(super) fn relink(&mut self) {
        if !self.record.state.is_alive() {
            return;
        }
        let relinked = linked(self, false).and_then(|links| {
            self.shared.networks.relink(&self.record.id, links).map_err(Error::Sandbox)?;
            self.refresh_sandbox()
        });
        if let Err(error) = relinked {
            tracing::warn!("container {}: its links could not be renewed: {error}", self.id().short());
        }
    }

    pub(super) fn unlink(&mut self, alias: &str) -> Result<(), Error> {
        let Some(child) = self.record.links.remove(alias) else { return Ok(()) };
        if let Err(error) = self.shared.meta.put(CONTAINERS, self.record.id.as_str(), &self.record) {
            self.record.links.insert(alias.to_owned(), child);
            return Err(error.into());
        }
        self.relink();
        self.publish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_as_typed_and_as_shown() {
        assert_eq!(parse("db").expect("parses"), ("db", "db"));
        assert_eq!(parse("db:database").expect("parses"), ("db", "database"));
        assert_eq!(parse("/db:/web/database").expect("parses"), ("/db", "database"));
        assert!(parse("").is_err());
        assert!(parse("a:b:c").is_err());
    }
}
