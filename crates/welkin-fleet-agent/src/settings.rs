//! What an agent knows from its start and never changes.

use std::path::{Path, PathBuf};

use crate::folders::Folders;

/// Shared by all parts of the agent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where state is kept.
    pub folders: Folders,
    /// The folder in which the agent was started.
    pub base: PathBuf,
    /// This binary, which is also keeper and node.
    pub program: PathBuf,
    /// Where paths of the fleet file may lead beside these.
    pub allow_paths: Vec<PathBuf>,
    /// Nodes may run as root.
    pub allow_root: bool,
    /// Keys one of which must have signed each release; the master cannot change it.
    pub trusted_keys: Vec<String>,
    /// The agent's own user.
    pub user: u32,
}

impl Settings {
    /// Full digest of the release that `program` (a path without links) lies in, if it is one of ours.
    pub fn release_of(&self, program: &Path) -> Option<String> {
        let within = program.strip_prefix(self.folders.releases()).ok()?;
        let digest = within.components().next()?;
        Some(digest.as_os_str().to_string_lossy().into_owned())
    }

    /// The same for the agent's own binary.
    pub fn own_release(&self) -> Option<String> {
        self.release_of(&self.program)
    }
}
