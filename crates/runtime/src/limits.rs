//! Resource limits by name.

use oci::runtime::Rlimit;
use rustix::process::{Pid, Resource, Rlimit as Limit};
use shim_proto::Step;

use crate::failure::{Failure, Result};

/// Sets one limit of a process.
pub(crate) fn set_limit(pid: Pid, limit: &Rlimit) -> Result<()> {
    let invalid = || Failure::plain(Step::Plan, format!("invalid rlimit type: {}", limit.r#type)).at(&limit.r#type);
    let resource = resource(&limit.r#type).ok_or_else(invalid)?;
    let value = |v: u64| (v != u64::MAX).then_some(v);
    let new = Limit { current: value(limit.soft), maximum: value(limit.hard) };
    rustix::process::prlimit(Some(pid), resource, new).map(|_| ()).map_err(|errno| {
        let number = resource as u32;
        let text = format!("error setting rlimits for ready process: error setting rlimit type {number}");
        Failure::new(Step::Limit, text, errno).at(&limit.r#type)
    })
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name.strip_prefix("RLIMIT_")? {
        "CPU" => Resource::Cpu,
        "FSIZE" => Resource::Fsize,
        "DATA" => Resource::Data,
        "STACK" => Resource::Stack,
        "CORE" => Resource::Core,
        "RSS" => Resource::Rss,
        "NPROC" => Resource::Nproc,
        "NOFILE" => Resource::Nofile,
        "MEMLOCK" => Resource::Memlock,
        "AS" => Resource::As,
        "LOCKS" => Resource::Locks,
        "SIGPENDING" => Resource::Sigpending,
        "MSGQUEUE" => Resource::Msgqueue,
        "NICE" => Resource::Nice,
        "RTPRIO" => Resource::Rtprio,
        "RTTIME" => Resource::Rttime,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn names() {
        assert!(resource("RLIMIT_NOFILE").is_some());
        assert!(resource("NOFILE").is_none() && resource("RLIMIT_X").is_none());
    }
}
