//! Limits of nodes where the kernel keeps none of them: memory is watched by the agent, and nothing is said
//! to hold that does not.

use std::fs;

use serde_json::json;

use crate::fleet::Fleet;
use crate::processes::wait_until;

/// Takes more memory each moment.
const EATER: &str = "
local skynet = require 'skynet'
skynet.start(function()
    skynet.error 'version 1 is up'
    skynet.fork(function()
        local kept = {}
        while true do
            kept[#kept + 1] = ('x'):rep(4 << 20) .. #kept
            skynet.sleep(20)
        end
    end)
end)
";

#[test]
fn a_node_above_its_memory_limit_is_killed_and_the_reason_names_it() {
    let fleet = Fleet::with_nodes(&[], "");
    let settings = "limits = { memory = \"96MiB\", cpu = 0.5 }\nrestart = \"never\"\n";
    fleet.apply(&["a"], settings);
    let game = fleet.game("v1", "1");
    fs::write(fleet.path().join("v1/main.lua"), EATER).expect("files can be made");
    fleet.must(&["update", "all", "--release", &game, "--yes"]);
    fleet.must(&["start", "a"]);
    let mut row = fleet.node("a");
    wait_until("its limit is shown", || {
        row = fleet.node("a");
        row["figures"]["memory_limit"] == 96 << 20
    });
    let running = row.clone();
    wait_until("it is killed", || {
        row = fleet.node("a");
        row["pid"].is_null()
    });
    assert_eq!(row["reason"], "killed: memory limit 96 MiB", "{row}");
    assert_eq!(row["notes"], json!([]), "of the process that ran: {row}");
    let log = fleet.folder.read("agent-m1.log");
    // Where there is a cgroup with controllers both limits are the kernel's, and nothing is to be said.
    let words = [
        "the memory limit 96 MiB is watched",
        "the cpu limit 0.5 has no effect",
    ];
    let kernel = !log.contains("no cgroup") && !log.contains("controller");
    assert!(
        kernel || words.iter().all(|words| log.contains(words)),
        "{log}"
    );
    let told = fleet.folder.read("master.log");
    assert!(
        kernel || told.contains(words[1]),
        "the master says so too: {told}"
    );
    // So does the node's row, in the table and in JSON.
    let notes = json!([
        "memory limit 96 MiB is watched by the agent, each second",
        "cpu limit 0.5 has no effect"
    ]);
    assert!(kernel || running["notes"] == notes, "{running}");
    let reason = running["reason"].as_str().expect("a text");
    let said = reason.contains("cpu limit 0.5 has no effect");
    assert_eq!(said, !kernel, "{running}");
}
