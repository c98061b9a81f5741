//! What can go wrong, and when.

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// This status instead of an answer; with `Retry-After` seconds; with a body.
    Status(u16, Option<u64>, &'static str),
    /// The connection is reset (RST) after so many bytes of the body; 0: without any answer.
    ResetAfter(u64),
    /// The connection is closed in order after so many bytes of the body.
    TruncateAfter(u64),
    /// Nothing comes after so many bytes of the body, for ever.
    StallAfter(u64),
    /// So many bytes a second.
    Slow(u64),
    /// One bit of the body is wrong.
    Corrupt,
    /// The body is longer by so many bytes, and its length says so.
    Longer(u64),
    /// The body is shorter by so many bytes, and its length says so.
    Shorter(u64),
    /// The wrong media type.
    ContentType(&'static str),
    /// `Docker-Content-Digest` says this.
    DigestHeader(&'static str),
    /// All tokens end, then 401.
    TokenExpiry,
    /// 307 to this URL; `{path}` in it becomes the path and query of the request.
    Redirect(String),
    /// The upload's `Location` is this URL.
    Location(String),
}

/// Which requests go wrong.
#[derive(Debug, Clone)]
pub struct When {
    method: Option<&'static str>,
    path: String,
    skip: u32,
    times: u32,
}

impl When {
    /// Requests of any method whose path contains `part`.
    pub fn any(part: &str) -> Self {
        Self { method: None, path: part.to_owned(), skip: 0, times: u32::MAX }
    }

    /// GET requests whose path contains `part`.
    pub fn get(part: &str) -> Self {
        Self { method: Some("GET"), ..Self::any(part) }
    }

    /// Requests with this method whose path contains `part`.
    pub fn method(method: &'static str, part: &str) -> Self {
        Self { method: Some(method), ..Self::any(part) }
    }

    /// So often, then never again.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// The first so many requests go well.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<(When, Fault)>,
    /// Bytes of bodies given to sockets.
    pub(super) sent: u64,
}

impl Faults {
    pub(super) fn add(&mut self, when: When, fault: Fault) {
        self.rules.push((when, fault));
    }

    /// The fault of this request, if it has one.
    pub(super) fn strike(&mut self, method: &str, path: &str) -> Option<Fault> {
        for (when, fault) in &mut self.rules {
            if when.method.is_some_and(|m| m != method) || !path.contains(&when.path) || when.times == 0 {
                continue;
            }
            if when.skip > 0 {
                when.skip -= 1;
                continue;
            }
            when.times -= 1;
            return Some(fault.clone());
        }
        None
    }
}
