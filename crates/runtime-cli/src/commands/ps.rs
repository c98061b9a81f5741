//! `ps`

use std::process::Command;

use crate::Context;
use crate::error::{Error, Result, io};
use crate::help::say;
use crate::parse::Matches;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let container = context.store.load(&matches.take_first())?;
    let pids: Vec<i32> = match &container.record.cgroup.path {
        Some(_) => container.record.cgroup.manager()?.procs()?.iter().map(|pid| pid.as_raw_nonzero().get()).collect(),
        // Without a cgroup only the first process is known.
        None => container.pidfd().map(|_| vec![container.record.pid]).unwrap_or_default(),
    };
    match matches.value("format").unwrap_or("table") {
        "json" => {
            let json = |source| Error::Json { what: "ps".to_owned(), source };
            say(&format!("{}\n", serde_json::to_string(&pids).map_err(json)?));
        }
        "table" => {
            let args: &[&str] = if matches.args.is_empty() { &["-ef"] } else { &[] };
            let mut command = Command::new("ps");
            let output = command.args(args).args(&matches.args).output().map_err(io("exec", "ps"))?;
            if !output.status.success() {
                say(&String::from_utf8_lossy(&output.stderr));
                return Ok(output.status.code().unwrap_or(1));
            }
            say(&select(&String::from_utf8_lossy(&output.stdout), &pids).ok_or(Error::Format)?);
        }
        _ => return Err(Error::Format),
    }
    Ok(0)
}

/// The head line and the lines of these processes; `None` when there is no column of process ids.
fn select(text: &str, pids: &[i32]) -> Option<String> {
    let mut lines = text.lines();
    let head = lines.next()?;
    let column = head.split_whitespace().position(|name| name == "PID")?;
    let ours = lines.filter(|line| {
        let pid = line.split_whitespace().nth(column).and_then(|pid| pid.parse().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    });
    Some(std::iter::once(head).chain(ours).map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_container() {
        let text = "UID   PID  CMD\nroot  1    init\nroot  22   sh\n";
        assert_eq!(select(text, &[22]).as_deref(), Some("UID   PID  CMD\nroot  22   sh\n"));
        assert_eq!(select("X\n", &[1]), None);
    }
}
