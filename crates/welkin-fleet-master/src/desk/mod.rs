//! The commands that need no word of an agent: certificates, secrets, releases, histories, the backup.
//!
//! Each change is written together with its line of the audit log, and answered when it is on disk. What
//! the core must know of (a release that came, a secret that was set) is told to it afterwards.

pub(crate) mod backup;
pub(crate) mod base64;
mod certificates;
mod histories;
pub(crate) mod releases;
mod secrets;
pub(crate) mod upload;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use welkin_fleet_model::table::{self, row};
use welkin_fleet_model::wire::client::{Command, FromMaster, Options, Outcome, Status, Trouble};
use welkin_fleet_store::{Store, StoreError};
use welkin_fleet_trust::{Authority, Issued, Peer};

use crate::core::{Asked, CallId, Input, Who};
use crate::log;
use crate::serve::{Event, Office, persist};

/// What is answered at the desk.
pub(crate) struct Desk {
    pub store: Arc<Store>,
    pub authority: Arc<Authority>,
    pub office: Arc<Office>,
    pub events: mpsc::Sender<Event>,
    /// The master's folder.
    pub dir: PathBuf,
    /// Set by `--end`.
    pub end: watch::Sender<bool>,
}

/// A refusal for people, or the answer.
type Answer = Result<Outcome, String>;

impl Desk {
    /// Whether the command is for the desk, at least at first.
    pub(crate) fn does(command: &Command) -> bool {
        matches!(
            command,
            Command::Releases { .. }
                | Command::SecretSet { .. }
                | Command::SecretList
                | Command::SecretDrop { .. }
                | Command::Token { .. }
                | Command::Certs { .. }
                | Command::Revoke { .. }
                | Command::Audit { .. }
                | Command::Backup { .. }
                | Command::History { .. }
                | Command::End
                | Command::Update {
                    release: Some(_),
                    ..
                }
                | Command::Upgrade { .. }
        )
    }

    /// Carries a command out and answers.
    pub(crate) async fn call(
        self: &Arc<Self>,
        call: CallId,
        who: Who,
        command: Command,
        options: Options,
    ) {
        let target = target_of(&command);
        let columns = table::columns(&command);
        let word = word_of(&command);
        let answer = match command {
            Command::Update { .. } | Command::Upgrade { .. } => {
                match self.resolved(command).await {
                    Ok(command) => {
                        let input = Input::Call {
                            call,
                            who,
                            command: Box::new(command),
                            options,
                        };
                        return self.tell(input).await;
                    }
                    Err(why) => Err(why),
                }
            }
            Command::Backup { passphrase } => self.backup(call, &who, passphrase).await,
            other => {
                let (desk, who) = (self.clone(), who.clone());
                let done = tokio::task::spawn_blocking(move || desk.blocking(&who, other)).await;
                done.unwrap_or_else(|_| {
                    Err("the master could not do it; its log says why".to_owned())
                })
            }
        };
        let mut outcome = match answer {
            Ok(outcome) => outcome,
            Err(why) => {
                self.audit(&who, word, &target, &format!("refused: {why}"))
                    .await;
                refusal(&target, why)
            }
        };
        if outcome.columns.is_empty() {
            outcome.columns = columns.iter().map(|column| (*column).to_owned()).collect();
        }
        self.done(call, outcome);
    }

    fn blocking(&self, who: &Who, command: Command) -> Answer {
        match command {
            Command::Releases { prune } => self.releases(who, prune),
            Command::SecretSet { name, content } => self.secret_set(who, &name, &content),
            Command::SecretList => self.secret_list(),
            Command::SecretDrop { name } => self.secret_drop(who, &name),
            Command::Token {
                name,
                role,
                ttl_ms,
                replace,
            } => self.token(who, &name, &role, ttl_ms, replace),
            Command::Certs { rotate_ca } => self.certificates(who, rotate_ca),
            Command::Revoke { name } => self.revoke(who, &name),
            Command::Audit {
                since_unix_ms,
                node,
                verify,
                logged,
            } => self.audit_log(since_unix_ms, node.as_deref(), verify, &logged),
            Command::History { node } => self.history(&node),
            Command::End => {
                self.write_audit(who, "end", "", "done")?;
                self.end.send_replace(true);
                Ok(Outcome::default())
            }
            other => Err(format!("{} is not done here", word_of(&other))),
        }
    }

    pub(crate) async fn renew(&self, peer: Peer, request: String) -> Result<Issued, String> {
        let authority = self.authority.clone();
        let issued = tokio::task::spawn_blocking(move || authority.renew(&peer, &request)).await;
        issued.map_err(|_| "the certificate could not be made".to_owned())?
    }

