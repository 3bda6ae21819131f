//! From what an operator has to the one archive that travels: a tar.gz, the same bytes for the same release.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use crate::folder::{self, Found};
use crate::manifest::{Entry, Listed, Manifest, link_entry};
use crate::stage::Stage;
use crate::{Error, Limits, archive, disk};

/// Longest target that a header of tar holds.
const LINK_MAX: usize = 100;

/// A release as it lies in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Full digest.
    pub digest: String,
    /// What it holds.
    pub manifest: Manifest,
    /// Bytes of the archive.
    pub archive: u64,
    /// Bytes unpacked.
    pub unpacked: u64,
    /// Files and links.
    pub files: u64,
}

/// Packs `source`, a folder or an archive (tar.zst, tar.gz, tar, zip, told apart by their bytes), into
/// `out`, which is written anew, on disk and whole, or not at all. Needs room for the unpacked files
/// beside `out` meanwhile.
pub fn pack(source: &Path, out: &Path, limits: &Limits) -> Result<Packed, Error> {
    if fs::metadata(source).map_err(Error::at(source))?.is_dir() {
        return pack_folder(source, out, limits);
    }
    let beside = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let root = disk::unfinished(beside.unwrap_or(Path::new(".")), "pack");
    let mut stage = Stage::new(root, limits)?;
    archive::read(source, &mut stage, limits)?;
    stage.finish()?;
    pack_folder(stage.root(), out, limits)
}

fn pack_folder(dir: &Path, out: &Path, limits: &Limits) -> Result<Packed, Error> {
    let beside = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let part = disk::unfinished(beside.unwrap_or(Path::new(".")), "archive");
    let outcome = write(dir, &part, limits).and_then(|packed| {
        fs::rename(&part, out).map_err(Error::at(out))?;
        disk::sync_parent(out)?;
        Ok(packed)
    });
    if outcome.is_err() {
        let _ = fs::remove_file(&part);
    }
    outcome
}

fn write(dir: &Path, out: &Path, limits: &Limits) -> Result<Packed, Error> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(out)
        .map_err(Error::at(out))?;
    let gzip = GzBuilder::new().write(BufWriter::new(file), Compression::default());
    let mut tar = tar::Builder::new(gzip);
    let mut entries = Vec::new();
    for (path, found) in folder::walk(dir, limits)? {
        entries.push(append(&mut tar, dir, path, found)?);
    }
    if entries.is_empty() {
        return Err(Error::Archive(format!("{} holds no files", dir.display())));
    }
    let mut out = tar.into_inner()?.finish()?;
    out.flush()?;
    let file = out.into_inner().map_err(|error| error.into_error())?;
    file.sync_all()?;
    let manifest = Manifest::new(entries);
    Ok(Packed {
        digest: manifest.digest(),
        archive: file.metadata()?.len(),
        unpacked: manifest.unpacked(),
        files: manifest.entries().len() as u64,
        manifest,
    })
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    dir: &Path,
    path: String,
    found: Found,
) -> Result<Entry, Error> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    match found {
        Found::Link { target } => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            // As it stands: `append_link` would write a short one in another form, with another digest.
            if target.len() <= LINK_MAX {
                header.set_link_name_literal(&target)?;
                tar.append_data(&mut header, &path, io::empty())?;
            } else {
                tar.append_link(&mut header, &path, &target)?;
            }
            Ok(link_entry(path, &target))
        }
        Found::File { executable, size } => {
            let real = dir.join(&path);
            let file = File::open(&real).map_err(Error::at(&real))?;
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(if executable { 0o755 } else { 0o644 });
            header.set_size(size);
            let mut content = Listed::new(file.take(size));
            tar.append_data(&mut header, &path, &mut content)?;
            let entry = content.entry(path, executable);
            if entry.size != size {
                return Err(Error::entry(entry.path, "it changed while it was read"));
            }
            Ok(entry)
        }
    }
}
