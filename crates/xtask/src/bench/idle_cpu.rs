//! CPU of a node that has nothing to do, over 20 s.

use super::Row;
use super::node::{Kind, Node};
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(30);
/// What boot leaves to be done (the last log lines, the first collection) has ended by then.
const REST: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(20);
/// Per cent of one core.
const LIMIT: f64 = 0.1;

pub fn run(kind: &Kind) -> Result<Vec<Row>, String> {
    let node = Node::start(kind, "idle", &[])?;
    node.wait_ready(BOOT)?;
    std::thread::sleep(REST);
    let before = cpu_seconds(node.pid())?;
    std::thread::sleep(MEASURED);
    let used = cpu_seconds(node.pid())? - before;
    Ok(vec![Row {
        name: "idle node".to_string(),
        value: used / MEASURED.as_secs_f64() * 100.0,
        unit: "% core",
        limit: LIMIT,
    }])
}

/// CPU time of all threads of a process.
///
/// The scheduler's own count has nanoseconds; where a kernel does not offer it, `/proc/PID/stat` has
/// hundredths of a second, which over 20 s is half of the limit.
pub fn cpu_seconds(pid: u32) -> Result<f64, String> {
    if let Some(nanoseconds) = scheduled(pid) {
        return Ok(nanoseconds / 1e9);
    }
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {path}: {e}"))?;
    stat_ticks(&stat)
        .map(|ticks| ticks / 100.0)
        .ok_or_else(|| format!("{path} has an unknown form"))
}

fn scheduled(pid: u32) -> Option<f64> {
    let mut sum = 0.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let file = task.ok()?.path().join("schedstat");
        let text = std::fs::read_to_string(file).ok()?;
        sum += text.split_whitespace().next()?.parse::<f64>().ok()?;
    }
    Some(sum)
}

/// User and system time, the fields 14 and 15; the name in field 2 may hold blanks.
fn stat_ticks(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_does_not_shift_the_fields() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 7 5 0 0 20 0 1 0";
        assert_eq!(stat_ticks(stat), Some(12.0));
    }
}
