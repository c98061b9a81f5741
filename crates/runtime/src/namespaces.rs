//! Which namespaces a container makes and which it joins.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use oci::runtime::{Namespace, NamespaceType};
use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use shim_proto::Step;
use sys::process::flags;

use crate::failure::{Context as _, Failure, Result};

/// Namespaces of one container.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    /// Made with the child (the cgroup namespace left out: the child unshares it).
    pub(crate) clone_flags: u64,
    /// Made by the child when it has joined a user namespace, so that they belong to that one.
    pub(crate) in_joined_user: u64,
    /// A cgroup namespace is made, once the process is in its cgroup.
    pub(crate) new_cgroup: bool,
    /// A time namespace is made (its clocks can be set only before there is a process in it).
    pub(crate) new_time: bool,
    /// Joined by the child, in this order.
    pub(crate) joined: Vec<(NamespaceType, OwnedFd)>,
    /// PID namespace that is joined, as the last step: what lives there must not see a process whose root is the host's.
    pub(crate) pid: Option<OwnedFd>,
    /// Whether there is a user namespace other than the shim's.
    pub(crate) user: bool,
}

impl Namespaces {
    /// Opens what is joined. `netns` replaces the network namespace of the list.
    pub(crate) fn open(list: &[Namespace], netns: Option<&Path>) -> Result<Self> {
        let mut this = Self::default();
        for namespace in list {
            if namespace.r#type != NamespaceType::Network || netns.is_none() {
                this.add(namespace.r#type, Path::new(&namespace.path))?;
            }
        }
        if let Some(path) = netns {
            this.add(NamespaceType::Network, path)?;
        }
        if this.clone_flags & flags::NEWNS == 0 {
            return Err(Failure::plain(Step::Plan, "a container needs a mount namespace of its own"));
        }
        // The user namespace first: it gives the right to join the others.
        this.joined.sort_by_key(|(kind, _)| *kind != NamespaceType::User);
        if this.joined_user().is_some() {
            this.in_joined_user = std::mem::take(&mut this.clone_flags);
        }
        Ok(this)
    }

    /// Those that are made by the child, because that takes a while and its maker has other things to do. Not with a user
    /// namespace, whose maps have to be written meanwhile.
    pub(crate) fn by_child(&self) -> u64 {
        const THOSE: u64 = flags::NEWNS | flags::NEWNET | flags::NEWIPC | flags::NEWUTS;
        if self.clone_flags & flags::NEWUSER == 0 { self.clone_flags & THOSE } else { 0 }
    }

    /// Those that the child is born in.
    pub(crate) fn at_clone(&self) -> u64 {
        self.clone_flags & !self.by_child()
    }

    /// Whether the container gets a network of its own, in which nothing is up yet.
    pub(crate) fn new_network(&self) -> bool {
        (self.clone_flags | self.in_joined_user) & flags::NEWNET != 0
    }

    fn add(&mut self, kind: NamespaceType, path: &Path) -> Result<()> {
        self.user |= kind == NamespaceType::User;
        if path.as_os_str().is_empty() {
            match kind {
                NamespaceType::Pid => self.clone_flags |= flags::NEWPID,
                NamespaceType::Network => self.clone_flags |= flags::NEWNET,
                NamespaceType::Mount => self.clone_flags |= flags::NEWNS,
                NamespaceType::Ipc => self.clone_flags |= flags::NEWIPC,
                NamespaceType::Uts => self.clone_flags |= flags::NEWUTS,
                NamespaceType::User => self.clone_flags |= flags::NEWUSER,
                NamespaceType::Time => self.new_time = true,
                NamespaceType::Cgroup => self.new_cgroup = true,
            }
            return Ok(());
        }
        let shown = path.to_string_lossy();
        if kind == NamespaceType::Mount {
            return Err(Failure::plain(Step::Plan, "joining a mount namespace is not supported").at(shown));
        }
        let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Failure::new(Step::Namespace, format!("lstat {shown}"), errno).at(shown.clone()))?;
        match kind {
            NamespaceType::Pid => self.pid = Some(fd),
            _ => self.joined.push((kind, fd)),
        }
        Ok(())
    }

    /// The user namespace that is joined, if one is.
    pub(crate) fn joined_user(&self) -> Option<BorrowedFd<'_>> {
        self.joined.iter().find(|(kind, _)| *kind == NamespaceType::User).map(|(_, fd)| fd.as_fd())
    }

    /// Joins the user namespace, in the child.
    pub(crate) fn join_user(&mut self) -> Result<()> {
        self.join_those(|kind| kind == NamespaceType::User)?;
        self.joined.retain(|(kind, _)| *kind != NamespaceType::User);
        Ok(())
    }

    /// Joins, in the child.
    pub(crate) fn join(&self) -> Result<()> {
        self.join_those(|_| true)
    }

    fn join_those(&self, which: impl Fn(NamespaceType) -> bool) -> Result<()> {
        for (kind, fd) in self.joined.iter().filter(|(kind, _)| which(*kind)) {
            move_into_link_name_space(fd.as_fd(), Some(link_type(*kind)))
                .with_context(Step::Namespace, || format!("failed to setns into {} namespace", name(*kind)))?;
        }
        Ok(())
    }
}

/// Lets children of this process be born in a PID namespace.
pub(crate) fn bear_in(pid: &OwnedFd) -> Result<()> {
    move_into_link_name_space(pid.as_fd(), Some(LinkNameSpaceType::ProcessID))
        .context(Step::Namespace, "failed to setns into pid namespace")
}

fn link_type(kind: NamespaceType) -> LinkNameSpaceType {
    match kind {
        NamespaceType::Pid => LinkNameSpaceType::ProcessID,
        NamespaceType::Network => LinkNameSpaceType::Network,
        NamespaceType::Mount => LinkNameSpaceType::Mount,
        NamespaceType::Ipc => LinkNameSpaceType::InterProcessCommunication,
        NamespaceType::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
        NamespaceType::User => LinkNameSpaceType::User,
        NamespaceType::Cgroup => LinkNameSpaceType::ControlGroup,
        NamespaceType::Time => LinkNameSpaceType::Time,
    }
}

fn name(kind: NamespaceType) -> String {
    format!("{kind:?}").to_lowercase()
}
