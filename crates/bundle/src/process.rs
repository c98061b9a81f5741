//! The process: arguments, environment, user, limits.

use oci::runtime::{Capabilities, ConsoleSize, Process, Rlimit, User};
use spec::Ulimit;

use crate::user::Identity;
use crate::{BundleError, BundleInput, Defaults, ExecInput, HostFacts, Security, caps};

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Soft `nofile` where nobody says otherwise: programs that loop over all descriptors stay fast.
const NOFILE_SOFT: u64 = 1024;
/// Hard `nofile` where nobody says otherwise.
const NOFILE_HARD: u64 = 524_288;

const LIMITS: &[(&str, &str)] = &[
    ("core", "RLIMIT_CORE"),
    ("cpu", "RLIMIT_CPU"),
    ("data", "RLIMIT_DATA"),
    ("fsize", "RLIMIT_FSIZE"),
    ("locks", "RLIMIT_LOCKS"),
    ("memlock", "RLIMIT_MEMLOCK"),
    ("msgqueue", "RLIMIT_MSGQUEUE"),
    ("nice", "RLIMIT_NICE"),
    ("nofile", "RLIMIT_NOFILE"),
    ("nproc", "RLIMIT_NPROC"),
    ("rss", "RLIMIT_RSS"),
    ("rtprio", "RLIMIT_RTPRIO"),
    ("rttime", "RLIMIT_RTTIME"),
    ("sigpending", "RLIMIT_SIGPENDING"),
    ("stack", "RLIMIT_STACK"),
];

/// The first process of a container.
pub(crate) fn init_process(
    input: &BundleInput<'_>,
    capabilities: &[String],
    security: &Security,
) -> Result<Process, BundleError> {
    let (config, host) = (&input.spec.config, &input.spec.host);
    if !(-1000..=1000).contains(&host.oom_score_adj) {
        return Err(BundleError::OomScore(host.oom_score_adj));
    }
    let words = config.entrypoint.iter().flatten().chain(config.cmd.iter().flatten());
    let [rows, cols] = host.console_size;
    let size = |height, width| (height > 0 && width > 0).then_some(ConsoleSize { height, width });
    Ok(Process {
        terminal: config.tty,
        console_size: if config.tty { size(rows, cols) } else { None },
        user: user(&input.identity),
        args: words.cloned().collect(),
        env: environment(config.env.as_deref().unwrap_or_default(), &config.hostname, config.tty, &input.identity),
        cwd: directory(&config.working_dir),
        capabilities: Some(capability_sets(capabilities, input.identity.uid)),
        rlimits: rlimits(host.ulimits.as_deref().unwrap_or_default(), &input.defaults.ulimits, input.host)?,
        no_new_privileges: security.no_new_privileges.unwrap_or(input.defaults.no_new_privileges),
        oom_score_adj: i32::try_from(host.oom_score_adj).ok(),
        ..Process::default()
    })
}

/// The process of an exec session.
///
/// # Errors
/// A declaration that contradicts itself.
pub fn exec_process(input: &ExecInput<'_>) -> Result<Process, BundleError> {
    let (config, host) = (&input.spec.config, &input.spec.host);
    let security = Security::parse(host.security_opt.as_deref().unwrap_or_default())?;
    let capabilities = if input.privileged { caps::all() } else { caps::effective(host)? };
    let mut env = config.env.clone().unwrap_or_default();
    replace_or_append(&mut env, input.env);
    let cwd = if input.working_dir.is_empty() { &config.working_dir } else { input.working_dir };
    let size = input.console_size.filter(|_| input.tty);
    Ok(Process {
        terminal: input.tty,
        console_size: size.map(|(rows, cols)| ConsoleSize { height: rows.into(), width: cols.into() }),
        user: user(&input.identity),
        args: input.cmd.to_vec(),
        env: environment(&env, &config.hostname, input.tty, &input.identity),
        cwd: directory(cwd),
        capabilities: Some(capability_sets(&capabilities, input.identity.uid)),
        rlimits: rlimits(host.ulimits.as_deref().unwrap_or_default(), &input.defaults.ulimits, input.host)?,
        no_new_privileges: security.no_new_privileges.unwrap_or(input.defaults.no_new_privileges),
        oom_score_adj: i32::try_from(host.oom_score_adj).ok(),
        ..Process::default()
    })
}

fn directory(declared: &str) -> String {
    if declared.is_empty() { "/".to_owned() } else { declared.to_owned() }
}

fn user(identity: &Identity) -> User {
    // The primary group is in the supplementary list too, so that dropping it gains nothing (CVE-2022-36109).
    let mut groups = vec![identity.gid];
    groups.extend(identity.groups.iter().filter(|g| **g != identity.gid));
    User { uid: identity.uid, gid: identity.gid, additional_gids: groups, ..User::default() }
}

/// Inheritable and ambient stay empty; a user that is not root has no effective ones, but keeps the bound.
fn capability_sets(caps: &[String], uid: u32) -> Capabilities {
    let active = if uid == 0 { caps.to_vec() } else { Vec::new() };
    Capabilities {
        bounding: caps.to_vec(),
        effective: active.clone(),
        permitted: active,
        inheritable: Vec::new(),
        ambient: Vec::new(),
    }
}

/// `PATH`, `HOSTNAME`, `TERM` first, then the declared variables, which win; a declared name without `=` removes one.
fn environment(declared: &[String], hostname: &str, tty: bool, identity: &Identity) -> Vec<String> {
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if tty {
        env.push("TERM=xterm".to_owned());
    }
    replace_or_append(&mut env, declared);
    if !env.iter().any(|e| e.starts_with("HOME=")) {
        env.push(format!("HOME={}", identity.home));
    }
    env
}

fn replace_or_append(env: &mut Vec<String>, more: &[String]) {
    for new in more {
        let Some((key, _)) = new.split_once('=') else {
            env.retain(|e| e.split('=').next() != Some(new));
            continue;
        };
        match env.iter_mut().find(|e| e.split('=').next() == Some(key)) {
            Some(old) => old.clone_from(new),
            None => env.push(new.clone()),
        }
    }
}

fn rlimits(declared: &[Ulimit], defaults: &[Ulimit], facts: &HostFacts) -> Result<Vec<Rlimit>, BundleError> {
    let mut out: Vec<Rlimit> = Vec::new();
    for limit in declared.iter().chain(defaults) {
        let (_, name) = LIMITS
            .iter()
            .find(|(short, _)| *short == limit.name)
            .ok_or_else(|| BundleError::Ulimit(limit.name.clone()))?;
        if limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard) {
            return Err(BundleError::UlimitOrder { soft: limit.soft, hard: limit.hard });
        }
        if !out.iter().any(|l| l.r#type == *name) {
            // -1 is "unlimited", the largest number.
            out.push(Rlimit { r#type: (*name).to_owned(), hard: limit.hard as u64, soft: limit.soft as u64 });
        }
    }
    if !out.iter().any(|l| l.r#type == "RLIMIT_NOFILE") {
        let hard = if facts.nofile_hard == 0 { NOFILE_HARD } else { facts.nofile_hard.min(NOFILE_HARD) };
        out.push(Rlimit { r#type: "RLIMIT_NOFILE".to_owned(), hard, soft: NOFILE_SOFT.min(hard) });
    }
    Ok(out)
}

/// The daemon's defaults as they stand.
impl Defaults {
    /// Whether a container runs behind an init of ours.
    pub fn wants_init(&self, host: &spec::HostConfig) -> bool {
        host.init.unwrap_or(self.init)
    }
}
