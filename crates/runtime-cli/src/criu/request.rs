//! Requests and responses of criu, by the field numbers of its `rpc.proto`.

use crate::criu::Options;
use crate::criu::wire::{Message, Value, fields};

/// What is asked for, and answered: `criu_req_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Empty,
    Dump,
    Restore,
    PreDump,
    Notify,
    FeatureCheck,
    Version,
    /// One that is never asked for.
    Other(u64),
}

impl Kind {
    fn number(self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Dump => 1,
            Self::Restore => 2,
            Self::PreDump => 4,
            Self::Notify => 6,
            Self::FeatureCheck => 9,
            Self::Version => 10,
            Self::Other(number) => number,
        }
    }

    fn of(number: u64) -> Self {
        let known =
            [Self::Empty, Self::Dump, Self::Restore, Self::PreDump, Self::Notify, Self::FeatureCheck, Self::Version];
        known.into_iter().find(|kind| kind.number() == number).unwrap_or(Self::Other(number))
    }

    /// Its name in criu.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::Dump => "DUMP",
            Self::Restore => "RESTORE",
            Self::PreDump => "PRE_DUMP",
            Self::Notify => "NOTIFY",
            Self::FeatureCheck => "FEATURE_CHECK",
            Self::Version => "VERSION",
            Self::Other(_) => "of another kind",
        }
    }
}

/// A request that is being put together.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    kind: Kind,
    /// `criu_opts`.
    options: Option<Message>,
    features: Option<Message>,
}

impl Request {
    /// A request without anything.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, options: None, features: None }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Asks for the tracking of memory, or else for lazy pages.
    pub(crate) fn ask_feature(&mut self, tracking: bool) {
        let mut features = Message::default();
        features.flag(if tracking { 1 } else { 2 }, true);
        self.features = Some(features);
    }

    fn options(&mut self) -> &mut Message {
        self.options.get_or_insert_default()
    }

    /// What dumps and restores have in common: images go through descriptor `images` of this process, `root` is the
    /// container's root.
    pub(crate) fn common(
        &mut self,
        options: &Options,
        images: i32,
        work: Option<i32>,
        log: &str,
        root: &str,
        config: &str,
    ) {
        let message = self.options();
        message.signed(1, images).flag(4, options.external_sockets).flag(5, options.tcp_established);
        message.flag(7, options.shell_job).flag(8, options.file_locks).signed(9, 4).text(10, log);
        message.flag(12, true).text(13, root).flag(16, options.auto_dedup);
        if let Some(work) = work {
            message.signed(17, work);
        }
        // The first is the older word for the second.
        message.flag(24, true).number(34, options.cgroup_mode.number());
        message.number(38, options.empty_namespaces).flag(48, options.lazy_pages).flag(50, true);
        if !config.is_empty() {
            message.text(51, config);
        }
    }

    /// What a dump has of its own.
    pub(crate) fn dump(&mut self, options: &Options, pid: i32) {
        let message = self.options();
        message.signed(2, pid).flag(3, options.leave_running).flag(18, options.link_remap);
        message.flag(46, options.skip_in_flight);
        if let Some((address, port)) = &options.page_server {
            let mut server = Message::default();
            server.text(1, address).signed(2, *port);
            message.message(11, &server);
        }
        if let Some(parent) = &options.parent {
            message.text(14, parent).flag(15, true);
        }
    }

    /// What a restore has of its own: devices may have moved, and the process becomes our child.
    pub(crate) fn restore(&mut self, options: &Options) {
        let message = self.options();
        message.flag(6, true).flag(26, true);
        if let Some(profile) = &options.lsm_profile {
            message.text(53, profile);
        }
        if let Some(context) = &options.lsm_mount_context {
            message.text(54, context);
        }
    }

    /// The freezer's directory, for criu to stop the processes with.
    pub(crate) fn freezer(&mut self, dir: &str) {
        self.options().text(44, dir);
    }

    /// A descriptor that is told when lazy pages can be had (criu before 3.15).
    pub(crate) fn status(&mut self, descriptor: i32) {
        self.options().signed(49, descriptor);
    }

    /// A mount that is not the container's own: on a dump `key` is its place and `value` its name in the images; on a
    /// restore `key` is the name and `value` where it comes from.
    pub(crate) fn external_mount(&mut self, key: &str, value: &str) {
        let mut map = Message::default();
        map.text(1, key).text(2, value);
        self.options().message(23, &map);
    }

    /// Something else that is not the container's own, as `net[4026531992]:name`.
    pub(crate) fn external(&mut self, what: &str) {
        self.options().text(37, what);
    }

    /// A descriptor (by its number in criu) that is to stand for something of that name.
    pub(crate) fn inherit(&mut self, key: &str, descriptor: i32) {
        let mut inherited = Message::default();
        inherited.text(1, key).signed(2, descriptor);
        self.options().message(27, &inherited);
    }

    /// A namespace to join.
    pub(crate) fn join(&mut self, namespace: &str, path: &str) {
        let mut joined = Message::default();
        joined.text(1, namespace).text(2, path);
        self.options().message(39, &joined);
    }

    /// Where the cgroups of a restored container are.
    pub(crate) fn cgroup_root(&mut self, controllers: &str, path: &str) {
        let mut root = Message::default();
        root.text(1, controllers).text(2, path);
        self.options().message(25, &root);
    }

