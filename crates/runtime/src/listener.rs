//! Handing the listener of a filter that asks for user notification to who answers (runtime-spec config-linux.md, "The
//! Container Process State").

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};

use oci::runtime::{ContainerProcessState, State, VERSION};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use shim_proto::Step;

use crate::failure::{Context as _, Failure, Result};

/// Name of the descriptor in the message.
const FD_NAME: &str = "seccompFd";

/// Who gets the listener, and what is said along with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Socket of the host.
    pub(crate) path: String,
    /// Free text of the profile.
    pub(crate) metadata: String,
    /// The container.
    pub(crate) state: State,
}

impl Listener {
    /// Sends the listener of process `pid`.
    pub(crate) fn hand_over(&self, pid: i32, fd: &OwnedFd) -> Result<()> {
        let state = State { pid: self.state.pid.or(Some(pid)), ..self.state.clone() };
        let message = ContainerProcessState {
            oci_version: VERSION.to_owned(),
            fds: vec![FD_NAME.to_owned()],
            pid,
            metadata: self.metadata.clone(),
            state,
        };
        let text = serde_json::to_vec(&message).map_err(|e| Failure::plain(Step::Security, e.to_string()))?;
        let connected = SocketAddrUnix::new(&self.path).and_then(|address| {
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            rustix::net::connect(&socket, &address).map(|()| socket)
        });
        let socket = connected.map_err(|errno| {
            let text = "failed to connect with seccomp agent specified in the seccomp profile: dial unix";
            Failure::new(Step::Security, format!("{text} {}: connect", self.path), errno).at(&self.path)
        })?;
        send(&socket, &text, fd)
            .with_context(Step::Security, || format!("cannot send seccomp fd to {}", self.path))
            .map_err(|failure| failure.at(&self.path))
    }
}

/// Sends bytes; the descriptor goes with the first of them.
fn send(socket: &OwnedFd, text: &[u8], fd: &OwnedFd) -> std::result::Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::NOMEM);
    }
    let mut rest = text;
    while !rest.is_empty() {
        match rustix::net::sendmsg(socket, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL) {
            Ok(sent) => {
                rest = rest.get(sent..).unwrap_or_default();
                control.clear();
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;

    use oci::runtime::Status;

    use super::*;

    fn listener(path: &std::path::Path) -> Listener {
        let state = State {
            oci_version: "1.0.0".to_owned(),
            id: "box".to_owned(),
            status: Status::Creating,
            pid: None,
            bundle: "/bundle".to_owned(),
            annotations: std::collections::BTreeMap::new(),
        };
        Listener { path: path.to_str().unwrap().to_owned(), metadata: "for you".to_owned(), state }
    }

    #[test]
    fn the_message() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent");
        let fd = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let text = listener(&path).hand_over(7, &fd).unwrap_err().text;
        assert!(text.ends_with("agent: connect: no such file or directory"), "{text}");
        let agent = UnixListener::bind(&path).unwrap();
        listener(&path).hand_over(7, &fd).unwrap();
        let mut text = String::new();
        agent.accept().unwrap().0.read_to_string(&mut text).unwrap();
        let got: ContainerProcessState = serde_json::from_str(&text).unwrap();
        assert_eq!((got.fds.as_slice(), got.pid, got.metadata.as_str()), (&["seccompFd".to_owned()][..], 7, "for you"));
        assert_eq!((got.state.id.as_str(), got.state.pid, got.state.bundle.as_str()), ("box", Some(7), "/bundle"));
    }
}
