//! `welkin stop`, `drain` and `status`: commands to a running node, by its control socket; `stop` also
//! by a signal to its process.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use welkin_codec::control::{Answer, Ask, Status};

use super::say;
use super::target::{Target, not_running, words};
use crate::control::client::Client;
use crate::failure::{FAILED, Failure};
use crate::os::process::Other;

/// Longest wait for hooks that is waited for; `welkin_exit_ms` has the same limit.
const HOOKS_LIMIT: Duration = Duration::from_secs(86_400);

pub fn status(arguments: &[OsString]) -> Result<u8, Failure> {
    let words = words("status", &["--json"], arguments)?;
    let mut node = connect(&Target::find(words.target)?, "status")?;
    match node.ask(Ask::Status, Duration::ZERO)? {
        (line, Answer::Status(_)) if words.json => Ok(say(&line)),
        (_, Answer::Status(status)) => Ok(say(&table(&status))),
        (line, _) => Err(strange(&line)),
    }
}

pub fn drain(arguments: &[OsString]) -> Result<u8, Failure> {
    let words = words("drain", &["--json", "--off"], arguments)?;
    let mut node = connect(&Target::find(words.target)?, "drain")?;
    let (line, answer) = node.ask(Ask::Drain { off: words.off }, HOOKS_LIMIT)?;
    let Answer::Drain {
        draining,
        unfinished,
    } = answer
    else {
        return Err(strange(&line));
    };
    if words.json {
        say(&line);
    } else {
        say(if draining { "draining" } else { "serving" });
        complain(&unfinished);
    }
    Ok(u8::from(!unfinished.is_empty()))
}

pub fn stop(arguments: &[OsString]) -> Result<u8, Failure> {
    let words = words("stop", &["--json"], arguments)?;
    let stopped = match Target::find(words.target)? {
        Target::Process(pid) => stop_process(pid)?,
        target @ Target::Socket(_) => stop_by_socket(connect(&target, "stop")?)?,
    };
    if words.json {
        let end = Answer::End {
            status: stopped.status,
            unfinished: stopped.unfinished,
        };
        say(&String::from_utf8_lossy(&end.line(None)));
    } else {
        say("stopped");
        complain(&stopped.unfinished);
    }
    Ok(stopped.status)
}

/// How a node ended.
#[derive(Default)]
struct Stopped {
    status: u8,
    unfinished: Vec<String>,
}

fn stop_by_socket(mut node: Client) -> Result<Stopped, Failure> {
    let (line, answer) = node.ask(Ask::Stop, Duration::ZERO)?;
    let Answer::Stop {
        drains, exit_ms, ..
    } = answer
    else {
        return Err(strange(&line));
    };
    let extra = Duration::from_millis(exit_ms).min(HOOKS_LIMIT);
    let mut stopped = None;
    while let Some((line, answer)) = node.next(extra)? {
        let Answer::End { status, unfinished } = answer else {
            return Err(strange(&line));
        };
        stopped = Some(Stopped { status, unfinished });
    }
    match stopped {
        Some(stopped) => Ok(stopped),
        None if !drains => Ok(Stopped::default()),
        None => Ok(Stopped {
            status: FAILED,
            unfinished: vec![
                "the node ended before its hooks were through (a second signal, or a crash)"
                    .to_owned(),
            ],
        }),
    }
}

fn stop_process(pid: i32) -> Result<Stopped, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            FAILED,
            format_args!("cannot stop the process {pid}: {error}"),
        )
    };
    let node = Other::find(pid).map_err(failed)?;
    node.terminate().map_err(failed)?;
    // As long as it takes: how much time its hooks have is not known here.
    node.wait();
    Ok(Stopped::default())
}

fn connect(target: &Target, command: &str) -> Result<Client, Failure> {
    let path: &Path = match target {
        Target::Socket(path) => path,
        Target::Process(pid) => {
            return Err(Failure::new(
                FAILED,
                format_args!(
                    "{command} needs the control socket of the process {pid}: set welkin_control in its config and give the config, or the path of the socket"
                ),
            ));
        }
    };
    Client::connect(path)?.ok_or_else(|| {
        not_running(&format!(
            "nobody answers on its control socket {}",
            path.display()
        ))
    })
}

fn strange(line: &str) -> Failure {
    Failure::new(
        FAILED,
        format_args!("the node answered something else than was asked: {line}"),
    )
}

fn complain(unfinished: &[String]) {
    for line in unfinished {
        eprintln!("welkin: {line}");
    }
}

/// A status for people.
fn table(status: &Status) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name:<9} {value}");
    };
    row("node", status.node.clone().unwrap_or_else(|| "-".into()));
    let state = match status.ready {
        true => "ready".to_owned(),
        false if status.stopping => "stopping".to_owned(),
        false if status.draining => "draining".to_owned(),
        false => format!("not ready: {}", status.reason),
    };
    row("state", state);
    row("pid", status.pid.to_string());
    row("version", status.version.clone());
    row("uptime", duration(status.uptime_s));
    row("services", status.services.to_string());
    let online = status.online.map(|online| online.to_string());
    row("online", online.unwrap_or_else(|| "-".into()));
    let memory = status.memory.map_or_else(|| "-".into(), mebibytes);
    let lua = mebibytes(status.lua_memory);
    row("memory", format!("{memory} (services in Lua: {lua})"));
    let sockets = status.sockets;
    row(
        "sockets",
        format!(
            "{} established, {} listen, {} closing, {} udp",
            sockets.established, sockets.listen, sockets.closing, sockets.udp
        ),
    );
    if let Some(queue) = &status.queue {
        row(
            "queue",
            format!(
                "{} messages for {} {}",
                queue.messages, queue.service, queue.name
            ),
        );
    }
    for stuck in &status.stuck {
        row(
            "stuck",
            format!(
                "{} {} for {} {} {}",
                stuck.service,
                stuck.name,
                duration(stuck.ms / 1000),
                stuck.function,
                stuck.at
            ),
        );
    }
    text
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// `2m13s`
fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m{rest:02}s"),
        (0, ..) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_by_their_two_largest_units() {
        let shown = [9, 133, 7_265, 90_000].map(duration);
        assert_eq!(shown, ["9s", "2m13s", "2h01m", "1d01h"]);
    }

    #[test]
    fn a_status_names_what_is_wrong() {
        let status = Status {
            reason: "it starts".to_owned(),
            ..Status::default()
        };
        let text = table(&status);
        assert!(text.contains("state     not ready: it starts\n"), "{text}");
        assert!(text.contains("online    -\n"), "{text}");
    }
}
