//! What the options of a local volume mount: a bind or a file system, made detached with the kernel's mount API and then
//! put onto the volume's directory by its handle.

use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};
use sys::mount::{MountAttr, attr, mount_setattr, propagation};

use crate::error::Cause;
use crate::options::LocalOptions;

/// `MS_*` of mount(2), as mount(8)'s words mean them and as Docker shows them in its messages.
mod ms {
    pub(super) const RDONLY: u64 = 0x1;
    pub(super) const NOSUID: u64 = 0x2;
    pub(super) const NODEV: u64 = 0x4;
    pub(super) const NOEXEC: u64 = 0x8;
    pub(super) const SYNCHRONOUS: u64 = 0x10;
    pub(super) const REMOUNT: u64 = 0x20;
    pub(super) const MANDLOCK: u64 = 0x40;
    pub(super) const DIRSYNC: u64 = 0x80;
    pub(super) const NOATIME: u64 = 0x400;
    pub(super) const NODIRATIME: u64 = 0x800;
    pub(super) const BIND: u64 = 0x1000;
    pub(super) const REC: u64 = 0x4000;
    pub(super) const UNBINDABLE: u64 = 1 << 17;
    pub(super) const PRIVATE: u64 = 1 << 18;
    pub(super) const SLAVE: u64 = 1 << 19;
    pub(super) const SHARED: u64 = 1 << 20;
    pub(super) const RELATIME: u64 = 1 << 21;
    pub(super) const STRICTATIME: u64 = 1 << 24;
    /// The kinds of propagation.
    pub(super) const TYPES: u64 = UNBINDABLE | PRIVATE | SLAVE | SHARED;
}

/// A comma list as of mount(8), sorted out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Words {
    flags: u64,
    /// What only the file system understands.
    data: Vec<String>,
}

impl Words {
    fn parse(text: &str) -> Self {
        let mut words = Self::default();
        for word in text.split(',').filter(|w| !w.is_empty()) {
            match flag(word) {
                Some((true, bits)) => words.flags |= bits,
                Some((false, bits)) => words.flags &= !bits,
                None => words.data.push(word.to_owned()),
            }
        }
        words
    }

    /// Attributes of the mount, not of the file system.
    fn attributes(&self) -> MountAttr {
        let table = [
            (ms::RDONLY, attr::RDONLY),
            (ms::NOSUID, attr::NOSUID),
            (ms::NODEV, attr::NODEV),
            (ms::NOEXEC, attr::NOEXEC),
            (ms::NODIRATIME, attr::NODIRATIME),
        ];
        let mut set: u64 = table.iter().filter(|(ms, _)| self.flags & ms != 0).map(|(_, attr)| attr).sum();
        let access =
            [(ms::NOATIME, attr::NOATIME), (ms::STRICTATIME, attr::STRICTATIME), (ms::RELATIME, attr::RELATIME)];
        let mut clear = 0;
        if let Some((_, time)) = access.iter().find(|(ms, _)| self.flags & ms != 0) {
            set |= time;
            clear = attr::ATIME_MASK;
        }
        MountAttr { set, clear, ..MountAttr::default() }
    }

    /// `, flags: 0x1000, data: x`, without passwords.
    fn details(&self) -> String {
        let mut text = String::new();
        let flags = self.flags & !ms::TYPES;
        if flags != 0 {
            text = format!(", flags: 0x{flags:x}");
        }
        let hide = |word: &String| match word.split_once('=') {
            Some(("password", _)) => "password=********".to_owned(),
            _ => word.clone(),
        };
        if !self.data.is_empty() {
            text.push_str(", data: ");
            text.push_str(&self.data.iter().map(hide).collect::<Vec<_>>().join(","));
        }
        text
    }
}

