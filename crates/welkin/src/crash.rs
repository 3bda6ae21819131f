//! Crash reports: `welkin_crash_dir`.
//!
//! A panic of native code (which ends one service) and a fatal signal (which ends the node) leave a
//! report in `welkin-crash-PROCESS.txt`: version, service, what happened, the stack. Reports are
//! appended; of panics only the first [`PANICS_MAX`] are, so that one that happens for every message
//! does not fill the disk. What goes to standard error without all this still goes there.

use std::backtrace::Backtrace;
use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::os::{clock, fault};

/// Panics of one process that are reported.
const PANICS_MAX: u32 = 16;

/// Writes reports from now on: into the folder, for `-` to standard error. After a fork.
pub fn watch(folder: &str) {
    let name = format!("welkin-crash-{}.txt", std::process::id());
    let path = (folder != "-").then(|| Path::new(folder).join(name));
    let raw = path.as_ref().and_then(|path| {
        // A path with a zero byte names no file: standard error then.
        CString::new(path.as_os_str().as_encoded_bytes()).ok()
    });
    fault::watch(raw, head(), || welkin_runtime::current_service().0);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        on_panic(path.as_ref(), info);
    }));
}

/// How a report begins.
fn head() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let process = std::process::id();
    format!("welkin {version}, process {process}: ")
}

fn on_panic(path: Option<&PathBuf>, info: &PanicHookInfo<'_>) {
    static PANICS: AtomicU32 = AtomicU32::new(0);
    if PANICS.fetch_add(1, Ordering::Relaxed) >= PANICS_MAX {
        return;
    }
    let thread = std::thread::current();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let text = format!(
        "{}{} thread {} in service {} (0: none) {info}\n{}\n",
        head(),
        clock::sortable(now.map_or(0, |now| now.as_secs().cast_signed())),
        thread.name().unwrap_or("without name"),
        welkin_runtime::current_service(),
        Backtrace::force_capture()
    );
    let Some(path) = path else {
        eprint!("{text}");
        return;
    };
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => eprintln!("welkin: the crash report is in {}", path.display()),
        Err(error) => eprintln!(
            "welkin: the crash report cannot be written to {}: {error}. Correct the config key welkin_crash_dir",
            path.display()
        ),
    }
}
