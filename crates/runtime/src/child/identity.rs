//! Users, groups and capabilities of the starting process.

use oci::runtime::{Capabilities, User};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use shim_proto::Step;

use crate::caps;
use crate::failure::{Context as _, Failure, Result};

/// Becomes root of the user namespace.
pub(crate) fn become_root() -> Result<()> {
    let text = "failed to become root in the user namespace";
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).context(Step::User, text)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).context(Step::User, text)?;
    match set_thread_groups(&[]) {
        // Denied for good in this namespace: there are none to drop then.
        Err(Errno::PERM) => Ok(()),
        other => other.context(Step::User, "setgroups"),
    }
}

/// Takes user, groups and the bounding set; what was permitted is still permitted afterwards.
pub(crate) fn take_user(user: &User, capabilities: Option<&Capabilities>) -> Result<()> {
    if let Some(capabilities) = capabilities {
        drop_bounding(caps::set(&capabilities.bounding))?;
    }
    set_keep_capabilities(true).context(Step::User, "unable to set keep caps")?;
    let groups: Vec<Gid> = user.additional_gids.iter().map(|gid| gid_of(*gid)).collect::<Result<_>>()?;
    match set_thread_groups(&groups) {
        Err(Errno::PERM) if groups.is_empty() => {}
        other => other.context(Step::User, "unable to setup user: setgroups")?,
    }
    let gid = gid_of(user.gid)?;
    set_thread_res_gid(gid, gid, gid).map_err(|errno| match errno {
        Errno::INVAL => unmapped("gid", user.gid),
        other => Failure::new(Step::User, "unable to setup user", other),
    })?;
    let uid = uid_of(user.uid)?;
    set_thread_res_uid(uid, uid, uid).map_err(|errno| match errno {
        Errno::INVAL => unmapped("uid", user.uid),
        other => Failure::new(Step::User, "unable to setup user", other),
    })?;
    set_keep_capabilities(false).context(Step::User, "unable to clear keep caps")
}

fn unmapped(kind: &str, id: u32) -> Failure {
    let text = format!("unable to setup user: cannot set{kind} to unmapped {kind} {id} in user namespace");
    Failure { step: Step::User, errno: Errno::INVAL.raw_os_error(), path: String::new(), text }
}

/// `(uid_t)-1` means "leave as it is" to the kernel and is no id.
fn uid_of(id: u32) -> Result<Uid> {
    if id == u32::MAX { Err(unmapped("uid", id)) } else { Ok(Uid::from_raw(id)) }
}

fn gid_of(id: u32) -> Result<Gid> {
    if id == u32::MAX { Err(unmapped("gid", id)) } else { Ok(Gid::from_raw(id)) }
}

fn drop_bounding(keep: CapabilitySet) -> Result<()> {
    for capability in caps::each().filter(|c| !keep.contains(*c)) {
        match remove_capability_from_bounding_set(capability) {
            // Beyond the kernel's last capability.
            Err(Errno::INVAL) => break,
            other => other.context(Step::User, "unable to apply bounding set")?,
        }
    }
    Ok(())
}

/// Sets the final sets, with `extra` on top of permitted and effective for the time being.
pub(crate) fn take_capabilities(capabilities: &Capabilities, extra: CapabilitySet) -> Result<()> {
    let known = permitted();
    let sets = CapabilitySets {
        effective: (caps::set(&capabilities.effective) | extra) & known,
        permitted: (caps::set(&capabilities.permitted) | extra) & known,
        inheritable: caps::set(&capabilities.inheritable) & known,
    };
    set_capabilities(None, sets).context(Step::User, "unable to apply caps")
}

/// Sets the ambient set.
pub(crate) fn take_ambient(capabilities: &Capabilities) -> Result<()> {
    clear_ambient_capability_set().context(Step::User, "unable to apply caps: ambient")?;
    let ambient = caps::set(&capabilities.ambient) & permitted();
    for capability in caps::each().filter(|c| ambient.contains(*c)) {
        // Not inheritable: left out, as runc does.
        let _ = configure_capability_in_ambient_set(capability, true);
    }
    Ok(())
}

/// What this process may have, that is all that can be asked for.
fn permitted() -> CapabilitySet {
    rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted)
}
