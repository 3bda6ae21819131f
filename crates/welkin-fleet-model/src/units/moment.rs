//! Points in time as RFC 3339 has them, in UTC: what is shown in results and read from `--since`.
//!
//! The little of a calendar that this takes is written here; a crate for dates brings time zones, which
//! the fleet has none of.

/// `2026-01-31T12:00:00Z`: a point in time, Unix milliseconds, by its second.
pub fn rfc3339(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads a point in time in Unix milliseconds: `2026-01-31T12:00:00Z`, also with a fraction, a blank in
/// place of the `T`, or an offset as `+02:00`. None before 1970.
pub fn read_rfc3339(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| digits.parse::<u64>().ok()).flatten()
    };
    let mark = |at: usize, allowed: &[u8]| {
        text.as_bytes()
            .get(at)
            .is_some_and(|byte| allowed.contains(byte))
    };
    let marks =
        mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":");
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let sane =
        (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !marks || !sane || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (ms, zone) = fraction(&text[19..])?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let offset = match zone {
        "Z" | "z" | "" => 0,
        zone if zone.len() == 6 && zone.as_bytes()[3] == b':' => {
            let part = |range: std::ops::Range<usize>| zone.get(range)?.parse::<i64>().ok();
            let ahead = part(1..3)? * 3600 + part(4..6)? * 60;
            match zone.as_bytes()[0] {
                b'+' => ahead,
                b'-' => -ahead,
                _ => return None,
            }
        }
        _ => return None,
    };
    let seconds = seconds.checked_add_signed(-offset)?;
    Some(seconds * 1000 + ms)
}

/// The milliseconds of `.123456` at the beginning, and what follows.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let Some(digits) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    let three: String = digits.chars().chain("000".chars()).take(3).collect();
    (!digits.is_empty()).then_some((three.parse().ok()?, rest))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the
/// day of leap years comes last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

/// The date that many days after 1970-01-01: what [`days`] does, backwards.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (year * 365 + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year;
    match month < 10 {
        true => (year, month + 3, day),
        false => (year + 1, month - 9, day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn points_in_time_are_read_in_their_common_forms() {
        assert_eq!(rfc3339(1_769_860_800_999), "2026-01-31T12:00:00Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(
            read_rfc3339("2026-01-31T12:00:00Z"),
            Some(1_769_860_800_000)
        );
        assert_eq!(
            read_rfc3339("2026-01-31 14:00:00.25+02:00"),
            Some(1_769_860_800_250)
        );
        for wrong in [
            "",
            "2026-01-31",
            "2026-13-31T12:00:00Z",
            "2026-01-31T12:00:00+2",
            "1969-12-31T00:00:00Z",
            "1970-01-01T00:00:00+01:00",
        ] {
            assert_eq!(read_rfc3339(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_point_in_time_is_read_as_it_is_shown(seconds in 0_u64..253_000_000_000) {
            prop_assert_eq!(read_rfc3339(&rfc3339(seconds * 1000)), Some(seconds * 1000));
        }

        #[test]
        fn any_text_is_a_point_in_time_or_not(text in "[0-9TZ:.+ -]{0,30}|.{0,30}") {
            let _ = read_rfc3339(&text);
        }
    }
}
