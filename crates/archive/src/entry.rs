use crate::sparse::Segment;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file with content.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link to [`Entry::link`].
    Symlink,
    /// A hard link to the entry named [`Entry::link`].
    HardLink,
    /// A character device.
    Char {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// Seconds and nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Whole seconds; negative before 1970.
    pub secs: i64,
    /// 0 ..= 999 999 999, counted upwards from `secs`.
    pub nanos: u32,
}

/// One entry of a tar stream, its extension headers applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as the archive has it. Not safe to use as a path.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The target of a link. Not safe to use as a path.
    pub link: Vec<u8>,
    /// Permission bits, with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Owner's name (may be empty).
    pub uname: Vec<u8>,
    /// Group's name (may be empty).
    pub gname: Vec<u8>,
    /// Modification time.
    pub mtime: Time,
    /// Bytes of the file once unpacked (holes included).
    pub size: u64,
    /// Extended attributes, names without `SCHILY.xattr.`.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the stream's bytes go, if the file has holes.
    pub sparse: Option<Vec<Segment>>,
}

impl Entry {
    /// The name for messages.
    pub fn display(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }

    /// An entry with everything at its default, for writing.
    pub fn new(path: impl Into<Vec<u8>>, kind: Kind, mode: u32) -> Self {
        Self {
            path: path.into(),
            kind,
            link: Vec::new(),
            mode,
            uid: 0,
            gid: 0,
            uname: Vec::new(),
            gname: Vec::new(),
            mtime: Time::default(),
            size: 0,
            xattrs: Vec::new(),
            sparse: None,
        }
    }
}
