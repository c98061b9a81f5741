//! A netlink socket and the two kinds of exchange: a batch with acknowledgements, and a dump.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use sys::netns::{NetlinkOption, set_netlink_option};

use crate::Error;
use crate::wire::{self, Meaning, Message};

/// Largest datagram that the kernel sends in a dump.
const RECEIVE: usize = 64 * 1024;
/// Largest acknowledgement: it does not repeat the request.
const ANSWER: usize = 8 * 1024;
/// Room for one batch.
const SEND_BUFFER: usize = 16 * 1024 * 1024;
const DUMP_ATTEMPTS: usize = 8;

#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

/// What the kernel said about one message of a batch.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) sequence: u32,
    pub(crate) errno: i32,
    pub(crate) message: String,
}

fn failed(call: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |e| Error::Socket { call, source: io::Error::from(e) }
}

impl Socket {
    pub(crate) fn open(protocol: Option<Protocol>, groups: u32) -> Result<Self, Error> {
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map_err(failed("socket"))?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups)).map_err(failed("bind"))?;
        // Explanations are a comfort; old kernels may lack them.
        let _ = set_netlink_option(fd.as_fd(), NetlinkOption::CapAck);
        let _ = set_netlink_option(fd.as_fd(), NetlinkOption::ExtAck);
        let _ = set_netlink_option(fd.as_fd(), NetlinkOption::StrictCheck);
        if rustix::net::sockopt::set_socket_send_buffer_size_force(&fd, SEND_BUFFER).is_err() {
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(&fd, SEND_BUFFER);
        }
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, 4 * 1024 * 1024).is_err() {
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&fd, 4 * 1024 * 1024);
        }
        Ok(Self { fd, sequence: 1 })
    }

    /// Reserves `count` sequence numbers and returns the first.
    pub(crate) fn sequences(&mut self, count: usize) -> u32 {
        let first = self.sequence;
        self.sequence = self.sequence.wrapping_add(u32::try_from(count).unwrap_or(u32::MAX)).max(1);
        first
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sends messages whose last one asks for an acknowledgement; the kernel has done the work when the send returns, so
    /// all answers wait already. Returns the refusals.
    pub(crate) fn transact(&mut self, bytes: &[u8], last: u32) -> Result<Vec<Refusal>, Error> {
        self.send(bytes)?;
        let mut refusals = Vec::new();
        let mut buffer = [0; ANSWER];
        let mut acked = false;
        loop {
            let flags = if acked { RecvFlags::DONTWAIT } else { RecvFlags::empty() };
            let received = match self.receive(&mut buffer, flags) {
                Ok(n) => n,
                Err(Error::Socket { source, .. }) if acked && source.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            };
            for message in wire::messages(&buffer[..received]) {
                match message.meaning()? {
                    Meaning::Ack => {}
                    Meaning::Refused(errno, text) => {
                        refusals.push(Refusal { sequence: message.sequence, errno, message: text.to_owned() });
                    }
                    Meaning::Data | Meaning::Done => continue,
                }
                // The batch's own frame (nfnetlink) is refused with the sequence number of its first message.
                acked |= message.sequence == last || !refusals.is_empty();
            }
        }
        Ok(refusals)
    }

    /// Asks for one object; `None` if there is no such.
    pub(crate) fn query<T>(
        &mut self,
        build: impl Fn(&mut wire::Writer, u32),
        parse: impl Fn(Message<'_>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let sequence = self.sequences(1);
        let mut writer = wire::Writer::default();
        build(&mut writer, sequence);
        self.send(&writer.bytes)?;
        let mut buffer = [0; ANSWER];
        loop {
            let received = self.receive(&mut buffer, RecvFlags::empty())?;
            let Some(message) = wire::messages(&buffer[..received]).find(|m| m.sequence == sequence) else { continue };
            return match message.meaning()? {
                Meaning::Data => Ok(parse(message)),
                Meaning::Done | Meaning::Ack => Ok(None),
                Meaning::Refused(errno, text) => {
                    let subject = String::new();
                    let error = Error::Refused { operation: "query", subject, errno, message: text.to_owned() };
                    if error.is_missing() { Ok(None) } else { Err(error) }
                }
            };
        }
    }

    /// Asks for a dump and hands over each answer. Repeats it if the kernel says that it changed meanwhile: `start` is
    /// called before each attempt.
    pub(crate) fn dump<T>(
        &mut self,
        build: impl Fn(&mut wire::Writer, u32),
        mut each: impl FnMut(&mut Vec<T>, Message<'_>),
    ) -> Result<Vec<T>, Error> {
        let mut out = Vec::new();
        for _ in 0..DUMP_ATTEMPTS {
            out.clear();
            let sequence = self.sequences(1);
            let mut writer = wire::Writer::default();
            build(&mut writer, sequence);
            self.send(&writer.bytes)?;
            if !self.collect(sequence, |m| each(&mut out, m))? {
                return Ok(out);
            }
        }
        Ok(out)
    }

    /// Reads the parts of one dump; whether it was disturbed.
    fn collect(&self, sequence: u32, mut each: impl FnMut(Message<'_>)) -> Result<bool, Error> {
        let mut buffer = vec![0; RECEIVE];
        let mut disturbed = false;
        loop {
            let received = self.receive(&mut buffer, RecvFlags::empty())?;
            for message in wire::messages(&buffer[..received]) {
                if message.sequence != sequence {
                    continue;
                }
                disturbed |= message.interrupted();
                match message.meaning()? {
                    Meaning::Data => each(message),
                    Meaning::Done | Meaning::Ack => return Ok(disturbed),
                    Meaning::Refused(errno, text) => {
                        return Err(Error::Refused {
                            operation: "dump",
                            subject: String::new(),
                            errno,
                            message: text.to_owned(),
                        });
                    }
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        loop {
            match rustix::net::send(&self.fd, bytes, SendFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(failed("send")(e)),
            }
        }
    }

    pub(crate) fn receive(&self, buffer: &mut [u8], flags: RecvFlags) -> Result<usize, Error> {
        loop {
            match rustix::net::recv(&self.fd, &mut *buffer, flags) {
                Ok((received, _)) => return Ok(received),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(failed("recv")(e)),
            }
        }
    }
}
