//! The drivers over TLS, with real servers and with servers that misbehave. The programs are in
//! `tests/databases/`.

mod support;

#[path = "support/papers.rs"]
mod papers;
#[path = "support/servers.rs"]
mod servers;

use std::path::Path;

use servers::Server;
use support::{Folder, Node, root};

fn folder_with_papers() -> Folder {
    let folder = Folder::new();
    papers::write(&folder);
    folder
}

/// Runs a program, with the papers in this folder, to a PASS without a FAIL; what it said.
fn run(folder: &Folder, papers: &Path, program: &str, port: u16) -> Vec<String> {
    let tests = root().join("tests");
    let (tests, papers) = (tests.display(), papers.display());
    folder.file(
        "config",
        &format!(
            "thread = 2 harbor = 0 start = '{program}' port = {port} papers = '{papers}'
             luaservice = '{tests}/databases/?.lua' lua_path = '{tests}/lua/lib/?.lua'"
        ),
    );
    let (status, lines) = Node::start(folder.path(), &["config"]).finish();
    let failed = lines.iter().any(|line| line.starts_with("FAIL"));
    let passed = lines.iter().any(|line| line == "PASS");
    assert!(
        passed && !failed && status.success(),
        "{status}: {lines:#?}"
    );
    lines
}

#[test]
fn redis_is_spoken_to_in_secret() {
    let server = Server::redis_tls(folder_with_papers());
    run(&Folder::new(), server.folder(), "tls_redis", server.port);
}

#[test]
fn mysql_is_spoken_to_in_secret() {
    let server = Server::mariadb_in(folder_with_papers());
    server.sql(
        "create user 'curve'@'127.0.0.1' identified via ed25519 using password('a password');
         create user 'curve'@'localhost' identified via ed25519 using password('a password');
         create user 'strict'@'127.0.0.1' identified by 'strict' require ssl;
         create user 'strict'@'localhost' identified by 'strict' require ssl",
    );
    run(&Folder::new(), server.folder(), "tls_mysql", server.port);
}

#[test]
fn streams_are_read_and_written_as_sockets_are() {
    let folder = folder_with_papers();
    run(&folder, folder.path(), "tls_streams", 0);
}

#[test]
fn servers_that_cannot_be_believed_are_told_no_secret() {
    let folder = folder_with_papers();
    let lines = run(&folder, folder.path(), "tls_impostors", 0);
    for cause in [
        "the certificate comes from somebody who is not trusted: name the file with its issuer as ca",
        "certificate not valid for name \"other.example\"",
        "certificate expired",
        "the peer does not speak TLS",
        "the connection was closed in the handshake",
    ] {
        let says = |line: &String| line.contains("tls: 127.0.0.1:") && line.contains(cause);
        assert!(lines.iter().any(says), "no {cause:?} in {lines:#?}");
    }
    for line in ["connect timeout after 50 ms", " offers no TLS"] {
        assert!(lines.iter().any(|l| l.contains(line)), "no {line:?}");
    }
}
