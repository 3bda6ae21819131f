//! The scripts of the founding note: `sh ./start.sh NODE`, `sh ./stop.sh NODE`, `sh ./update.sh`, in the
//! agent's working folder.
//!
//! `start.sh` runs under a keeper ([`start`] gives the command): if it stays it is the node, if it ends what
//! it left is. The others are run here, killed with their process group when they take too long, and the
//! end of their output is kept.

use std::io::{self, PipeReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::timeout;
use welkin_fleet_keeper::process;
use welkin_fleet_model::wire::agent::Script;

use crate::logs::Tail;

/// How long a script may take.
pub const LIMIT: Duration = Duration::from_secs(300);
/// Output that is kept.
pub const OUTPUT_MAX: usize = 64 << 10;
/// How long the output is waited for when the script has ended. What it left running may hold it open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a shell says of a command it cannot run.
const NOT_STARTED: i32 = 127;

/// A script that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Exit status; 128 and the signal's number when it was killed by one.
    pub status: i32,
    /// The last 64 KiB of its output.
    pub output: String,
    /// It took too long and was killed.
    pub timed_out: bool,
}

/// File name of a script.
pub fn name(script: Script) -> &'static str {
    match script {
        Script::Start => "start.sh",
        Script::Stop => "stop.sh",
        Script::Update => "update.sh",
    }
}

/// Which scripts lie in a folder.
pub fn present(folder: &Path) -> Vec<Script> {
    let all = [Script::Start, Script::Stop, Script::Update];
    let there = |script: &Script| folder.join(name(*script)).is_file();
    all.into_iter().filter(there).collect()
}

/// Command of a keeper's start: `sh ./start.sh NODE`. Goes with `Stay::Descendants` and the working folder.
pub fn start(node: &str) -> Vec<String> {
    ["sh", "./start.sh", node].map(str::to_owned).to_vec()
}

/// Runs a script to its end, at most [`LIMIT`]. The output is also written to `save`. One that could not be
/// started has status 127, and the reason as its output.
pub async fn run(
    folder: &Path,
    script: Script,
    node: Option<&str>,
    fleet: &str,
    save: &Path,
) -> Ran {
    let ran = run_within(folder, script, node, fleet, save, LIMIT).await;
    ran.unwrap_or_else(|error| Ran {
        status: NOT_STARTED,
        output: format!("{error}\n"),
        timed_out: false,
    })
}

async fn run_within(
    folder: &Path,
    script: Script,
    node: Option<&str>,
    fleet: &str,
    save: &Path,
    limit: Duration,
) -> io::Result<Ran> {
    let name = name(script);
    if !folder.join(name).is_file() {
        let text = format!("there is no {name} in {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let (ours, theirs) = io::pipe()?;
    let mut command = Command::new("sh");
    command
        .arg(format!("./{name}"))
        .args(node)
        .current_dir(folder)
        .env("WELKIN_FLEET", fleet)
        .env_remove("WELKIN_NODE")
        .envs(node.map(|node| ("WELKIN_NODE", node)))
        .stdin(Stdio::null())
        .stdout(Stdio::from(theirs.try_clone()?))
        .stderr(Stdio::from(theirs))
        .process_group(0);
    let mut child = command.spawn()?;
    // It holds the writing ends of the pipe.
    drop(command);
    let (tail, over) = collect(ours)?;
    let ended = timeout(limit, child.wait()).await;
    let timed_out = ended.is_err();
    let status = match ended {
        Ok(status) => status?,
        Err(_) => {
            // It was not waited for yet, so its number is its own.
            if let Some(pid) = child.id() {
                process::kill_group_of_child(pid);
            }
            child.wait().await?
        }
    };
    let _ = timeout(LAST_WORDS, over).await;
    let mut output = tail.lock().unwrap_or_else(PoisonError::into_inner).text();
    if timed_out {
        output.push_str(&format!("{name} was killed after {} s\n", limit.as_secs()));
    }
    // Only for people who look later.
    let _ = tokio::fs::write(save, &output).await;
    Ok(Ran {
        status: code(status),
        output,
        timed_out,
    })
}

/// Reads to the end in a thread of its own, as a pipe cannot be waited for otherwise; the receiver hears of
/// the end. Who left a process behind that never closes it leaves the thread too: one of few.
fn collect(mut pipe: PipeReader) -> io::Result<(Arc<Mutex<Tail>>, oneshot::Receiver<()>)> {
    let tail = Arc::new(Mutex::new(Tail::new(OUTPUT_MAX)));
    let (end, over) = oneshot::channel();
    let ours = Arc::clone(&tail);
    thread::Builder::new().spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(count) = pipe.read(&mut piece) {
            if count == 0 {
                break;
            }
            let mut tail = ours.lock().unwrap_or_else(PoisonError::into_inner);
            tail.push(&piece[..count]);
        }
        let _ = end.send(());
    })?;
    Ok((tail, over))
}

fn code(status: ExitStatus) -> i32 {
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).unwrap_or(1)
}

#[cfg(test)]
mod tests;
