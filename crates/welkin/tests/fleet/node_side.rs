//! What the config keys of the founding note make of a node, and what its services say.

use serde_json::json;
use welkin_fleet_model::wire::client::{Command, Outcome};

use crate::console::{Console, free_port};
use crate::fake_master::{FakeMaster, row};
use crate::support::{Folder, Node, output};

const MAIN: &str = "
local skynet = require 'skynet'
local cluster = require 'skynet.cluster'
skynet.start(function()
    local servers = cluster.list_server()
    for _, name in ipairs { 'master', 'slave_1', 'down', '__nowaiting' } do
        skynet.error('server', name, servers[name])
    end
    servers.master = 'changed'
    skynet.error('fresh', cluster.list_server().master ~= 'changed')
end)
";

/// A folder with a cluster config, a start service and the config of a node with these keys besides.
fn folder(keys: &str) -> (Folder, [u16; 2]) {
    let ports = [free_port(), free_port()];
    let folder = Folder::new();
    folder.file("main.lua", MAIN);
    folder.file(
        "nodes",
        &format!(
            "__nowaiting = true\nmaster = '127.0.0.1:{}'\nslave_1 = '127.0.0.1:{}'\ndown = false",
            ports[0], ports[1]
        ),
    );
    config(&folder, "config", keys);
    (folder, ports)
}

fn config(folder: &Folder, name: &str, keys: &str) {
    let text = format!("thread = 2 harbor = 0 luaservice = './?.lua' cluster = './nodes' {keys}");
    folder.file(name, &text);
}

#[test]
fn a_boot_with_wrong_keys_fails_and_names_them() {
    let (folder, _) = folder("master_flag = true");
    let refused = |keys: &str| {
        config(&folder, "config", keys);
        let (status, _, err) = output(folder.path(), &["config"]);
        assert_eq!(status, 78, "{err}");
        err
    };
    assert!(refused("master_flag = true").contains("cluster_node"));
    let err = refused("master_flag = false cluster_node = 'slave_7'");
    assert!(err.contains("slave_7") && err.contains("./nodes"), "{err}");
    folder.file("secret", &"5a".repeat(32));
    let err = refused("master_flag = true cluster_node = 'master' fleet_secret = 'secret'");
    assert!(err.contains("secret") && err.contains("0644"), "{err}");
}

#[test]
fn without_master_flag_there_is_a_console_and_nothing_else() {
    let port = free_port();
    let (folder, _) = folder(&format!("debug_port = {port} cluster_node = 'nobody'"));
    folder.file(
        "main.lua",
        &format!(
            "local skynet = require 'skynet'
             skynet.start(function()
                 skynet.error('second', (pcall(skynet.newservice, 'debug_console', {port})))
                 skynet.error('other', (pcall(skynet.newservice, 'debug_console', 0)))
             end)"
        ),
    );
    let mut node = Node::start(folder.path(), &["config"]);
    let lines = node.wait_for("[:00000002] KILL self");
    let place = |text: &str| {
        let found = lines.iter().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("no {text:?} in {lines:#?}"))
    };
    assert!(place("LAUNCH snlua debug_console") < place("LAUNCH snlua main"));
    place("second false");
    place("other true");
    assert!(
        !lines
            .iter()
            .any(|line| line.contains("cluster_") || line.contains("LAUNCH fleet"))
    );
    assert!(Console::connect(port).ask("list").len() > 3);
    assert!(!folder.path().join("fleet").exists());
}

#[test]
fn a_debug_port_that_is_taken_or_none_stops_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (folder, _) = folder(&format!("debug_port = {port}"));
    let mut node = Node::start(folder.path(), &["config"]);
    let lines = node.wait_for("fresh true");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("config key debug_port")),
        "{lines:#?}"
    );
    drop(node);
    config(&folder, "config", "debug_port = '0.0.0.0:8000'");
    let mut node = Node::start(folder.path(), &["config"]);
    let lines = node.wait_for("fresh true");
    assert!(
        lines[0].contains("debug_port = \"0.0.0.0:8000\""),
        "{lines:#?}"
    );
    assert!(
        !lines.iter().any(|line| line.contains("debug_console")),
        "{lines:#?}"
    );
}

