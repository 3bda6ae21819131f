//! Commands: what each is turned into, who waits for it and how long, and what is written of it.

use std::collections::BTreeSet;

use serde_json::json;
use welkin_fleet_model::wire::agent::Ask;
use welkin_fleet_model::wire::client::{Command, Options, Outcome, Sel, Status, Trouble};

use super::callers::Caller;
use super::roll::{Driver, ONE_ROLL, start};
use super::tasks::{
    Drain, FiguresTask, Pass, Restart, ScriptTask, Start, Stop, Upgrade, Work, targets::Targets,
    trouble,
};
use super::{Asked, CallId, Change, Fleet, Who};

/// What a command does to the nodes it was given.
enum Wish {
    Start { no_wait: bool, force: bool },
    Stop { sweep: bool },
    Drain { on: bool },
    Restart { at_once: u32 },
    Script { restart: bool },
}

impl Fleet {
    pub(super) fn call(&mut self, call: CallId, who: Who, command: Command, options: &Options) {
        let deadline_ms = (options.timeout_ms > 0).then(|| self.now.mono_ms + options.timeout_ms);
        self.callers.insert(call, Caller { deadline_ms });
        if let Err(outcome) = self.dispatch(call, &who, command, options) {
            self.done(call, *outcome);
        }
    }

    /// `Err` is the answer, which is there at once.
    fn dispatch(
        &mut self,
        call: CallId,
        who: &Who,
        command: Command,
        options: &Options,
    ) -> Result<(), Box<Outcome>> {
        match command {
            Command::List { sel } => Err(Box::new(self.list(&self.pick(&sel)?))),
            Command::Status { sel } => Err(Box::new(self.status(&self.pick(&sel)?))),
            Command::Machines => Err(Box::new(self.machine_table())),
            Command::Figures { kind, sel } => self.figures(call, who, Some(kind), &sel),
            Command::Online { sel } => self.figures(call, who, None, &sel),
            Command::Logs {
                node,
                follow,
                since_unix_ms,
                lines,
                script,
            } => {
                let ask = Ask::Logs {
                    node: node.clone(),
                    lines,
                    since_unix_ms,
                    follow,
                    script,
                };
                self.pass(call, who, "logs", &node, ask)
            }
            Command::Exec { node, line } => {
                let ask = Ask::Exec {
                    node: node.clone(),
                    line,
                };
                self.pass(call, who, "exec", &node, ask)
            }
            Command::Apply {
                file,
                cluster,
                dry_run,
                restart,
            } => self.apply(call, who, file, cluster, dry_run, restart),
            Command::Classic { master, nodes } => {
                self.fresh_calls.push(call);
                Err(Box::new(self.classic(who, master, nodes)))
            }
            Command::Export => Err(Box::new(self.export())),
            Command::SetOnline { node, players } => Err(Box::new(self.set_online(&node, players))),
            Command::Snapshot => Err(Box::new(self.snapshot_outcome())),
            changing => self.change(call, who, changing, options),
        }
    }

    fn change(
        &mut self,
        call: CallId,
        who: &Who,
        command: Command,
        options: &Options,
    ) -> Result<(), Box<Outcome>> {
        let (word, nodes, wish) = match command {
            Command::Start {
                sel,
                no_wait,
                force,
            } => (
                "start",
                self.pick_all("start", who, &sel)?,
                Wish::Start { no_wait, force },
            ),
            Command::Stop { sel } => {
                let sweep = sel.is_empty() || sel.iter().any(|word| word == "all");
                (
                    "stop",
                    self.pick_all("stop", who, &sel)?,
                    Wish::Stop { sweep },
                )
            }
            Command::Drain { sel, off } => (
                "drain",
                self.pick_all("drain", who, &sel)?,
                Wish::Drain { on: !off },
            ),
            Command::Restart { sel, at_once } => (
                "restart",
                self.pick_all("restart", who, &sel)?,
                Wish::Restart { at_once },
            ),
            Command::UpdateScript { sel, restart } => (
                "update",
                self.pick_machines(who, &sel)?,
                Wish::Script { restart },
            ),
            other => return self.roll_command(call, who, other, options),
        };
        let free = match options.or_busy {
            true => self.drop_busy(call, who, word, nodes)?,
            false => nodes,
        };
        let holds = free.iter().cloned().collect();
        let work = self.work(wish, free, options.now_or_never);
        self.add_task(Some(call), who.clone(), word, holds, work);
        Ok(())
    }

