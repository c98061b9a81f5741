//! Images that come from containers and go to registries: commit, push, login.

use std::collections::BTreeMap;

use event::Kind;
use id::{Digest, Reference};
use oci::image::{Empty, Healthcheck, ImageConfig};
use registry_client::Credentials;

use crate::{ContainerView, Containers, Error, Images};

/// How to make an image of a container.
#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    /// The name to give; none leaves it dangling.
    pub reference: Option<Reference>,
    /// Author, may be empty.
    pub author: String,
    /// Comment, may be empty.
    pub comment: String,
    /// Values that replace or complete the container's.
    pub config: Option<spec::Config>,
    /// Dockerfile instructions that change the config.
    pub changes: Vec<String>,
    /// Hold the container still meanwhile.
    pub pause: bool,
}

impl Images {
    /// Makes an image of a container's file system and configuration.
    ///
    /// # Errors
    /// No such container; a wrong change; a layer that cannot be read.
    pub async fn commit(
        &self,
        containers: &Containers,
        reference: &str,
        options: CommitOptions,
    ) -> Result<Digest, Error> {
        let view = containers.inspect(reference)?;
        let config = match options.config {
            Some(own) => merged(own, &view.spec.config),
            None => view.spec.config.clone(),
        };
        let mut config = image_config(config);
        image::apply_changes(&mut config, &options.changes)?;
        let paused = options.pause && view.state.phase == container::Phase::Running;
        if paused {
            containers.pause(view.id.as_str()).await?;
        }
        let commit = image::Commit {
            container: view.id.clone(),
            parent: self.resolve(view.image_id.as_str(), None).ok(),
            config,
            author: options.author,
            comment: options.comment.clone(),
            created_by: command(&view),
            reference: options.reference.clone(),
        };
        let made = self.store().commit(commit).await;
        if paused && let Err(e) = containers.unpause(view.id.as_str()).await {
            tracing::warn!(error = %e, container = %view.id, "failed to unpause after commit");
        }
        let id = made?;
        let mut attributes = view.spec.config.labels.clone().unwrap_or_default();
        attributes.insert("image".to_owned(), view.spec.config.image.clone());
        attributes.insert("name".to_owned(), view.name.clone());
        attributes.insert("comment".to_owned(), options.comment);
        attributes.insert("imageID".to_owned(), id.to_string());
        attributes.insert("imageRef".to_owned(), options.reference.map(|r| r.to_string()).unwrap_or_default());
        self.events().emit(Kind::Container, "commit", view.id.as_str(), attributes);
        Ok(id)
    }

    /// Pushes an image, or all tags of a repository.
    ///
    /// # Errors
    /// The store's and the registry's.
    pub async fn push(&self, push: image::Push, progress: image::ProgressSink) -> Result<Vec<image::Pushed>, Error> {
        let (familiar, name) = (push.reference.familiar(), push.reference.familiar_name());
        let pushed = self.store().push(&self.registry(), push, progress).await?;
        let attributes = BTreeMap::from([("name".to_owned(), name)]);
        self.events().emit(Kind::Image, "push", &familiar, attributes);
        Ok(pushed)
    }

    /// Tries credentials at a registry; gives the token it wants to see from now on, if it issues one.
    ///
    /// # Errors
    /// They are refused, or the registry cannot be reached.
    pub async fn login(&self, credentials: &Credentials) -> Result<Option<String>, Error> {
        Ok(self.registry().login(credentials).await.map_err(image::Error::from)?)
    }
}

fn command(view: &ContainerView) -> String {
    std::iter::once(&view.path).chain(&view.args).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// What the user gave, completed from the container (moby `runconfig.Merge`).
fn merged(own: spec::Config, base: &spec::Config) -> spec::Config {
    let text = |own: String, base: &String| if own.is_empty() { base.clone() } else { own };
    let mut env = own.env.unwrap_or_default();
    for pair in base.env.iter().flatten() {
        let key = pair.split('=').next().unwrap_or_default();
        if !env.iter().any(|e| e.split('=').next() == Some(key)) {
            env.push(pair.clone());
        }
    }
    let mut labels = base.labels.clone().unwrap_or_default();
    labels.extend(own.labels.unwrap_or_default());
    let mut ports = base.exposed_ports.clone().unwrap_or_default();
    ports.extend(own.exposed_ports.unwrap_or_default());
    let mut volumes = base.volumes.clone().unwrap_or_default();
    volumes.extend(own.volumes.unwrap_or_default());
    let (entrypoint, cmd) = if own.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        let cmd = own.cmd.filter(|c| !c.is_empty()).or_else(|| base.cmd.clone());
        (base.entrypoint.clone(), cmd)
    } else {
        (own.entrypoint, own.cmd)
    };
    spec::Config {
        user: text(own.user, &base.user),
        working_dir: text(own.working_dir, &base.working_dir),
        stop_signal: text(own.stop_signal, &base.stop_signal),
        env: Some(env),
        labels: Some(labels),
        exposed_ports: Some(ports),
        volumes: Some(volumes),
        entrypoint,
        cmd,
        healthcheck: own.healthcheck.or_else(|| base.healthcheck.clone()),
        on_build: own.on_build.or_else(|| base.on_build.clone()),
        shell: own.shell.or_else(|| base.shell.clone()),
        ..base.clone()
    }
}

/// The part of a configuration that an image carries.
fn image_config(config: spec::Config) -> ImageConfig {
    let keys = |set: Option<spec::KeySet>| set.unwrap_or_default().into_keys().map(|k| (k, Empty {})).collect();
    let span = |n: i64| Some(n).filter(|n| *n != 0);
    ImageConfig {
        user: config.user,
        exposed_ports: keys(config.exposed_ports),
        env: config.env.unwrap_or_default(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        cmd: config.cmd.unwrap_or_default(),
        volumes: keys(config.volumes),
        working_dir: config.working_dir,
        labels: config.labels.unwrap_or_default(),
        stop_signal: Some(config.stop_signal).filter(|s| !s.is_empty()),
        args_escaped: config.args_escaped,
        healthcheck: config.healthcheck.map(|h| Healthcheck {
            test: h.test,
            interval: span(h.interval),
            timeout: span(h.timeout),
            start_period: span(h.start_period),
            start_interval: span(h.start_interval),
            retries: span(h.retries),
        }),
        on_build: config.on_build.unwrap_or_default(),
        shell: config.shell.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_gives_completes_what_the_container_has() {
        let list = |s: &str| Some(s.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let base = spec::Config {
            user: "me".to_owned(),
            env: list("A=1 B=2"),
            cmd: list("sh"),
            entrypoint: list("/init"),
            ..spec::Config::default()
        };
        let own = spec::Config { env: list("B=3"), cmd: list("top"), ..spec::Config::default() };
        let got = merged(own, &base);
        assert_eq!((got.user.as_str(), got.env, got.cmd), ("me", list("B=3 A=1"), list("top")));
        assert_eq!(got.entrypoint, list("/init"));
    }
}
