//! Database servers of a test's own, on private ports and with their data in a temporary folder.
//!
//! They are Debian's `redis-server` and `mariadb-server`; a test without them fails and says so.

#![allow(dead_code, reason = "each test program uses its part")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Folder, PATIENCE_S};

/// A running server; killed at the end of the test.
pub struct Server {
    pub port: u16,
    folder: Folder,
    command: fn(&Path, u16) -> Command,
    child: Child,
}

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it is bound").port()
}

fn start(command: &mut Command) -> Child {
    let program = command.get_program().to_owned();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "{program:?} does not start ({error}): apt-get install redis-server mariadb-server"
            )
        })
}

impl Server {
    fn new(folder: Folder, command: fn(&Path, u16) -> Command) -> Self {
        let port = free_port();
        let child = start(&mut command(folder.path(), port));
        let server = Self {
            port,
            folder,
            command,
            child,
        };
        server.await_port();
        server
    }

    /// Redis that keeps what it has acknowledged.
    pub fn redis() -> Self {
        Self::new(Folder::new(), |folder, port| {
            let mut command = Command::new("redis-server");
            let port = port.to_string();
            let options = [
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ];
            command
                .args(["--port", &port, "--bind", "127.0.0.1"])
                .args(options);
            command.arg("--dir").arg(folder);
            command
        })
    }

    /// Redis that speaks TLS only, and only with clients that have a certificate; the folder holds the
    /// papers (`papers::write`).
    pub fn redis_tls(folder: Folder) -> Self {
        Self::new(folder, |folder, port| {
            let mut command = Command::new("redis-server");
            let port = port.to_string();
            command
                .args(["--port", "0", "--tls-port", &port, "--bind", "127.0.0.1"])
                .args(["--save", "", "--dir"])
                .arg(folder);
            for (option, file) in [
                ("--tls-cert-file", "server.pem"),
                ("--tls-key-file", "server.key"),
                ("--tls-ca-cert-file", "ca.pem"),
            ] {
                command.arg(option).arg(folder.join(file));
            }
            command
        })
    }

    /// MariaDB with the database `welkin_test`, which `welkin` may use with the password `welkin-test`.
    pub fn mariadb() -> Self {
        Self::mariadb_in(Folder::new())
    }

    /// The same; it offers TLS and has the plugin for Ed25519 if the folder holds papers
    /// (`papers::write`).
    pub fn mariadb_in(folder: Folder) -> Self {
        let mut install = Command::new("mariadb-install-db");
        install.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--user=root",
        ]);
        install.arg(format!(
            "--datadir={}",
            folder.path().join("data").display()
        ));
        let status = start(&mut install).wait().expect("it is our child");
        assert!(status.success(), "mariadb-install-db failed");
        let server = Self::new(folder, |folder, port| {
            let mut command = Command::new("mariadbd");
            command.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"]);
            command.arg(format!("--port={port}"));
            command.arg(format!("--datadir={}", folder.join("data").display()));
            command.arg(format!("--socket={}", folder.join("socket").display()));
            if folder.join("server.pem").exists() {
                for (option, file) in [
                    ("ssl-cert", "server.pem"),
                    ("ssl-key", "server.key"),
                    ("ssl-ca", "ca.pem"),
                ] {
                    command.arg(format!("--{option}={}", folder.join(file).display()));
                }
                command.arg("--plugin-load-add=auth_ed25519");
            }
            command
        });
        server.sql(
            "create database welkin_test character set utf8mb4;
             create user 'welkin'@'127.0.0.1' identified via mysql_native_password using password('welkin-test');
             create user 'welkin'@'localhost' identified via mysql_native_password using password('welkin-test');
             grant all on welkin_test.* to 'welkin'@'127.0.0.1', 'welkin'@'localhost'",
        );
        server
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs SQL as the server's owner.
    pub fn sql(&self, text: &str) {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "-u", "root", "-S"]);
        client
            .arg(self.folder.path().join("socket"))
            .args(["-e", text]);
        let status = start(&mut client).wait().expect("it is our child");
        assert!(status.success(), "refused: {text}");
    }

    /// Kills the server, without a chance to say goodbye.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, with its data, on its port.
    pub fn restart(&mut self) {
        self.child = start(&mut (self.command)(self.folder.path(), self.port));
        self.await_port();
    }

    /// A server that starts tells nobody when it is ready.
    fn await_port(&self) {
        let end = Instant::now() + Duration::from_secs(PATIENCE_S);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "no server at port {}", self.port);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
