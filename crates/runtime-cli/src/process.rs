//! Processes by their id, told apart from later ones of the same id.

/// When a process was started (clock ticks since boot), unless it is gone or a zombie.
pub(crate) fn alive(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (state, started) = parse(&stat)?;
    (!matches!(state, 'Z' | 'X' | 'x')).then_some(started)
}

/// State and start time out of `/proc/<pid>/stat`: fields 3 and 22; the name before them may hold anything.
fn parse(stat: &str) -> Option<(char, u64)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let line = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 0";
        assert_eq!(parse(line), Some(('S', 4242)));
        assert_eq!(parse("7 (x"), None);
        assert!(alive(i32::try_from(std::process::id()).unwrap()).is_some());
    }
}
