//! criu (checkpoint and restore in userspace), driven through the protocol of its `swrk` mode: one request over a socket,
//! notices that are answered, one response (criu's `rpc.proto`).
//!
//! criu is whatever `$PATH` finds. It is our child; the process that it restores becomes our child too.

mod mounts;
mod options;
mod request;
mod wire;

use std::ffi::CString;
use std::io::{BufRead as _, BufReader};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use oci::runtime::NamespaceType;
use rustix::io::{Errno, FdFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType,
};
use rustix::process::{Pid, WaitOptions, WaitStatus};
use sys::process::{Cloned, Strings};

use crate::error::{Error, Result, call, io};
use crate::report::Report;

pub(crate) use mounts::{Stage, externals, masked_files};
pub(crate) use options::Options;
pub(crate) use request::{Kind, Notice, Request, Response};

/// Longest message: notices and responses are short.
const LONGEST: usize = 64 * 1024;
/// Names of the standard streams of a dumped container, in the directory of images; runc's name.
pub(crate) const DESCRIPTORS: &str = "descriptors.json";
/// criu's own settings, unless an annotation names others; runc's default.
const CONFIG: &str = "/etc/criu/runc.conf";

/// An installed criu.
#[derive(Debug)]
pub(crate) struct Criu {
    program: PathBuf,
    /// Major version × 10000 + minor × 100 + sub-level.
    version: u32,
}

impl Criu {
    /// Finds criu, and asks for its version; 3.0 is needed.
    pub(crate) fn find() -> Result<Self> {
        let program = look_up("criu").ok_or(Error::NoCriu)?;
        let mut criu = Self { program, version: 0 };
        let response = Session::start(&criu)?.talk(&Request::new(Kind::Version), &mut |_, _| Ok(()));
        criu.version = response.map_err(|source| Error::CriuVersion { source: Box::new(source) })?.version;
        criu.at_least(30_000)?;
        Ok(criu)
    }

    /// Refuses an older one.
    pub(crate) fn at_least(&self, least: u32) -> Result<()> {
        let version = self.version;
        if version < least { Err(Error::CriuOld { version, least }) } else { Ok(()) }
    }

    /// Whether it can track changes of memory, or restore memory lazily; named as runc does.
    pub(crate) fn check_feature(&self, feature: &'static str) -> Result<()> {
        let mut request = Request::new(Kind::FeatureCheck);
        request.ask_feature(feature == "MemTrack");
        let response = Session::start(self)?.talk(&request, &mut |_, _| Ok(()));
        let response = response.map_err(|source| Error::CriuFeatures { source: Box::new(source) })?;
        let has = if feature == "MemTrack" { response.memory_tracking } else { response.lazy_pages };
        if has { Ok(()) } else { Err(Error::CriuLacks { feature }) }
    }
}

/// A program by its name, as execvp(3) finds it.
fn look_up(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|dir| !dir.as_os_str().is_empty())
        .map(|dir| dir.join(name))
        .find(|file| file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0))
}

/// The file of criu's settings that the annotation `org.criu.config` asks for; empty for none.
pub(crate) fn config(annotations: &std::collections::BTreeMap<String, String>) -> &str {
    annotations.get("org.criu.config").map_or(CONFIG, String::as_str)
}

/// A namespace that may lie outside of a dump: its name, the word for it in the images (runc's), and the criu it takes.
pub(crate) fn external_namespace(kind: NamespaceType) -> Option<(&'static str, &'static str, u32)> {
    match kind {
        NamespaceType::Network => Some(("net", "extRootNetNS", 31_100)),
        NamespaceType::Pid => Some(("pid", "extRootPidNS", 31_500)),
        _ => None,
    }
}

/// The name of a namespace that criu can join; it cannot join those of cgroups.
pub(crate) fn namespace_name(kind: NamespaceType) -> Option<&'static str> {
    match kind {
        NamespaceType::Ipc => Some("ipc"),
        NamespaceType::Uts => Some("uts"),
        NamespaceType::User => Some("user"),
        NamespaceType::Mount => Some("mnt"),
        NamespaceType::Time => Some("time"),
        NamespaceType::Network => Some("net"),
        NamespaceType::Pid => Some("pid"),
        NamespaceType::Cgroup => None,
    }
}

/// A criu that runs, and waits for its request.
#[derive(Debug)]
pub(crate) struct Session {
    socket: OwnedFd,
    pid: Pid,
    ended: bool,
}

