//! Nodes that were started by hand and come to the agent by themselves.
//!
//! Such a node connects to `agent.sock` and answers there as on its control socket. Its process is held
//! by a pidfd, so that a signal reaches that process or none. Its output stays where it was, its exit
//! status is not ours to know.
//!
//! `welkin fleet agent --end` comes to the same socket: it answers the first question with `stop`, which
//! no node does.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::process::{Signal, pidfd_send_signal};
use tokio::net::unix::pipe::Receiver;

use super::{Agent, Happened};
use crate::control::listen::Connected;
use crate::folders::is_name;
use crate::node::keeper::Tell;
use crate::node::{Guard, Hand};
use crate::supervise::{End, Event};

impl Agent {
    /// Somebody has said over `agent.sock` how it is.
    pub(super) fn by_hand(&mut self, connected: Connected) {
        let now = self.now();
        let status = &connected.status;
        let Some(name) = status.node.clone().filter(|name| is_name(name)) else {
            return self.note("agent.sock: a node without a name (cluster_node) is not taken in");
        };
        self.make_node(&name);
        let Some(node) = self.nodes.get_mut(&name) else {
            return;
        };
        let attempt = node.supervisor.attempt();
        let run = node.supervisor.run();
        let pid = connected.pid.filter(|pid| *pid == status.pid);
        let (Some(pid), Some(pidfd)) = (pid, connected.pidfd) else {
            return self.note(&format!(
                "{name}: its process cannot be held, so it is not taken in"
            ));
        };
        if run.is_some_and(|run| run.pid == Some(pid)) {
            // The same one, once more.
            node.told.take(now.ms, *connected.status);
            return self.hold_client(&name, attempt, connected.client, connected.closed);
        }
        if run.is_some() {
            return self.note(&format!(
                "{name}: process {pid} says that it is this node, which runs already; it is not taken in"
            ));
        }
        let pidfd = Arc::new(pidfd);
        let Some(actions) = node.supervisor.register(now, pid) else {
            return;
        };
        debug_assert!(!actions.contains(&crate::supervise::Action::Start));
        let attempt = node.supervisor.attempt();
        node.told.take(now.ms, *connected.status);
        let _watch = self.watch(&name, attempt, &pidfd);
        if let Some(node) = self.nodes.get_mut(&name) {
            node.hand = Some(Hand { pidfd, _watch });
        }
        self.note(&format!(
            "{name} was started by hand as process {pid} and is taken in"
        ));
        self.hold_client(&name, attempt, connected.client, connected.closed);
        self.supervise(&name, move |_| actions);
    }

    fn watch(&self, name: &str, attempt: u64, pidfd: &Arc<std::os::fd::OwnedFd>) -> Guard {
        let (happenings, name) = (self.happenings.clone(), name.to_owned());
        let pidfd = Arc::clone(pidfd);
        let watch = tokio::spawn(async move {
            // A pidfd is readable when its process has ended.
            // It is no pipe, but all that is asked of it is that.
            let watched = pidfd
                .try_clone()
                .and_then(Receiver::from_owned_fd_unchecked);
            if let Ok(watched) = watched {
                let _ = watched.readable().await;
            }
            let end = End::Unknown("it was started by hand".to_owned());
            let _ = happenings.send(Happened::Event(name, attempt, Event::Ended(end)));
        });
        Guard(watch.abort_handle())
    }
}

impl Hand {
    /// A process that has ended is sent nothing.
    pub(super) fn tell(&self, tell: &Tell) {
        let signal = match tell {
            Tell::Terminate => Signal::TERM,
            Tell::Kill | Tell::Over(_) => Signal::KILL,
        };
        let _ = pidfd_send_signal(self.pidfd.as_fd(), signal);
    }
}
