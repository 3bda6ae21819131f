//! Starting a node: what it needs is made, its key written down, its keeper begun.

use std::path::PathBuf;
use std::sync::Arc;

use welkin_fleet_keeper::agent::Handle;
use welkin_fleet_keeper::protocol::Who;
use welkin_fleet_keeper::start;
use welkin_fleet_model::entry::Limits;
use welkin_fleet_model::units;

use super::{Agent, Happened};
use crate::control::listen;
use crate::node::keeper::{self, Folder};
use crate::node::launch::{self, Launch};
use crate::node::{Confined, Guard};
use crate::supervise::{Action, End, Event, Supervisor};

impl Agent {
    pub(super) fn start(&mut self, name: &str) -> Vec<Action> {
        let now = self.now();
        match self.try_start(name) {
            Ok(()) => Vec::new(),
            Err(end) => match self.nodes.get_mut(name) {
                Some(node) => {
                    node.run_ended();
                    let attempt = node.supervisor.attempt();
                    node.supervisor.event(now, attempt, Event::StartFailed(end))
                }
                None => Vec::new(),
            },
        }
    }

    fn try_start(&mut self, name: &str) -> Result<(), End> {
        let later = |error: std::io::Error| End::Later(error.to_string());
        let settings = Arc::clone(&self.settings);
        let Some(node) = self.nodes.get_mut(name) else {
            return Ok(());
        };
        let Some(run) = node.supervisor.run().cloned() else {
            return Ok(());
        };
        let key = start::new_key().map_err(later)?;
        let report = node.supervisor.report();
        let shared = settings.folders.shared_name(name);
        let cgroup = self.cgroups.as_ref().map(|cgroups| cgroups.node(&shared));
        let started = launch::prepare(
            &settings,
            &Launch {
                entry: &run.entry,
                release: run.release.as_deref(),
                fleet: &self.orders.fleet,
                life: report.life,
                key: &key,
                cgroup,
            },
        )?;
        let owner = started.identity.as_ref().map(|user| (user.uid, user.gid));
        prepare_folder(&settings.folders.run(name)).map_err(later)?;
        // There to be followed before the first line is.
        std::fs::create_dir_all(settings.folders.logs(name)).map_err(later)?;
        let secrets = launch::secrets(&settings, name);
        self.secrets
            .write(&secrets, &run.entry.secrets, owner)
            .map_err(End::Missing)?;
        let listener = self.listen(name, owner).map_err(later)?;
        let Some(node) = self.nodes.get_mut(name) else {
            return Ok(());
        };
        node.key = Some(key);
        node.listener = Some(listener);
        // The key is on disk before anything is started under it.
        self.tell_changes(name);
        let Some(node) = self.nodes.get(name) else {
            return Ok(());
        };
        let written = node.written.as_ref().and_then(|w| w.start_key.as_ref());
        if written != node.key.as_ref() {
            return Err(End::Later("its start cannot be written down".to_owned()));
        }
        let attempt = node.supervisor.attempt();
        let folder = self.folder(name, &node.supervisor);
        let (happenings, name) = (self.happenings.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || {
            let begun = Box::new(keeper::begin(&folder, &started));
            let _ = happenings.send(Happened::Begun(name, attempt, begun));
        });
        Ok(())
    }

    pub(super) fn folder(&self, name: &str, supervisor: &Supervisor) -> Folder {
        let entry = supervisor.run().map(|run| &run.entry);
        Folder {
            program: self.settings.program.clone(),
            run: self.settings.folders.run(name),
            logs: self.settings.folders.logs(name),
            memory: entry.and_then(|entry| entry.limits.memory),
            changes: entry.is_some_and(|entry| entry.scripted),
        }
    }

    /// Accepts the node's control connections from now on.
    pub(super) fn listen(&self, name: &str, owner: Option<(u32, u32)>) -> std::io::Result<Guard> {
        let path = self.settings.folders.control(name);
        let listener = listen::bind(&path, owner)?;
        let (happenings, name) = (self.happenings.clone(), name.to_owned());
        let accepts = tokio::spawn(listen::accept(listener, move |stream| {
            let _ = happenings.send(Happened::Connecting(Some(name.clone()), stream));
        }));
        Ok(Guard(accepts.abort_handle()))
    }

    pub(super) fn begun(&mut self, name: &str, attempt: u64, begun: Result<Handle, End>) {
        match begun {
            Ok(handle) => {
                let pid = handle.who().pid;
                if self.attend(name, attempt, handle) {
                    self.event(name, attempt, Event::Started { pid });
                }
            }
            Err(end) => self.event(name, attempt, Event::StartFailed(end)),
        }
    }

