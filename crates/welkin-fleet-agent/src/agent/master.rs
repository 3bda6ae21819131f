//! What the master says, and what it is told when it (again) is there.

use std::collections::BTreeSet;

use welkin_fleet_keeper::start;
use welkin_fleet_model::wire::agent::{FromAgent, MachineReport, ToAgent};
use welkin_fleet_trust::Incoming;

use super::Agent;
use crate::link::{Command, News};
use crate::node::Node;
use crate::say;

impl Agent {
    pub(super) fn link_news(&mut self, news: News) {
        match news {
            News::Up(sender, hello) => {
                say(&format!("linked to the master (welkin {})", hello.version));
                self.link = Some(sender);
                self.link_since = self.now().ms;
                self.upgrade_linked(true);
                self.introduce();
            }
            News::Incoming(incoming, _taken) => self.incoming(incoming),
            News::Down => {
                if self.link.take().is_some() {
                    self.link_since = self.now().ms;
                    self.upgrade_linked(false);
                }
                self.asks.link_is_down();
            }
        }
    }

    /// All that is known here.
    fn introduce(&mut self) {
        let report = |node: &mut Node| {
            let report = node.report();
            node.reported = Some(report.clone());
            report
        };
        let nodes = self.nodes.values_mut().map(report).collect();
        let releases = welkin_fleet_release::list(&self.settings.folders.releases());
        let report = MachineReport {
            boot_id: start::boot_id().unwrap_or_default(),
            addresses: addresses(),
            orders: self.orders.clone(),
            nodes,
            releases: releases.unwrap_or_default(),
            scripts: crate::scripts::present(&self.settings.base),
            program: self.settings.own_release(),
        };
        self.send(&FromAgent::Machine(Box::new(report)));
    }

    fn incoming(&mut self, incoming: Incoming) {
        let message = match &incoming {
            Incoming::Message(_) => match incoming.parse::<ToAgent>() {
                Ok(message) => message,
                // A master of a later version may say what this agent does not know.
                Err(error) => return say(&format!("the master says something unknown: {error}")),
            },
            Incoming::Piece { stream, data } => return self.piece(*stream, data),
            Incoming::End { stream, failure } => return self.piece_end(*stream, failure),
        };
        match message {
            ToAgent::Orders(orders) => self.take_orders(orders),
            ToAgent::Ask { id, ask } => self.ask(id, ask),
            ToAgent::Renewed {
                certificate,
                authorities,
            } => {
                let renewed = Command::Renewed(certificate, authorities);
                // The link lives as long as the agent.
                let _ = self.link_commands.send(renewed);
            }
        }
    }
}

/// Addresses of this machine but loopback.
fn addresses() -> Vec<String> {
    let networks = sysinfo::Networks::new_with_refreshed_list();
    let all = networks.values().flat_map(|data| data.ip_networks());
    let all: BTreeSet<_> = all.map(|network| network.addr).collect();
    let others = all.into_iter().filter(|address| !address.is_loopback());
    others.map(|address| address.to_string()).collect()
}
