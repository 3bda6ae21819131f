//! The agent as the first process of a container. Orphans are given to process 1: keepers, which outlive who
//! started them, and what nodes leave behind. It must wait for them, or each stays as a zombie for good; and its
//! end is the end of all.
//!
//! An agent waits for its own children where it has started them, so it cannot also wait for whoever ends.
//! Therefore process 1 starts the agent as its child and does nothing else: it waits for all that ends, passes
//! SIGTERM and SIGINT on, starts the agent again if a signal that nobody sent by way of it has killed it, as
//! its nodes go on meanwhile, and ends as the agent does.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};

use crate::say;

/// Between two starts of an agent that is killed.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether this process is the first one.
pub fn is_first() -> bool {
    getpid() == Pid::INIT
}

/// Runs the agent as a child until it ends; gives its exit status.
pub fn run() -> Result<u8, String> {
    let failed = |error: io::Error| format!("as process 1: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(watch()).map_err(failed)
}

async fn watch() -> io::Result<u8> {
    // Before there is a child that could end.
    let mut ended = signal(SignalKind::child())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut told = false;
    let mut agent = start()?;
    loop {
        let passed_on = tokio::select! {
            _ = ended.recv() => None,
            _ = terminate.recv() => Some(Signal::TERM),
            _ = interrupt.recv() => Some(Signal::INT),
        };
        if let Some(signal) = passed_on {
            told = true;
            // It was not waited for, so the number is still its own.
            let _ = kill_process(agent, signal);
        }
        match reap(agent) {
            None => {}
            Some(End::Status(status)) => return Ok(status),
            Some(End::Signal(number)) if told => return Ok(number.saturating_add(128)),
            Some(End::Signal(number)) => {
                say(&format!(
                    "the agent was ended by signal {number}; it is started again"
                ));
                tokio::time::sleep(AGAIN).await;
                agent = start()?;
            }
        }
    }
}

/// How the agent ended.
enum End {
    Status(u8),
    Signal(u8),
}

/// Waits for all that have ended; tells if the agent is one of them.
fn reap(agent: Pid) -> Option<End> {
    let mut end = None;
    // An error: there is no child at all.
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid != agent {
            continue;
        }
        let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        end = match (status.exit_status(), status.terminating_signal()) {
            (Some(status), _) => Some(End::Status(byte(status))),
            (None, Some(signal)) => Some(End::Signal(byte(signal))),
            (None, None) => None,
        };
    }
    end
}

/// The same program once more, with what it was given.
fn start() -> io::Result<Pid> {
    let mut words = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    // Waited for by `reap`, with all others.
    let child = command.args(words).spawn()?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
