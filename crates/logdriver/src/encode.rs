//! JSON string escaping, byte for byte as Docker's `jsonlog` encoder and Go's `encoding/json` do it.

use memchr::memchr;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// True for the bytes that stand for themselves: ASCII without controls, quote, backslash and `< > &`.
const fn is_plain(b: u8) -> bool {
    b >= 0x20 && b < 0x80 && b != b'"' && b != b'\\' && b != b'<' && b != b'>' && b != b'&'
}

/// Appends the JSON escape of `text` to `out`, without quotes. As in Docker's log encoder `\t` and the other controls
/// except `\n`, `\r` are written as `\u00XX`, U+2028/9 as `\u2028`/`\u2029`, and each byte that is no UTF-8 as `\ufffd`.
pub(crate) fn escape_log(out: &mut Vec<u8>, text: &[u8]) {
    escape(out, text, |out, b| match b {
        b'\\' | b'"' => out.extend_from_slice(&[b'\\', b]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        _ => push_u00(out, b),
    });
}

/// Appends `text` quoted and escaped as Go's `encoding/json` does it for strings (with HTML escaping).
pub(crate) fn push_go_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape(out, text.as_bytes(), |out, b| match b {
        b'\\' | b'"' => out.extend_from_slice(&[b'\\', b]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        _ => push_u00(out, b),
    });
    out.push(b'"');
}

fn push_u00(out: &mut Vec<u8>, b: u8) {
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
}

fn escape(out: &mut Vec<u8>, text: &[u8], ascii: impl Fn(&mut Vec<u8>, u8)) {
    let mut start = 0;
    let mut at = 0;
    while let Some(i) = find_special(&text[at..]) {
        at += i;
        if text[at] < 0x80 {
            out.extend_from_slice(&text[start..at]);
            ascii(out, text[at]);
            at += 1;
            start = at;
            continue;
        }
        let run = text[at..].iter().position(u8::is_ascii).map_or(text.len(), |n| at + n);
        out.extend_from_slice(&text[start..at]);
        for chunk in text[at..run].utf8_chunks() {
            push_wide(out, chunk.valid().as_bytes());
            for _ in chunk.invalid() {
                out.extend_from_slice(b"\\ufffd");
            }
        }
        at = run;
        start = at;
    }
    out.extend_from_slice(&text[start..]);
}

/// Appends valid UTF-8 with the two line separators (E2 80 A8, E2 80 A9) escaped.
fn push_wide(out: &mut Vec<u8>, mut valid: &[u8]) {
    let mut from = 0;
    while let Some(i) = memchr(0xe2, &valid[from..]) {
        let at = from + i;
        if let [_, 0x80, last @ (0xa8 | 0xa9), ..] = valid[at..] {
            out.extend_from_slice(&valid[..at]);
            out.extend_from_slice(if last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
            valid = &valid[at + 3..];
            from = 0;
        } else {
            from = at + 3;
        }
    }
    out.extend_from_slice(valid);
}

/// Where the first byte is that does not stand for itself. Whole blocks are judged at once (the compiler makes vector
/// compares of the fixed-length fold).
fn find_special(text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks::<16>();
    for (n, block) in blocks.iter().enumerate() {
        if block.iter().fold(0_u8, |special, b| special | u8::from(!is_plain(*b))) != 0 {
            return block.iter().position(|b| !is_plain(*b)).map(|i| n * 16 + i);
        }
    }
    rest.iter().position(|b| !is_plain(*b)).map(|i| blocks.len() * 16 + i)
}

/// How many bytes of the full buffer `text` make the next part of a long line: all, or fewer so that no character is cut in two.
pub(crate) fn split_point(text: &[u8]) -> usize {
    let tail = &text[text.len().saturating_sub(4)..];
    for (back, b) in tail.iter().rev().enumerate() {
        let want = match b {
            0x00..=0x7f => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => continue,
        };
        let have = back + 1;
        return if have < want { text.len() - have } else { text.len() };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(s: impl AsRef<[u8]>) -> String {
        let mut out = Vec::new();
        escape_log(&mut out, s.as_ref());
        String::from_utf8(out).expect("escaped text is UTF-8")
    }

    #[test]
    fn escapes_are_dockers() {
        assert_eq!(log("plain text, 16 bytes and more, ok"), "plain text, 16 bytes and more, ok");
        assert_eq!(log("a\"b\\c"), r#"a\"b\\c"#);
        assert_eq!(log("<a>&b"), r"\u003ca\u003e\u0026b");
        assert_eq!(log("\t\r\n\x08\x1b[0m\0"), r"\u0009\r\n\u0008\u001b[0m\u0000");
        assert_eq!(log("x\u{7f}y"), "x\u{7f}y");
        assert_eq!(log("é日本😀"), "é日本😀");
        assert_eq!(log("a\u{2028}b\u{2029}c\u{2027}"), "a\\u2028b\\u2029c\u{2027}");
        assert_eq!(
            log(b"\xff\xfe ok \xe2\x82A\xed\xa0\x80\xc3"),
            r"\ufffd\ufffd ok \ufffd\ufffdA\ufffd\ufffd\ufffd\ufffd"
        );
        assert_eq!(log("0123456789abcdef0123456789abcde<"), r"0123456789abcdef0123456789abcde\u003c");
    }

    #[test]
    fn attributes_are_escaped_as_encoding_json_does() {
        let mut out = Vec::new();
        push_go_json_string(&mut out, "a\t<\u{8}\u{c}\u{1}\"é");
        assert_eq!(out, "\"a\\t\\u003c\\b\\f\\u0001\\\"é\"".as_bytes());
    }

    #[test]
    fn characters_are_not_cut() {
        assert_eq!(split_point(b"abcd"), 4);
        assert_eq!(split_point("abc日".as_bytes()), 6);
        assert_eq!(split_point(&"abc日".as_bytes()[..5]), 3);
        assert_eq!(split_point(&"abc日".as_bytes()[..4]), 3);
        assert_eq!(split_point(&"ab😀".as_bytes()[..5]), 2);
        assert_eq!(split_point(b"\x80\x80\x80\x80\x80"), 5);
        assert_eq!(split_point(b"\xff"), 1);
    }
}
