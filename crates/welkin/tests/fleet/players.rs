//! Players: as a program tells them to `cluster_slave`, and as the fleet file names a command for them.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::support::{Folder, Node};

const MAIN: &str = "
local skynet = require 'skynet'
require 'skynet.manager'
local CMD = {}
function CMD.online() return 7 end
function CMD.shards() return { eu = 2, us = 3 } end
function CMD.half() return 1.5 end
function CMD.fails() error 'no idea' end
function CMD.sleeps() skynet.sleep(500) end
skynet.start(function()
    skynet.register '.gate'
    skynet.dispatch('lua', function(_, _, command)
        skynet.retpack(CMD[command]())
    end)
    skynet.timeout(0, function()
        local slave = skynet.getenv 'master_flag' and '.cluster_slave'
        while slave and not skynet.localname(slave) do skynet.sleep(1) end
        if slave then
            skynet.call(slave, 'lua', 'set_online', 41)
            skynet.call(slave, 'lua', 'set_online', 42)
            skynet.error('refused', pcall(skynet.call, slave, 'lua', 'stop_all'))
            skynet.error('refused', pcall(skynet.call, slave, 'lua', 'set_online', -1))
        end
        skynet.error 'main is up'
    end)
end)
";

fn ask(folder: &Folder, line: &Value) -> Value {
    let socket = UnixStream::connect(folder.path().join("control")).expect("the node listens");
    writeln!(&socket, "{line}").expect("it is open");
    let mut answer = String::new();
    BufReader::new(&socket)
        .read_line(&mut answer)
        .expect("it answers");
    serde_json::from_str(&answer).expect("an answer is JSON")
}

fn start(keys: &str) -> (Folder, Node) {
    let folder = Folder::new();
    folder.file("main.lua", MAIN);
    folder.file("nodes", "slave_1 = '127.0.0.1:1'");
    let text =
        format!("thread = 2 harbor = 0 luaservice = './?.lua' welkin_control = 'control' {keys}");
    folder.file("config", &text);
    let mut node = Node::start(folder.path(), &["config"]);
    node.wait_for("main is up");
    (folder, node)
}

#[test]
fn a_program_tells_its_players_and_nothing_else_can_be_asked() {
    let (folder, _node) = start("master_flag = false cluster = 'nodes' cluster_node = 'slave_1'");
    let status = ask(&folder, &json!({ "ask": "status" }));
    assert_eq!(
        (&status["online"], &status["node"]),
        (&json!(42), &json!("slave_1"))
    );
}

#[test]
fn the_programs_own_command_is_asked_and_what_it_says_is_checked() {
    let (folder, mut node) = start("");
    let online = |hook: &str| ask(&folder, &json!({ "ask": "online", "hook": hook, "id": 1 }));
    assert_eq!(online("gate.online")["online"], 7);
    assert_eq!(online(".gate.online")["online"], 7);
    let shards = online("gate.shards");
    assert_eq!(
        (&shards["online"], &shards["parts"]),
        (&json!(5), &json!({ "eu": 2, "us": 3 }))
    );
    for (hook, why) in [
        ("gate.half", "gave 1.5"),
        ("gate.fails", "call failed"),
        ("gate.sleeps", "call timeout"),
        ("nobody.online", "there is no service nobody"),
        ("gate", "not of the form"),
    ] {
        let answer = online(hook);
        assert_eq!(
            (&answer["online"], &answer["ok"]),
            (&Value::Null, &json!(true))
        );
        let error = answer["error"].as_str().expect("it says why");
        assert!(error.contains(why), "{hook}: {error}");
    }
    node.wait_for("gave 1.5");
    assert_eq!(online("gate.online")["online"], 7, "it goes on");
}