    /// What is sent.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut message = Message::default();
        message.number(1, self.kind.number());
        if let Some(options) = &self.options {
            message.message(2, options);
        }
        if let Some(features) = &self.features {
            message.message(5, features);
        }
        message.encoded().to_vec()
    }

    /// The answer to a notice.
    pub(crate) fn acknowledge() -> Vec<u8> {
        let mut message = Message::default();
        message.number(1, Kind::Notify.number()).flag(3, true);
        message.encoded().to_vec()
    }
}

/// A notice: what happens now, and to which process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Notice {
    pub(crate) script: String,
    pub(crate) pid: i32,
}

/// A response, or a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) kind: Kind,
    pub(crate) success: bool,
    pub(crate) errno: i32,
    pub(crate) notice: Option<Notice>,
    /// As [`crate::criu::Criu`] has it; 0 when it is not said.
    pub(crate) version: u32,
    pub(crate) memory_tracking: bool,
    pub(crate) lazy_pages: bool,
}

impl Response {
    /// Reads one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut this = Self {
            kind: Kind::Empty,
            success: false,
            errno: 0,
            notice: None,
            version: 0,
            memory_tracking: false,
            lazy_pages: false,
        };
        for field in fields(bytes)? {
            match field {
                (1, Value::Number(number)) => this.kind = Kind::of(number),
                (2, Value::Number(number)) => this.success = number != 0,
                (5, Value::Bytes(bytes)) => this.notice = Some(notice(bytes)?),
                (7, Value::Number(number)) => this.errno = int(number),
                (8, Value::Bytes(bytes)) => {
                    for field in fields(bytes)? {
                        match field {
                            (1, Value::Number(number)) => this.memory_tracking = number != 0,
                            (2, Value::Number(number)) => this.lazy_pages = number != 0,
                            _ => {}
                        }
                    }
                }
                (10, Value::Bytes(bytes)) => this.version = version(bytes)?,
                _ => {}
            }
        }
        Some(this)
    }
}

fn int(number: u64) -> i32 {
    i32::try_from(number.cast_signed()).unwrap_or_default()
}

fn notice(bytes: &[u8]) -> Option<Notice> {
    let mut notice = Notice::default();
    for field in fields(bytes)? {
        match field {
            (1, Value::Bytes(text)) => notice.script = String::from_utf8_lossy(text).into_owned(),
            (2, Value::Number(number)) => notice.pid = int(number),
            _ => {}
        }
    }
    Some(notice)
}

/// One that was built from a repository counts as the next minor version.
fn version(bytes: &[u8]) -> Option<u32> {
    let (mut major, mut minor, mut sub, mut development) = (0, 0, 0, false);
    for field in fields(bytes)? {
        match field {
            (1, Value::Number(number)) => major = u32::try_from(number).ok()?,
            (2, Value::Number(number)) => minor = u32::try_from(number).ok()?,
            (3, Value::Bytes(text)) => development = !text.is_empty(),
            (4, Value::Number(number)) => sub = u32::try_from(number).ok()?,
            _ => {}
        }
    }
    if development {
        (minor, sub) = (minor.saturating_add(1), 0);
    }
    Some(major.saturating_mul(10_000).saturating_add(minor.saturating_mul(100)).saturating_add(sub))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let told = |build: &dyn Fn(&mut Message)| {
            let mut version = Message::default();
            build(&mut version);
            let mut response = Message::default();
            response.number(1, 10).flag(2, true).message(10, &version);
            Response::decode(response.encoded()).unwrap()
        };
        let release = told(&|v| drop(v.number(1, 3).number(2, 17).number(4, 1).clone()));
        assert_eq!((release.kind, release.success, release.version), (Kind::Version, true, 31_701));
        let development = told(&|v| drop(v.number(1, 4).number(2, 0).text(3, "v4.0-5").number(4, 7).clone()));
        assert_eq!(development.version, 40_100);
    }

    #[test]
    fn notices_and_failures() {
        let mut notice = Message::default();
        notice.text(1, "post-restore").signed(2, 77);
        let mut response = Message::default();
        response.number(1, 6).flag(2, true).message(5, &notice);
        let notice = Response::decode(response.encoded()).unwrap().notice.unwrap();
        assert_eq!((notice.script.as_str(), notice.pid), ("post-restore", 77));
        let mut response = Message::default();
        response.number(1, 1).flag(2, false).signed(7, -3);
        let failed = Response::decode(response.encoded()).unwrap();
        assert_eq!((failed.kind.name(), failed.success, failed.errno), ("DUMP", false, -3));
        assert_eq!(Response::decode(&[0xff]), None);
    }

    #[test]
    fn requests() {
        let mut request = Request::new(Kind::Dump);
        request.external_mount("/data", "/data");
        let all = request.encode();
        let found = fields(&all).unwrap();
        assert_eq!(found[0], (1, Value::Number(1)));
        let Value::Bytes(options) = found[1].1 else { panic!("options") };
        assert_eq!(fields(options).unwrap()[0].0, 23);
        assert_eq!(Request::new(Kind::Version).encode(), [8, 10]);
    }
}