impl Session {
    /// Starts criu with our standard streams. For a caller with one thread.
    pub(crate) fn start(criu: &Criu) -> Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(call("socketpair"))?;
        let invalid = |_| Error::NoCriu;
        let path = CString::new(criu.program.as_os_str().as_bytes()).map_err(invalid)?;
        let args = ["criu".to_owned(), "swrk".to_owned(), theirs.as_raw_fd().to_string()];
        let args = Strings::new(args).map_err(call("exec of criu"))?;
        let env = std::env::vars_os().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        let env = Strings::new(env).map_err(call("exec of criu"))?;
        // std::process would hand the blocked signals on.
        match sys::process::fork().map_err(call("fork of criu"))? {
            Cloned::Child => {
                sys::signal::default_all();
                let _ = sys::signal::unblock_all();
                let _ = rustix::io::fcntl_setfd(&theirs, FdFlags::empty());
                let _ = sys::process::execve(&path, &args, &env);
                sys::process::exit_now(127)
            }
            Cloned::Parent { pid, .. } => {
                let pid = Pid::from_raw(pid).ok_or(Error::CriuSilent)?;
                Ok(Self { socket: ours, pid, ended: false })
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends the request, and has notices (with a descriptor, for some) attended to until the response comes. When attending
    /// fails criu undoes what it did.
    pub(crate) fn talk(
        mut self,
        request: &Request,
        attend: &mut dyn FnMut(&Notice, Option<OwnedFd>) -> Result<()>,
    ) -> Result<Response> {
        self.send(&request.encode())?;
        let response = loop {
            let (bytes, descriptor) = self.receive()?;
            let response = Response::decode(&bytes).ok_or(Error::CriuSilent)?;
            if !response.success {
                return Err(Error::Criu { kind: response.kind.name(), errno: response.errno, log: None });
            }
            let Some(notice) = &response.notice else { break response };
            attend(notice, descriptor)?;
            self.send(&Request::acknowledge())?;
        };
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
        let status = self.wait()?;
        // After a pre-dump it waits for the next one, and takes the silence for an error.
        let fine = status.exit_status() == Some(0) || request.kind() == Kind::PreDump || response.kind == Kind::Version;
        if fine { Ok(response) } else { Err(Error::CriuEnded { status: status.as_raw() }) }
    }

    fn send(&self, bytes: &[u8]) -> Result<()> {
        let sent = rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL);
        match sent {
            // It went away; its end says more.
            Err(Errno::PIPE | Errno::CONNRESET) => Err(Error::CriuSilent),
            other => other.map(drop).map_err(call("send to criu")),
        }
    }

    fn receive(&self) -> Result<(Vec<u8>, Option<OwnedFd>)> {
        let mut bytes = vec![0; LONGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let (count, descriptor) = loop {
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut into = [std::io::IoSliceMut::new(&mut bytes)];
            match rustix::net::recvmsg(&self.socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Err(Error::CriuSilent),
                other => {
                    let count = other.map_err(call("receive from criu"))?.bytes;
                    let descriptor = ancillary.drain().find_map(|message| match message {
                        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
                        _ => None,
                    });
                    break (count, descriptor);
                }
            }
        };
        if count == 0 {
            return Err(Error::CriuSilent);
        }
        bytes.truncate(count);
        Ok((bytes, descriptor))
    }

    fn wait(&mut self) -> Result<WaitStatus> {
        self.ended = true;
        loop {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
                Err(Errno::INTR) => {}
                other => return other.map_err(call("wait for criu"))?.map(|(_, s)| s).ok_or(Error::CriuSilent),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.ended {
            // A criu whose requester has gone undoes what it did, and ends.
            let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
            let _ = self.wait();
        }
    }
}

/// Has a descriptor live on in criu, and gives its number there.
pub(crate) fn hand_on(descriptor: &OwnedFd) -> Result<i32> {
    rustix::io::fcntl_setfd(descriptor.as_fd(), FdFlags::empty()).map_err(call("fcntl"))?;
    Ok(descriptor.as_raw_fd())
}

/// Quotes what criu's log says of errors, with the lines before them, and names the log in the error itself.
pub(crate) fn explain(error: Error, dir: &Path, name: &str) -> Error {
    let path = dir.join(name);
    let report = Report::default();
    match std::fs::File::open(&path).map_err(io("open", &path)) {
        Ok(file) => {
            let quoted = excerpt(BufReader::new(file).split(b'\n').map_while(std::result::Result::ok));
            if !quoted.is_empty() {
                report.line("warning", &format!("--- Quoting {path:?}"));
                quoted.iter().for_each(|line| report.line("warning", line));
                report.line("warning", "---");
            }
        }
        Err(missing) => report.line("warning", &missing.to_string()),
    }
    match error {
        Error::Criu { kind, errno, .. } => Error::Criu { kind, errno, log: Some(path) },
        other => other,
    }
}

/// Lines with errors, each with the five before it, numbered; `...` stands for what is left out.
fn excerpt(lines: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
    const BEFORE: usize = 5;
    let mut out = Vec::new();
    let mut recent: Vec<(usize, String)> = Vec::new();
    let mut last_shown = 0;
    for (number, line) in lines.enumerate() {
        let text = String::from_utf8_lossy(&line).into_owned();
        let is_error = text.contains("Error");
        recent.push((number + 1, text));
        if is_error {
            if last_shown != 0 && recent.first().is_some_and(|(first, _)| *first > last_shown + 1) {
                out.push("...".to_owned());
            }
            out.extend(recent.drain(..).map(|(number, text)| format!("{number}:{text}")));
            last_shown = number + 1;
        } else if recent.len() > BEFORE {
            recent.remove(0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts() {
        let lines = |text: &str| text.lines().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>();
        assert!(excerpt(lines("a\nb\n").into_iter()).is_empty());
        let text = "1\n2\n3\n4\n5\n6\nError a\n8\nError b\n10\n11\n12\n13\n14\n15\n16\nError c\n18\n";
        let shown = excerpt(lines(text).into_iter());
        assert_eq!(shown.first().map(String::as_str), Some("2:2"));
        assert_eq!(shown.iter().position(|line| line == "..."), Some(8));
        assert_eq!(shown.last().map(String::as_str), Some("17:Error c"));
        assert_eq!(shown.len(), 8 + 1 + 6);
    }

    #[test]
    fn settings_of_criu() {
        let named = |text: &str| [("org.criu.config".to_owned(), text.to_owned())].into();
        assert_eq!(config(&named("/x")), "/x");
        assert_eq!(config(&named("")), "");
        assert_eq!(config(&std::collections::BTreeMap::new()), "/etc/criu/runc.conf");
    }
}
