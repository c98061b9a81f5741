//! Questions about sockets that have no safe wrapper elsewhere.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// What the send queue of a stream socket holds, in bytes: of a unix socket, memory of what the peer has not read yet
/// (more than was written; 0 once all was read); of TCP, what the peer has not acknowledged (`SIOCOUTQ`, unix(7), tcp(7)).
///
/// # Errors
/// If it is no such socket.
pub fn unread_by_peer(socket: impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: `bytes` is the integer that this request fills in, and outlives the call.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    crate::check(i64::from(result))?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn what_the_peer_read_is_gone_from_the_queue() {
        let (mut ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        assert_eq!(unread_by_peer(&ours).expect("is told"), 0);
        ours.write_all(b"header").expect("writes");
        let mut part = [0; 3];
        theirs.read_exact(&mut part).expect("reads");
        assert!(unread_by_peer(&ours).expect("is told") > 0);
        theirs.read_exact(&mut part).expect("reads");
        assert_eq!(unread_by_peer(&ours).expect("is told"), 0);
    }
}
