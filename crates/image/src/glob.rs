//! Shell patterns as Go's `path.Match` has them: `*` and `?` stop at a slash, `[…]`, `\`.

/// Whether the whole of `s` matches; a broken pattern matches nothing.
pub(crate) fn matches(pattern: &str, s: &str) -> bool {
    let (p, s): (Vec<char>, Vec<char>) = (pattern.chars().collect(), s.chars().collect());
    // Positions of the last star and of what it has eaten so far.
    let (mut pi, mut si, mut star) = (0, 0, None);
    loop {
        if pi < p.len() && p[pi] == '*' {
            star = Some((pi + 1, si));
            pi += 1;
            continue;
        }
        if si == s.len() && pi == p.len() {
            return true;
        }
        let step = if si < s.len() && pi < p.len() { one(&p[pi..], s[si]) } else { Some((false, 0)) };
        match (step, star) {
            (None, _) => return false,
            (Some((true, len)), _) => {
                pi += len;
                si += 1;
            }
            (Some(_), Some((after, eaten))) if eaten < s.len() && s[eaten] != '/' => {
                star = Some((after, eaten + 1));
                (pi, si) = (after, eaten + 1);
            }
            _ => return false,
        }
    }
}

/// Whether the pattern's first item matches `c`, and how long the item is; `None` if it is broken.
fn one(p: &[char], c: char) -> Option<(bool, usize)> {
    match p[0] {
        '?' => Some((c != '/', 1)),
        '\\' => Some((*p.get(1)? == c, 2)),
        '[' => class(p, c),
        x => Some((x == c, 1)),
    }
}

fn class(p: &[char], c: char) -> Option<(bool, usize)> {
    let negate = p.get(1) == Some(&'^');
    let mut i = 1 + usize::from(negate);
    let (mut hit, mut first) = (false, true);
    let take = |i: &mut usize| -> Option<char> {
        if *p.get(*i)? == '\\' {
            *i += 1;
        }
        *i += 1;
        p.get(*i - 1).copied()
    };
    loop {
        if *p.get(i)? == ']' && !first {
            return Some((hit != negate, i + 1));
        }
        first = false;
        let low = take(&mut i)?;
        let mut high = low;
        if p.get(i) == Some(&'-') {
            i += 1;
            high = take(&mut i)?;
        }
        hit |= (low..=high).contains(&c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, s, want) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a/b", false),
            ("[", "a", false),
            ("[a", "a", false),
            ("", "", true),
            ("*:*", "busybox:latest", true),
            ("busy*:l?test", "busybox:latest", true),
            ("*x", "xxx", true),
        ] {
            assert_eq!(matches(pattern, s), want, "{pattern} {s}");
        }
    }
}
