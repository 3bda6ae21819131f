//! An agent by itself, with its keepers, for the tests of this crate: `wk-agent fleet agent ...`. And
//! `wk-agent node SOCKET`, which answers as a node does on its control connection.
#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use welkin_codec::control::{Answer, Ask, Request, Status};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let rest = arguments.get(2..).unwrap_or_default();
    let words: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
    ExitCode::from(match words.as_slice() {
        ["fleet", "keeper", ..] => welkin_fleet_keeper::run(rest),
        ["fleet", "agent", ..] => welkin_fleet_agent::run(rest),
        ["node", socket] => be_node(socket),
        _ => {
            println!("welkin test");
            0
        }
    })
}

/// Connects again and again, as nodes do.
fn be_node(socket: &str) -> u8 {
    let mut draining = false;
    loop {
        if let Ok(stream) = UnixStream::connect(socket)
            && let Some(status) = answer(stream, &mut draining)
        {
            return status;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The exit status, if it was told to end.
fn answer(mut stream: UnixStream, draining: &mut bool) -> Option<u8> {
    let lines = BufReader::new(stream.try_clone().ok()?).lines();
    for line in lines {
        let request = Request::parse(line.ok()?.as_bytes()).ok()?;
        let answer = match &request.ask {
            Ask::Status => Answer::Status(Box::new(Status {
                node: std::env::var("WELKIN_NODE").ok(),
                start_key: std::env::var("WELKIN_START").ok(),
                pid: std::process::id(),
                version: "test".to_owned(),
                ready: !*draining,
                draining: *draining,
                services: 5,
                ..Status::default()
            })),
            Ask::Drain { off } => {
                *draining = !off;
                Answer::Drain {
                    draining: *draining,
                    unfinished: Vec::new(),
                }
            }
            Ask::Online { hook } => Answer::Online {
                online: Some(hook.len() as u64),
                parts: None,
                error: String::new(),
            },
            Ask::Stop => Answer::Stop {
                pid: std::process::id(),
                drains: false,
                exit_ms: 0,
            },
        };
        stream.write_all(&answer.line(request.id)).ok()?;
        if request.ask == Ask::Stop {
            return Some(0);
        }
    }
    None
}