    fn work(&self, wish: Wish, nodes: Vec<String>, now_or_never: bool) -> Work {
        match wish {
            Wish::Start { no_wait, force } => Work::Start(Start {
                targets: Targets::new(nodes),
                no_wait,
                force,
                now_or_never,
            }),
            Wish::Stop { sweep } => Work::Stop(Stop {
                targets: Targets::new(nodes),
                now_or_never,
                sweep,
            }),
            Wish::Drain { on } => Work::Drain(Drain {
                targets: Targets::new(nodes),
                on,
                now_or_never,
            }),
            Wish::Restart { at_once } => {
                Work::Restart(Restart::new(self.in_order(&nodes), at_once, now_or_never))
            }
            Wish::Script { restart } => {
                let own = self.plan.own.as_ref();
                let others: Vec<String> =
                    nodes.iter().filter(|n| Some(*n) != own).cloned().collect();
                let again = restart.then(|| Restart::new(self.in_order(&others), 1, now_or_never));
                Work::Script(ScriptTask::new(self.by_machine(&nodes), again))
            }
        }
    }

    fn roll_command(
        &mut self,
        call: CallId,
        who: &Who,
        command: Command,
        options: &Options,
    ) -> Result<(), Box<Outcome>> {
        match command {
            Command::Update {
                sel,
                release,
                label,
                no_rollback,
                ..
            } => {
                let nodes = self.pick_all("update", who, &sel)?;
                let Some(release) = release else {
                    return Err(self.refused(who, "update", "", "no release was named"));
                };
                self.roll_over(call, who, options, nodes, Some(release), label, no_rollback)
            }
            Command::Rollback { sel } => {
                if self.roll_paused_back(call, who).is_some() {
                    return Ok(());
                }
                let nodes = self.pick_all("rollback", who, &sel)?;
                self.roll_over(call, who, options, nodes, None, String::new(), false)
            }
            Command::UpdateContinue => match self.continue_roll(call, who.clone()) {
                Ok(_) => Ok(()),
                Err(why) => Err(self.refused(who, "update --continue", "", &why)),
            },
            Command::UpdateCancel => match self.cancel_roll(call, who.clone()) {
                Ok(Some(_)) => Ok(()),
                Ok(None) => {
                    self.fresh_calls.push(call);
                    self.audit(who, "update --cancel", "", "accepted");
                    let tail = vec!["cancelled: what was switched goes back".to_owned()];
                    Err(Box::new(Outcome {
                        tail,
                        ..Outcome::default()
                    }))
                }
                Err(why) => Err(self.refused(who, "update --cancel", "", &why)),
            },
            Command::Upgrade {
                machines, release, ..
            } => self.upgrade(call, who, machines, release),
            other => {
                let word = format!("{other:?}");
                let word = word
                    .split([' ', '{'])
                    .next()
                    .unwrap_or_default()
                    .to_lowercase();
                Err(self.refused(who, &word, "", "this master does not know the command"))
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn roll_over(
        &mut self,
        call: CallId,
        who: &Who,
        options: &Options,
        nodes: Vec<String>,
        release: Option<String>,
        label: String,
        no_rollback: bool,
    ) -> Result<(), Box<Outcome>> {
        let word = if release.is_some() {
            "update"
        } else {
            "rollback"
        };
        let scripted = nodes
            .iter()
            .find(|n| self.nodes.get(*n).is_some_and(|n| n.entry.scripted));
        if let Some(node) = scripted {
            let why = format!(
                "node {node} is run by scripts and stands in no fleet file: it has no release"
            );
            return Err(self.refused(who, word, node, &why));
        }
        let mut holds: BTreeSet<String> = nodes.iter().cloned().collect();
        holds.insert(ONE_ROLL.to_owned());
        if options.or_busy
            && let Some((node, text)) = self.busy(&holds).into_iter().next()
        {
            self.audit(who, word, &nodes.join(" "), &format!("refused: {text}"));
            let node = if node == ONE_ROLL { "" } else { &node };
            return Err(Box::new(failed(vec![trouble(node, "busy", text)])));
        }
        let plan = start::Plan {
            nodes: nodes.into_iter().collect(),
            release,
            label,
            no_rollback,
            by: who.name.clone(),
        };
        self.add_task(
            Some(call),
            who.clone(),
            word,
            holds,
            Work::Roll(Driver::new(plan)),
        );
        Ok(())
    }

    fn upgrade(
        &mut self,
        call: CallId,
        who: &Who,
        machines: Vec<String>,
        release: String,
    ) -> Result<(), Box<Outcome>> {
        if let Some(unknown) = machines.iter().find(|m| !self.machines.contains_key(*m)) {
            let why = format!("unknown machine {unknown}; welkin fleet machines shows them");
            return Err(self.refused(who, "upgrade", unknown, &why));
        }
        let work = Work::Upgrade(Upgrade::new(machines.clone(), release));
        // As a selection names a machine: no node is held by it.
        let holds = machines.iter().map(|m| format!("machine:{m}")).collect();
        self.add_task(Some(call), who.clone(), "upgrade", holds, work);
        Ok(())
    }

    fn figures(
        &mut self,
        call: CallId,
        who: &Who,
        kind: Option<welkin_fleet_model::wire::client::Figures>,
        sel: &Sel,
    ) -> Result<(), Box<Outcome>> {
        let nodes = self.pick(sel)?;
        self.add_task(
            Some(call),
            who.clone(),
            "figures",
            BTreeSet::new(),
            Work::Figures(FiguresTask { kind, nodes }),
        );
        Ok(())
    }

    fn pass(
        &mut self,
        call: CallId,
        who: &Who,
        word: &'static str,
        node: &str,
        ask: Ask,
    ) -> Result<(), Box<Outcome>> {
        let Some(known) = self.nodes.get(node) else {
            return Err(Box::new(failed(vec![trouble(
                node,
                "unknown-node",
                format!("unknown node {node}"),
            )])));
        };
        let machine = known.entry.machine.clone();
        if word == "exec" {
            let line = match &ask {
                Ask::Exec { line, .. } => line.clone(),
                _ => String::new(),
            };
            self.audit(who, &format!("exec {line}"), node, "accepted");
        }
        self.add_task(
            Some(call),
            who.clone(),
            word,
            BTreeSet::new(),
            Work::Pass(Pass::new(machine, node.to_owned(), ask)),
        );
        Ok(())
    }

    /// `--or-busy`: nodes on which another command is at work are answered, the others stay. If none
    /// stays, that is the answer.
    fn drop_busy(
        &mut self,
        call: CallId,
        who: &Who,
        word: &str,
        nodes: Vec<String>,
    ) -> Result<Vec<String>, Box<Outcome>> {
        let busy = self.busy(&nodes.iter().cloned().collect());
        if busy.is_empty() {
            return Ok(nodes);
        }
        for (node, text) in &busy {
            self.audit(who, word, node, &format!("refused: {text}"));
        }
        let free: Vec<String> = nodes
            .into_iter()
            .filter(|n| !busy.iter().any(|(b, _)| b == n))
            .collect();
        let troubles: Vec<Trouble> = busy
            .iter()
            .map(|(node, text)| trouble(node, "busy", text))
            .collect();
        if free.is_empty() {
            let mut outcome = failed(troubles);
            outcome.columns = ["node", "result"].map(str::to_owned).to_vec();
            for (node, text) in busy {
                outcome.rows.push(super::tables::row([
                    ("node", json!(node)),
                    ("result", json!(text)),
                ]));
            }
            return Err(Box::new(outcome));
        }
        self.busy_answers.insert(call, troubles);
        Ok(free)
    }

    /// An answer that is also written down: who asked for what, and that it was refused.
    pub(super) fn refused(
        &mut self,
        who: &Who,
        command: &str,
        target: &str,
        why: &str,
    ) -> Box<Outcome> {
        let why = why.strip_prefix("refused: ").unwrap_or(why);
        self.audit(who, command, target, &format!("refused: {why}"));
        Box::new(failed(vec![trouble(
            target,
            "refused",
            format!("refused: {why}"),
        )]))
    }

    pub(super) fn audit(&mut self, who: &Who, command: &str, target: &str, result: &str) {
        self.put(Change::Audit(Asked {
            unix_ms: self.now.unix_ms,
            who: who.name.clone(),
            from: who.from.clone(),
            command: command.to_owned(),
            target: target.to_owned(),
            result: result.to_owned(),
        }));
    }
}

/// An answer that nothing was done.
pub(super) fn failed(errors: Vec<Trouble>) -> Outcome {
    Outcome {
        status: Status::Failed,
        errors,
        ..Outcome::default()
    }
}
