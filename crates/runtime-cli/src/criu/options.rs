//! Options of `checkpoint` and `restore`.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::{Error, Result, io};
use crate::parse::Matches;

/// `CLONE_NEWNET`: interfaces are the engine's business, so the network namespace is restored empty.
const NETWORK: u64 = 0x4000_0000;

/// How criu treats cgroups: `criu_cg_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CgroupMode {
    Default,
    Soft,
    Full,
    Strict,
    Ignore,
}

impl CgroupMode {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "" => Ok(Self::Default),
            "soft" => Ok(Self::Soft),
            "full" => Ok(Self::Full),
            "strict" => Ok(Self::Strict),
            "ignore" => Ok(Self::Ignore),
            _ => Err(Error::CriuCgroupMode),
        }
    }

    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Ignore => 0,
            Self::Soft => 3,
            Self::Full => 4,
            Self::Strict => 5,
            Self::Default => 6,
        }
    }
}

/// What was asked for. Those that only one of the commands has are off in the other.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Absolute; it exists.
    pub(crate) images: PathBuf,
    /// Absolute.
    pub(crate) work: Option<PathBuf>,
    /// Images of an earlier pre-dump, relative to these.
    pub(crate) parent: Option<String>,
    pub(crate) leave_running: bool,
    pub(crate) tcp_established: bool,
    pub(crate) skip_in_flight: bool,
    pub(crate) link_remap: bool,
    pub(crate) external_sockets: bool,
    pub(crate) shell_job: bool,
    pub(crate) lazy_pages: bool,
    /// -1 is none.
    pub(crate) status: i32,
    pub(crate) page_server: Option<(String, i32)>,
    pub(crate) file_locks: bool,
    pub(crate) pre_dump: bool,
    pub(crate) cgroup_mode: CgroupMode,
    /// Namespaces whose contents are left out, by their flags of clone(2).
    pub(crate) empty_namespaces: u64,
    pub(crate) auto_dedup: bool,
    pub(crate) lsm_profile: Option<String>,
    pub(crate) lsm_mount_context: Option<String>,
}

impl Options {
    /// Reads them, and makes the directory of the images: `checkpoint` in the current one unless another is given.
    pub(crate) fn read(matches: &Matches) -> Result<Self> {
        let given = |name: &str| matches.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let images = given("image-path").unwrap_or_else(|| "checkpoint".to_owned());
        let images = std::path::absolute(&images).map_err(io("resolve", &images))?;
        make_dirs(&images)?;
        let parent = given("parent-path");
        if let Some(parent) = &parent {
            check_parent(&images, parent)?;
        }
        let status = matches.number("status-fd")?.map_or(Ok(-1), i32::try_from);
        let status = status.map_err(|_| Error::Value {
            option: "--status-fd",
            text: matches.value("status-fd").unwrap_or_default().to_owned(),
        })?;
        for namespace in matches.all("empty-ns") {
            if namespace != "network" {
                return Err(Error::CriuNamespace { name: namespace.to_owned() });
            }
        }
        Ok(Self {
            images,
            work: given("work-path").map(|dir| std::path::absolute(&dir).map_err(io("resolve", &dir))).transpose()?,
            parent,
            leave_running: matches.flag("leave-running"),
            tcp_established: matches.flag("tcp-established"),
            skip_in_flight: matches.flag("tcp-skip-in-flight"),
            link_remap: matches.flag("link-remap"),
            external_sockets: matches.flag("ext-unix-sk"),
            shell_job: matches.flag("shell-job"),
            lazy_pages: matches.flag("lazy-pages"),
            status,
            page_server: given("page-server").map(|text| page_server(&text)).transpose()?,
            file_locks: matches.flag("file-locks"),
            pre_dump: matches.flag("pre-dump"),
            cgroup_mode: CgroupMode::parse(matches.value("manage-cgroups-mode").unwrap_or_default())?,
            empty_namespaces: NETWORK,
            auto_dedup: matches.flag("auto-dedup"),
            lsm_profile: given("lsm-profile"),
            lsm_mount_context: given("lsm-mount-context"),
        })
    }

