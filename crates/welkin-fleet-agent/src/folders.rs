//! Where an agent keeps what, below its `--dir`.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The agent's folder, an absolute path.
#[derive(Clone, Debug)]
pub struct Folders {
    dir: PathBuf,
    /// Leads to `dir`; as short as it has to be for the sockets of nodes.
    short: PathBuf,
}

/// Longest `dir` that leaves room for a socket's name: systems allow about 104 bytes for all of it.
const DIR_MAX: usize = 60;

impl Folders {
    /// Makes the folder. Others may pass through it, as nodes of other users reach their own part, but
    /// not look around.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let made = !dir.exists();
        fs::create_dir_all(dir)?;
        if made {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o711))?;
        }
        let dir = fs::canonicalize(dir)?;
        let short = match dir.as_os_str().len() <= DIR_MAX {
            true => dir.clone(),
            false => shorten(&dir)?,
        };
        let folders = Self { dir, short };
        for own in [
            folders.dir.join("run"),
            folders.releases(),
            folders.all_logs(),
        ] {
            match DirBuilder::new().mode(0o711).create(&own) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(folders)
    }

    /// All of it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Held as long as the agent runs.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Where nodes that were started by hand, and `--end`, reach the agent.
    pub fn socket(&self) -> PathBuf {
        self.short.join("agent.sock")
    }

    /// Key and certificate.
    pub fn identity(&self) -> PathBuf {
        self.dir.join("identity")
    }

    /// Unpacked releases.
    pub fn releases(&self) -> PathBuf {
        self.dir.join("releases")
    }

    /// Where a node connects.
    pub fn control(&self, node: &str) -> PathBuf {
        self.short.join("run").join(node).join("control.sock")
    }

    /// Of one node.
    pub fn run(&self, node: &str) -> PathBuf {
        self.dir.join("run").join(node)
    }

    /// Its output.
    pub fn logs(&self, node: &str) -> PathBuf {
        self.all_logs().join(node)
    }

    /// The output of all.
    pub fn all_logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// A name for something of the node in a place that all agents of a machine share.
    pub fn shared_name(&self, node: &str) -> String {
        format!("{}-{node}", mark(&self.dir))
    }

    /// Names that have a run folder.
    pub fn nodes(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.dir.join("run"))? {
            let entry = entry?;
            if let (true, Ok(name)) = (entry.file_type()?.is_dir(), entry.file_name().into_string())
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Differs from folder to folder (FNV-1a).
fn mark(dir: &Path) -> String {
    let bytes = dir.as_os_str().as_encoded_bytes().iter();
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:08x}", hash >> 32)
}

/// A link to `dir` in a folder for temporary files. What holds the link is ours alone to write.
fn shorten(dir: &Path) -> io::Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let holder = std::env::temp_dir().join(format!("welkin-{user}"));
    match DirBuilder::new().mode(0o711).create(&holder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let about = fs::symlink_metadata(&holder)?;
    if !about.is_dir() || about.uid() != user || about.mode() & 0o022 != 0 {
        let text = format!("{} is not ours alone to write", holder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    let link = holder.join(mark(dir));
    match std::os::unix::fs::symlink(dir, &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    match fs::read_link(&link)? == dir {
        true => Ok(link),
        false => Err(io::Error::other(format!(
            "{} leads elsewhere",
            link.display()
        ))),
    }
}

/// Whether a node, a secret or a release of that name can be a file's name here.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && !name.contains(['/', '\0', '\n'])
}
