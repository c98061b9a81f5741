//! `docker container …`

mod api_socket;
mod attach;
mod copy;
pub(crate) mod endpoint;
mod exec;
mod lifecycle;
mod list;
mod logs;
mod misc;
mod run;
mod signals;
mod spec;
mod stats;
mod streams;
mod terminal;
mod update;

use super::Handler;

pub(crate) use list::{HEADERS as LIST_HEADERS, fields as list_fields};
pub(crate) use logs::time as log_time;
pub(crate) use misc::{Output, natural};

pub(super) fn handler(verb: &str) -> Option<Handler> {
    Some(match verb {
        "attach" => attach::run,
        "commit" => misc::commit,
        "cp" => copy::run,
        "create" => run::create,
        "diff" => misc::diff,
        "exec" => exec::run,
        "export" => misc::export,
        "inspect" => super::inspect::containers,
        "kill" => lifecycle::kill,
        "logs" => logs::run,
        "ls" => list::run,
        "pause" => lifecycle::pause,
        "port" => misc::port,
        "prune" => super::prune::containers,
        "rename" => lifecycle::rename,
        "restart" => lifecycle::restart,
        "rm" => lifecycle::remove,
        "run" => run::run,
        "start" => attach::start,
        "stats" => stats::run,
        "stop" => lifecycle::stop,
        "top" => misc::top,
        "unpause" => lifecycle::unpause,
        "update" => update::run,
        "wait" => lifecycle::wait,
        _ => return None,
    })
}
