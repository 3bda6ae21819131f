//! The commands, one after the other: what each does beside a call to the master.

mod apply;
mod backup;
mod keys;
mod logs;
mod update;

use std::time::Duration;

use welkin_fleet_model::units::show_time;
use welkin_fleet_model::wire::client::{Command, Outcome, Status};

use crate::Restore;
use crate::connect::Master;
use crate::failure::Failure;
use crate::session::{End, Extra, Session};
use crate::show::{self, Progress};
use crate::terminal;
use crate::words::How;
use crate::words::work::Work;

/// How long an answer may take that waits for no node.
const ANSWER: Duration = Duration::from_secs(10);
/// Exit status after Ctrl-C, as of a program that the signal ended.
const INTERRUPTED: u8 = 130;

/// Does the work; gives the exit status.
pub async fn carry_out(how: &How, work: Work, restore: Restore) -> Result<u8, Failure> {
    match work {
        Work::Call { command, waits } => {
            let mut master = Client::open(how).await?;
            let status = master.show(command, waits).await?;
            master.close(status).await
        }
        Work::Risky { command, verb, sel } => {
            let mut master = Client::open(how).await?;
            if let Some(status) = master.confirm(verb, &sel).await? {
                return master.close(status).await;
            }
            let status = master.show(command, true).await?;
            master.close(status).await
        }
        Work::Update {
            sel,
            release,
            signature,
            no_rollback,
        } => update::update(how, sel, release, signature, no_rollback).await,
        Work::Upgrade {
            machines,
            release,
            signature,
        } => update::upgrade(how, machines, release, signature).await,
        Work::Logs {
            command,
            node,
            follow,
        } => logs::logs(how, command, node, follow).await,
        Work::Apply {
            file,
            dry_run,
            restart,
        } => apply::apply(how, &file, dry_run, restart).await,
        Work::Import(file) => apply::import(how, &file),
        Work::SecretSet { name, from } => keys::secret(how, name, &from).await,
        Work::Enrol { token } => keys::enrol(how, &token).await,
        Work::SecretFile(file) => keys::secret_file(how, &file),
        Work::Verify { command, log } => keys::verify(how, command, log).await,
        Work::Backup { file, passphrase } => backup::backup(how, &file, passphrase.as_ref()).await,
        Work::Restore { file, passphrase } => {
            backup::restore(how, &file, passphrase.as_ref(), restore)
        }
    }
}

/// A session with the options of the command line.
pub struct Client<'a> {
    how: &'a How,
    session: Session,
}

impl<'a> Client<'a> {
    /// Finds the master and connects; `--timeout` holds for that too.
    pub async fn open(how: &'a How) -> Result<Self, Failure> {
        let master = Master::find(how)?;
        let limit = how.timeout_ms.map_or(ANSWER, Duration::from_millis);
        let session = match tokio::time::timeout(limit, Session::open(&master)).await {
            Ok(session) => session?,
            Err(_) => {
                let limit = show_time(limit.as_millis() as u64);
                return Err(Failure::unreachable(format!(
                    "the master did not answer within {limit}"
                )));
            }
        };
        Ok(Self { how, session })
    }

    /// What a call sends beside its command. `waits`: for nodes, as long as they take.
    pub fn extra(&self, waits: bool) -> Extra {
        let limit = self.how.timeout_ms.map(Duration::from_millis);
        Extra {
            upload: None,
            limit: limit.or((!waits).then_some(ANSWER)),
            or_busy: self.how.or_busy,
            now_or_never: self.how.now_or_never,
        }
    }

    /// A call whose answer is needed before going on.
    pub async fn ask(&mut self, command: Command) -> Result<Outcome, Failure> {
        let extra = self.extra(false);
        match self.session.call(command, extra, &mut Progress).await? {
            End::Done(outcome, _) => Ok(outcome),
            End::Interrupted => Err(Failure::failed("interrupted; nothing was done")),
        }
    }

    /// A call whose answer is shown.
    pub async fn show(&mut self, command: Command, waits: bool) -> Result<u8, Failure> {
        let extra = self.extra(waits);
        self.show_with(command, extra).await
    }

    /// The same, with an upload.
    pub async fn show_with(&mut self, command: Command, extra: Extra) -> Result<u8, Failure> {
        let key = match &command {
            Command::Export => Some("file"),
            Command::Token { .. } => Some("token"),
            Command::Exec { .. } => Some("output"),
            _ => None,
        };
        let changes = !matches!(
            command,
            Command::List { .. } | Command::Status { .. } | Command::Machines | Command::Export
        );
        match self.session.call(command, extra, &mut Progress).await? {
            End::Done(outcome, _) => Ok(match key {
                Some(key) => show::text(&outcome, key, self.how.json),
                None => show::outcome(&outcome, self.how.json),
            }),
            End::Interrupted => Ok(interrupted(changes)),
        }
    }

    /// Asks before more than one node is stopped or replaced. A status: there is nothing to go on with.
    pub async fn confirm(&mut self, verb: &str, sel: &[String]) -> Result<Option<u8>, Failure> {
        let one = |word: &String| word != "all" && !word.contains(['*', '?', ':']);
        if self.how.yes || (sel.len() == 1 && sel.iter().all(one)) {
            return Ok(None);
        }
        let outcome = self.ask(Command::List { sel: sel.to_vec() }).await?;
        if outcome.status != Status::Done {
            return Ok(Some(show::outcome(&outcome, self.how.json)));
        }
        let names: Vec<&str> = outcome
            .rows
            .iter()
            .filter_map(|row| row.get("node")?.as_str())
            .collect();
        if names.len() > 1 {
            terminal::confirm(&question(verb, &names)).await?;
        }
        Ok(None)
    }

    /// The session, for a call of another kind.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Ends the session.
    pub async fn close(self, status: u8) -> Result<u8, Failure> {
        self.session.close().await;
        Ok(status)
    }
}

/// `stop 12 nodes (a, b, c, ...)?`
fn question(verb: &str, names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let first: Vec<&str> = names.iter().copied().take(SHOWN).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("{verb} {} nodes ({}{more})?", names.len(), first.join(", "))
}

/// After Ctrl-C.
fn interrupted(changes: bool) -> u8 {
    if changes {
        eprintln!("welkin: interrupted; what was begun goes on: welkin fleet status");
    }
    INTERRUPTED
}
