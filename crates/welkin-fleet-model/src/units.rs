//! Sizes and times as people write and read them: `4GiB`, `1m30s`, `2m13s`, `1.5 GiB`.
//!
//! A number without a unit is refused, as it is always somebody's wrong guess. Reading gives bytes and
//! milliseconds, like all messages of the fleet.

mod moment;

pub use moment::{read_rfc3339, rfc3339};

/// Reads a size: `512B`, `64KiB`, `4GiB`, `1.5 TiB`, and the decimal `kB MB GB TB`.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is not a size: a number and B, KiB, MiB, GiB or TiB, as \"4GiB\"");
    let (number, unit) = split(text.trim()).ok_or_else(wrong)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    scaled(number, factor).ok_or_else(wrong)
}

/// Reads a span of time in milliseconds: `250ms`, `30s`, `1m30s`, `2h`, `7d`.
pub fn time(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is not a time: numbers and ms, s, m, h or d, as \"30s\" or \"1m30s\"");
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (number, _) = split(rest).ok_or_else(wrong)?;
        let unit = rest[number.len()..].trim_start();
        let end = unit.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, next) = unit.split_at(end.unwrap_or(unit.len()));
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = scaled(number, factor).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = next.trim_start();
    }
    Ok(total)
}

/// The number at the beginning and what follows it, without blanks around.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty()).then_some((number, unit.trim()))
}

fn scaled(number: &str, factor: u64) -> Option<u64> {
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(factor),
        Err(_) => {
            let value = number.parse::<f64>().ok()? * factor as f64;
            // Beyond 2^53 a fraction would not be exact, and nothing has that size.
            (value.is_finite() && value < 9e15).then_some(value.round() as u64)
        }
    }
}

/// `2m13s`: a span by its two largest units.
pub fn show_seconds(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m{rest:02}s"),
        (0, ..) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

/// A span of milliseconds so that [`time`] reads the same again: `1m30s`, `250ms`.
pub fn show_time(ms: u64) -> String {
    let mut text = String::new();
    let mut rest = ms;
    for (unit, length) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if rest >= length {
            text += &format!("{}{unit}", rest / length);
            rest %= length;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// `1.5 GiB`: three digits or so, whole numbers without a point.
pub fn show_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    // What rounds up to the next unit is shown in it.
    if value >= 1023.95 && unit + 1 < UNITS.len() {
        value = 1.0;
        unit += 1;
    }
    let shown = format!("{value:.1}");
    format!(
        "{} {}",
        shown.strip_suffix(".0").unwrap_or(&shown),
        UNITS[unit]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("1.5 MiB"), Ok(3 << 19));
        assert_eq!(size("10MB"), Ok(10_000_000));
        for wrong in [
            "",
            "4",
            "GiB",
            "4 gib",
            "-1B",
            "1e3B",
            "99999999999TiB",
            "1..5B",
        ] {
            let text = size(wrong).unwrap_err();
            assert!(text.contains("is not a size"), "{wrong}: {text}");
        }
    }

    #[test]
    fn times_need_a_unit_and_may_have_several() {
        assert_eq!(time("1m30s"), Ok(90_000));
        assert_eq!(time("250ms"), Ok(250));
        assert_eq!(time("1.5h"), Ok(5_400_000));
        assert_eq!(time("2 d"), Ok(172_800_000));
        for wrong in [
            "",
            "30",
            "s",
            "1m30",
            "3 weeks",
            "99999999999999999999s",
            "1s-",
        ] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_and_sizes_are_shown_short() {
        let spans = [9, 133, 7_265, 90_000].map(show_seconds);
        assert_eq!(spans, ["9s", "2m13s", "2h01m", "1d01h"]);
        let sizes = [0, 1023, 1536, 4 << 30, (1 << 20) - 1].map(show_size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "4 GiB", "1 MiB"]);
    }

    proptest! {
        #[test]
        fn what_is_shown_of_a_time_reads_the_same(ms in 0..u64::MAX / 2) {
            prop_assert_eq!(time(&show_time(ms)), Ok(ms));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = (time(&text), size(&text));
        }
    }
}
