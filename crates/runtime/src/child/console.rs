//! The terminal of a process, made inside the container.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use fsroot::{Missing, Tree};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use shim_proto::{Conn, Size, Step};

use crate::channel::FromChild;
use crate::child::mounts::place;
use crate::failure::{Context as _, Failure, Result};

/// statfs(2) magic of devpts.
const DEVPTS_MAGIC: i64 = 0x1cd1;

/// Makes the terminal of a container's first process from its own devpts, puts it on /dev/console and hands the master
/// side to the shim.
pub(crate) fn open(tree: &Tree, devpts: Option<BorrowedFd<'_>>, size: Option<Size>, conn: &Conn) -> Result<OwnedFd> {
    let devpts = devpts.ok_or_else(|| Failure::plain(Step::Console, "container has no devpts for its terminal"))?;
    let ptmx = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let master =
        rustix::fs::openat(devpts, "ptmx", ptmx, Mode::empty()).context(Step::Console, "open /dev/pts/ptmx")?;
    let peer = peer(&master, size)?;
    let failed = |errno| Failure::new(Step::Console, "mount of the terminal on /dev/console", errno);
    // A descriptor of the terminal on the mount that is in place: only such mounts can be copied.
    let name = rustix::pty::ptsname(&master, Vec::new()).map_err(failed)?;
    let number = name.to_string_lossy().rsplit('/').next().unwrap_or_default().to_owned();
    let at = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let node = rustix::fs::openat(devpts, number.as_str(), at, Mode::empty()).map_err(failed)?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let copy = open_tree(&node, "", clone).map_err(failed)?;
    let target = tree.open_or_make(Path::new("/dev/console"), Missing::File).map_err(failed)?;
    place(&copy, &target).map_err(failed)?;
    hand_over(&master, conn)?;
    Ok(peer)
}

/// Makes a terminal in a running container, from the devpts that is mounted there: checked to be one.
pub(crate) fn open_running(size: Option<Size>, conn: &Conn) -> Result<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::openat2(CWD, "/dev/pts/ptmx", flags, Mode::empty(), resolve)
        .context(Step::Console, "open /dev/pts/ptmx")?;
    let found = rustix::fs::fstatfs(&master).context(Step::Console, "statfs /dev/pts/ptmx")?;
    if found.f_type != DEVPTS_MAGIC {
        return Err(Failure::new(Step::Console, "/dev/pts/ptmx is no devpts", Errno::NODEV));
    }
    let peer = peer(&master, size)?;
    hand_over(&master, conn)?;
    Ok(peer)
}

fn peer(master: &OwnedFd, size: Option<Size>) -> Result<OwnedFd> {
    unlockpt(master).context(Step::Console, "unlockpt")?;
    if let Some(size) = size {
        let size = Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(master, size).context(Step::Console, "ioctl(TIOCSWINSZ)")?;
    }
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    ioctl_tiocgptpeer(master, flags).context(Step::Console, "ioctl(TIOCGPTPEER)")
}

fn hand_over(master: &OwnedFd, conn: &Conn) -> Result<()> {
    conn.send(&FromChild::Console, &[master.as_fd()]).map_err(|e| Failure::plain(Step::Console, e.to_string()))
}