fn flag(word: &str) -> Option<(bool, u64)> {
    Some(match word {
        "defaults" => (true, 0),
        "ro" => (true, ms::RDONLY),
        "rw" => (false, ms::RDONLY),
        "nosuid" => (true, ms::NOSUID),
        "suid" => (false, ms::NOSUID),
        "nodev" => (true, ms::NODEV),
        "dev" => (false, ms::NODEV),
        "noexec" => (true, ms::NOEXEC),
        "exec" => (false, ms::NOEXEC),
        "sync" => (true, ms::SYNCHRONOUS),
        "async" => (false, ms::SYNCHRONOUS),
        "dirsync" => (true, ms::DIRSYNC),
        "remount" => (true, ms::REMOUNT),
        "mand" => (true, ms::MANDLOCK),
        "nomand" => (false, ms::MANDLOCK),
        "noatime" => (true, ms::NOATIME),
        "atime" => (false, ms::NOATIME),
        "nodiratime" => (true, ms::NODIRATIME),
        "diratime" => (false, ms::NODIRATIME),
        "bind" => (true, ms::BIND),
        "rbind" => (true, ms::BIND | ms::REC),
        "unbindable" => (true, ms::UNBINDABLE),
        "runbindable" => (true, ms::UNBINDABLE | ms::REC),
        "private" => (true, ms::PRIVATE),
        "rprivate" => (true, ms::PRIVATE | ms::REC),
        "slave" => (true, ms::SLAVE),
        "rslave" => (true, ms::SLAVE | ms::REC),
        "shared" => (true, ms::SHARED),
        "rshared" => (true, ms::SHARED | ms::REC),
        "relatime" => (true, ms::RELATIME),
        "norelatime" => (false, ms::RELATIME),
        "strictatime" => (true, ms::STRICTATIME),
        "nostrictatime" => (false, ms::STRICTATIME),
        _ => return None,
    })
}

/// Mounts what the options say on `target`.
pub(crate) fn mount(options: &LocalOptions, target: &Path) -> Result<(), Cause> {
    let (device, text) = resolve(options)?;
    let words = Words::parse(&text);
    let failed = |errno| Cause::Mount {
        device: device.clone(),
        target: target.display().to_string(),
        details: words.details(),
        errno,
    };
    let place = archive::open_dir(CWD, target).map_err(Cause::io("open", target))?;
    let made =
        if words.flags & ms::BIND != 0 { bind(&device, &words) } else { filesystem(&options.kind, &device, &words) };
    let made = made.map_err(failed)?;
    let types = [
        (ms::SHARED, propagation::SHARED),
        (ms::SLAVE, propagation::SLAVE),
        (ms::PRIVATE, propagation::PRIVATE),
        (ms::UNBINDABLE, propagation::UNBINDABLE),
    ];
    if let Some((_, kind)) = types.iter().find(|(ms, _)| words.flags & ms != 0) {
        let wanted = MountAttr { propagation: *kind, ..MountAttr::default() };
        mount_setattr(made.as_fd(), c"", words.flags & ms::REC != 0, &wanted).map_err(failed)?;
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&made, "", &place, "", flags).map_err(failed)
}

fn bind(device: &str, words: &Words) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if words.flags & ms::REC != 0 {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = open_tree(CWD, device, flags)?;
    let attributes = words.attributes();
    if attributes != MountAttr::default() {
        mount_setattr(tree.as_fd(), c"", false, &attributes)?;
    }
    Ok(tree)
}

fn filesystem(kind: &str, device: &str, words: &Words) -> rustix::io::Result<OwnedFd> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "source", device)?;
    let own = [(ms::RDONLY, "ro"), (ms::SYNCHRONOUS, "sync"), (ms::DIRSYNC, "dirsync"), (ms::MANDLOCK, "mand")];
    for (_, word) in own.iter().filter(|(ms, _)| words.flags & ms != 0) {
        fsconfig_set_flag(&fs, *word)?;
    }
    for word in &words.data {
        match word.split_once('=') {
            Some((key, value)) => fsconfig_set_string(&fs, key, value)?,
            None => fsconfig_set_flag(&fs, word.as_str())?,
        }
    }
    fsconfig_create(&fs)?;
    let made = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    let attributes = words.attributes();
    if attributes != MountAttr::default() {
        mount_setattr(made.as_fd(), c"", false, &attributes)?;
    }
    Ok(made)
}

