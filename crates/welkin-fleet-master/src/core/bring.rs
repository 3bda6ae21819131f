//! Releases on their way to machines that must run them and have not got them: a node that was given another
//! machine, a machine that was set up anew. An update brings its release itself, before it orders anything.

use welkin_fleet_model::wire::agent::{Order, Reply};

use super::tables::short;
use super::tasks::Asker;
use super::{Fleet, Machine};

/// What is damaged on the way is taken again twice.
const TRIES: u32 = 3;

/// Asks of no task have this number; those of tasks begin above it.
pub(super) const NO_TASK: u64 = 0;

impl Fleet {
    /// Has the machine take what its orders need.
    pub(super) fn bring_releases(&mut self, machine: &str, orders: &[Order]) {
        let needed = orders.iter().filter(|order| order.running);
        let mut needed: Vec<&String> = needed.filter_map(|o| o.release.as_ref()).collect();
        needed.sort();
        needed.dedup();
        let Some(known) = self.machines.get(machine) else {
            return;
        };
        let missing = |digest: &&&String| {
            !known.releases.contains(**digest) && !known.coming.contains_key(**digest)
        };
        let missing: Vec<String> = needed.iter().filter(missing).copied().cloned().collect();
        for digest in missing {
            self.bring(machine, &digest);
        }
    }

    fn bring(&mut self, machine: &str, digest: &str) {
        // One that is not here is brought when it comes.
        let Some(ask) = self.fetch(digest) else {
            return;
        };
        let asker = Asker {
            task: NO_TASK,
            what: digest.to_owned(),
        };
        if self.ask(machine, asker, ask, None).is_some()
            && let Some(known) = self.machines.get_mut(machine)
        {
            *known.coming.entry(digest.to_owned()).or_default() += 1;
        }
    }

    /// The machine has it, or says why not.
    pub(super) fn brought(&mut self, machine: &str, digest: &str, reply: Result<Reply, String>) {
        let Some(known) = self.machines.get_mut(machine) else {
            return;
        };
        match reply {
            Ok(_) => {
                known.coming.remove(digest);
                known.releases.insert(digest.to_owned());
            }
            Err(why) => {
                self.log(format!("release {} for {machine}: {why}", short(digest)));
                let tries = self.machines[machine].coming.get(digest);
                if tries.is_some_and(|tries| *tries < TRIES) {
                    self.bring(machine, digest);
                }
            }
        }
    }
}

impl Machine {
    /// What has failed may be tried again.
    pub(super) fn forgive(&mut self) {
        self.coming.retain(|_, tries| *tries < TRIES);
    }
}