    /// Watches over the node of a keeper.
    pub(super) fn attend(&mut self, name: &str, attempt: u64, handle: Handle) -> bool {
        let Some(node) = self.nodes.get(name) else {
            return false;
        };
        let folder = self.folder(name, &node.supervisor);
        let who = handle.who().clone();
        let run = node.supervisor.run();
        let loose = run.map_or_else(Vec::new, |run| not_kept(&run.entry.limits, &who));
        let notes = who.notes.iter().cloned();
        for note in notes.chain(loose.iter().map(Loose::whole)) {
            self.note(&format!("{name}: {note}"));
        }
        let confined = Confined {
            cgroup: who.cgroup.as_ref().map(PathBuf::from),
            memory: who.memory_enforced,
            notes: loose.into_iter().map(|loose| loose.short).collect(),
        };
        let (happenings, own) = (self.happenings.clone(), name.to_owned());
        let keeper = keeper::attend(folder, handle, move |news| {
            let _ = happenings.send(Happened::Keeper(own.clone(), attempt, news));
        });
        if let Some(node) = self.nodes.get_mut(name) {
            node.keeper = Some(keeper);
            node.confined = confined;
        }
        true
    }

    /// Secrets that changed while the node runs.
    pub(super) fn write_running_secrets(&mut self, name: &str, names: &[String]) {
        let Some(node) = self.nodes.get(name) else {
            return;
        };
        let Some(run) = node.supervisor.run().filter(|_| node.key.is_some()) else {
            return;
        };
        let Ok(identity) = launch::identity(&self.settings, &run.entry) else {
            return;
        };
        let owner = identity.as_ref().map(|user| (user.uid, user.gid));
        let folder: PathBuf = launch::secrets(&self.settings, name);
        if let Err(text) = self.secrets.write(&folder, names, owner) {
            self.note(&format!("{name}: {text}"));
        }
    }
}

/// A limit that the kernel does not hold.
#[derive(Debug, PartialEq, Eq)]
struct Loose {
    /// What is so, beside the node's state.
    short: String,
    /// Why, for logs.
    why: String,
}

impl Loose {
    fn whole(&self) -> String {
        format!("the {}: {}", self.short, self.why)
    }
}

/// Limits that the kernel does not hold, in words: nobody shall believe that it does.
fn not_kept(limits: &Limits, who: &Who) -> Vec<Loose> {
    let why = |controller: &str| match who.cgroup {
        Some(_) => format!("its cgroup has no {controller} controller"),
        None => "it has no cgroup of its own".to_owned(),
    };
    let memory = limits.memory.filter(|_| !who.memory_enforced);
    let memory = memory.map(|bytes| Loose {
        short: format!(
            "memory limit {} is watched by the agent, each second",
            units::show_size(bytes)
        ),
        why: why("memory"),
    });
    let cpu = limits.cpu.filter(|_| !who.cpu_enforced);
    let cpu = cpu.map(|cores| Loose {
        short: format!("cpu limit {cores} has no effect"),
        why: why("cpu"),
    });
    memory.into_iter().chain(cpu).collect()
}

/// The run folder, which a node of another user passes through to its own part.
fn prepare_folder(run: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(run)?;
    std::fs::set_permissions(run, std::fs::Permissions::from_mode(0o711))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_nobody_holds_is_said_to_have_no_effect() {
        let limits = Limits {
            memory: Some(64 << 20),
            nofile: None,
            cpu: Some(0.5),
        };
        let mut who = Who::default();
        let said = |who: &Who| -> Vec<String> {
            not_kept(&limits, who).iter().map(Loose::whole).collect()
        };
        assert_eq!(
            said(&who),
            [
                "the memory limit 64 MiB is watched by the agent, each second: it has no cgroup of its own",
                "the cpu limit 0.5 has no effect: it has no cgroup of its own",
            ]
        );
        who.cgroup = Some("/sys/fs/cgroup/a".to_owned());
        who.memory_enforced = true;
        assert_eq!(
            said(&who),
            ["the cpu limit 0.5 has no effect: its cgroup has no cpu controller"]
        );
        who.cpu_enforced = true;
        assert!(not_kept(&limits, &who).is_empty());
        assert!(not_kept(&Limits::default(), &Who::default()).is_empty());
    }
}
