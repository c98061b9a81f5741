//! Masked and read-only paths.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use fsroot::{Tree, is_dir};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use shim_proto::Step;
use sys::mount::{MountAttr, attr, mount_setattr};

use crate::child::mounts::{new_filesystem, place};
use crate::failure::{Failure, Result, quoted};
use crate::options::Options;

fn clone(of: &OwnedFd, recursive: bool) -> std::result::Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(of, "", flags)
}

/// Makes paths read-only, with everything below. Missing ones are skipped.
pub(crate) fn readonly(tree: &Tree, paths: &[String]) -> Result<()> {
    for path in paths {
        let failed =
            |errno| Failure::new(Step::Mount, format!("can't make {} read-only", quoted(path)), errno).at(path);
        let target = match tree.open(Path::new(path), OFlags::PATH) {
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            other => other.map_err(failed)?,
        };
        let copy = clone(&target, true).map_err(failed)?;
        let attributes = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
        mount_setattr(copy.as_fd(), c"", true, &attributes).map_err(failed)?;
        place(&copy, &target).map_err(failed)?;
    }
    Ok(())
}

/// Hides paths: directories behind an empty read-only tmpfs, everything else behind a null device. Missing ones are
/// skipped.
pub(crate) fn mask(tree: &Tree, paths: &[String], null: &OwnedFd) -> Result<()> {
    let mut empty: Option<OwnedFd> = None;
    for path in paths {
        let failed = |errno| Failure::new(Step::Mount, format!("can't mask path {}", quoted(path)), errno).at(path);
        let target = match tree.open(Path::new(path), OFlags::PATH) {
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            other => other.map_err(failed)?,
        };
        if !is_dir(target.as_fd()).map_err(failed)? {
            match clone(null, false) {
                Ok(copy) => place(&copy, &target).map_err(failed)?,
                // Not in place yet: it is placed itself, and copied from there.
                Err(Errno::INVAL) => place(null, &target).map_err(failed)?,
                Err(errno) => return Err(failed(errno)),
            }
            continue;
        }
        // One file system for all: only mounts in place can be copied, so the first is placed itself.
        match &empty {
            Some(first) => {
                let copy = clone(first, false).map_err(failed)?;
                place(&copy, &target).map_err(failed)?;
            }
            None => {
                let fs = empty_directory().map_err(failed)?;
                place(&fs, &target).map_err(failed)?;
                empty = Some(fs);
            }
        }
    }
    Ok(())
}

fn empty_directory() -> std::result::Result<OwnedFd, Errno> {
    let value = |text: &str| Some(text.to_owned());
    let mut options = Options::default();
    options.attributes.set = attr::RDONLY;
    options.data =
        vec![("nr_blocks".to_owned(), value("1")), ("nr_inodes".to_owned(), value("1")), ("ro".to_owned(), None)];
    new_filesystem("tmpfs", "tmpfs", &options, "").map_err(|(_, errno)| errno)
}
