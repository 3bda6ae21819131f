//! What a node is to be: the keys of its config file, with types, defaults and limits.
//!
//! The file itself is read by `welkin_lua::config_lua`. Every key of it becomes part of the node's
//! environment, whether the engine reads it or not; the engine's own defaults are put there too.

mod keys;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use welkin_lua::config_lua::{self, ConfigError};
use welkin_lua::library::Preference;

use crate::failure::{CONFIG, Failure};
use crate::fleet::settings::{self, Settings};
use crate::logger::Format;

/// Keys and values as text, as services see them by `skynet.getenv`.
pub type Environment = BTreeMap<Vec<u8>, Vec<u8>>;

/// Most worker threads a node may have.
const WORKERS_MAX: i64 = 1024;

/// Keys that the engine stores in the environment when the file does not set them.
const DEFAULTS: [(&str, &str); 6] = [
    ("thread", "8"),
    ("cpath", "./cservice/?.so"),
    ("harbor", "1"),
    ("bootstrap", "snlua bootstrap"),
    ("logservice", "logger"),
    ("profile", "true"),
];

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Every key, defaults included.
    pub environment: Environment,
    /// The node's id in its harbor network; 0: it has none.
    pub harbor: u8,
    /// Worker threads, 1 to 1024.
    pub workers: usize,
    /// Whether services' CPU time is measured.
    pub profile: bool,
    /// The pid file of a node in the background.
    pub daemon: Option<PathBuf>,
    /// Where Lua modules and services come from.
    pub library: Preference,
    /// A service that runs longer while others wait gives its worker up; 0: never.
    pub preempt_ms: u32,
    /// Where crash reports go; `-`: standard error.
    pub crash_dir: String,
    /// Path of the control socket; `None`: there is none.
    pub control: Option<PathBuf>,
    /// The node is ready when the program says so.
    pub ready_by_hand: bool,
    /// Time that exit hooks have, in milliseconds.
    pub exit_ms: u32,
    /// How log lines look.
    pub log_format: Format,
    /// CPU time of one message that is worth a log line; 0: none is.
    pub slow_ms: u32,
    /// Deadline of calls that have no own; 0: none.
    pub call_timeout_ms: u32,
    /// Memory limit of a Lua service that sets none itself; 0: none.
    pub memory_max_mb: usize,
    /// Messages one mailbox holds; 0: no limit.
    pub mailbox_max: usize,
    /// The node's place in a fleet, if it has one.
    pub fleet: Option<Settings>,
    /// What should be said before the boot: set keys that have no effect.
    pub notices: Vec<String>,
}

/// Reads and checks a config file.
pub fn load(path: &Path) -> Result<Config, Failure> {
    let environment = config_lua::load_config(path).map_err(|error| refused(path, &error))?;
    check(environment, &path.display().to_string())
}

