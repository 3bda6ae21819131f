//! Whether nodes could run from a release: paths, command, binary, and for Welkin nodes config and Lua
//! syntax by `welkin check`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use welkin_fleet_model::entry::NodeEntry;
use welkin_fleet_model::wire::agent::Reply;

use super::{Agent, Then};
use crate::node::launch;
use crate::settings::Settings;

/// How long a program may take to print its version, and to check a config.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
const CHECK_LIMIT: Duration = Duration::from_secs(120);
/// Most bytes of a fault.
const FAULT_MAX: usize = 2_000;

impl Agent {
    pub(super) fn check(&mut self, id: u64, digest: Option<String>, nodes: Vec<NodeEntry>) {
        let settings = Arc::clone(&self.settings);
        self.work(id, async move {
            let mut faults = Vec::new();
            for entry in &nodes {
                if let Err(fault) = check(&settings, entry, digest.as_deref()).await {
                    faults.push((entry.name.clone(), fault));
                }
            }
            let reply = Reply {
                faults,
                ..Reply::default()
            };
            (Ok(reply), Then::Nothing)
        });
    }
}

async fn check(
    settings: &Settings,
    entry: &NodeEntry,
    release: Option<&str>,
) -> Result<(), String> {
    let place = launch::place(settings, entry, release)?;
    let user = launch::identity(settings, entry)?;
    if entry.scripted {
        return match settings.base.join("start.sh").is_file() {
            true => Ok(()),
            false => Err("there is no start.sh in the agent's folder".to_owned()),
        };
    }
    let words = launch::words(settings, entry, &place, &entry.command)?;
    if let Some(command) = &entry.drain_command {
        launch::words(settings, entry, &place, command)?;
    }
    let welkin = launch::program(settings, &place);
    if Path::new(&words[0]) != welkin {
        return find_program(&words[0], &place.folder);
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&welkin);
        command.args(arguments).current_dir(&place.folder);
        // As the keeper will set it, so that a config finds there what it will find.
        command.envs(&entry.env).env("WELKIN_NODE", &entry.name);
        if !entry.secrets.is_empty() {
            command.env("WELKIN_SECRETS", launch::secrets(settings, &entry.name));
        }
        if let Some(user) = &user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    };
    let version = output(run(&["--version"]), VERSION_LIMIT).await?;
    if !version.starts_with("welkin ") {
        return Err(format!(
            "{} is not welkin: it says {version}",
            welkin.display()
        ));
    }
    match &entry.config {
        Some(config) => output(run(&["check", config]), CHECK_LIMIT).await.map(drop),
        None => Ok(()),
    }
}

/// What a program prints; the error is what it says is wrong.
async fn output(mut command: Command, limit: Duration) -> Result<String, String> {
    command
        .env_remove("WELKIN_CONTROL")
        .env_remove("WELKIN_START")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let program = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let run = tokio::time::timeout(limit, command.output()).await;
    let output = match run {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("exec: {program}: {error}")),
        Err(_) => {
            return Err(format!(
                "{program} does not end within {} s",
                limit.as_secs()
            ));
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = match text(&output.stderr) {
        said if said.is_empty() => text(&output.stdout),
        said => said,
    };
    Err(match said.is_empty() {
        true => format!("{program}: {}", output.status),
        false => said.chars().take(FAULT_MAX).collect(),
    })
}

fn find_program(name: &str, folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let is_program = |path: PathBuf| {
        std::fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let found = match name.contains('/') {
        true => is_program(folder.join(name)),
        false => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|place| is_program(place.join(name)))
        }
    };
    match found {
        true => Ok(()),
        false => Err(format!("exec: there is no program {name}")),
    }
}
