//! A folder that is being filled with the entries of an archive.
//!
//! The folder is new and nobody else's, and links are made only when everything else is there: so no write
//! goes through a link, whatever the archive says. A path is taken once. Bytes are counted as they come,
//! not as they are announced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::folder::too_many_bytes;
use crate::manifest::{Entry, Kind, Listed, Manifest, link_entry};
use crate::{Error, Limits, disk, path};

/// The folder; removed when it is dropped before [`Stage::keep`].
pub(crate) struct Stage {
    root: PathBuf,
    limits: Limits,
    bytes: u64,
    files: BTreeMap<String, Entry>,
    folders: BTreeSet<String>,
    /// Folders that had an entry of their own.
    named: BTreeSet<String>,
    links: BTreeMap<String, String>,
    kept: bool,
}

impl Stage {
    /// Makes the folder `root`, which is not there.
    pub(crate) fn new(root: PathBuf, limits: &Limits) -> Result<Self, Error> {
        DirBuilder::new()
            .mode(0o700)
            .create(&root)
            .map_err(Error::at(&root))?;
        Ok(Self {
            root,
            limits: *limits,
            bytes: 0,
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            named: BTreeSet::new(),
            links: BTreeMap::new(),
            kept: false,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// An entry that is a folder.
    pub(crate) fn folder(&mut self, name: &[u8]) -> Result<(), Error> {
        let Some(path) = path::clean(name)? else {
            return Ok(());
        };
        if self.files.contains_key(&path)
            || self.links.contains_key(&path)
            || !self.named.insert(path.clone())
        {
            return Err(twice(&path));
        }
        self.make_folders(&path)?;
        self.make_folder(&path)
    }

    /// An entry that is a file, with its content.
    pub(crate) fn file(
        &mut self,
        name: &[u8],
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let path = self.claim(name)?;
        let real = self.root.join(&path);
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&real)
            .map_err(Error::at(&real))?;
        let left = self.limits.unpacked_max - self.bytes;
        // One byte more tells a file that fills the limit from one that exceeds it.
        let mut content = Listed::new(content.take(left.saturating_add(1)));
        io::copy(&mut content, &mut out)?;
        let entry = content.entry(path.clone(), executable);
        if entry.size > left {
            return Err(too_many_bytes(&self.limits));
        }
        self.bytes += entry.size;
        let mode = if executable { 0o755 } else { 0o644 };
        out.set_permissions(Permissions::from_mode(mode))?;
        disk::sync_file(&out)?;
        self.files.insert(path, entry);
        Ok(())
    }

    /// An entry that is a second name of a file that came before: a file of its own here.
    pub(crate) fn hard_link(&mut self, name: &[u8], target: &[u8]) -> Result<(), Error> {
        let missing = || {
            let name = String::from_utf8_lossy(name);
            Error::entry(name, "a hard link to what is no file before it")
        };
        let source = path::clean(target)?.ok_or_else(missing)?;
        let entry = self.files.get(&source).ok_or_else(missing)?;
        let executable = entry.kind == Kind::Executable;
        let mut content = File::open(self.root.join(&source))?;
        self.file(name, executable, &mut content)
    }

    /// An entry that is a link. It is made by [`Stage::finish`].
    pub(crate) fn link(&mut self, name: &[u8], target: &[u8]) -> Result<(), Error> {
        let path = self.claim(name)?;
        let Ok(target) = str::from_utf8(target) else {
            return Err(Error::entry(path, "its target is not UTF-8"));
        };
        self.links.insert(path, target.to_owned());
        Ok(())
    }

    /// Makes the links, brings everything to disk and says what it is.
    pub(crate) fn finish(&mut self) -> Result<Manifest, Error> {
        let mut others = self.folders.clone();
        others.extend(self.files.keys().cloned());
        path::check_links(&self.links, &others)?;
        for (path, target) in &self.links {
            let real = self.root.join(path);
            symlink(target, &real).map_err(Error::at(&real))?;
        }
        self.drop_empty_folders()?;
        fs::set_permissions(&self.root, Permissions::from_mode(0o755))?;
        disk::sync_tree(&self.root, &self.folders)?;
        let mut entries: Vec<Entry> = self.files.values().cloned().collect();
        for (path, target) in &self.links {
            entries.push(link_entry(path.clone(), target));
        }
        if entries.is_empty() {
            return Err(Error::Archive("it holds no files".to_owned()));
        }
        Ok(Manifest::new(entries))
    }

    /// Renames it to where it belongs; it is not removed any more.
    pub(crate) fn keep(mut self, place: &Path) -> io::Result<()> {
        fs::rename(&self.root, place)?;
        self.kept = true;
        disk::sync_parent(place)
    }

    /// The path of a new file or link: free, and its folders are there.
    fn claim(&mut self, name: &[u8]) -> Result<String, Error> {
        let Some(path) = path::clean(name)? else {
            return Err(Error::entry(".", "the release itself is a folder"));
        };
        if self.files.contains_key(&path)
            || self.links.contains_key(&path)
            || self.folders.contains(&path)
        {
            return Err(twice(&path));
        }
        self.make_folders(&path)?;
        self.count()?;
        Ok(path)
    }

    fn make_folders(&mut self, path: &str) -> Result<(), Error> {
        for folder in path::folders(path) {
            if self.files.contains_key(folder) || self.links.contains_key(folder) {
                return Err(Error::entry(
                    path,
                    format!("it lies in {folder:?}, which is no folder"),
                ));
            }
            self.make_folder(folder)?;
        }
        Ok(())
    }

    fn make_folder(&mut self, path: &str) -> Result<(), Error> {
        if self.folders.contains(path) {
            return Ok(());
        }
        self.count()?;
        let real = self.root.join(path);
        DirBuilder::new()
            .mode(0o755)
            .create(&real)
            .map_err(Error::at(&real))?;
        // The umask may have taken from it what the nodes' user needs.
        fs::set_permissions(&real, Permissions::from_mode(0o755))?;
        self.folders.insert(path.to_owned());
        Ok(())
    }

    fn count(&self) -> Result<(), Error> {
        let all = self.files.len() + self.folders.len() + self.links.len();
        if all as u64 >= self.limits.files_max {
            let max = self.limits.files_max;
            return Err(Error::TooLarge(format!("more than {max} files")));
        }
        Ok(())
    }

    /// A release is its files: two with the same digest are alike, so empty folders are not part of one.
    fn drop_empty_folders(&mut self) -> Result<(), Error> {
        let needed: BTreeSet<String> = self
            .files
            .keys()
            .chain(self.links.keys())
            .flat_map(|path| path::folders(path).map(str::to_owned))
            .collect();
        // From the innermost: a folder sorts behind the one it lies in.
        for folder in self.folders.iter().rev() {
            if !needed.contains(folder) {
                fs::remove_dir(self.root.join(folder))?;
            }
        }
        self.folders = needed;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

fn twice(path: &str) -> Error {
    Error::entry(path, "there are two entries of this path")
}
