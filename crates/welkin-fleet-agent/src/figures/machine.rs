//! The machine: what vmstat, free, df and the load average show.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use sysinfo::{Disks, System};
use welkin_fleet_keeper::Space;
use welkin_fleet_model::figures::{Disk, MachineFigures, Memory, VmStat};

/// How long the sizes of the disks are good for: to ask for them may take long, and they change slowly.
const DISKS_AGE: Duration = Duration::from_secs(15);

/// What the next measuring needs.
#[derive(Debug, Default)]
pub struct Machine {
    before: Option<(Instant, Counts)>,
    disks: Vec<Disk>,
    disks_at: Option<Instant>,
}

/// What the kernel only counts up.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counts {
    /// Ticks: user, nice, system, idle, waiting, interrupt, soft interrupt, stolen.
    cpu: [u64; 8],
    interrupts: u64,
    switches: u64,
    /// KiB.
    paged_in: u64,
    paged_out: u64,
    /// Bytes.
    received: u64,
    sent: u64,
}

impl Machine {
    /// All figures; rates since the last call.
    pub fn measure(&mut self, now: Instant) -> MachineFigures {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let counts = counts(
            &stat,
            &fs::read_to_string("/proc/vmstat").unwrap_or_default(),
            &fs::read_to_string("/proc/net/dev").unwrap_or_default(),
        );
        let mut figures = MachineFigures {
            cores: cores(&stat),
            load: Some(System::load_average().one),
            memory: memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            disks: self.disks(now),
            ..MachineFigures::default()
        };
        let Some(counts) = counts else {
            return figures;
        };
        if let Some((at, before)) = self.before.replace((now, counts.clone())) {
            rates(&mut figures, &before, &counts, now.duration_since(at));
            if let Some(vmstat) = &mut figures.vmstat {
                vmstat.r = after(&stat, "procs_running ").unwrap_or(0);
                vmstat.b = after(&stat, "procs_blocked ").unwrap_or(0);
            }
        }
        figures
    }

    fn disks(&mut self, now: Instant) -> Vec<Disk> {
        let stale = |at: Instant| now.duration_since(at) >= DISKS_AGE;
        if self.disks_at.is_none_or(stale) {
            self.disks = disks();
            self.disks_at = Some(now);
        }
        self.disks.clone()
    }
}

/// Each file system once, where it is mounted first.
fn disks() -> Vec<Disk> {
    let mut seen = BTreeMap::new();
    for disk in Disks::new_with_refreshed_list().list() {
        let mount = disk.mount_point().to_string_lossy().into_owned();
        let Ok(space) = Space::of(disk.mount_point()) else {
            continue;
        };
        let found = Disk {
            kind: disk.file_system().to_string_lossy().into_owned(),
            total: space.total,
            used: space.used,
            free: space.free,
            mount,
        };
        let name = disk.name().to_owned();
        let known: &mut Disk = seen.entry(name).or_insert_with(|| found.clone());
        if found.mount.len() < known.mount.len() {
            *known = found;
        }
    }
    let mut disks: Vec<Disk> = seen.into_values().filter(|disk| disk.total > 0).collect();
    disks.sort_by(|a, b| a.mount.cmp(&b.mount));
    disks
}

fn rates(figures: &mut MachineFigures, before: &Counts, now: &Counts, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    let mut ticks = [0.0; 8];
    for (at, ticks) in ticks.iter_mut().enumerate() {
        *ticks = now.cpu[at].saturating_sub(before.cpu[at]) as f64;
    }
    let all: f64 = ticks.iter().sum();
    if seconds <= 0.0 || all <= 0.0 {
        return;
    }
    let [user, nice, system, idle, waiting, hard, soft, _] = ticks.map(|part| part / all * 100.0);
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
    figures.cpu = Some((100.0 - idle - waiting).clamp(0.0, 100.0));
    figures.rx = Some(rate(now.received, before.received));
    figures.tx = Some(rate(now.sent, before.sent));
    figures.vmstat = Some(VmStat {
        bi: rate(now.paged_in, before.paged_in),
        bo: rate(now.paged_out, before.paged_out),
        interrupts: rate(now.interrupts, before.interrupts),
        switches: rate(now.switches, before.switches),
        us: user + nice,
        sy: system + hard + soft,
        id: idle,
        wa: waiting,
        ..VmStat::default()
    });
}

