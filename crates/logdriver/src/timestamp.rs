//! RFC 3339 with nanoseconds, as Go's `time.RFC3339Nano` writes it.

const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// `2006-01-02T15:04:05.999999999Z` for nanoseconds since 1970 UTC; trailing zeros of the fraction are dropped.
pub fn format_rfc3339_nano(time_ns: i64) -> String {
    let mut out = Vec::with_capacity(30);
    Clock::default().push(&mut out, time_ns);
    String::from_utf8_lossy(&out).into_owned()
}

/// Nanoseconds since 1970 UTC of an RFC 3339 time with any offset; `None` if it is not one or does not fit.
pub fn parse_rfc3339(s: &str) -> Option<i64> {
    let b = s.as_bytes();
    let (date, rest) = b.split_at_checked(19)?;
    let sep = |i: usize, c: u8| date[i] == c;
    if !(sep(4, b'-') && sep(7, b'-') && (sep(10, b'T') || sep(10, b't')) && sep(13, b':') && sep(16, b':')) {
        return None;
    }
    let num = |from: usize, to: usize| digits(&date[from..to]);
    let (year, month, day) = (num(0, 4)?, num(5, 7)?, num(8, 10)?);
    let (hour, minute, second) = (num(11, 13)?, num(14, 16)?, num(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, zone) = match rest.strip_prefix(b".") {
        Some(frac) => {
            let len = frac.iter().position(|b| !b.is_ascii_digit()).unwrap_or(frac.len());
            let used = len.min(9);
            if len == 0 {
                return None;
            }
            (digits(&frac[..used])? * 10_i64.pow(9 - u32::try_from(used).ok()?), &frac[len..])
        }
        None => (0, rest),
    };
    let offset = match zone {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = digits(&[*h1, *h2])? * 60 + digits(&[*m1, *m2])?;
            if *sign == b'-' { -minutes * 60 } else { minutes * 60 }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    seconds.checked_mul(NANOS)?.checked_add(nanos)
}

fn digits(b: &[u8]) -> Option<i64> {
    b.iter().try_fold(0_i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (years counted from March, eras of 400 years).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_year - (153 * mp + 2) / 5 + 1)
}

/// Writes times; remembers the text of the last second, which the next records mostly share.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    second: Option<i64>,
    text: [u8; 19],
}

impl Clock {
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, time_ns: i64) {
        let second = time_ns.div_euclid(NANOS);
        if self.second != Some(second) {
            self.text = second_text(second);
            self.second = Some(second);
        }
        out.extend_from_slice(&self.text);
        let mut nanos = time_ns.rem_euclid(NANOS);
        if nanos != 0 {
            let mut frac = *b".000000000";
            for digit in frac[1..].iter_mut().rev() {
                *digit = ascii_digit(nanos % 10);
                nanos /= 10;
            }
            let len = frac.iter().rposition(|b| *b != b'0').map_or(0, |i| i + 1);
            out.extend_from_slice(&frac[..len]);
        }
        out.push(b'Z');
    }
}

const fn ascii_digit(n: i64) -> u8 {
    b'0' + n.rem_euclid(10).to_le_bytes()[0]
}

fn second_text(second: i64) -> [u8; 19] {
    let (year, month, day) = civil_from_days(second.div_euclid(DAY));
    let of_day = second.rem_euclid(DAY);
    let mut text = *b"0000-00-00T00:00:00";
    let mut put = |at: usize, len: usize, mut n: i64| {
        for i in (at..at + len).rev() {
            text[i] = ascii_digit(n);
            n /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, of_day / 3600);
    put(14, 2, of_day / 60 % 60);
    put(17, 2, of_day % 60);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_does() {
        for (ns, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_136_239_445_999_999_999, "2006-01-02T22:04:05.999999999Z"),
            (1_709_164_800_000_000_000, "2024-02-29T00:00:00Z"),
            (1_709_164_800_120_000_000, "2024-02-29T00:00:00.12Z"),
            (1_735_689_599_000_000_001, "2024-12-31T23:59:59.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(format_rfc3339_nano(ns), want);
            assert_eq!(parse_rfc3339(want), Some(ns), "{want}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives() {
        for day in (-150_000..150_000).step_by(7) {
            let (y, m, d) = civil_from_days(day);
            assert_eq!(days_from_civil(y, m, d), day);
        }
    }

    #[test]
    fn offsets_and_garbage() {
        assert_eq!(parse_rfc3339("2024-01-01T02:00:00+02:00"), parse_rfc3339("2024-01-01T00:00:00Z"));
        assert_eq!(parse_rfc3339("2023-12-31T19:30:00.5-04:30"), parse_rfc3339("2024-01-01T00:00:00.5Z"));
        for bad in
            ["", "2024", "2024-01-01T00:00:00", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00.Z", "9999-01-01T00:00:00Z"]
        {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
