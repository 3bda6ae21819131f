//! Room on a disk that is nearly full: old releases go first, then old log files, the oldest first.
//!
//! Never a release that a node runs, is to run, or that a rollback needs; never the file a keeper writes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use welkin_fleet_keeper::Space;
use welkin_fleet_keeper::keeper::output::numbers;

/// Releases that stay: full digests.
#[derive(Clone, Debug, Default)]
pub struct Needed {
    /// Run by a node, or to be run at its next start.
    pub in_use: BTreeSet<String>,
    /// Needed by a rollback.
    pub previous: BTreeSet<String>,
}

/// Removes from `dir/releases` and `dir/logs` as long as the disk of `dir` is more than `above` percent
/// full. What was removed, a line for people each. May take as long as the removing of a release.
pub fn clean(dir: &Path, above: u32, needed: &Needed) -> Vec<String> {
    let full = || Space::of(dir).is_ok_and(|space| space.percent() > above);
    clean_while(dir, needed, full, above)
}

fn clean_while(dir: &Path, needed: &Needed, full: impl Fn() -> bool, above: u32) -> Vec<String> {
    let mut notes = Vec::new();
    if !full() {
        return notes;
    }
    let removals = releases(dir, needed).into_iter().chain(logs(dir));
    for (path, remove) in removals {
        if !full() {
            break;
        }
        notes.push(match remove(&path) {
            Ok(()) => format!("disk above {above} %: {} removed", path.display()),
            Err(error) => format!("disk above {above} %: {}: {error}", path.display()),
        });
    }
    notes
}

type Removal = (PathBuf, fn(&Path) -> io::Result<()>);

fn releases(dir: &Path, needed: &Needed) -> Vec<Removal> {
    let stays = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What is being unpacked or removed has another name than a digest.
        let digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        !digest || needed.in_use.contains(&*name) || needed.previous.contains(&*name)
    };
    let mut found = list(&dir.join("releases"));
    found.retain(|(_, path)| !stays(path));
    found.sort();
    let removal = |(_, path)| (path, remove_release as fn(&Path) -> _);
    found.into_iter().map(removal).collect()
}

/// A release that is removed in part must not look like one.
fn remove_release(path: &Path) -> io::Result<()> {
    let gone = path.with_extension("removed");
    fs::rename(path, &gone)?;
    fs::remove_dir_all(gone)
}

fn logs(dir: &Path) -> Vec<Removal> {
    let mut found = Vec::new();
    for (_, node) in list(&dir.join("logs")) {
        let written = numbers(&node).pop().unwrap_or(0);
        let number = |path: &Path| path.file_stem()?.to_str()?.parse::<u64>().ok();
        found.extend(list(&node).into_iter().filter(|(_, path)| {
            path.extension().is_some_and(|ending| ending == "log")
                && number(path).is_some_and(|number| number < written)
        }));
    }
    found.sort();
    let removal = |(_, path)| (path, remove_log as fn(&Path) -> _);
    found.into_iter().map(removal).collect()
}

fn remove_log(path: &Path) -> io::Result<()> {
    let _ = fs::remove_file(path.with_extension("idx"));
    fs::remove_file(path)
}

/// What lies in a folder, with its age.
fn list(folder: &Path) -> Vec<(SystemTime, PathBuf)> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::File;
    use std::time::Duration;

    use super::super::tests::Folder;
    use super::*;

    fn aged(path: &Path, days: u64) {
        let time = SystemTime::now() - Duration::from_secs(days * 86_400);
        File::open(path).unwrap().set_modified(time).unwrap();
    }

    fn release(folder: &Folder, digit: char, days: u64) -> String {
        let digest = digit.to_string().repeat(64);
        let path = folder.0.join("releases").join(&digest);
        fs::create_dir_all(path.join("inner")).unwrap();
        aged(&path, days);
        digest
    }

    #[test]
    fn releases_go_first_then_logs_and_what_is_needed_stays() {
        let folder = Folder::new("clean");
        let [running, previous, old, older] =
            [('a', 9), ('b', 8), ('c', 7), ('d', 30)].map(|(d, days)| release(&folder, d, days));
        fs::create_dir_all(folder.0.join("releases/unpacking")).unwrap();
        let node = folder.0.join("logs/n_1");
        fs::create_dir_all(&node).unwrap();
        for (number, days) in [(1, 5), (2, 4), (3, 50)] {
            fs::write(node.join(format!("{number:06}.log")), "x").unwrap();
            fs::write(node.join(format!("{number:06}.idx")), "x").unwrap();
            aged(&node.join(format!("{number:06}.log")), days);
        }
        let needed = Needed {
            in_use: [running.clone()].into(),
            previous: [previous.clone()].into(),
        };
        assert!(clean_while(&folder.0, &needed, || false, 90).is_empty());
        // Full for three removals: the check before the first, and one before each.
        let asked = Cell::new(0);
        let full = || asked.replace(asked.get() + 1) < 4;
        let notes = clean_while(&folder.0, &needed, full, 90);
        let removed = |at: usize, part: &str| assert!(notes[at].contains(part), "{notes:?}");
        removed(0, &older);
        removed(1, &old);
        removed(2, "n_1/000001.log");
        assert_eq!(notes.len(), 3);
        assert!(!node.join("000001.idx").exists());
        let notes = clean_while(&folder.0, &needed, || true, 90);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(node.join("000003.log").exists());
        assert!(folder.0.join("releases").join(running).exists());
        assert!(folder.0.join("releases").join(previous).exists());
        assert!(folder.0.join("releases/unpacking").exists());
    }
}
