//! The drivers with real servers: what they store and find, and what happens when the server is killed
//! under load. The programs are in `tests/databases/`.

mod support;

#[path = "support/servers.rs"]
mod servers;

use servers::Server;
use support::{Folder, Node, root};

fn start(folder: &Folder, program: &str, port: u16) -> Node {
    let tests = root().join("tests");
    let tests = tests.display();
    folder.file(
        "config",
        &format!(
            "thread = 2 harbor = 0 start = '{program}' port = {port}
             luaservice = '{tests}/databases/?.lua' lua_path = '{tests}/lua/lib/?.lua'"
        ),
    );
    Node::start(folder.path(), &["config"])
}

/// Runs to the end: no line may begin with FAIL, one must be PASS.
fn finish(node: &mut Node) {
    let (status, lines) = node.finish();
    let failed = lines.iter().any(|line| line.starts_with("FAIL"));
    let passed = lines.iter().any(|line| line == "PASS");
    assert!(
        passed && !failed && status.success(),
        "{status}: {lines:#?}"
    );
}

/// The program says when it is in the middle of its requests, and ends when it works again.
fn kill_under_load(server: &mut Server, program: &str) {
    let folder = Folder::new();
    let mut node = start(&folder, program, server.port);
    for _ in 0..2 {
        node.wait_for("LOAD");
        server.kill();
        node.wait_for("LOST");
        server.restart();
    }
    finish(&mut node);
}

#[test]
fn redis_stores_and_finds_and_survives_a_kill() {
    let mut server = Server::redis();
    let folder = Folder::new();
    finish(&mut start(&folder, "redis_values", server.port));
    kill_under_load(&mut server, "redis_load");
}

#[test]
fn mysql_stores_and_finds_and_survives_a_kill() {
    let mut server = Server::mariadb();
    let folder = Folder::new();
    finish(&mut start(&folder, "mysql_values", server.port));
    kill_under_load(&mut server, "mysql_load");
}