fn counts(stat: &str, vmstat: &str, net: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    let cpu = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    for (at, ticks) in cpu.split_ascii_whitespace().take(8).enumerate() {
        counts.cpu[at] = ticks.parse().ok()?;
    }
    counts.interrupts = after(stat, "intr ").unwrap_or(0);
    counts.switches = after(stat, "ctxt ").unwrap_or(0);
    counts.paged_in = after(vmstat, "pgpgin ").unwrap_or(0);
    counts.paged_out = after(vmstat, "pgpgout ").unwrap_or(0);
    for line in net.lines() {
        let Some((name, numbers)) = line.split_once(':') else {
            continue;
        };
        if name.trim() == "lo" {
            continue;
        }
        let numbers: Vec<u64> = numbers
            .split_ascii_whitespace()
            .map(|number| number.parse().unwrap_or(0))
            .collect();
        counts.received += numbers.first().unwrap_or(&0);
        counts.sent += numbers.get(8).unwrap_or(&0);
    }
    Some(counts)
}

/// The number that follows a word at the begin of a line.
fn after(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn cores(stat: &str) -> Option<u32> {
    let cores = stat
        .lines()
        .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "))
        .count();
    u32::try_from(cores).ok().filter(|cores| *cores > 0)
}

fn memory(meminfo: &str) -> Option<Memory> {
    let bytes = |name: &str| after(meminfo, name).map(|kib| kib * 1024);
    let total = bytes("MemTotal:")?;
    let available = bytes("MemAvailable:")?;
    let swap_total = bytes("SwapTotal:").unwrap_or(0);
    Some(Memory {
        total,
        used: total.saturating_sub(available),
        free: bytes("MemFree:")?,
        available,
        buffers: bytes("Buffers:").unwrap_or(0),
        cached: bytes("Cached:").unwrap_or(0) + bytes("SReclaimable:").unwrap_or(0),
        swap_used: swap_total.saturating_sub(bytes("SwapFree:").unwrap_or(0)),
        swap_total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET: &str = "Inter-| Receive\n face |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n\
                       eth0: 1000 2 0 0 0 0 0 0 500 3 0 0 0 0 0 0\n";

    #[test]
    fn rates_are_differences_over_time() {
        let first = counts(
            "cpu 0 0 0 0 0 0 0 0\nintr 10 1 2\nctxt 5\n",
            "pgpgin 1\npgpgout 1\n",
            NET,
        );
        let later = counts(
            "cpu 50 0 20 100 30 0 0 0\nintr 30 1 2\nctxt 105\n",
            "pgpgin 21\npgpgout 3\n",
            &NET.replace("1000", "5000"),
        );
        let mut figures = MachineFigures::default();
        let elapsed = Duration::from_secs(2);
        rates(&mut figures, &first.unwrap(), &later.unwrap(), elapsed);
        let vmstat = figures.vmstat.unwrap();
        assert_eq!(
            (vmstat.us, vmstat.sy, vmstat.id, vmstat.wa),
            (25.0, 10.0, 50.0, 15.0)
        );
        assert_eq!((vmstat.bi, vmstat.bo), (10.0, 1.0));
        assert_eq!((vmstat.interrupts, vmstat.switches), (10.0, 50.0));
        assert_eq!(
            (figures.cpu, figures.rx, figures.tx),
            (Some(35.0), Some(2000.0), Some(0.0))
        );
    }

    #[test]
    fn memory_in_use_is_what_programs_cannot_have() {
        let text = "MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable: 60 kB\nBuffers: 1 kB\n\
                    Cached: 20 kB\nSwapTotal: 8 kB\nSwapFree: 6 kB\nSReclaimable: 2 kB\n";
        let memory = memory(text).unwrap();
        assert_eq!((memory.total, memory.used), (100 << 10, 40 << 10));
        assert_eq!((memory.cached, memory.swap_used), (22 << 10, 2 << 10));
        assert_eq!(super::memory("nothing"), None);
    }
}
