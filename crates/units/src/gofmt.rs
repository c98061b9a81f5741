//! Go's `fmt` verbs for floats and quoted strings.

/// `fmt.Sprintf("%.*g", precision, value)`: shortest of `%e` and `%f`, trailing zeros dropped.
pub fn format_g(value: f64, precision: usize) -> String {
    let precision = precision.max(1);
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() };
    }
    if !value.is_finite() {
        return non_finite(value);
    }
    let scientific = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = split_exponent(&scientific);
    let eprec = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= eprec {
        return go_exponent(&trim_zeros(mantissa), exponent);
    }
    let decimals = usize::try_from(eprec - 1 - exponent).unwrap_or(0);
    trim_zeros(&format!("{value:.decimals$}"))
}

/// `strconv.FormatFloat(value, 'g', -1, 64)` and `%v`: the shortest text that reads back equal.
pub fn format_float(value: f64) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() };
    }
    if !value.is_finite() {
        return non_finite(value);
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = split_exponent(&scientific);
    if !(-4..21).contains(&exponent) { go_exponent(mantissa, exponent) } else { format!("{value}") }
}

fn non_finite(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value > 0.0 {
        "+Inf".to_owned()
    } else {
        "-Inf".to_owned()
    }
}

fn split_exponent(scientific: &str) -> (&str, i32) {
    match scientific.split_once('e') {
        Some((m, e)) => (m, e.parse().unwrap_or(0)),
        None => (scientific, 0),
    }
}

fn go_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

fn trim_zeros(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

/// `strconv.Quote(s)`: Go's double-quoted form (`%q`).
pub fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if is_unprintable(c) => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn is_unprintable(c: char) -> bool {
    matches!(c as u32, 0x80..=0xa0 | 0xad | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xfffb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g_verb() {
        assert_eq!(format_g(2.3, 4), "2.3");
        assert_eq!(format_g(999.96, 4), "1000");
        assert_eq!(format_g(1234.5, 3), "1.23e+03");
        assert_eq!(format_g(0.5, 3), "0.5");
        assert_eq!(format_g(12.0, 4), "12");
        assert_eq!(format_g(0.00001, 4), "1e-05");
    }

    #[test]
    fn v_verb() {
        assert_eq!(format_float(1e21), "1e+21");
        assert_eq!(format_float(1.5), "1.5");
        assert_eq!(format_float(3.0), "3");
        assert_eq!(format_float(1e-7), "1e-07");
    }

    #[test]
    fn quoting() {
        assert_eq!(quote("a\"b\n\u{1}"), "\"a\\\"b\\n\\x01\"");
    }
}
