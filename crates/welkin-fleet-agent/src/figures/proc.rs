//! The files of /proc that tell of one process, and the few numbers needed to read them.

use std::fs;
use std::sync::OnceLock;

/// Ticks of `/proc/PID/stat` in a second: the kernel's USER_HZ, the same on all machines we run on.
pub const TICKS_A_SECOND: f64 = 100.0;
/// Word of the auxiliary vector before the page size.
const AT_PAGESZ: u64 = 6;

/// One process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Ticks of CPU used since it began.
    pub ticks: u64,
    /// Ticks from boot to its begin.
    pub began: u64,
    /// Threads.
    pub threads: u64,
    /// Resident bytes.
    pub resident: u64,
}

/// None: there is no such process.
pub fn sample(pid: u32) -> Option<Sample> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(stat: &str) -> Option<Sample> {
    // The name stands in parentheses and may hold anything, so the fields are counted from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Sample {
        ticks: number(14)? + number(15)?,
        began: number(22)?,
        threads: number(20)?,
        resident: number(24)? * page(),
    })
}

/// Open descriptors of a process; none: not ours to see.
pub fn descriptors(pid: u32) -> Option<u64> {
    let folder = format!("/proc/{pid}/fd");
    // Since Linux 6.2 the folder's size is their number; to list thousands takes long.
    match fs::metadata(&folder).ok()?.len() {
        0 => Some(fs::read_dir(folder).ok()?.count() as u64),
        count => Some(count),
    }
}

/// Seconds since boot.
pub fn up_s() -> Option<f64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Bytes of a page.
fn page() -> u64 {
    static PAGE: OnceLock<u64> = OnceLock::new();
    *PAGE.get_or_init(|| {
        let words = fs::read("/proc/self/auxv").unwrap_or_default();
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
        words
            .chunks_exact(16)
            .find(|pair| word(&pair[..8]) == AT_PAGESZ)
            .map_or(4096, |pair| word(&pair[8..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let stat = "7 (a) 1 (x) S 1 7 7 0 -1 4194304 96 0 0 0 30 12 0 0 20 0 5 0 900 2985984 10 1";
        let sample = parse(stat).unwrap();
        assert_eq!((sample.ticks, sample.threads, sample.began), (42, 5, 900));
        assert_eq!(sample.resident, 10 * page());
        assert_eq!(parse("7 (a"), None);
        assert_eq!(parse("7 (a) S 1"), None);
    }
}
