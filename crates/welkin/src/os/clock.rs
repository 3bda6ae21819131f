//! Wall-clock time as people read it, in the machine's time zone.

use std::mem::MaybeUninit;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `DD/MM/YY HH:MM:SS` of a Unix time, local time.
pub fn log_stamp(unix_seconds: i64) -> String {
    let t = local(unix_seconds);
    format!(
        "{:02}/{:02}/{:02} {:02}:{:02}:{:02}",
        t.tm_mday,
        t.tm_mon + 1,
        t.tm_year.rem_euclid(100),
        t.tm_hour,
        t.tm_min,
        t.tm_sec
    )
}

/// `YYYY-MM-DD HH:MM:SS` of a Unix time, local time.
pub fn sortable(unix_seconds: i64) -> String {
    written(&local(unix_seconds), ' ')
}

/// `YYYY-MM-DDTHH:MM:SS+HH:MM`: as [`sortable`] with the time zone, by ISO 8601.
pub fn iso(unix_seconds: i64) -> String {
    let t = local(unix_seconds);
    let minutes = t.tm_gmtoff / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!(
        "{}{sign}{:02}:{:02}",
        written(&t, 'T'),
        minutes / 60,
        minutes % 60
    )
}

fn written(t: &libc::tm, between: char) -> String {
    format!(
        "{:04}-{:02}-{:02}{between}{:02}:{:02}:{:02}",
        1900 + t.tm_year,
        t.tm_mon + 1,
        t.tm_mday,
        t.tm_hour,
        t.tm_min,
        t.tm_sec
    )
}

/// The form of C's `ctime` without the newline: `Sat Nov 21 14:32:41 2026`, local time.
pub fn ctime(unix_seconds: i64) -> String {
    let t = local(unix_seconds);
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {}",
        DAYS[t.tm_wday.clamp(0, 6) as usize],
        MONTHS[t.tm_mon.clamp(0, 11) as usize],
        t.tm_mday,
        t.tm_hour,
        t.tm_min,
        t.tm_sec,
        1900 + t.tm_year
    )
}

fn local(unix_seconds: i64) -> libc::tm {
    let mut broken_down = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call. All zeros is a valid `tm` (its zone may be null),
    // so the value is initialised even when the call fails for a year out of range.
    unsafe {
        libc::localtime_r(&raw const unix_seconds, broken_down.as_mut_ptr());
        broken_down.assume_init()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_the_fixed_form() {
        let stamp = log_stamp(1_700_000_000);
        let form: String = stamp
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(form, "00/00/00 00:00:00");
    }

    #[test]
    fn ctime_pads_the_day_with_a_blank() {
        // The fifth of a month in every time zone, within a day.
        let text = ctime(1_704_456_000);
        assert!(
            text.starts_with("Fri Jan  5") || text.starts_with("Sat Jan  6"),
            "{text}"
        );
        assert!(text.ends_with(" 2024"), "{text}");
    }
}
