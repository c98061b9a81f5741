//! What is told to the service manager: ready, stopping, alive (sd_notify(3), sd_watchdog_enabled(3)).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Sends a state, if there is somebody to send it to.
pub(super) fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = UnixDatagram::unbound().and_then(|socket| {
        let address = match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&path)?,
        };
        socket.send_to_addr(state.as_bytes(), &address)
    });
    if let Err(e) = sent {
        tracing::warn!(error = %e, "failed to notify the service manager");
    }
}

/// Tells again and again that the daemon lives, if the service manager wants to know. Runs on the runtime's own threads:
/// when those hang, it is silent and the daemon is started anew.
pub(super) async fn watchdog() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let other = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id()));
    let Some(limit) = number("WATCHDOG_USEC").filter(|n| *n > 0 && !other) else {
        return std::future::pending().await;
    };
    // As sd_watchdog_enabled(3) advises.
    let mut tick = tokio::time::interval(Duration::from_micros((limit / 2).max(1)));
    loop {
        tick.tick().await;
        notify("WATCHDOG=1");
    }
}