/// Checks keys and values; `origin` is where they come from, for messages.
pub fn check(mut environment: Environment, origin: &str) -> Result<Config, Failure> {
    for (key, value) in DEFAULTS {
        let value = || value.as_bytes().to_vec();
        environment.entry(key.into()).or_insert_with(value);
    }
    let text = |key: &str| {
        let value = environment.get(key.as_bytes());
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let mut notices = check_own_keys(&environment, origin)?;
    let workers = workers(&text("thread").unwrap_or_default(), origin)?;
    let harbor = harbor(&text("harbor").unwrap_or_default(), origin)?;
    let own = |key: &str| {
        let default = keys::find(key).and_then(|key| key.default);
        text(key).unwrap_or_else(|| default.unwrap_or_default().to_owned())
    };
    let library = library(&own("welkin_lualib"));
    notices.extend(strange_names(&library));
    notices.extend(settings::strange_debug_port(&environment, origin));
    let profile = text("profile").as_deref() == Some("true");
    if !profile && own("welkin_slow_ms") != "0" {
        notices.push("config key welkin_slow_ms has no effect while profile is false: messages are not measured then".to_owned());
    }
    // In range: `check_own_keys` has looked.
    let number = |key: &str| keys::number(&own(key)).unwrap_or(0);
    let path = |key: &str| {
        let value = environment.get(key.as_bytes());
        value.map(|path| PathBuf::from(OsStr::from_bytes(path)))
    };
    Ok(Config {
        fleet: settings::check(&environment, origin)?,
        harbor,
        workers,
        profile,
        daemon: path("daemon"),
        control: path("welkin_control"),
        ready_by_hand: own("welkin_ready") == "manual",
        exit_ms: number("welkin_exit_ms") as u32,
        library,
        preempt_ms: number("welkin_preempt_ms") as u32,
        crash_dir: own("welkin_crash_dir"),
        log_format: Format::named(&own("welkin_log_format")),
        slow_ms: number("welkin_slow_ms") as u32,
        call_timeout_ms: number("welkin_call_timeout_ms") as u32,
        memory_max_mb: number("welkin_memory_max_mb") as usize,
        mailbox_max: number("welkin_mailbox_max") as usize,
        notices,
        environment,
    })
}

fn library(value: &str) -> Preference {
    match value {
        "builtin" => Preference::Builtin,
        "path" => Preference::Path,
        names => Preference::PathFor(names.split_ascii_whitespace().map(String::from).collect()),
    }
}

/// Names in a list that change nothing, as nothing of that name is built in.
fn strange_names(library: &Preference) -> impl Iterator<Item = String> {
    let names: &[String] = match library {
        Preference::PathFor(names) => names,
        _ => &[],
    };
    names
        .iter()
        .filter(|name| !welkin_lua::library::is_built_in(name))
        .map(|name| format!("config key welkin_lualib names {name}, which is not built in: it comes from the project's files anyway. Look for a slip of the pen"))
}

fn workers(text: &str, origin: &str) -> Result<usize, Failure> {
    let number = leading_integer(text);
    if (1..=WORKERS_MAX).contains(&number) {
        return Ok(number as usize);
    }
    Err(Failure::known(
        format!("Invalid thread {number} , should be in [1,{WORKERS_MAX}]"),
        format_args!(
            "config key thread = \"{text}\" of {origin} is the number of worker threads; set it to the number of processor cores"
        ),
    ))
}

fn harbor(text: &str, origin: &str) -> Result<u8, Failure> {
    u8::try_from(leading_integer(text)).map_err(|_| {
        Failure::new(
            CONFIG,
            format_args!(
                "config key harbor = \"{text}\" of {origin} is the number of this node in its network: 1 to 255, or 0 for a node without one"
            ),
        )
    })
}

/// Every `welkin_` key is known and holds what it may hold; all mistakes are told at once. Gives the
/// notices about keys that have no effect.
fn check_own_keys(environment: &Environment, origin: &str) -> Result<Vec<String>, Failure> {
    let mut notices = Vec::new();
    let mut failure: Option<Failure> = None;
    for (name, value) in environment {
        if !name.starts_with(b"welkin_") {
            continue;
        }
        let name = String::from_utf8_lossy(name);
        let value = String::from_utf8_lossy(value);
        let mistake = match keys::find(&name) {
            None => format!(
                "config key {name} is not known; the nearest known key is {}. Correct or remove it in {origin}",
                keys::nearest(&name)
            ),
            Some(key) if !key.allowed.holds(&value) => format!(
                "config key {name} = \"{value}\" is wrong; allowed: {}. Correct it in {origin}",
                key.allowed.describe()
            ),
            Some(key) => {
                if !key.works && key.default != Some(&*value) {
                    notices.push(format!("config key {name} has no effect: not in this version yet. Remove it from {origin}, or do not rely on it"));
                }
                continue;
            }
        };
        failure = Some(match failure {
            None => Failure::new(CONFIG, mistake),
            Some(first) => first.and(mistake),
        });
    }
    failure.map_or(Ok(notices), Err)
}

/// As C's `strtol` in base 10 does it: blanks and a sign may come first, what follows the digits is
/// ignored, no digits are 0, too many are the largest number.
fn leading_integer(text: &str) -> i64 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = digits
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0i64, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(i64::from(digit - b'0'))
        });
    if negative { -number } else { number }
}

/// The two voices about a file that gives no configuration.
fn refused(path: &Path, error: &ConfigError) -> Failure {
    let config = path.display();
    match error {
        ConfigError::File {
            path,
            included_at: Some(at),
            ..
        } => Failure::known(
            error.to_string(),
            format_args!(
                "cannot read {path}, included at {at}: create it, or correct the include (a relative name starts at the folder of the including file)"
            ),
        ),
        ConfigError::File { path, .. } => Failure::known(
            error.to_string(),
            format_args!(
                "cannot read the config file {path}: give the path of an existing file. Commands: welkin --help"
            ),
        ),
        ConfigError::Unset { name, file, line } => Failure::known(
            error.to_string(),
            format_args!(
                "the environment variable {name}, used at {file}:{line}, is not set: export it before the start, or write the value into the file"
            ),
        ),
        ConfigError::Lua(_) => Failure::known(
            error.to_string(),
            format_args!(
                "config {config} is not valid: it is Lua text that sets globals, without a standard library. Correct the line above"
            ),
        ),
        ConfigError::Key(kind) => Failure::known(
            error.to_string(),
            format_args!(
                "config {config} sets a key that is a {kind}: keys are names. Look for an assignment through _ENV"
            ),
        ),
        ConfigError::Value { key, kind } => Failure::known(
            error.to_string(),
            format_args!(
                "config {config} sets {key} to a {kind}: values are texts, numbers and booleans. Make it local, or put its content into a text"
            ),
        ),
    }
}

#[cfg(test)]
mod tests;