/// Device and options with a server's name replaced by its address, which is what the kernel wants.
fn resolve(options: &LocalOptions) -> Result<(String, String), Cause> {
    if options.device.is_empty() {
        return Err(Cause::NoDevice);
    }
    let same = (options.device.clone(), options.options.clone());
    if !matches!(options.kind.as_str(), "nfs" | "nfs4" | "cifs") {
        return Ok(same);
    }
    let given = options.options.split(',').find_map(|o| o.strip_prefix("addr="));
    if let Some(name) = given.filter(|a| a.parse::<IpAddr>().is_err()) {
        let address = look_up(name)?;
        let replaced = options.options.replacen(&format!("addr={name}"), &format!("addr={address}"), 1);
        return Ok((same.0, replaced));
    }
    if options.kind == "cifs"
        && given.is_none()
        && let Some((before, rest)) = options.device.split_once("//")
    {
        let (host, share) = rest.split_once('/').unwrap_or((rest, ""));
        if !host.is_empty() && host.parse::<IpAddr>().is_err() {
            let address = look_up(host)?;
            return Ok((format!("{before}//{address}/{share}"), same.1));
        }
    }
    Ok(same)
}

/// A name in the host's hosts file. (No resolver library is at hand: what is shipped is static.)
fn look_up(name: &str) -> Result<IpAddr, Cause> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let found = hosts.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|w| w.eq_ignore_ascii_case(name)).then_some(address)
    });
    found.ok_or_else(|| Cause::NoHost(name.to_owned()))
}

/// Whether something is mounted on a directory.
pub(crate) fn is_mounted(dir: &Path) -> bool {
    let mount_id = |path: &Path| {
        let stat = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, StatxFlags::MNT_ID).ok()?;
        Some(stat.stx_mnt_id)
    };
    match (mount_id(dir), dir.parent().and_then(mount_id)) {
        (Some(own), Some(above)) => own != above,
        _ => false,
    }
}

/// Takes away what is mounted on a directory; who still has files open there keeps them.
pub(crate) fn take_away(dir: &Path) -> Result<(), Cause> {
    match unmount(dir, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(errno) => Err(Cause::io("unmount", dir)(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_out_and_passwords_hidden() {
        let words = Words::parse("rbind,ro,nosuid,uid=5,password=secret,noatime");
        assert_eq!(words.flags, ms::BIND | ms::REC | ms::RDONLY | ms::NOSUID | ms::NOATIME);
        assert_eq!(words.details(), ", flags: 0x5403, data: uid=5,password=********");
        let attributes = words.attributes();
        assert_eq!(attributes.set, attr::RDONLY | attr::NOSUID | attr::NOATIME);
        assert_eq!(attributes.clear, attr::ATIME_MASK);
        assert_eq!(Words::parse("ro,rw,defaults"), Words::default());
        assert_eq!(Words::parse("bind").details(), ", flags: 0x1000");
    }

    #[test]
    fn servers_are_named_by_address() {
        let options = |o: &str| LocalOptions { kind: "nfs".into(), device: ":/x".into(), options: o.into(), size: 0 };
        assert_eq!(resolve(&options("addr=10.0.0.1,rw")).expect("as it is").1, "addr=10.0.0.1,rw");
        let error = resolve(&options("addr=no.such.host.invalid")).expect_err("unknown");
        assert!(error.to_string().starts_with("error resolving passed in network volume address"), "{error}");
        let local = resolve(&options("rw,addr=localhost"));
        assert!(local.is_ok_and(|(_, o)| o == "rw,addr=127.0.0.1" || o == "rw,addr=::1"));
    }
}
