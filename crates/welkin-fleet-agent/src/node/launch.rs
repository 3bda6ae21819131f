//! From an entry of the fleet file to what a keeper is told.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use welkin_fleet_keeper::{Identity, Start, Stay};
use welkin_fleet_model::entry::NodeEntry;

use super::paths::Allowed;
use super::words::Places;
use crate::settings::Settings;
use crate::supervise::End;

/// The word for the node's own program.
const WELKIN: &str = "welkin";

/// One start.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// The node.
    pub entry: &'a NodeEntry,
    /// Full digest of its release.
    pub release: Option<&'a str>,
    /// Name of the fleet.
    pub fleet: &'a str,
    /// Of the order.
    pub life: u64,
    /// Random.
    pub key: &'a str,
    /// Where its cgroup would be.
    pub cgroup: Option<PathBuf>,
}

/// Where a node's things are.
#[derive(Clone, Debug)]
pub struct Where {
    /// Release or the agent's folder.
    pub base: PathBuf,
    /// Working folder.
    pub folder: PathBuf,
    /// Where paths may lead.
    pub allowed: Allowed,
}

/// Finds a node's folders and judges them.
pub fn place(
    settings: &Settings,
    entry: &NodeEntry,
    release: Option<&str>,
) -> Result<Where, String> {
    let base = match release {
        Some(digest) => settings.folders.releases().join(digest),
        None => settings.base.clone(),
    };
    let mut roots = vec![
        base.clone(),
        settings.base.clone(),
        settings.folders.dir().to_owned(),
    ];
    roots.extend(settings.allow_paths.iter().cloned());
    let allowed = Allowed::new(&roots)?;
    let folder = allowed.resolve("dir", &base, &entry.dir)?;
    if let Some(config) = &entry.config {
        allowed.resolve("config", &folder, config)?;
    }
    Ok(Where {
        base,
        folder,
        allowed,
    })
}

/// The words of a command of the entry, its program as it is run.
pub fn words(
    settings: &Settings,
    entry: &NodeEntry,
    place: &Where,
    command: &str,
) -> Result<Vec<String>, String> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let places = Places {
        node: entry.name.clone(),
        config: entry.config.clone().unwrap_or_default(),
        release: path(&place.base),
        dir: path(&place.folder),
        secrets: path(&secrets(settings, &entry.name)),
    };
    if entry.config.is_none() && command.contains("{config}") {
        return Err("the command names {config}, but the node has no config".to_owned());
    }
    let mut words = places.words(command)?;
    if words[0] == WELKIN {
        words[0] = path(&program(settings, place));
    } else if words[0].contains('/') {
        words[0] = path(&place.allowed.resolve("command", &place.folder, &words[0])?);
    }
    Ok(words)
}

/// The binary that the word `welkin` means: the release's own, else the agent's.
pub fn program(settings: &Settings, place: &Where) -> PathBuf {
    let own = place.base.join(WELKIN);
    let is_program = |path: &Path| {
        fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    match place.base != settings.base && is_program(&own) {
        true => own,
        false => settings.program.clone(),
    }
}

/// The folder of a node's secrets.
pub fn secrets(settings: &Settings, node: &str) -> PathBuf {
    settings.folders.run(node).join("secrets")
}

/// Who the node runs as; `None`: as the agent.
pub fn identity(settings: &Settings, entry: &NodeEntry) -> Result<Option<Identity>, String> {
    const ROOT: &str =
        "the agent runs as root and starts nodes as root only with --allow-user root";
    let Some(user) = &entry.user else {
        // A start.sh says itself as whom.
        return match settings.user == 0 && !settings.allow_root && !entry.scripted {
            true => Err(format!("no user: {ROOT}")),
            false => Ok(None),
        };
    };
    let identity = Identity::of(user).map_err(|error| format!("user {user}: {error}"))?;
    let identity = identity.ok_or_else(|| format!("user {user}: there is none of that name"))?;
    if identity.uid == settings.user {
        return match identity.uid == 0 && !settings.allow_root {
            true => Err(format!("user {user}: {ROOT}")),
            false => Ok(None),
        };
    }
    if settings.user != 0 {
        return Err(format!(
            "user {user}: an agent that is not root starts nodes as its own user only"
        ));
    }
    if identity.uid == 0 && !settings.allow_root {
        return Err(format!("user {user}: {ROOT}"));
    }
    Ok(Some(identity))
}

/// What the keeper is told. The error is the end of the start.
pub fn prepare(settings: &Settings, launch: &Launch<'_>) -> Result<Start, End> {
    let entry = launch.entry;
    let run = settings.folders.run(&entry.name);
    let place = place(settings, entry, launch.release).map_err(End::Exec)?;
    let command = match entry.scripted {
        true => crate::scripts::start(&entry.name),
        false => words(settings, entry, &place, &entry.command).map_err(End::Exec)?,
    };
    let identity = identity(settings, entry).map_err(End::Exec)?;
    let mut environment: BTreeMap<String, String> = entry.env.clone();
    environment.retain(|name, _| !name.starts_with("WELKIN_"));
    Ok(Start {
        node: entry.name.clone(),
        key: launch.key.to_owned(),
        fleet: launch.fleet.to_owned(),
        release: launch.release.map(str::to_owned),
        life: launch.life,
        command,
        folder: match entry.scripted {
            true => settings.base.clone(),
            false => place.folder,
        },
        environment,
        control: Some(settings.folders.control(&entry.name)),
        secrets: (!entry.secrets.is_empty()).then(|| run.join("secrets")),
        logs: settings.folders.logs(&entry.name),
        identity,
        nofile: entry.limits.nofile,
        cgroup: launch.cgroup.clone(),
        memory: entry.limits.memory,
        cpu: entry.limits.cpu,
        stay: match entry.scripted {
            true => Stay::Descendants,
            false => Stay::Program,
        },
        ..Start::default()
    })
}
