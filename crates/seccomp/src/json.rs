//! Profiles as users write them for Docker: the runtime spec's rules with conditions on architecture, capabilities and
//! kernel, and a map of architectures.

use oci::runtime::{Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompRule};
use serde::Deserialize;

use crate::{Arch, KernelVersion};

/// Why a profile cannot be used, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// It is not JSON, or not a profile.
    #[error("Decoding seccomp profile failed: {message}")]
    Json {
        /// What is wrong with it, where it can be told in the words of Go's decoder.
        message: String,
    },
    /// Two ways to name the architectures.
    #[error(
        "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'"
    )]
    Architectures,
    /// Two ways to name the calls of a rule.
    #[error("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'")]
    Names,
    /// Rules, but nothing that happens to all other calls.
    #[error(
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: \
         string  is not a valid action for seccomp"
    )]
    NoDefaultAction,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    #[serde(default)]
    default_action: Option<SeccompAction>,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Option<Vec<SeccompArch>>,
    #[serde(default)]
    arch_map: Option<Vec<ArchMap>>,
    #[serde(default)]
    flags: Option<Vec<String>>,
    #[serde(default)]
    listener_path: Option<String>,
    #[serde(default)]
    listener_metadata: Option<String>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: SeccompArch,
    #[serde(default)]
    sub_architectures: Option<Vec<SeccompArch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: SeccompAction,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<SeccompArg>>,
    #[serde(default)]
    includes: Option<Conditions>,
    #[serde(default)]
    excludes: Option<Conditions>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Conditions {
    #[serde(default)]
    arches: Option<Vec<String>>,
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    min_kernel: Option<String>,
}

/// Go's words for what is wrong, at least at the beginning and the end of the text.
fn decoder_text(json: &str, error: &serde_json::Error) -> String {
    match json.trim_start().chars().next() {
        _ if error.is_eof() => "unexpected end of JSON input".to_owned(),
        Some(c) if error.is_syntax() && c != '{' => format!("invalid character {c:?} looking for beginning of value"),
        _ => error.to_string(),
    }
}

/// Where the rules are to hold.
struct Place<'a> {
    caps: &'a [String],
    kernel: KernelVersion,
    arch: Arch,
}

impl Place<'_> {
    /// Whether a rule with these conditions is one for here: all conditions of `includes`, none of `excludes`.
    fn takes(&self, rule: &Rule) -> bool {
        let cap = |cap: &String| self.caps.contains(cap);
        let arch = |arch: &String| arch == self.arch.go_name();
        let kernel = |text: &String| self.kernel >= KernelVersion::parse(text);
        let some = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
        let included = rule.includes.as_ref().is_none_or(|c| {
            some(&c.arches).is_none_or(|list| list.iter().any(arch))
                && some(&c.caps).is_none_or(|list| list.iter().all(cap))
                && c.min_kernel.as_ref().is_none_or(kernel)
        });
        let excluded = rule.excludes.as_ref().is_some_and(|c| {
            c.arches.iter().flatten().any(arch)
                || c.caps.iter().flatten().any(cap)
                || c.min_kernel.as_ref().is_some_and(kernel)
        });
        included && !excluded
    }
}

/// Reads a profile and resolves its conditions for a container with these capabilities (`CAP_…`). `None` is a profile
/// without content, which filters nothing.
///
/// # Errors
/// [`ProfileError`].
pub fn from_json(
    json: &str,
    caps: &[String],
    kernel: KernelVersion,
    arch: Arch,
) -> Result<Option<Seccomp>, ProfileError> {
    let profile: Profile =
        serde_json::from_str(json).map_err(|e| ProfileError::Json { message: decoder_text(json, &e) })?;
    let rules = profile.syscalls.unwrap_or_default();
    let Some(default_action) = profile.default_action else {
        return if rules.is_empty() { Ok(None) } else { Err(ProfileError::NoDefaultAction) };
    };
    let mut architectures = profile.architectures.unwrap_or_default();
    let map = profile.arch_map.unwrap_or_default();
    if !architectures.is_empty() && !map.is_empty() {
        return Err(ProfileError::Architectures);
    }
    if let Some(own) = map.into_iter().find(|entry| entry.architecture == arch.to_oci()) {
        architectures.push(own.architecture);
        architectures.extend(own.sub_architectures.unwrap_or_default());
    }
    let place = Place { caps, kernel, arch };
    let mut syscalls = Vec::new();
    for rule in rules {
        let mut names = rule.names.clone().unwrap_or_default();
        if let Some(name) = rule.name.as_ref().filter(|name| !name.is_empty()) {
            if !names.is_empty() {
                return Err(ProfileError::Names);
            }
            names.push(name.clone());
        }
        if place.takes(&rule) {
            let args = rule.args.unwrap_or_default();
            syscalls.push(SeccompRule { names, action: rule.action, errno_ret: rule.errno_ret, args });
        }
    }
    Ok(Some(Seccomp {
        default_action,
        default_errno_ret: profile.default_errno_ret,
        architectures,
        flags: profile.flags,
        listener_path: profile.listener_path.unwrap_or_default(),
        listener_metadata: profile.listener_metadata.unwrap_or_default(),
        syscalls,
    }))
}