    /// The end of a call.
    pub(crate) fn done(&self, call: CallId, outcome: Outcome) {
        let outcome = Box::new(outcome);
        self.office
            .answer(call, |id| FromMaster::Done { id, outcome }, true);
    }

    pub(crate) async fn tell(&self, input: Input) {
        let _ = self.events.send(Event::Input(input)).await;
    }

    fn tell_blocking(&self, input: Input) {
        let _ = self.events.blocking_send(Event::Input(input));
    }

    /// Digests that nodes run or would go back to.
    fn in_use(&self) -> std::collections::BTreeSet<String> {
        let (answer, asked) = oneshot::channel();
        let _ = self.events.blocking_send(Event::InUse(answer));
        asked.blocking_recv().unwrap_or_default()
    }

    /// A line of the audit log alone.
    fn write_audit(
        &self,
        who: &Who,
        command: &str,
        target: &str,
        result: &str,
    ) -> Result<(), String> {
        let record = persist::audit(&asked(who, command, target, result));
        let written = self.store.change(|to| to.audit(record).map(drop));
        written.map_err(|error: StoreError| error.to_string())
    }

    async fn audit(self: &Arc<Self>, who: &Who, command: &str, target: &str, result: &str) {
        let desk = self.clone();
        let (who, command) = (who.clone(), command.to_owned());
        let (target, result) = (target.to_owned(), result.to_owned());
        let write = move || desk.write_audit(&who, &command, &target, &result);
        if let Ok(Err(why)) = tokio::task::spawn_blocking(write).await {
            log::line(&why);
        }
    }

    /// Somebody asked for what his role does not permit.
    pub(crate) async fn audit_refusal(self: &Arc<Self>, who: &Who, command: &Command, why: &str) {
        let result = format!("refused: {why}");
        self.audit(who, word_of(command), &target_of(command), &result)
            .await;
    }
}

/// The answer that nothing was done.
fn refusal(target: &str, why: String) -> Outcome {
    let trouble = Trouble {
        node: target.to_owned(),
        code: "refused".to_owned(),
        text: why,
    };
    Outcome {
        status: Status::Failed,
        errors: vec![trouble],
        ..Outcome::default()
    }
}

/// A line of the audit log of this moment.
fn asked(who: &Who, command: &str, target: &str, result: &str) -> Asked {
    Asked {
        unix_ms: log::unix_ms(),
        who: who.name.clone(),
        from: who.from.clone(),
        command: command.to_owned(),
        target: target.to_owned(),
        result: result.to_owned(),
    }
}

fn words(error: StoreError) -> String {
    error.to_string()
}

/// What an operator typed.
fn word_of(command: &Command) -> &'static str {
    match command {
        Command::Start { .. } => "start",
        Command::Stop { .. } => "stop",
        Command::Restart { .. } => "restart",
        Command::Drain { .. } => "drain",
        Command::Update { .. } | Command::UpdateScript { .. } => "update",
        Command::UpdateContinue => "update --continue",
        Command::UpdateCancel => "update --cancel",
        Command::Rollback { .. } => "rollback",
        Command::Releases { .. } => "releases",
        Command::Logs { .. } => "logs",
        Command::Exec { .. } => "exec",
        Command::Apply { .. } => "apply",
        Command::SecretSet { .. } => "secret set",
        Command::SecretList => "secret list",
        Command::SecretDrop { .. } => "secret drop",
        Command::Token { .. } => "token",
        Command::Certs { .. } => "certs",
        Command::Revoke { .. } => "revoke",
        Command::Upgrade { .. } => "upgrade",
        Command::Audit { .. } => "audit",
        Command::Backup { .. } => "backup",
        Command::History { .. } => "history",
        Command::Classic { .. } => "cluster config",
        Command::End => "end",
        Command::SetOnline { .. } => "set_online",
        _ => "status",
    }
}

fn target_of(command: &Command) -> String {
    match command {
        Command::Start { sel, .. }
        | Command::Stop { sel }
        | Command::Restart { sel, .. }
        | Command::Drain { sel, .. }
        | Command::Update { sel, .. }
        | Command::UpdateScript { sel, .. }
        | Command::Rollback { sel } => sel.join(" "),
        Command::Logs { node, .. }
        | Command::Exec { node, .. }
        | Command::History { node }
        | Command::SetOnline { node, .. } => node.clone(),
        Command::SecretSet { name, .. }
        | Command::SecretDrop { name }
        | Command::Token { name, .. }
        | Command::Revoke { name } => name.clone(),
        Command::Upgrade { machines, .. } => machines.join(" "),
        _ => String::new(),
    }
}
