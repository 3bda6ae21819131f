//! What a master wanted before it changed its mind does not happen afterwards, on whatever way it comes late.

use std::fs;

use welkin_fleet_model::wire::agent::{FromAgent, Orders, ToAgent};

use crate::fake_master::AgentLink;
use crate::fleet::Fleet;
use crate::processes::{is_alive, wait_until};

/// How often the node was told to end, by its history.
fn stops(fleet: &Fleet) -> usize {
    let rows = fleet.rows(&["history", "a"]);
    let to = |state: &str| rows.iter().filter(|row| row["to"] == state).count();
    to("stopping")
}

#[test]
fn an_order_on_the_way_when_the_network_was_cut_is_not_carried_out_after_it() {
    let (fleet, proxy) = Fleet::behind_proxy(&["a"], "");
    let pid = fleet.pid("a");
    proxy.cut();
    // Sent before anybody knows that nothing comes through: it lies in the network.
    let said = fleet.run(&["--timeout", "60s", "stop", "a", "--yes"]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.words().contains("unreachable"), "{said:?}");
    fleet.wait_for_state("a", "unknown");
    fleet.folder.wait_for("agent-m1.log", "nothing was heard");
    // The master changes its mind.
    assert_eq!(fleet.run(&["start", "a"]).status, 1);
    assert_eq!(fleet.node("a")["wanted"], "running");
    proxy.heal();
    fleet.wait_for_agent("m1");
    let row = fleet.wait_for_state("a", "ready");
    assert_eq!(row["pid"], pid, "it was never stopped: {row}");
    assert_eq!(stops(&fleet), 0);
    assert_eq!(fleet.game_processes().len(), 1);
}

#[test]
fn orders_of_an_older_version_are_refused_and_said_to_be() {
    let fleet = Fleet::with_nodes(&["a"], "");
    fleet.must(&["stop", "a", "--yes"]);
    let path = fleet.agent_dir("m1").join("orders.json");
    let read = || -> Orders {
        let text = fs::read(&path).expect("they are written down");
        serde_json::from_slice(&text).expect("they are JSON")
    };
    let old = read();
    assert!(!old.nodes[0].running);
    fleet.must(&["start", "a"]);
    let (pid, now) = (fleet.pid("a"), read());
    assert!(now.version > old.version && now.nodes[0].running);
    fleet.master_process().kill();
    let mut link = AgentLink::accept(&fleet.path().join("master/fleet.sock"));
    let known = link.wait_for(|said| match said {
        FromAgent::Machine(report) => Some(report.orders),
        _ => None,
    });
    assert_eq!(known, now, "the agent says what it has");
    link.say(&ToAgent::Orders(old.clone()));
    let note = link.wait_for(|said| match said {
        FromAgent::Note(note) => Some(note),
        _ => None,
    });
    let (older, own) = (old.version, now.version);
    let words = format!("orders of version {older} are older than the {own} in force");
    assert!(note.contains(&words), "{note}");
    // Figures go on, and nothing else has come of it.
    link.wait_for(|said| matches!(said, FromAgent::Beat(_)).then_some(()));
    assert!(is_alive(pid));
    assert_eq!(read(), now);
    drop(link);
    fs::remove_file(fleet.path().join("master/fleet.sock")).expect("it is ours");
    fleet.start_master();
    fleet.wait_for_agent("m1");
    wait_until("it is as it was", || fleet.node("a")["state"] == "ready");
    assert_eq!(fleet.pid("a"), pid);
}
