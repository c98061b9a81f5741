//! The calls that 32-bit x86 also reaches through socketcall(2) and ipc(2), whose first argument says which is meant.

/// `SYS_*` of include/uapi/linux/net.h.
const SOCKETCALL: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// Numbers of include/uapi/linux/ipc.h.
const IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// The multiplexer that a call is behind, and its number there.
pub(crate) fn behind(name: &str) -> Option<(&'static str, u64)> {
    let socket = SOCKETCALL.iter().position(|n| *n == name).and_then(|at| u64::try_from(at + 1).ok());
    let ipc = || IPC.iter().find(|(n, _)| *n == name).map(|(_, number)| ("ipc", *number));
    socket.map(|number| ("socketcall", number)).or_else(ipc)
}
