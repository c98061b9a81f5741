//! Mount options, as mount(8) and the runtime-spec write them, as values.

use sys::mount::{MountAttr, attr, propagation};

/// What a list of options means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// A bind mount rather than a new file system.
    pub(crate) bind: bool,
    /// With all mounts below.
    pub(crate) recursive: bool,
    /// Attributes of the mount itself.
    pub(crate) attributes: MountAttr,
    /// Attributes of it and all mounts below (`rro` and the like).
    pub(crate) recursive_attributes: MountAttr,
    /// Propagation, and whether it holds for all mounts below.
    pub(crate) propagation: Option<(u64, bool)>,
    /// Options of the file system, `key` or `key=value`, in order.
    pub(crate) data: Vec<(String, Option<String>)>,
    /// What lay in the directory is copied into the new tmpfs.
    pub(crate) copy_up: bool,
    /// Ids are mapped; recursively or not.
    pub(crate) idmap: Option<bool>,
}

/// One option that changes an attribute: sets it or clears it.
fn attribute(name: &str) -> Option<(u64, bool)> {
    Some(match name {
        "ro" => (attr::RDONLY, true),
        "rw" => (attr::RDONLY, false),
        "nosuid" => (attr::NOSUID, true),
        "suid" => (attr::NOSUID, false),
        "nodev" => (attr::NODEV, true),
        "dev" => (attr::NODEV, false),
        "noexec" => (attr::NOEXEC, true),
        "exec" => (attr::NOEXEC, false),
        "nodiratime" => (attr::NODIRATIME, true),
        "diratime" => (attr::NODIRATIME, false),
        "nosymfollow" => (attr::NOSYMFOLLOW, true),
        "symfollow" => (attr::NOSYMFOLLOW, false),
        _ => return None,
    })
}

/// One option about access times: the new value of the field.
fn access_time(name: &str) -> Option<u64> {
    Some(match name {
        "noatime" => attr::NOATIME,
        "strictatime" => attr::STRICTATIME,
        "relatime" | "atime" | "norelatime" | "nostrictatime" => attr::RELATIME,
        _ => return None,
    })
}

fn change(attributes: &mut MountAttr, name: &str) -> bool {
    if let Some((bit, set)) = attribute(name) {
        if set {
            attributes.set |= bit;
            attributes.clear &= !bit;
        } else {
            attributes.set &= !bit;
            attributes.clear |= bit;
        }
        return true;
    }
    if let Some(value) = access_time(name) {
        attributes.set = attributes.set & !attr::ATIME_MASK | value;
        // The kernel wants the whole field cleared whenever it is set.
        attributes.clear |= attr::ATIME_MASK;
        return true;
    }
    false
}

impl Options {
    /// Reads options; unknown ones belong to the file system.
    pub(crate) fn parse(options: &[String]) -> Self {
        let mut this = Self::default();
        for option in options {
            this.option(option);
        }
        this
    }

    fn option(&mut self, option: &str) {
        if change(&mut self.attributes, option) {
            return;
        }
        if option.strip_prefix('r').is_some_and(|plain| change(&mut self.recursive_attributes, plain)) {
            return;
        }
        match option {
            "bind" => self.bind = true,
            "rbind" => (self.bind, self.recursive) = (true, true),
            "private" => self.propagation = Some((propagation::PRIVATE, false)),
            "rprivate" => self.propagation = Some((propagation::PRIVATE, true)),
            "slave" => self.propagation = Some((propagation::SLAVE, false)),
            "rslave" => self.propagation = Some((propagation::SLAVE, true)),
            "shared" => self.propagation = Some((propagation::SHARED, false)),
            "rshared" => self.propagation = Some((propagation::SHARED, true)),
            "unbindable" => self.propagation = Some((propagation::UNBINDABLE, false)),
            "runbindable" => self.propagation = Some((propagation::UNBINDABLE, true)),
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.idmap = Some(false),
            "ridmap" => self.idmap = Some(true),
            // Defaults, and what only mount(8) or long gone kernels know.
            "" | "defaults" | "async" | "loud" | "silent" | "noacl" | "acl" | "nomand" | "mand" | "noiversion"
            | "iversion" | "nolazytime" | "remount" | "user" | "nouser" | "auto" | "noauto" | "nofail" | "_netdev" => {}
            other => self.data.push(match other.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (other.to_owned(), None),
            }),
        }
    }

    /// Whether an option of the file system is given.
    pub(crate) fn has_data(&self, key: &str) -> bool {
        self.data.iter().any(|(own, _)| own == key)
    }
}

/// A propagation by the name that `rootfsPropagation` uses, and whether it is recursive.
pub(crate) fn propagation_named(name: &str) -> Option<(u64, bool)> {
    Options::parse(&[name.to_owned()]).propagation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: &[&str], set: u64, clear: u64, data: &[(&str, Option<&str>)]) {
        let owned: Vec<String> = options.iter().map(|&o| o.to_owned()).collect();
        let parsed = Options::parse(&owned);
        assert_eq!((parsed.attributes.set, parsed.attributes.clear), (set, clear));
        let got: Vec<_> = parsed.data.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
        assert_eq!(got, data);
    }

    #[test]
    fn attributes_and_data() {
        check(&["nosuid", "noexec", "nodev"], attr::NOSUID | attr::NOEXEC | attr::NODEV, 0, &[]);
        check(&["ro", "rw"], 0, attr::RDONLY, &[]);
        check(
            &["nosuid", "strictatime", "mode=755", "size=65536k", "foo"],
            attr::NOSUID | attr::STRICTATIME,
            attr::ATIME_MASK,
            &[("mode", Some("755")), ("size", Some("65536k")), ("foo", None)],
        );
        check(&["strictatime", "relatime"], 0, attr::ATIME_MASK, &[]);
    }

    #[test]
    fn binds_and_propagation() {
        let parse = |options: &[&str]| Options::parse(&options.iter().map(|&o| o.to_owned()).collect::<Vec<_>>());
        let bind = parse(&["rbind", "rslave", "rro"]);
        assert!(bind.bind && bind.recursive);
        assert_eq!(bind.propagation, Some((propagation::SLAVE, true)));
        assert_eq!((bind.attributes.set, bind.recursive_attributes.set), (0, attr::RDONLY));
        assert_eq!(parse(&["relatime"]).recursive_attributes, MountAttr::default());
        assert_eq!(propagation_named("rshared"), Some((propagation::SHARED, true)));
        assert_eq!(propagation_named("nonsense"), None);
    }
}
