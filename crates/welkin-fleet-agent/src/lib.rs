//! What starts, watches and stops the nodes of one machine: `welkin fleet agent`.
//!
//! One loop on one thread holds all state (`agent/`). What happens to a node is decided by a state machine
//! that does no I/O (`supervise/`); `node/` is what an agent does for one node, `control/` how it hears of
//! it, `link.rs` how it hears of the master, `init.rs` what it is as process 1. Nodes run under keepers
//! (`welkin-fleet-keeper`) and so outlive the agent, which finds them again.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use welkin_codec::control::Answer;
use welkin_fleet_model::units::rfc3339;
use welkin_fleet_trust::Identity;

mod agent;
mod args;
mod base64;
mod clock;
pub mod console;
mod control;
pub mod figures;
mod folders;
mod init;
mod install;
mod link;
pub mod logs;
mod node;
pub mod scripts;
mod settings;
pub mod supervise;

use args::{Args, Master, Word};
use folders::Folders;
use settings::Settings;

/// Exit statuses.
const DONE: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// How long an agent may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// How long the lock of an agent before is waited for, and the time between two tries.
const LOCK_LIMIT: Duration = Duration::from_secs(2);
const LOCK_AGAIN: Duration = Duration::from_millis(50);

/// How an agent ends.
pub(crate) enum Outcome {
    /// It was told to, for good: who spawns agents shall not do so again.
    Ended,
    /// By a signal; whoever started it may do so again.
    Signalled,
    /// It becomes that binary.
    Become(PathBuf),
}

/// Does what the arguments (after the word) say; gives the exit status.
pub fn run(arguments: &[OsString]) -> u8 {
    if arguments
        .first()
        .is_some_and(|word| word == agent::upgrade::PROTOCOL_WORD)
    {
        println!("{}", welkin_fleet_keeper::protocol::PROTOCOL);
        return DONE;
    }
    let word = match args::parse(arguments) {
        Ok(word) => word,
        Err(error) => {
            eprintln!("welkin fleet agent: {error}");
            return USAGE;
        }
    };
    let done = match word {
        Word::Help => {
            println!("{}", args::HELP);
            Ok(DONE)
        }
        Word::End(dir) => end(&dir).map(|()| DONE),
        Word::Install(args) => settings(&args)
            .and_then(|settings| install::install(&args, &settings))
            .map(|text| {
                println!("{text}");
                DONE
            }),
        Word::Run(_) if init::is_first() => init::run(),
        Word::Run(args) => serve(&args).map(|()| DONE),
    };
    match done {
        Ok(status) => status,
        Err(error) => {
            eprintln!("welkin fleet agent: {error}");
            FAILED
        }
    }
}

fn settings(args: &Args) -> Result<Settings, String> {
    let base = std::env::current_dir().map_err(|error| format!("working folder: {error}"))?;
    let folders = Folders::open(&args.dir);
    let trusted_keys = match &args.trusted_keys {
        Some(file) => keys(file)?,
        None => Vec::new(),
    };
    let allow_paths = args.allow_paths.iter().map(|path| base.join(path));
    let allow_paths: Vec<PathBuf> = allow_paths.collect();
    Ok(Settings {
        folders: folders.map_err(|error| format!("{}: {error}", args.dir.display()))?,
        program: std::env::current_exe().map_err(|error| format!("own program: {error}"))?,
        allow_paths: node::paths::Allowed::new(&allow_paths).map(|_| allow_paths)?,
        base,
        allow_root: args.allow_root,
        trusted_keys,
        user: rustix::process::geteuid().as_raw(),
    })
}

/// The keys of a file, a line each; comments of minisign are passed over.
fn keys(file: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#']));
    let keys: Vec<String> = lines
        .filter(|line| !line.starts_with("untrusted comment:"))
        .map(str::to_owned)
        .collect();
    match keys.is_empty() {
        true => Err(format!("{} holds no key", file.display())),
        false => Ok(keys),
    }
}

