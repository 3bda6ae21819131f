//! Secrets: held in memory as the master sent them, and as files of the nodes that name them.
//!
//! A file is made anew under another name and renamed, with its mode and owner before its content. The
//! files stay where they are while the agent is away, so that it can start its nodes alone; they go with
//! the node.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::folders::is_name;

/// What the master has sent since the agent began. Debug shows names only.
#[derive(Default)]
pub struct Secrets {
    known: BTreeMap<String, Vec<u8>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.known.keys()).finish()
    }
}

impl Secrets {
    /// A secret, or its end.
    pub fn set(&mut self, name: &str, content: Option<Vec<u8>>) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!("{name:?} cannot be the name of a secret"));
        }
        match content {
            Some(content) => self.known.insert(name.to_owned(), content),
            None => self.known.remove(name),
        };
        Ok(())
    }

    /// Makes the files of a node; `owner` is user and group, none: the agent's. The error names what is
    /// missing.
    pub fn write(
        &self,
        folder: &Path,
        names: &[String],
        owner: Option<(u32, u32)>,
    ) -> Result<(), String> {
        let missing = |name: &String| {
            !is_name(name) || !(self.known.contains_key(name) || folder.join(name).is_file())
        };
        if let Some(name) = names.iter().find(|name| missing(name)) {
            return Err(format!(
                "secret {name} is not set (welkin fleet secret set {name} FILE)"
            ));
        }
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        if names.is_empty() {
            return sweep(folder, names).map_err(failed);
        }
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        chown(folder, owner).map_err(failed)?;
        for name in names {
            if let Some(content) = self.known.get(name) {
                write_one(folder, name, content, owner).map_err(failed)?;
            } else {
                chown(&folder.join(name), owner).map_err(failed)?;
            }
        }
        sweep(folder, names).map_err(failed)
    }
}

fn write_one(
    folder: &Path,
    name: &str,
    content: &[u8],
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    let beside = folder.join(format!(".{name}.new"));
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    chown(&beside, owner)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(name))
}

fn chown(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    match owner {
        Some((user, group)) => std::os::unix::fs::lchown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// Removes what is not named any more.
fn sweep(folder: &Path, names: &[String]) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let named = entry.file_name();
        if !names.iter().any(|name| named == name.as_str()) {
            fs::remove_file(entry.path())?;
        }
    }
    if names.is_empty() {
        fs::remove_dir(folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_for_the_owner_alone_and_go_when_they_are_not_named() {
        let dir = std::env::temp_dir().join(format!("welkin-secrets-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let mut secrets = Secrets::default();
        let names = ["db.pass".to_owned()];
        let error = secrets.write(&dir, &names, None).unwrap_err();
        assert!(error.starts_with("secret db.pass is not set"), "{error}");
        secrets.set("db.pass", Some(b"x".to_vec())).unwrap();
        assert!(secrets.set("../x", None).is_err());
        secrets.write(&dir, &names, None).unwrap();
        let mode = fs::metadata(dir.join("db.pass"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read(dir.join("db.pass")).unwrap(), b"x");
        Secrets::default().write(&dir, &names, None).unwrap();
        secrets.write(&dir, &[], None).unwrap();
        assert!(!dir.exists());
    }
}
