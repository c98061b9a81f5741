//! `list`

use crate::Context;
use crate::commands::state::View;
use crate::error::{Error, Result};
use crate::help::say;
use crate::parse::Matches;

pub(crate) fn run(context: &Context, matches: &mut Matches) -> Result<i32> {
    let found = context.store.list()?;
    if matches.flag("quiet") {
        say(&found.iter().map(|(container, _)| format!("{}\n", container.record.id)).collect::<String>());
        return Ok(0);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    // One that ends or is deleted meanwhile is left out.
    let views: Vec<View> =
        found.iter().filter_map(|(container, uid)| View::new(container, user_name(&passwd, *uid)).ok()).collect();
    match matches.value("format").unwrap_or("table") {
        "table" => say(&table(&views)),
        "json" if views.is_empty() => say("null\n"),
        "json" => {
            let json = |source| Error::Json { what: "list".to_owned(), source };
            say(&format!("{}\n", serde_json::to_string(&views).map_err(json)?));
        }
        _ => return Err(Error::Format),
    }
    Ok(0)
}

fn user_name(passwd: &str, uid: u32) -> String {
    let found = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("#{uid}"))
}

fn table(views: &[View]) -> String {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head)
        .chain(views.iter().map(|view| {
            let View { id, pid, status, bundle, created, owner, .. } = view;
            [id.clone(), pid.to_string(), (*status).to_owned(), bundle.clone(), created.clone(), owner.clone()]
        }))
        .collect();
    columns(&rows)
}

/// Columns as Go's tabwriter lays them out: at least 12 wide, 3 apart; the last is not padded.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (cell.chars().count() + 3).max(12).max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        for (number, (cell, width)) in row.iter().zip(widths).enumerate() {
            if number + 1 == N { out.push_str(cell) } else { out.push_str(&format!("{cell:<width$}")) }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let text = columns(&[["ID".to_owned(), "X".to_owned()], ["0123456789ab".to_owned(), "y".to_owned()]]);
        assert_eq!(text, "ID             X\n0123456789ab   y\n");
    }

    #[test]
    fn names() {
        assert_eq!(user_name("root:x:0:0::/:/x\nme:x:7:7::/:/x\n", 7), "me");
        assert_eq!(user_name("", 7), "#7");
    }
}
