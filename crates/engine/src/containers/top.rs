//! `top`: the processes of a container, by the host's `ps`, as Docker does.

use super::{Containers, Msg, Top};
use crate::Error;

impl Containers {
    /// Processes of a running container; `args` are those of ps(1), `-ef` if empty.
    ///
    /// # Errors
    /// It does not run; ps(1) is missing, fails, or its output has no PID column.
    pub async fn top(&self, reference: &str, args: &str) -> Result<Top, Error> {
        let handle = self.find(reference)?;
        let view = handle.view();
        if !view.state.is_alive() {
            return Err(Error::NotRunning(view.id.to_string()));
        }
        let args = if args.is_empty() { "-ef" } else { args };
        if args.contains(['\n', '\0']) {
            return Err(Error::Invalid("invalid ps arguments".to_owned()));
        }
        let pids = handle.ask(Msg::Pids).await?;
        let output = tokio::process::Command::new("ps")
            .args(args.split_whitespace())
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .await
            .map_err(|source| Error::Io { op: "run", path: "ps".into(), source })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Error::Invalid(format!("ps: {}", said.trim())));
        }
        self.emit_view(&handle, "top", []);
        parse(&String::from_utf8_lossy(&output.stdout), &pids)
    }
}

/// Keeps the lines whose PID column is one of `pids`; the last column takes the rest of its line.
fn parse(output: &str, pids: &[i32]) -> Result<Top, Error> {
    let mut lines = output.lines();
    let titles: Vec<String> = lines.next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let pid_column = titles
        .iter()
        .position(|t| t == "PID")
        .ok_or_else(|| Error::Invalid("Couldn't find PID field in ps output".to_owned()))?;
    let mut processes = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(pid) = words.get(pid_column).and_then(|w| w.parse::<i32>().ok()) else { continue };
        if !pids.contains(&pid) || words.len() < titles.len() {
            continue;
        }
        let (fixed, rest) = words.split_at(titles.len() - 1);
        let mut row: Vec<String> = fixed.iter().map(|w| (*w).to_owned()).collect();
        row.push(rest.join(" "));
        processes.push(row);
    }
    Ok(Top { titles, processes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_processes_are_kept() {
        let out = "UID   PID  PPID CMD\nroot    1     0 /sbin/init x\nroot   42     1 sh -c  a b\n";
        let top = parse(out, &[42]).expect("parses");
        assert_eq!(top.titles, ["UID", "PID", "PPID", "CMD"]);
        assert_eq!(top.processes, [["root", "42", "1", "sh -c a b"]]);
        assert!(parse("USER\nroot\n", &[]).is_err());
    }
}
