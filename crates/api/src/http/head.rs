//! What the connection layer must know of a request's head before hyper sees it: pure functions over its bytes.

/// The first bytes of an HTTP/2 connection (RFC 9113, 3.4).
pub(crate) const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What lies behind a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// A body of this length, then the next head.
    Body(u64),
    /// Something whose end only hyper knows, or bytes that are not HTTP any more.
    Unknown,
}

/// A request's head, looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The request takes the connection over (attach, exec start).
    pub(crate) hijacks: bool,
    /// It names a protocol to upgrade to.
    pub(crate) upgrade: bool,
    /// What follows.
    pub(crate) after: After,
}

/// Where the head in `bytes` ends (behind the empty line), if it is all there.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|b| *b == b'\n').map(|p| from + p) {
        match &bytes[at + 1..] {
            [b'\n', ..] => return Some(at + 2),
            [b'\r', b'\n', ..] => return Some(at + 3),
            _ => from = at + 1,
        }
    }
    None
}

/// Looks at a whole head.
pub(crate) fn inspect(head: &[u8]) -> Head {
    let mut lines = head.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let hijacks = lines.next().is_some_and(hijacks);
    let mut upgrade = false;
    let mut after = After::Body(0);
    for line in lines {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"upgrade") {
            upgrade = true;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            after = After::Unknown;
        } else if name.eq_ignore_ascii_case(b"content-length") && after != After::Unknown {
            after = match std::str::from_utf8(value).ok().and_then(|v| v.parse().ok()) {
                Some(length) if after == After::Body(0) || after == After::Body(length) => After::Body(length),
                _ => After::Unknown,
            };
        }
    }
    if hijacks || upgrade {
        // The bytes behind the body are the hijacked stream's, unless the request fails; then we close.
        after = After::Unknown;
    }
    Head { hijacks, upgrade, after }
}

/// `POST …/attach` and `POST …/exec/{id}/start`.
fn hijacks(request_line: &[u8]) -> bool {
    let mut words = request_line.split(|b| *b == b' ');
    let (Some(b"POST"), Some(target)) = (words.next(), words.next()) else { return false };
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    let parts: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
    matches!(parts.as_slice(), [.., b"containers", _, b"attach"] | [.., b"exec", _, b"start"])
}

/// What is put behind the request line of a client that takes a connection over without saying so.
pub(crate) const ADDED_HEADERS: &[u8] = b"Connection: Upgrade\r\nUpgrade: tcp\r\n";

/// The head that such a client expects instead of `101`.
pub(crate) const PLAIN_REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";

/// The head with [`ADDED_HEADERS`]; the client's own `Connection` lines are dropped.
pub(crate) fn with_upgrade(head: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len() + ADDED_HEADERS.len());
    for (n, line) in head.split_inclusive(|b| *b == b'\n').enumerate() {
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        if n > 0 && name.eq_ignore_ascii_case(b"connection") {
            continue;
        }
        out.extend_from_slice(line);
        if n == 0 {
            out.extend_from_slice(ADDED_HEADERS);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(head: &str) -> (bool, bool, After) {
        let h = inspect(head.as_bytes());
        (h.hijacks, h.upgrade, h.after)
    }

    #[test]
    fn heads_end_at_the_empty_line() {
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest"), Some(24));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\nA: b\n\nrest"), Some(21));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nA: b\r\n\r"), None);
    }

    #[test]
    fn only_attach_and_exec_start_hijack() {
        let all = After::Unknown;
        assert_eq!(look("POST /v1.24/containers/a/attach?stream=1 HTTP/1.1\r\n\r\n"), (true, false, all));
        assert_eq!(look("POST /exec/a/start HTTP/1.1\r\nContent-Length: 9\r\n\r\n"), (true, false, all));
        assert_eq!(look("POST /exec/a/start HTTP/1.1\r\nUPGRADE: tcp\r\n\r\n"), (true, true, all));
        assert_eq!(look("POST /containers/a/start HTTP/1.1\r\n\r\n"), (false, false, After::Body(0)));
        assert_eq!(look("GET /containers/a/attach HTTP/1.1\r\n\r\n"), (false, false, After::Body(0)));
    }

    #[test]
    fn body_lengths_are_known_or_said_to_be_unknown() {
        assert_eq!(look("POST /a HTTP/1.1\r\ncontent-length: 12\r\n\r\n").2, After::Body(12));
        assert_eq!(
            look("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n").2,
            After::Unknown
        );
        assert_eq!(look("POST /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n").2, After::Unknown);
        assert_eq!(look("POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n").2, After::Unknown);
    }

    #[test]
    fn silent_hijackers_are_given_the_headers() {
        let got = with_upgrade(b"POST /exec/a/start HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
        let want = "POST /exec/a/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nHost: x\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&got), want);
    }
}