#[test]
fn the_cluster_config_is_told_and_the_own_address_is_open() {
    let (folder, [own, _]) = folder("master_flag = true cluster_node = 'master'");
    let master = FakeMaster::start(folder.path(), |_| Outcome::default());
    let mut node = Node::start(folder.path(), &["config"]);
    let lines = node.wait_for("fresh true");
    let said = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(said(&format!("server master 127.0.0.1:{own}")) && said("server down false"));
    assert!(said("server __nowaiting nil"), "{lines:#?}");
    node.wait_for(&format!("Listen on 127.0.0.1:{own}"));
    let Command::Classic {
        master: name,
        nodes,
    } = master.command()
    else {
        panic!("first of all the master is told its nodes");
    };
    assert_eq!((name.as_str(), nodes.len()), ("master", 2));
}

#[test]
fn a_program_that_opens_its_listener_itself_is_not_disturbed() {
    for (name, open) in [
        ("at once", "cluster.open 'master'"),
        (
            "later",
            "skynet.timeout(50, function() skynet.error('opened', cluster.open 'master') end)",
        ),
    ] {
        let (folder, [own, _]) = folder("master_flag = true cluster_node = 'master'");
        let _master = FakeMaster::start(folder.path(), |_| Outcome::default());
        folder.file(
            "main.lua",
            &format!(
                "local skynet = require 'skynet'
                 local cluster = require 'skynet.cluster'
                 skynet.start(function()
                     {open}
                     skynet.timeout(100, function() skynet.error('quiet') end)
                 end)"
            ),
        );
        let mut node = Node::start(folder.path(), &["config"]);
        let lines = node.wait_for("quiet");
        let listens = |line: &&String| line.contains(&format!("Listen on 127.0.0.1:{own}"));
        assert_eq!(
            lines.iter().filter(listens).count(),
            1,
            "{name}: {lines:#?}"
        );
        assert!(
            !lines.iter().any(|line| line.contains("error")),
            "{name}: {lines:#?}"
        );
    }
}

fn answer(command: &Command) -> Outcome {
    let rows = match command {
        Command::List { .. } => vec![
            row(
                json!({ "node": "slave_1", "machine": "m", "address": "127.0.0.1:2", "state": "stopped" }),
            ),
            row(
                json!({ "node": "master", "machine": "m", "address": "127.0.0.1:1", "state": "ready" }),
            ),
        ],
        Command::Figures { .. } => vec![row(json!({
            "node": "slave_1", "cpu": 12.34, "threads": 4, "machine_cpu": 50.0,
        }))],
        _ => Vec::new(),
    };
    Outcome {
        rows,
        ..Outcome::default()
    }
}

#[test]
fn the_console_shows_a_line_for_each_node() {
    let port = free_port();
    let keys = format!("master_flag = true cluster_node = 'master' debug_port = {port}");
    let (folder, _) = folder(&keys);
    let master = FakeMaster::start(folder.path(), answer);
    let mut node = Node::start(folder.path(), &["config"]);
    node.wait_for("[:00000002] KILL self");
    let mut console = Console::connect(port);
    let address = console.find("cluster_master");
    let listed = ["master\t127.0.0.1:1\tup", "slave_1\t127.0.0.1:2\tdown"];
    let short = address.trim_start_matches('0');
    for way in [
        &address,
        short,
        &format!(":{address}"),
        ".cluster_master",
        &format!("00{short}"),
    ] {
        assert_eq!(console.ask(&format!("info {way} list")), listed, "{way}");
    }
    assert_eq!(
        console.ask(&format!("info {short} cpu slave_1")),
        ["slave_1\t12.3%"]
    );
    let unknown = console.ask(&format!("info {short} reboot"));
    assert!(
        unknown[0].starts_with("unknown command reboot, one of: list start_all"),
        "{unknown:?}"
    );
    assert_eq!(unknown.len(), 1);
    let bare = console.ask(&format!("info {short}"));
    assert!(bare[0].starts_with("unknown command"), "{bare:?}");
    assert!(matches!(master.command(), Command::Classic { .. }));
    assert!(matches!(master.command(), Command::List { .. }));
}

#[test]
fn a_slave_without_a_master_runs_and_says_what_is_missing() {
    let (folder, _) =
        folder("master_flag = false cluster_node = 'slave_1' fleet_master = '127.0.0.1:1'");
    let mut node = Node::start(folder.path(), &["config"]);
    let lines = node.wait_for("config key fleet_secret is missing");
    assert!(
        lines.iter().any(|line| line.contains("fresh true")),
        "{lines:#?}"
    );
}
