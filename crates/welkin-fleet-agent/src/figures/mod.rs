//! What nodes and their machine use, measured each 2 s by looking at few files.
//!
//! Of the processes only the nodes' own are looked at: those in a node's cgroup, else its main process and
//! what descends from it; never the whole of /proc. What can only be had from Linux's /proc is none
//! elsewhere. Rates are over the time since the last measuring, so the first one has none.

mod machine;
mod proc;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Instant;

use welkin_fleet_keeper::{cgroup, process};
use welkin_fleet_model::figures::{MachineFigures, NodeFigures};

use machine::Machine;
use proc::Sample;

/// Most processes of one node that are looked at; a node that forks without end must not stop the agent.
const PROCESSES_MAX: usize = 1_000;

/// A node to measure.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Its name.
    pub node: String,
    /// Its main process.
    pub pid: u32,
    /// Its cgroup, if it has one of its own.
    pub cgroup: Option<PathBuf>,
    /// Its memory limit in bytes.
    pub memory_limit: Option<u64>,
}

/// Remembers what the next measuring needs. Calls read files of the kernel and take about a millisecond.
#[derive(Debug, Default)]
pub struct Meter {
    machine: Machine,
    nodes: HashMap<String, Before>,
}

/// Of one node, at the last measuring.
#[derive(Debug)]
struct Before {
    at: Instant,
    main: u32,
    /// Ticks of CPU that each process had used, and when that process began.
    ticks: HashMap<u32, (u64, u64)>,
}

impl Meter {
    /// Has measured nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine.
    pub fn machine(&mut self) -> MachineFigures {
        self.machine.measure(Instant::now())
    }

    /// The nodes; those that are not named any more are forgotten. What only the node itself can tell is
    /// left none.
    pub fn nodes(&mut self, watched: &[Watched]) -> Vec<NodeFigures> {
        let up_s = proc::up_s();
        let named: BTreeSet<&str> = watched.iter().map(|node| node.node.as_str()).collect();
        self.nodes.retain(|node, _| named.contains(node.as_str()));
        let measure = |node| self.node(node, up_s);
        watched.iter().map(measure).collect()
    }

    fn node(&mut self, watched: &Watched, up_s: Option<f64>) -> NodeFigures {
        let mut figures = NodeFigures {
            node: watched.node.clone(),
            memory_limit: watched.memory_limit,
            ..NodeFigures::default()
        };
        let now = Instant::now();
        let samples: Vec<(u32, Sample)> = processes(watched)
            .into_iter()
            .filter_map(|pid| Some((pid, proc::sample(pid)?)))
            .collect();
        if samples.is_empty() {
            self.nodes.remove(&watched.node);
            return figures;
        }
        let sum = |part: fn(&Sample) -> u64| samples.iter().map(|(_, sample)| part(sample)).sum();
        figures.memory = Some(sum(|sample| sample.resident));
        figures.threads = Some(sum(|sample| sample.threads));
        figures.descriptors = samples
            .iter()
            .map(|(pid, _)| proc::descriptors(*pid))
            .sum::<Option<u64>>();
        let main = samples.iter().find(|(pid, _)| *pid == watched.pid);
        figures.uptime_s = main.zip(up_s).map(|((_, sample), up_s)| {
            (up_s - sample.began as f64 / proc::TICKS_A_SECOND).max(0.0) as u64
        });
        let ticks = samples
            .iter()
            .map(|(pid, sample)| (*pid, (sample.ticks, sample.began)))
            .collect();
        let this = Before {
            at: now,
            main: watched.pid,
            ticks,
        };
        let before = self.nodes.insert(watched.node.clone(), this);
        figures.cpu = before
            .filter(|before| before.main == watched.pid)
            .and_then(|before| cpu(&before, &samples, now));
        figures
    }
}

/// Percent of one core since the last measuring. What a process used that ended meanwhile is not in it.
fn cpu(before: &Before, samples: &[(u32, Sample)], now: Instant) -> Option<f64> {
    let used: u64 = samples
        .iter()
        .map(|(pid, sample)| match before.ticks.get(pid) {
            Some((ticks, began)) if *began == sample.began => sample.ticks.saturating_sub(*ticks),
            // New since then, all it used it used since then.
            _ => sample.ticks,
        })
        .sum();
    let elapsed = now.duration_since(before.at).as_secs_f64();
    (elapsed > 0.0).then(|| used as f64 / proc::TICKS_A_SECOND / elapsed * 100.0)
}

/// The processes of a node.
fn processes(watched: &Watched) -> Vec<u32> {
    if let Some(group) = &watched.cgroup {
        let mut all = cgroup::processes(group);
        all.truncate(PROCESSES_MAX);
        return all;
    }
    let mut all = vec![watched.pid];
    let mut next = 0;
    while next < all.len() && all.len() < PROCESSES_MAX {
        all.extend(process::children(all[next]));
        next += 1;
    }
    all.truncate(PROCESSES_MAX);
    all
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Child, Command};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// A process that is killed with its children when the test is over.
    struct Sh(Child);

    impl Drop for Sh {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn watched(node: &str, pid: u32) -> Watched {
        Watched {
            node: node.into(),
            pid,
            memory_limit: Some(1 << 30),
            ..Watched::default()
        }
    }

    #[test]
    fn a_node_is_all_its_processes() {
        let mut meter = Meter::new();
        let own = watched("own", std::process::id());
        let mut sh = Sh(Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap());
        let first = meter.nodes(std::slice::from_ref(&own)).remove(0);
        assert_eq!(first.cpu, None, "nothing to compare with");
        assert_eq!(first.memory_limit, Some(1 << 30));
        assert!(first.threads.unwrap() >= 2 && first.descriptors.unwrap() >= 4);
        let alone = meter.nodes(&[watched("cat", sh.0.id())]).remove(0);
        assert!(first.memory.unwrap() > alone.memory.unwrap());
        assert!(alone.uptime_s.unwrap() < 60);
        sh.0.kill().unwrap();
        sh.0.wait().unwrap();
        let gone = meter.nodes(&[watched("cat", sh.0.id())]).remove(0);
        assert_eq!((gone.memory, gone.cpu), (None, None));
    }

    #[test]
    fn a_busy_process_shows_its_cpu() {
        let mut meter = Meter::new();
        let own = watched("own", std::process::id());
        meter.nodes(std::slice::from_ref(&own));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(200) {
            std::hint::spin_loop();
        }
        let cpu = meter.nodes(&[own]).remove(0).cpu.unwrap();
        assert!(cpu > 0.0, "{cpu}");
    }

    #[test]
    fn a_machine_tells_what_it_has() {
        let mut meter = Meter::new();
        let first = meter.machine();
        assert_eq!(first.vmstat, None);
        let figures = loop {
            let figures = meter.machine();
            if figures.vmstat.is_some() {
                break figures;
            }
            thread::yield_now();
        };
        assert!(figures.cores.unwrap() >= 1);
        let memory = figures.memory.unwrap();
        assert!(memory.total > memory.free && memory.total >= memory.used);
        let vmstat = figures.vmstat.unwrap();
        let cpu = vmstat.us + vmstat.sy + vmstat.id + vmstat.wa;
        assert!((0.0..=100.5).contains(&cpu), "{vmstat:?}");
        assert!(figures.disks.iter().all(|disk| disk.total >= disk.used));
        assert!(figures.rx.is_some());
    }
}
