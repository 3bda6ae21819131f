//! The systemd unit of an agent.
//!
//! `KillMode=process`: a restart of the agent leaves keepers and nodes alone. With systemd 254 or later
//! the unit's cgroup is delegated and the agent lives in a leaf of its own beside those of the nodes;
//! before, a restart would fail on the living children, so there are no cgroups of nodes. A node that
//! the kernel kills for its memory must not end the unit, and the nodes' threads are not the unit's to
//! count.

use std::path::{Path, PathBuf};
use std::process::Command;

use welkin_fleet_model::unit::Service;

use crate::agent::upgrade::{LINK, link};
use crate::args::{Args, Master};
use crate::settings::Settings;

/// First version that knows `DelegateSubgroup`.
const SUBGROUP_SINCE: u32 = 254;

/// Writes the unit; what to do next, for people.
pub fn install(args: &Args, settings: &Settings) -> Result<String, String> {
    let mut lines = vec![
        "KillMode=process",
        "OOMPolicy=continue",
        "TasksMax=infinity",
    ];
    if systemd_version().is_some_and(|version| version >= SUBGROUP_SINCE) {
        lines.extend(["Delegate=yes", "DelegateSubgroup=agent"]);
    }
    let service = Service {
        name: "welkin-agent",
        description: "Welkin fleet agent",
        words: words(args, settings),
        folder: &settings.base,
        lines: &lines,
        root: settings.user == 0,
    };
    let (path, text) = (service.path(std::env::var_os("HOME"))?, service.text()?);
    let anew = !std::fs::read_to_string(&path).is_ok_and(|before| before == text);
    let dir = settings.folders.dir();
    link(dir, &settings.program).map_err(|error| format!("{}: {error}", dir.display()))?;
    write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(service.next(&path, anew))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}

/// The command line: of the link, so that an upgrade holds, and with paths that lead from anywhere.
fn words(args: &Args, settings: &Settings) -> Vec<String> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let absolute = |path: &Path| text(settings.base.join(path));
    let dir = settings.folders.dir();
    let mut words = vec![text(dir.join(LINK))];
    words.extend(["fleet", "agent", "--master"].map(str::to_owned));
    words.push(match &args.master {
        Master::Tcp(address) => address.clone(),
        Master::Local(path) => absolute(path),
    });
    words.extend(["--dir".to_owned(), text(dir.to_owned())]);
    for (option, path) in [
        ("--token-file", &args.token_file),
        ("--secret-file", &args.secret_file),
        ("--trusted-keys", &args.trusted_keys),
    ] {
        if let Some(path) = path.as_ref().filter(|path| path.as_os_str() != "-") {
            words.extend([option.to_owned(), absolute(path)]);
        }
    }
    if let Some(machine) = &args.machine {
        words.extend(["--machine".to_owned(), machine.clone()]);
    }
    for path in &args.allow_paths {
        words.extend(["--allow-path".to_owned(), absolute(path)]);
    }
    if args.allow_root {
        words.extend(["--allow-user".to_owned(), "root".to_owned()]);
    }
    words
}

fn systemd_version() -> Option<u32> {
    let output = Command::new("systemctl").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().nth(1)?.parse().ok()
}
