//! The game that the nodes of a test run: releases of it, and what it has said.
//!
//! A node is ready when it says so over its control socket; its lines come by another way, through its keeper
//! to a file. So whoever looks for a line waits for it, however ready the node is.

use std::fs;
use std::path::PathBuf;

use crate::fleet::Fleet;
use crate::processes::wait_until;

/// Says its version, counts players, ends in order.
const MAIN: &str = "
local skynet = require 'skynet'
require 'skynet.manager'
skynet.start(function()
    skynet.register '.hall'
    skynet.dispatch('lua', function() skynet.retpack(12) end)
    skynet.error 'version VERSION is up'
end)
";
const CONFIG: &str = "thread = 1 harbor = 0 start = 'main' luaservice = './?.lua'";

impl Fleet {
    /// A release folder of the game; `version` may also be Lua that breaks it.
    pub fn game(&self, name: &str, version: &str) -> String {
        let dir = self.path().join(name);
        fs::create_dir_all(&dir).expect("folders can be made");
        fs::write(dir.join("config"), CONFIG).expect("so can files");
        fs::write(dir.join("main.lua"), MAIN.replace("VERSION", version)).expect("so can files");
        dir.to_str().expect("a plain path").to_owned()
    }

    /// One whose start waits for a file, which is not there yet.
    pub fn gated_game(&self, name: &str, version: &str) -> (String, PathBuf) {
        let game = self.game(name, version);
        let go = self.path().join(format!("{name}.go"));
        let path = self.path().join(name).join("main.lua");
        let text = fs::read_to_string(&path).expect("it was just made");
        let begin = "skynet.start(function()";
        let gate = format!(
            "{begin}\n    while not io.open '{}' do skynet.sleep(2) end",
            go.display()
        );
        fs::write(path, text.replacen(begin, &gate, 1)).expect("it can be written");
        (game, go)
    }

    /// Gives all nodes version `1` of the game, and starts them.
    pub fn start_game(&self) {
        let game = self.game("v1", "1");
        self.must(&["update", "all", "--release", &game, "--yes"]);
        self.must(&["start", "all"]);
    }

    /// What a node has said up to now.
    pub fn said_by(&self, node: &str) -> String {
        self.must(&["logs", node, "--lines", "1000"]).out
    }

    /// Waits until a node has said that; gives all that it has said.
    pub fn wait_for_line(&self, node: &str, text: &str) -> String {
        let mut said = String::new();
        wait_until(&format!("{node} says {text:?}"), || {
            said = self.said_by(node);
            said.contains(text)
        });
        said
    }

    /// How often a version has begun on a node, by its own words up to now.
    pub fn begins(&self, node: &str, version: &str) -> usize {
        let words = format!("version {version} is up");
        self.said_by(node).matches(&words).count()
    }

    /// A version has begun on a node so often and no more.
    pub fn assert_begins(&self, node: &str, version: &str, count: usize) {
        let mut begins = 0;
        wait_until(&format!("{node} has begun {count} times"), || {
            begins = self.begins(node, version);
            begins >= count
        });
        assert_eq!(begins, count, "{node}, version {version}");
    }
}