    /// Where criu's log goes.
    pub(crate) fn logs(&self) -> &Path {
        self.work.as_deref().unwrap_or(&self.images)
    }

    /// Opens the directories of images and work files; the latter is made.
    pub(crate) fn open(&self) -> Result<(std::fs::File, Option<std::fs::File>)> {
        let open = |dir: &Path| std::fs::File::open(dir).map_err(io("open", dir));
        let work = self.work.as_deref().map(|dir| {
            make_dir(dir)?;
            open(dir)
        });
        Ok((open(&self.images)?, work.transpose()?))
    }
}

fn make_dir(dir: &Path) -> Result<()> {
    match rustix::fs::mkdir(dir, rustix::fs::Mode::from_raw_mode(0o700)) {
        Err(Errno::EXIST) => Ok(()),
        other => other.map_err(crate::error::at("mkdir", dir)),
    }
}

fn make_dirs(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("mkdir", dir))
}

fn check_parent(images: &Path, parent: &str) -> Result<()> {
    if parent.starts_with('/') {
        return Err(Error::CriuParentAbsolute);
    }
    let dir = images.join(parent);
    let failed =
        |errno| Error::CriuParent { source: Box::new(Error::Io { operation: "stat", path: dir.clone(), errno }) };
    let found = rustix::fs::stat(&dir).map_err(failed)?;
    let is_dir = rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir();
    if is_dir { Ok(()) } else { Err(failed(Errno::NOTDIR)) }
}

/// `ADDRESS:PORT`, with brackets around an address of IPv6.
fn page_server(text: &str) -> Result<(String, i32)> {
    let (address, port) = text.rsplit_once(':').ok_or(Error::CriuPageServer)?;
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if address.is_empty() || port.is_empty() || (bare.is_none() && address.contains(':')) {
        return Err(Error::CriuPageServer);
    }
    let port: u16 = port.parse().map_err(|_| Error::CriuPort)?;
    Ok((bare.unwrap_or(address).to_owned(), i32::from(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Order, options};
    use crate::table;

    fn read(args: &[&str]) -> Result<Options> {
        let args: Vec<String> = args.iter().map(|&a| a.to_owned()).collect();
        Options::read(&options(table::command("checkpoint").unwrap().flags, &args, Order::Any).unwrap())
    }

    #[test]
    fn what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let images = format!("--image-path={}", dir.path().join("a/b").display());
        let text = |args: &[&str]| read(&[&[images.as_str()], args].concat()).unwrap_err().to_string();
        assert_eq!(text(&["--parent-path", "/x"]), "--parent-path must be relative");
        assert!(
            text(&["--parent-path", "x"]).starts_with("invalid --parent-path: stat "),
            "{}",
            text(&["--parent-path", "x"])
        );
        assert_eq!(text(&["--page-server", "x"]), "Use --page-server ADDRESS:PORT to specify page server");
        assert_eq!(text(&["--page-server", "::1:5"]), "Use --page-server ADDRESS:PORT to specify page server");
        assert_eq!(text(&["--page-server", "x:y"]), "Invalid port number");
        assert_eq!(text(&["--manage-cgroups-mode", "x"]), "Invalid manage-cgroups-mode value");
        assert_eq!(text(&["--empty-ns", "pid"]), "namespace \"pid\" is not supported");
        assert!(dir.path().join("a/b").is_dir());
    }

    #[test]
    fn what_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let images = dir.path().join("new");
        std::fs::create_dir(dir.path().join("old")).unwrap();
        let given =
            ["--parent-path=../old", "--page-server=[::1]:77", "--manage-cgroups-mode=full", "--status-fd", "5"];
        let read = read(&[&["--image-path", images.to_str().unwrap()], &given[..]].concat()).unwrap();
        assert_eq!((read.parent.as_deref(), read.status), (Some("../old"), 5));
        assert_eq!(read.page_server, Some(("::1".to_owned(), 77)));
        assert_eq!((read.cgroup_mode, read.cgroup_mode.number()), (CgroupMode::Full, 4));
        assert!(!read.leave_running && read.empty_namespaces == NETWORK);
    }
}
