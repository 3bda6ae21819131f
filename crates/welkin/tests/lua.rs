//! Runs every program of `tests/lua/` as the start service of a node. A program prints lines that
//! begin with PASS or FAIL; it has passed when it ends with status 0, or keeps running after a PASS, and
//! there was no FAIL.
//!
//! `WELKIN_TEST=name` runs the programs whose file name contains that text.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use support::{Folder, Node, root};

/// Longest run of one program, in seconds; debug builds on a busy machine are slow.
const LIMIT_S: u64 = 60;
/// After a PASS: more lines belong to the program if they come within this time, in milliseconds.
const AFTER_PASS_MS: u64 = 200;
const AT_A_TIME: usize = 2;

#[test]
fn every_lua_program_passes() {
    let mut programs = programs();
    let count = programs.len();
    programs.reverse();
    let (programs, failures) = (Mutex::new(programs), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(program) = take(&programs) {
                    if let Err(why) = run(&program) {
                        let name = program.file_name().unwrap_or_default().to_string_lossy();
                        failures.lock().unwrap().push(format!("{name}: {why}"));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let failed = failures.len();
    assert!(
        failures.is_empty(),
        "{failed} of {count} programs failed:\n{}",
        failures.join("\n")
    );
}

fn take(programs: &Mutex<Vec<PathBuf>>) -> Option<PathBuf> {
    programs.lock().unwrap().pop()
}

fn programs() -> Vec<PathBuf> {
    let wanted = std::env::var("WELKIN_TEST").unwrap_or_default();
    let Ok(entries) = fs::read_dir(root().join("tests/lua")) else {
        return Vec::new();
    };
    let mut programs: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "lua"))
        .filter(|path| {
            path.file_stem()
                .is_some_and(|name| name.to_string_lossy().contains(&wanted))
        })
        .filter(|path| is_for_this_build(path))
        .collect();
    programs.sort();
    programs
}

/// Programs that need what a smaller build may lack: how their names begin, the part, whether it is here.
const NEEDS: [(&str, &str, bool); 4] = [
    ("sqlite_", "SQLite", cfg!(feature = "sqlite")),
    ("database_limits", "TLS", cfg!(feature = "tls")),
    ("mongo_options", "TLS", cfg!(feature = "tls")),
    ("mysql_logins", "MySQL's keys", cfg!(feature = "mysql-keys")),
];

/// One that is not is left out, and that is said.
fn is_for_this_build(program: &Path) -> bool {
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    let mut needs = NEEDS.iter().filter(|(begin, ..)| name.starts_with(begin));
    let missing = needs.find(|(.., is_here)| !is_here);
    if let Some((_, part, _)) = missing {
        eprintln!("skipped: {name}: this build is without {part}");
    }
    missing.is_none()
}

fn run(program: &Path) -> Result<(), String> {
    let folder = Folder::new();
    let lua = root().join("tests/lua");
    let lua = lua.display();
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    folder.file(
        "config",
        &format!(
            "thread = 2 harbor = 0 start = '{name}' logpath = '.'
             luaservice = '{lua}/?.lua;{lua}/lib/?.lua;{lua}/service/?.lua'
             lua_path = '{lua}/?.lua;{lua}/lib/?.lua' snax = '{lua}/?.lua;{lua}/service/?.lua'"
        ),
    );
    let mut node = Node::start(folder.path(), &["config"]);
    let end = Instant::now() + Duration::from_secs(LIMIT_S);
    let (mut passed, mut seen) = (false, Vec::new());
    loop {
        let limit = match passed {
            true => Duration::from_millis(AFTER_PASS_MS),
            false => end.saturating_duration_since(Instant::now()),
        };
        match node.line_within(limit) {
            Some(Some(line)) => {
                let failed = line.starts_with("FAIL");
                passed |= line.starts_with("PASS");
                seen.push(line);
                if failed {
                    return Err(seen.join("\n    "));
                }
            }
            Some(None) if passed => {
                let (status, _) = node.finish();
                return if status.success() {
                    Ok(())
                } else {
                    Err(format!("ended with {status}"))
                };
            }
            Some(None) => return Err(format!("ended without PASS\n    {}", seen.join("\n    "))),
            None if passed => return Ok(()),
            None => {
                return Err(format!(
                    "no PASS in {LIMIT_S} s\n    {}",
                    seen.join("\n    ")
                ));
            }
        }
    }
}
