//! Programs beside this one that bring commands along: `docker-compose` for `docker compose`, and so on.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{Access, access};
use serde_json::Value;

use crate::config::Config;
use crate::failure::{Failure, Result, go_io};

/// Where the system keeps plugins, the administrator's first.
const SYSTEM: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// The program of a plugin, if it is installed.
pub(crate) fn find(config: &Config, name: &str) -> Option<PathBuf> {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !plain {
        return None;
    }
    let extra = config.values.get("cliPluginsExtraDirs").and_then(Value::as_array);
    let extra = extra.into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from);
    let dirs = extra.chain([config.dir.join("cli-plugins")]).chain(SYSTEM.iter().map(PathBuf::from));
    let candidates = dirs.map(|dir| dir.join(format!("docker-{name}")));
    candidates.into_iter().find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok())
}

/// Becomes the plugin. Comes back only when that fails.
pub(crate) fn become_plugin(path: &PathBuf, args: &[String]) -> Result<()> {
    let own = std::env::args_os().next().unwrap_or_default();
    let e = Command::new(path).args(args).env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", own).exec();
    Err(Failure::new(format!("fork/exec {}: {}", path.display(), go_io(&e))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let config = Config { dir: PathBuf::from("/nonexistent"), values: serde_json::Map::new() };
        assert_eq!(find(&config, "../x"), None);
        assert_eq!(find(&config, "nosuchplugin"), None);
    }
}
