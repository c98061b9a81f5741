//! What an epoll event is about, in 64 bits.

/// Key of a session: 0 is the container's first process.
pub(crate) type SessionKey = u32;

/// A source of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// SIGCHLD and the like.
    Signal,
    /// Somebody connects.
    Listener,
    /// Memory.
    Oom,
    /// A daemon's connection.
    Conn(u32),
    /// The channel of a starting process.
    Start(SessionKey),
    /// A pipe or terminal that a process writes to: 0 standard output (or terminal), 1 standard error.
    Output(SessionKey, u8),
    /// The pipe or terminal that a process reads from.
    Stdin(SessionKey),
    /// An attached client.
    Client(SessionKey, u32),
}

/// Sessions and connections are numbered in 28 bits.
pub(crate) const NUMBERS: u32 = 0x0fff_ffff;

impl Token {
    /// Packs.
    pub(crate) fn pack(self) -> u64 {
        let (kind, a, b): (u64, u32, u32) = match self {
            Self::Signal => (0, 0, 0),
            Self::Listener => (1, 0, 0),
            Self::Oom => (2, 0, 0),
            Self::Conn(n) => (3, n, 0),
            Self::Start(s) => (4, s, 0),
            Self::Output(s, n) => (5, s, u32::from(n)),
            Self::Stdin(s) => (6, s, 0),
            Self::Client(s, n) => (7, s, n),
        };
        kind << 60 | u64::from(a & NUMBERS) << 32 | u64::from(b)
    }

    /// Unpacks.
    pub(crate) fn unpack(data: u64) -> Option<Self> {
        let a = u32::try_from(data >> 32).ok()? & NUMBERS;
        let b = u32::try_from(data & u64::from(u32::MAX)).ok()?;
        Some(match data >> 60 {
            0 => Self::Signal,
            1 => Self::Listener,
            2 => Self::Oom,
            3 => Self::Conn(a),
            4 => Self::Start(a),
            5 => Self::Output(a, u8::try_from(b).ok()?),
            6 => Self::Stdin(a),
            7 => Self::Client(a, b),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn round_trip() {
        for token in [
            Token::Signal,
            Token::Listener,
            Token::Oom,
            Token::Conn(7),
            Token::Start(0x0fff_ffff),
            Token::Output(3, 1),
            Token::Stdin(9),
            Token::Client(5, u32::MAX),
        ] {
            assert_eq!(Token::unpack(token.pack()), Some(token));
        }
    }
}
