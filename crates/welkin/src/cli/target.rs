//! Which node a command means: a config, the id of a process, or a control socket.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::usage;
use crate::config::{self, Config};
use crate::daemon;
use crate::failure::{FAILED, Failure};

/// A running node, as it was named on the command line.
pub enum Target {
    /// By its control socket.
    Socket(PathBuf),
    /// By its process.
    Process(i32),
}

/// The words of a command: flags that were given, and the target.
pub struct Words<'a> {
    /// Print JSON.
    pub json: bool,
    /// `--off`.
    pub off: bool,
    /// The config, process or socket.
    pub target: &'a OsStr,
}

/// Reads the arguments of `command`; only the flags of `allowed` are known.
pub fn words<'a>(
    command: &str,
    allowed: &[&str],
    arguments: &'a [OsString],
) -> Result<Words<'a>, Failure> {
    let (mut json, mut off, mut target) = (false, false, None);
    for word in arguments {
        match word.to_str() {
            Some(flag) if flag.starts_with("--") && !allowed.contains(&flag) => {
                let allowed = allowed.join(", ");
                return Err(usage(format_args!(
                    "{command} has no option {flag}. Options: {allowed}, --help"
                )));
            }
            Some("--json") => json = true,
            Some("--off") => off = true,
            _ if target.is_none() => target = Some(word.as_os_str()),
            _ => target = Some(OsStr::new("")),
        }
    }
    match target {
        Some(target) if !target.is_empty() => Ok(Words { json, off, target }),
        _ => Err(usage(format_args!(
            "{command} takes one node: its config or its control socket. Example: welkin {command} config"
        ))),
    }
}

impl Target {
    /// Finds what `word` names.
    pub fn find(word: &OsStr) -> Result<Target, Failure> {
        let path = Path::new(word);
        let shown = path.display();
        match fs::metadata(path) {
            Ok(file) if file.file_type().is_socket() => Ok(Target::Socket(path.to_owned())),
            Ok(file) if file.is_file() => Self::of_config(&config::load(path)?, path),
            Ok(_) => Err(usage(format_args!(
                "{shown} is neither a config file nor a socket"
            ))),
            Err(error) => match word.to_str().map(str::parse::<i32>) {
                Some(Ok(pid)) if pid > 0 => Ok(Target::Process(pid)),
                _ => Err(Failure::new(
                    FAILED,
                    format_args!(
                        "cannot find {shown}: {error}. Give the node's config, its control socket (while it runs), or the id of its process"
                    ),
                )),
            },
        }
    }

    fn of_config(config: &Config, path: &Path) -> Result<Target, Failure> {
        let socket = config.control.as_deref();
        let lives = socket.is_some_and(Path::exists);
        if let Some(socket) = socket.filter(|_| lives || config.daemon.is_none()) {
            return Ok(Target::Socket(socket.to_owned()));
        }
        match &config.daemon {
            Some(pid_file) => match daemon::holder(pid_file) {
                Some(pid) => Ok(Target::Process(pid)),
                None => Err(not_running(&format!(
                    "no living node holds the pid file {}",
                    pid_file.display()
                ))),
            },
            None => Err(usage(format_args!(
                "{} has neither welkin_control nor daemon, so its node cannot be found: set welkin_control to the path of a socket before the next start, or give the id of the process",
                path.display()
            ))),
        }
    }
}

/// There is no such node.
pub fn not_running(why: &str) -> Failure {
    Failure::new(
        FAILED,
        format_args!(
            "the node does not run: {why} (paths of a config are relative to the working directory)"
        ),
    )
}
