//! Environment and program of a process: what Go's exec.LookPath and runc's prepareEnv do, inside the container.

use std::collections::HashSet;
use std::ffi::CString;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use fsroot::Tree;
use rustix::fs::{Access, AtFlags, CWD, FileType, OFlags};
use rustix::io::Errno;
use shim_proto::Step;

use crate::failure::{Failure, Result, quoted, words};

/// Most bytes of /etc/passwd that are looked at.
const PASSWD_LIMIT: u64 = 1024 * 1024;

/// The environment: the last of equal names counts, HOME comes from the container's /etc/passwd when it is not given.
pub(crate) fn environment(env: &[String], uid: u32, root: &Tree) -> Result<Vec<String>> {
    let mut seen = HashSet::new();
    let mut out = Vec::with_capacity(env.len() + 1);
    for entry in env.iter().rev() {
        let (name, value) = entry
            .split_once('=')
            .ok_or_else(|| Failure::plain(Step::Plan, "invalid environment variable: missing '='"))?;
        if name.is_empty() {
            return Err(Failure::plain(Step::Plan, "invalid environment variable: name cannot be empty"));
        }
        if entry.contains('\0') {
            let text = format!("invalid environment variable {}: contains nul byte (\\x00)", quoted(name));
            return Err(Failure::plain(Step::Plan, text));
        }
        if seen.contains(name) || (name == "HOME" && value.is_empty()) {
            continue;
        }
        seen.insert(name);
        out.push(entry.clone());
    }
    out.reverse();
    if !seen.contains("HOME") {
        out.push(format!("HOME={}", home(uid, root)));
    }
    Ok(out)
}

/// Home directory of a user out of the container's /etc/passwd, or `/`. Only a regular file is read, and not all of a
/// large one.
fn home(uid: u32, root: &Tree) -> String {
    read_passwd(root).and_then(|text| home_in(&text, uid)).unwrap_or_else(|| "/".to_owned())
}

fn read_passwd(root: &Tree) -> Option<String> {
    let fd = root.open(Path::new("/etc/passwd"), OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).ok()?;
    let stat = rustix::fs::fstat(&fd).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut text = Vec::new();
    std::fs::File::from(fd).take(PASSWD_LIMIT).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn home_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found: u32 = fields.nth(2)?.parse().ok()?;
        (found == uid).then(|| fields.nth(2).unwrap_or_default().to_owned())
    })
}

/// Finds a program as the process' user would.
pub(crate) fn look_up(name: &str, env: &[String]) -> Result<CString> {
    let failed = |errno: Errno, detail: &str| Failure {
        step: Step::Program,
        errno: errno.raw_os_error(),
        path: name.to_owned(),
        text: format!("exec: {}: {detail}", quoted(name)),
    };
    let c_string =
        |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|_| failed(Errno::INVAL, "invalid argument"));
    if name.contains('/') {
        return match check(Path::new(name)) {
            Ok(()) => c_string(Path::new(name)),
            Err((errno, Some(call))) => Err(failed(errno, &format!("{call} {name}: {}", words(errno)))),
            // Docker says of a directory that it is one, and that permission is denied.
            Err((Errno::ISDIR, None)) => Err(failed(Errno::ACCESS, "is a directory: permission denied")),
            Err((errno, None)) => Err(failed(errno, &words(errno))),
        };
    }
    let path = env.iter().find_map(|e| e.strip_prefix("PATH=")).unwrap_or_default();
    for dir in path.split(':') {
        let candidate = Path::new(if dir.is_empty() { "." } else { dir }).join(name);
        if check(&candidate).is_ok() {
            if candidate.is_absolute() {
                return c_string(&candidate);
            }
            return Err(failed(Errno::NOENT, "cannot run executable found relative to current directory"));
        }
    }
    Err(failed(Errno::NOENT, "executable file not found in $PATH"))
}

/// Whether a file can be executed. The name of the call that failed comes along where Go names it.
fn check(path: &Path) -> std::result::Result<(), (Errno, Option<&'static str>)> {
    let stat = rustix::fs::stat(path).map_err(|errno| (errno, Some("stat")))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Err((Errno::ISDIR, None));
    }
    match rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        Err(Errno::NOSYS | Errno::PERM) if stat.st_mode & 0o111 != 0 => Ok(()),
        Err(Errno::NOSYS | Errno::PERM) => Err((Errno::ACCESS, None)),
        other => other.map_err(|errno| (errno, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty_tree() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let root = rustix::fs::open(dir.path(), flags, rustix::fs::Mode::empty()).unwrap();
        (dir, Tree::new(root))
    }

    fn env(list: &[&str]) -> Vec<String> {
        list.iter().map(|&e| e.to_owned()).collect()
    }

    #[test]
    fn the_last_value_counts() {
        let (_dir, tree) = empty_tree();
        let got = environment(&env(&["A=1", "B=2", "A=3", "HOME="]), 0, &tree).unwrap();
        assert_eq!(got, ["B=2", "A=3", "HOME=/"]);
        assert!(environment(&env(&["A"]), 0, &tree).is_err());
        assert!(environment(&env(&["=x"]), 0, &tree).is_err());
    }

    #[test]
    fn home_of_a_user() {
        let (dir, tree) = empty_tree();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nx:x:5:5::/home/x:/\n").unwrap();
        assert_eq!(environment(&[], 5, &tree).unwrap(), ["HOME=/home/x"]);
        assert_eq!(environment(&[], 6, &tree).unwrap(), ["HOME=/"]);
    }

    #[test]
    fn a_passwd_that_is_no_file() {
        let (dir, tree) = empty_tree();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("etc/passwd")).unwrap();
        assert_eq!(environment(&[], 0, &tree).unwrap(), ["HOME=/"]);
    }

    #[test]
    fn texts_of_lookups() {
        let text = |name: &str, path: &str| look_up(name, &env(&[&format!("PATH={path}")])).unwrap_err().text;
        assert_eq!(text("nosuch", "/bin:/usr/bin"), "exec: \"nosuch\": executable file not found in $PATH");
        assert_eq!(text("/nosuch", ""), "exec: \"/nosuch\": stat /nosuch: no such file or directory");
        assert_eq!(text("/usr", ""), "exec: \"/usr\": is a directory: permission denied");
        assert_eq!(look_up("sh", &env(&["PATH=/nowhere:/bin"])).unwrap().to_str(), Ok("/bin/sh"));
    }
}
