//! What the master asks for once. Each is answered by one reply with its number; what takes time is done
//! beside the loop, and what the connection ends in the middle of is over with it, but for scripts, which
//! go on to their end.

mod check;
mod fetch;
mod logs;
mod tools;

use std::collections::HashMap;

use welkin_fleet_model::wire::agent::{Ask, FromAgent, Reply, Script};

use super::{Agent, Happened, Happenings};
use crate::node::Guard;
use crate::scripts;
use fetch::Fetch;

/// Asks under way at a time; a master has a handful.
const ASKS_MAX: usize = 256;

/// What is under way.
#[derive(Default)]
pub(super) struct Asks {
    /// Counts the connections: replies to an older one are dropped.
    link: u64,
    fetches: HashMap<u64, Fetch>,
    running: HashMap<u64, Option<Guard>>,
    /// When the disk was looked at last.
    cleaned_ms: u64,
}

/// What came of something.
pub(crate) struct Replied {
    /// The connection it was asked on.
    link: u64,
    reply: Result<Reply, String>,
    then: Then,
}

/// What follows.
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// A release came.
    Release,
    /// The agent becomes another binary.
    Upgrade(super::upgrade::New),
}

impl Asks {
    pub(super) fn link_is_down(&mut self) {
        self.link += 1;
        self.fetches.clear();
        self.running.clear();
    }
}

impl Agent {
    pub(super) fn ask(&mut self, id: u64, ask: Ask) {
        if self.asks.running.len() >= ASKS_MAX {
            return self.reply(id, Err("the agent has too much to do at once".to_owned()));
        }
        match ask {
            Ask::Fetch {
                digest,
                archive,
                unpacked,
                signature,
            } => self.fetch(id, digest, (archive, unpacked), signature),
            Ask::Check { digest, nodes } => self.check(id, digest, nodes),
            Ask::Script { script, node } => self.script(id, script, node),
            Ask::Logs {
                node,
                lines,
                since_unix_ms,
                follow,
                script,
            } => self.logs(id, &node, lines, since_unix_ms, follow, script),
            Ask::Exec { node, line } => self.exec(id, &node, line),
            Ask::Secret { name, content } => {
                let reply = self.secret(&name, content.as_deref());
                self.reply(id, reply);
            }
            Ask::Prune { keep } => self.prune(id, &keep),
            Ask::Upgrade { digest } => self.upgrade(id, &digest),
            Ask::Cancel { id: other } => {
                self.cancel(other);
                self.reply(id, Ok(Reply::default()));
            }
        }
    }

    pub(super) fn reply(&mut self, id: u64, reply: Result<Reply, String>) {
        self.send(&FromAgent::Reply { id, reply });
    }

    /// Does `work` beside the loop; its outcome is the reply.
    pub(super) fn work(
        &mut self,
        id: u64,
        work: impl Future<Output = (Result<Reply, String>, Then)> + Send + 'static,
    ) {
        let (happenings, link) = (self.happenings.clone(), self.asks.link);
        let works = tokio::spawn(async move {
            let (reply, then) = work.await;
            tell(&happenings, id, link, reply, then);
        });
        self.asks
            .running
            .insert(id, Some(Guard(works.abort_handle())));
    }

    pub(super) fn replied(&mut self, id: u64, replied: Replied) {
        if replied.link == self.asks.link {
            self.asks.running.remove(&id);
            self.reply(id, replied.reply);
        }
        match replied.then {
            Then::Nothing => {}
            Then::Release => self.see_to_releases(),
            Then::Upgrade(new) => self.become_new(new),
        }
    }

    fn cancel(&mut self, id: u64) {
        if self.asks.fetches.remove(&id).is_some() || self.asks.running.remove(&id).is_some() {
            self.end_stream(id);
            self.reply(id, Ok(Reply::default()));
        }
    }

    fn script(&mut self, id: u64, script: Script, node: Option<String>) {
        let folder = self.settings.base.clone();
        let fleet = self.orders.fleet.clone();
        let save = self.settings.folders.all_logs().join("script.log");
        let (happenings, link) = (self.happenings.clone(), self.asks.link);
        // Not a guarded task: a script is not stopped in the middle because the master went away.
        tokio::spawn(async move {
            let ran = scripts::run(&folder, script, node.as_deref(), &fleet, &save).await;
            let reply = Reply {
                output: ran.output,
                status: ran.status,
                ..Reply::default()
            };
            tell(&happenings, id, link, Ok(reply), Then::Nothing);
        });
        self.asks.running.insert(id, None);
    }
}

fn tell(happenings: &Happenings, id: u64, link: u64, reply: Result<Reply, String>, then: Then) {
    let replied = Box::new(Replied { link, reply, then });
    let _ = happenings.send(Happened::Replied(id, replied));
}
