/// What is known about an unpacked layer. Lies beside it, in the file `layer`, one `name value` per line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerInfo {
    /// Bytes on disk.
    pub bytes: u64,
    /// Objects.
    pub inodes: u64,
    /// It was unpacked with a look at the layers below, or would have to be: fit for one chain only
    /// (see `archive::Applied::needs_lower`).
    pub needs_lower: bool,
    /// Hides all layers below.
    pub opaque_root: bool,
}

impl LayerInfo {
    pub(crate) fn to_text(self) -> String {
        let Self { bytes, inodes, needs_lower, opaque_root } = self;
        let flag = u8::from;
        format!(
            "version 1\nbytes {bytes}\ninodes {inodes}\nneeds-lower {}\nopaque-root {}\n",
            flag(needs_lower),
            flag(opaque_root)
        )
    }

    /// `None` for a file that is cut or of a later version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')).and_then(|v| v.parse::<u64>().ok())
        };
        (field("version")? == 1).then_some(())?;
        Some(Self {
            bytes: field("bytes")?,
            inodes: field("inodes")?,
            needs_lower: field("needs-lower")? != 0,
            opaque_root: field("opaque-root")? != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_round_trips_and_a_cut_one_is_refused() {
        let info = LayerInfo { bytes: 12, inodes: 3, needs_lower: true, opaque_root: false };
        let text = info.to_text();
        assert_eq!(LayerInfo::parse(&text), Some(info));
        assert_eq!(LayerInfo::parse(&text[..text.len() - 4]), None);
        assert_eq!(LayerInfo::parse(""), None);
    }
}