fn serve(args: &Args) -> Result<(), String> {
    let settings = Arc::new(settings(args)?);
    let mut lock = lock(&settings.folders)?;
    // So that killall welkin does not hit it. Without /proc nothing is lost but the name.
    let _ = std::fs::write("/proc/self/comm", "wk-agent");
    let way = way(args, &settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("runtime: {error}"))?;
    say(&format!(
        "agent of {} begins, process {}",
        way.machine,
        std::process::id()
    ));
    let outcome = runtime.block_on(agent::run(settings, |happenings, commands| {
        tokio::spawn(link::keep(way, happenings, commands));
    }))?;
    // What still runs beside the loop has nobody to tell.
    runtime.shutdown_timeout(Duration::from_millis(500));
    match outcome {
        Outcome::Ended => {
            say("ended; the nodes go on");
            write_lock(&mut lock, "ended")
        }
        Outcome::Signalled => {
            say("ended by a signal; the nodes go on");
            Ok(())
        }
        Outcome::Become(program) => {
            let error = std::process::Command::new(&program)
                .arg0("wk-agent")
                .args(args::without_token(std::env::args_os().skip(1)))
                .exec();
            Err(format!("exec: {}: {error}", program.display()))
        }
    }
}

fn way(args: &Args, settings: &Settings) -> Result<link::Way, String> {
    let machine = match &args.machine {
        Some(machine) => machine.clone(),
        None => std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map(|name| name.trim().to_owned())
            .map_err(|error| format!("the host's name is not known ({error}): give --machine"))?,
    };
    welkin_fleet_trust::check_name(&machine)?;
    let identity = settings.folders.identity();
    Ok(link::Way {
        master: match &args.master {
            Master::Local(path) => Master::Local(settings.base.join(path)),
            tcp => tcp.clone(),
        },
        token: token(args, &identity)?,
        identity,
        secret_file: args.secret_file.clone(),
        machine,
    })
}

/// The token, if one is named. One that is gone is missed only by who is not enrolled yet: a unit goes on
/// naming the file, long after it was used and removed.
fn token(args: &Args, identity: &Path) -> Result<Option<String>, String> {
    let read = args.token_file.as_deref().map(link::read_token).transpose();
    let enrolled = || matches!(Identity::load(identity), Ok(Some(_)));
    match read {
        Err(_) if enrolled() => Ok(None),
        read => read,
    }
}

/// One agent a folder: its lock, which holds its process number.
fn lock(folders: &Folders) -> Result<File, String> {
    let path = folders.lock();
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = file.map_err(failed)?;
    let until = Instant::now() + LOCK_LIMIT;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            // One that was just killed may not be gone yet.
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(LOCK_AGAIN);
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Only to be shown.
                let _ = (&file).take(100).read_to_string(&mut text);
                return Err(format!(
                    "another agent works in {} (process {})",
                    folders.dir().display(),
                    text.trim()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    write_lock(&mut file, &std::process::id().to_string())?;
    Ok(file)
}

/// In place, and cut behind it: on a full disk what is there can be written over, new blocks cannot be had.
fn write_lock(file: &mut File, text: &str) -> Result<(), String> {
    let text = format!("{text}\n");
    let written = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.write_all(text.as_bytes()))
        .and_then(|()| file.set_len(text.len() as u64));
    written.map_err(|error| format!("lock: {error}"))
}

/// Tells the agent of a folder to end, and waits until it has.
fn end(dir: &Path) -> Result<(), String> {
    if !dir.join("lock").is_file() {
        return Err(format!("{}: no agent has worked there", dir.display()));
    }
    let folders = Folders::open(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let path = folders.socket();
    let failed = |error: std::io::Error| {
        let none = "no agent answers there";
        format!("{}: {none} ({error})", path.display())
    };
    let mut stream = UnixStream::connect(&path).map_err(failed)?;
    stream.set_read_timeout(Some(END_LIMIT)).map_err(failed)?;
    let mut first = String::new();
    let mut reader = BufReader::new(stream.try_clone().map_err(failed)?).take(4096);
    reader.read_line(&mut first).map_err(failed)?;
    let request = welkin_codec::control::Request::parse(first.trim_end().as_bytes());
    let id = request.ok().and_then(|request| request.id);
    let answer = Answer::Stop {
        pid: std::process::id(),
        drains: false,
        exit_ms: 0,
    };
    stream.write_all(&answer.line(id)).map_err(failed)?;
    // Closed by its end.
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).map_err(failed)?;
    let lock = File::open(dir.join("lock")).map_err(|e| format!("{}: {e}", dir.display()))?;
    let until = Instant::now() + END_LIMIT;
    while lock.try_lock_shared().is_err() {
        if Instant::now() >= until {
            return Err("the agent does not end; its log says why".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("ended; its nodes go on");
    Ok(())
}

/// A line of the agent's log, which is its standard error.
pub(crate) fn say(text: &str) {
    eprintln!("{} {text}", rfc3339(clock::unix_ms()));
}
