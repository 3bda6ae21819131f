//! The agent's own binary: becoming another, and coming back.
//!
//! The new binary is run in the agent's place (exec), so nodes, keepers and the process stay as they are.
//! What a unit or a service starts next time is the link `DIR/welkin`; it is switched only after the new
//! binary has been linked to the master for [`PROBATION_MS`]. If that does not happen within
//! [`PATIENCE_MS`], the old one is run again; if the new one dies, whoever restarts the agent takes the
//! link, and so the old one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use welkin_fleet_keeper::{protocol, start};

use super::Agent;
use super::asks::Then;
use crate::settings::Settings;
use crate::supervise::Now;
use crate::{Outcome, say};

/// How long the new one has to be linked to the master.
const PROBATION_MS: u64 = 60_000;
/// How long it has for that, all in all.
const PATIENCE_MS: u64 = 300_000;
/// How long a binary may take to say what it knows.
const LIMIT: Duration = Duration::from_secs(10);
/// In the agent's folder: a change of the binary under way.
const PLAN: &str = "upgrade.json";
/// In the agent's folder: the binary that is started next time.
pub const LINK: &str = "welkin";
/// What a binary is asked: its keepers' protocol, as a number.
pub const PROTOCOL_WORD: &str = "--keeper-protocol";

/// A binary that was looked at.
pub(crate) struct New {
    program: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Plan {
    old: PathBuf,
    new: PathBuf,
}

/// A binary that has to prove itself: the one that runs now.
pub(super) struct Probation {
    plan: Plan,
    linked_since: Option<u64>,
    until: u64,
}

impl Probation {
    /// Whether this binary has still to prove itself.
    pub(super) fn begin(settings: &Settings, now: Now) -> Option<Self> {
        let dir = settings.folders.dir();
        let plan = start::read::<Plan>(dir, PLAN).unwrap_or_default()?;
        if plan.new == settings.program {
            say("this binary is on probation until it has spoken with the master for 60 s");
            return Some(Self::of(plan, now));
        }
        say(&format!(
            "the upgrade to {} failed: the old binary is back",
            plan.new.display()
        ));
        forget(dir);
        None
    }

    fn of(plan: Plan, now: Now) -> Self {
        Self {
            plan,
            linked_since: None,
            until: now.ms + PATIENCE_MS,
        }
    }

    fn due(&self) -> u64 {
        match self.linked_since {
            Some(since) => (since + PROBATION_MS).min(self.until),
            None => self.until,
        }
    }

    fn has_proved_itself(&self, now: Now) -> bool {
        let held = |since| now.ms >= since + PROBATION_MS;
        self.linked_since.is_some_and(held)
    }
}

impl Agent {
    pub(super) fn upgrade(&mut self, id: u64, digest: &str) {
        let releases = self.settings.folders.releases();
        if !welkin_fleet_release::have(&releases, digest) {
            return self.reply(id, Err("that release is not here".to_owned()));
        }
        if self.upgrade.is_some() {
            let text = "the present binary is on probation itself; try again in a minute";
            return self.reply(id, Err(text.to_owned()));
        }
        let program = releases.join(digest).join("welkin");
        self.work(id, async move {
            match look(&program).await {
                Ok(version) => {
                    let reply = welkin_fleet_model::wire::agent::Reply {
                        output: version,
                        ..Default::default()
                    };
                    (Ok(reply), Then::Upgrade(New { program }))
                }
                Err(error) => (Err(error), Then::Nothing),
            }
        });
    }

    pub(super) fn become_new(&mut self, new: New) {
        let plan = Plan {
            old: self.settings.program.clone(),
            new: new.program,
        };
        if plan.old == plan.new {
            return;
        }
        let dir = self.settings.folders.dir();
        // A start by a unit must find the old one until the new one has proved itself.
        let linked = link(dir, &plan.old).and_then(|()| start::write(dir, PLAN, &plan));
        match linked {
            Ok(()) => {
                say(&format!("becoming {}", plan.new.display()));
                self.end = Some((Outcome::Become(plan.new), None));
            }
            Err(error) => self.note(&format!("no upgrade: {error}")),
        }
    }

    pub(super) fn upgrade_linked(&mut self, linked: bool) {
        let now = self.now();
        if let Some(probation) = &mut self.upgrade {
            probation.linked_since = linked.then_some(now.ms);
        }
    }

    /// What comes back if the present binary does not prove itself.
    pub(super) fn old_program(&self) -> Option<&Path> {
        let probation = self.upgrade.as_ref()?;
        Some(&probation.plan.old)
    }

    pub(super) fn upgrade_due(&self) -> Option<u64> {
        self.upgrade.as_ref().map(Probation::due)
    }

    pub(super) fn see_to_upgrade(&mut self, now: Now) {
        let Some(probation) = self.upgrade.take_if(|probation| probation.due() <= now.ms) else {
            return;
        };
        let dir = self.settings.folders.dir();
        if !probation.has_proved_itself(now) {
            say("this binary has not spoken with the master: the old one comes back");
            self.end = Some((Outcome::Become(probation.plan.old), None));
            return;
        }
        match link(dir, &probation.plan.new) {
            Ok(()) => {
                forget(dir);
                self.note("the new binary has proved itself");
            }
            Err(error) => self.note(&format!("the new binary cannot be linked: {error}")),
        }
    }
}

/// What the binary says; the error is why it cannot be the agent's.
async fn look(program: &Path) -> Result<String, String> {
    let version = said(program, &["--version"]).await?;
    let speaks = said(program, &["fleet", "agent", PROTOCOL_WORD]).await?;
    match speaks.parse::<u32>() {
        Ok(speaks) if speaks >= protocol::PROTOCOL => Ok(version),
        _ => Err(format!(
            "{version} does not know the protocol of the keepers that run"
        )),
    }
}

async fn said(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let failed = |text: String| format!("{}: {text}", program.display());
    match tokio::time::timeout(LIMIT, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(Ok(output)) => Err(failed(output.status.to_string())),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("it does not end".to_owned())),
    }
}

/// Lets [`LINK`] lead to `program`, in one step.
pub(crate) fn link(dir: &Path, program: &Path) -> io::Result<()> {
    if program == dir.join(LINK) {
        return Ok(());
    }
    let beside = dir.join(".welkin.new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(program, &beside)?;
    fs::rename(&beside, dir.join(LINK))
}

fn forget(dir: &Path) {
    if let Err(error) = fs::remove_file(dir.join(PLAN)) {
        say(&format!("{}: {error}", dir.join(PLAN).display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { ms, unix_ms: 0 }
    }

    #[test]
    fn a_binary_proves_itself_by_a_minute_without_a_gap() {
        let mut probation = Probation::of(Plan::default(), at(1_000));
        assert_eq!(probation.due(), 1_000 + PATIENCE_MS);
        probation.linked_since = Some(5_000);
        assert_eq!(probation.due(), 5_000 + PROBATION_MS);
        assert!(!probation.has_proved_itself(at(5_000 + PROBATION_MS - 1)));
        assert!(probation.has_proved_itself(at(5_000 + PROBATION_MS)));
        // A link that broke counts for nothing; one that came too late does not count either.
        probation.linked_since = None;
        assert_eq!(probation.due(), 1_000 + PATIENCE_MS);
        probation.linked_since = Some(PATIENCE_MS);
        assert_eq!(probation.due(), 1_000 + PATIENCE_MS);
        assert!(!probation.has_proved_itself(at(probation.due())));
    }
}
