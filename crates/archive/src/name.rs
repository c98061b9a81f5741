//! Names of entries, cleaned as Go's `filepath.Clean` does and held below the root.

/// The components of `path`: no empty ones, no `.`, and `..` taken back lexically (never above the root).
pub(crate) fn components(path: &[u8]) -> Vec<&[u8]> {
    let mut out: Vec<&[u8]> = Vec::with_capacity(8);
    for c in path.split(|b| *b == b'/') {
        match c {
            b"" | b"." => {}
            b".." => drop(out.pop()),
            c => out.push(c),
        }
    }
    out
}

/// The components of a link's target as they stand, `..` included.
pub(crate) fn raw_components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|b| *b == b'/').filter(|c| !matches!(*c, b"" | b".")).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_root() {
        for (path, want) in [
            ("a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("/a", "a"),
            ("../../a", "a"),
            ("a/../../b", "b"),
            ("..", ""),
            ("./", ""),
            ("a/..", ""),
            ("a/./b/../c", "a/c"),
            ("...", "..."),
        ] {
            let got = components(path.as_bytes()).join(&b'/');
            assert_eq!(String::from_utf8_lossy(&got), want, "{path}");
        }
    }
}
