//! What changes when one fleet file takes the place of another, in the words of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Fleet;
use crate::entry::{NodeEntry, Probe, Restart};
use crate::units::{show_size, show_time};

/// One line of a difference. It shows itself as `+ node.login_2 on m1`, `- node.x`,
/// `~ node.login_1 limits.memory: 4 GiB -> 8 GiB`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `+` new, `-` gone, `~` other.
    pub sign: char,
    /// As the file names it: `node.login_1`, `update`, `fleet`.
    pub what: String,
    /// Of `~`: key, old and new value.
    pub text: String,
    /// The node, if it is one.
    pub node: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign, self.what)?;
        match self.text.is_empty() {
            true => Ok(()),
            false => write!(f, " {}", self.text),
        }
    }
}

/// The changes from `old` (none: there was no file) to `new`: what holds for all first, then nodes by
/// name. Empty: the same.
pub fn difference(old: Option<&Fleet>, new: &Fleet) -> Vec<Change> {
    let empty = Fleet::default();
    let old = old.unwrap_or(&empty);
    let mut changes = Vec::new();
    let fresh = *old == empty;
    if !fresh {
        sections(&fleet_keys(old), &fleet_keys(new), &mut changes);
    }
    for name in both(&old.nodes, &new.nodes) {
        let what = format!("node.{name}");
        let (sign, text) = match (old.nodes.get(name), new.nodes.get(name)) {
            (Some(before), Some(now)) => {
                changed(
                    &what,
                    Some(name),
                    &node_keys(before),
                    &node_keys(now),
                    &mut changes,
                );
                continue;
            }
            (None, Some(now)) => ('+', place(now)),
            _ => ('-', String::new()),
        };
        let node = Some(name.clone());
        changes.push(Change {
            sign,
            what,
            text,
            node,
        });
    }
    changes
}

fn place(node: &NodeEntry) -> String {
    match node.machine.as_str() {
        "" => String::new(),
        machine => format!("on {machine}"),
    }
}

fn both<'a, A, B>(
    old: &'a BTreeMap<String, A>,
    new: &'a BTreeMap<String, B>,
) -> BTreeSet<&'a String> {
    old.keys().chain(new.keys()).collect()
}

type Keys = BTreeMap<String, String>;

/// Of all but the nodes: `update.keep` is the key `keep` of the section `update`.
fn sections(old: &Keys, new: &Keys, changes: &mut Vec<Change>) {
    for name in both(old, new) {
        let (what, key) = name.rsplit_once('.').unwrap_or(("fleet", name));
        let of = |keys: &Keys| match keys.get(name) {
            Some(value) => Keys::from([(key.to_owned(), value.clone())]),
            None => Keys::new(),
        };
        changed(what, None, &of(old), &of(new), changes);
    }
}

fn changed(what: &str, node: Option<&String>, old: &Keys, new: &Keys, changes: &mut Vec<Change>) {
    for key in both(old, new) {
        let shown = |keys: &Keys| keys.get(key).cloned().unwrap_or_else(|| "-".to_owned());
        let (before, now) = (shown(old), shown(new));
        if before != now {
            changes.push(Change {
                sign: '~',
                what: what.to_owned(),
                text: format!("{key}: {before} -> {now}"),
                node: node.cloned(),
            });
        }
    }
}

fn fleet_keys(fleet: &Fleet) -> Keys {
    let mut keys = Keys::new();
    let mut put = |key: &str, value: String| {
        if !value.is_empty() {
            keys.insert(key.to_owned(), value);
        }
    };
    put("name", fleet.name.clone());
    put("cluster", fleet.cluster.clone().unwrap_or_default());
    put("webhook", fleet.webhook.clone().unwrap_or_default());
    put("clean.above", fleet.clean_above.to_string());
    put("update.order", fleet.update.order.join(" "));
    put("update.at_once", fleet.update.at_once.to_string());
    put("update.watch", show_time(fleet.update.watch_ms));
    let errors = fleet.update.max_errors.map(|errors| errors.to_string());
    put("update.max_errors", errors.unwrap_or_default());
    put("update.keep", fleet.update.keep.to_string());
    put("update.max_size", show_size(fleet.update.max_size));
    put("update.trusted_keys", fleet.update.trusted_keys.join(" "));
    put("update.resume", show_time(fleet.update.resume_ms));
    for (name, address) in &fleet.machines {
        let shown = if address.is_empty() { "none" } else { address };
        put(&format!("machine.{name}.address"), shown.to_owned());
    }
    for (name, after) in fleet.groups.iter().filter(|(_, after)| !after.is_empty()) {
        put(&format!("group.{name}.after"), after.join(" "));
    }
    keys
}

fn node_keys(node: &NodeEntry) -> Keys {
    let mut keys = Keys::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            keys.insert(key.to_owned(), value);
        }
    };
    put("machine", Some(node.machine.clone()));
    put("address", node.address.clone());
    put("group", node.group.clone());
    put("dir", Some(node.dir.clone()));
    put("command", Some(node.command.clone()));
    put("config", node.config.clone());
    put("restart", Some(restart(node.restart).to_owned()));
    put("backoff.first", Some(show_time(node.backoff.first_ms)));
    put("backoff.max", Some(show_time(node.backoff.max_ms)));
    put("backoff.reset", Some(show_time(node.backoff.reset_ms)));
    put("give_up.starts", Some(node.give_up.starts.to_string()));
    put("give_up.within", Some(show_time(node.give_up.within_ms)));
    put("ready", Some(probe(&node.ready.probe)));
    put("ready.timeout", Some(show_time(node.ready.timeout_ms)));
    put(
        "health.restart_after",
        node.health.restart_after_ms.map(show_time),
    );
    put("stop.drain", Some(show_time(node.stop.drain_ms)));
    put("stop.kill", Some(show_time(node.stop.kill_ms)));
    put("drain_command", node.drain_command.clone());
    put("limits.memory", node.limits.memory.map(show_size));
    put(
        "limits.nofile",
        node.limits.nofile.map(|files| files.to_string()),
    );
    put("limits.cpu", node.limits.cpu.map(|cpu| cpu.to_string()));
    put(
        "secrets",
        (!node.secrets.is_empty()).then(|| node.secrets.join(" ")),
    );
    put("online", node.online.clone());
    put("user", node.user.clone());
    put("by scripts", node.scripted.then(|| "yes".to_owned()));
    for (name, value) in &node.env {
        put(&format!("env.{name}"), Some(value.clone()));
    }
    keys
}

fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Always => "always",
        Restart::OnFailure => "on-failure",
        Restart::Never => "never",
    }
}

fn probe(probe: &Probe) -> String {
    match probe {
        Probe::Control => "control".to_owned(),
        Probe::Tcp(port) => format!("tcp {port}"),
        Probe::Console(port) => format!("console {port}"),
        Probe::Http(url) => format!("http {url}"),
        Probe::After(ms) => format!("after {}", show_time(*ms)),
    }
}
