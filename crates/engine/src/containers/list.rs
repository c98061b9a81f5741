//! `ps`: which containers pass.

use std::sync::Arc;

use container::Phase;
use units::filter::Filters;

use super::view::ContainerView;
use super::{Containers, ListOptions};
use crate::{Error, NamePatterns};

const LIST_FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];
const PRUNE_FILTERS: &[&str] = &["label", "label!", "until"];
const HEALTH: &[&str] = &["none", "starting", "healthy", "unhealthy"];
const STATES: &[&str] = &["created", "running", "paused", "restarting", "removing", "exited", "dead"];

impl Containers {
    /// Containers that pass, newest first.
    ///
    /// # Errors
    /// A wrong filter.
    pub fn list(&self, options: &ListOptions) -> Result<Vec<Arc<ContainerView>>, Error> {
        let filters = &options.filters;
        filters.validate(LIST_FILTERS).map_err(invalid)?;
        for state in filters.get("status") {
            if !STATES.contains(&state) {
                return Err(Error::Invalid(format!(
                    "invalid filter 'status={state}': invalid value for state ({state}): must be one of {}",
                    STATES.join(", ")
                )));
            }
        }
        for health in filters.get("health") {
            if !HEALTH.contains(&health) {
                return Err(Error::Invalid(format!(
                    "invalid filter 'health={health}': invalid value for health ({health}): must be one of {}",
                    HEALTH.join(", ")
                )));
            }
        }
        let exited: Vec<i32> = filters
            .get("exited")
            .map(|code| {
                let why =
                    |_| format!("invalid filter 'exited={code}': strconv.Atoi: parsing \"{code}\": invalid syntax");
                code.parse().map_err(why).map_err(Error::Invalid)
            })
            .collect::<Result<_, _>>()?;
        let before = filters.get("before").next().map(|r| self.inspect(r)).transpose()?;
        let since = filters.get("since").next().map(|r| self.inspect(r)).transpose()?;
        check_ports_and_flags(filters)?;
        let ancestors = self.ancestors(filters);
        let names = NamePatterns::of(filters, "name");
        let all = options.all || options.limit > 0 || filters.contains("status") || filters.contains("exited");
        let mut views: Vec<Arc<ContainerView>> =
            self.shared.containers.all().into_iter().map(|handle| handle.view()).collect();
        views.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
        views.retain(|view| {
            let phase = view.state.phase;
            (all || view.state.is_alive() || phase == Phase::Restarting)
                && before.as_ref().is_none_or(|b| view.created_at < b.created_at)
                && since.as_ref().is_none_or(|s| view.created_at > s.created_at)
                && (exited.is_empty()
                    || (exited.contains(&view.state.exit_code) && view.state.finished_at > 0 && !view.state.is_alive()))
                && ancestors.as_ref().is_none_or(|ids| ids.contains(&view.image_id))
                && (names.pass(&view.name) || names.pass(&format!("/{}", view.name)))
                && passes(view, filters)
        });
        if options.limit > 0 {
            views.truncate(options.limit);
        }
        Ok(views)
    }

    /// The image ids that the `ancestor` filter names; `None` without one.
    fn ancestors(&self, filters: &Filters) -> Option<Vec<id::Digest>> {
        filters.contains("ancestor").then(|| {
            let found = filters.get("ancestor").filter_map(|r| self.shared.images.resolve(r, None).ok());
            found.map(|image| image.id).collect()
        })
    }
}

fn passes(view: &ContainerView, filters: &Filters) -> bool {
    let any = |key: &str, check: &dyn Fn(&str) -> bool| !filters.contains(key) || filters.get(key).any(check);
    let labels = view.spec.config.labels.as_ref();
    let health = view.health.as_ref().map_or("none", |h| h.status.as_str());
    any("status", &|s| s == view.state.phase.as_str())
        && any("id", &|id| view.id.as_str().starts_with(id))
        && any("health", &|h| h == health)
        && any("is-task", &|v| v == "false" || v == "0")
        && any("isolation", &|v| v == view.spec.host.isolation)
        && filters.match_kv("label", |key| labels.and_then(|l| l.get(key)).map(String::as_str))
        && any("network", &|n| {
            view.network.endpoints.iter().any(|(name, e)| name == n || (!n.is_empty() && e.network_id.starts_with(n)))
        })
        && any("volume", &|v| view.mounts.iter().any(|m| m.name == v || m.destination == v || m.source == v))
        && any("publish", &|p| view.network.ports.iter().any(|(key, b)| b.is_some() && port_matches(key, p)))
        && any("expose", &|p| view.spec.config.exposed_ports.iter().flatten().any(|(key, _)| port_matches(key, p)))
}

/// Ports must be numbers, flags must be flags.
fn check_ports_and_flags(filters: &Filters) -> Result<(), Error> {
    for key in ["publish", "expose"] {
        for value in filters.get(key) {
            let range = value.split('/').next().unwrap_or_default();
            if let Some(bad) = range.splitn(2, '-').find(|port| port.parse::<u16>().is_err()) {
                return Err(Error::Invalid(format!(
                    "error while looking up for {key} {value}: strconv.ParseUint: parsing \"{bad}\": invalid syntax"
                )));
            }
        }
    }
    match filters.get("is-task").find(|v| !["0", "1", "true", "false"].contains(v)) {
        Some(bad) => Err(Error::Invalid(format!("invalid filter 'is-task=[{bad}]'"))),
        None => Ok(()),
    }
}

/// Whether `80/tcp` is meant by `80`, `80/tcp`, or a range `70-90/tcp`.
fn port_matches(key: &str, wanted: &str) -> bool {
    let split = |s: &str| {
        let (ports, proto) = s.split_once('/').unwrap_or((s, "tcp"));
        (ports.to_owned(), proto.to_owned())
    };
    let ((port, proto), (range, wanted_proto)) = (split(key), split(wanted));
    let (first, last) = range.split_once('-').unwrap_or((&range, &range));
    let numbers = (port.parse::<u16>(), first.parse::<u16>(), last.parse::<u16>());
    proto == wanted_proto && matches!(numbers, (Ok(p), Ok(first), Ok(last)) if (first..=last).contains(&p))
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
fn invalid(error: units::filter::FilterError) -> Error {
    Error::Invalid(error.to_string())
}

pub(super) fn check_prune_filters(filters: &Filters) -> Result<(), Error> {
    filters.validate(PRUNE_FILTERS).map_err(invalid)
}

pub(super) fn passes_prune(view: &ContainerView, filters: &Filters) -> Result<bool, Error> {
    let labels = view.spec.config.labels.as_ref();
    let get = |key: &str| labels.and_then(|l| l.get(key)).map(String::as_str);
    if !filters.match_kv("label", get) {
        return Ok(false);
    }
    if filters.contains("label!") && filters.match_kv("label!", get) {
        return Ok(false);
    }
    for until in filters.get("until") {
        let now = jiff::Timestamp::now();
        let until = units::timestamp::parse_user_time(until, now, &jiff::tz::TimeZone::UTC)
            .map_err(|e| Error::Invalid(e.to_string()))?;
        if i128::from(view.created_at) > until.as_nanosecond() {
            return Ok(false);
        }
    }
    Ok(true)
}
