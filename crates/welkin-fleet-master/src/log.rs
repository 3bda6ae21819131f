//! The master's log: lines on standard error, each with its time.

use std::time::{SystemTime, UNIX_EPOCH};

use welkin_fleet_model::units::rfc3339;

/// Unix milliseconds.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a line.
pub(crate) fn line(text: &str) {
    use std::io::Write as _;
    // One write for one line: other processes may write to the same file. A log that cannot be written
    // has nowhere to say so.
    let line = format!(
        "{} master: {}\n",
        rfc3339(unix_ms()),
        text.replace('\n', " | ")
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
}
