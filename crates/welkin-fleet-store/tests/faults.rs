//! Killed writers, full disks and damaged files, for real.
//!
//! Where a process must die or be held short, this program starts itself again as the test that is named
//! `child`, which does nothing unless it is told what.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};
use support::{Folder, audit, dump, fill};
use welkin_fleet_store::{FILE, OpenError, Store, StoreError, View};

const TASK: &str = "WELKIN_STORE_CHILD";
const DIR: &str = "WELKIN_STORE_DIR";

#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let dir = std::env::var(DIR).unwrap();
    match task.as_str() {
        "write" => write_for_ever(Path::new(&dir)),
        _ => fill_the_disk(Path::new(&dir)),
    }
}

fn child_command(program: &str, task: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.env(TASK, task).env(DIR, dir);
    command
}

fn write_for_ever(dir: &Path) {
    let store = Store::open(dir).unwrap();
    let mut number = store
        .look(|look| look.memo::<u64>("number"))
        .unwrap()
        .unwrap_or(0);
    loop {
        number += 1;
        let changed = store.change(|change| {
            change.set_memo("number", &number)?;
            change.set_memo(&format!("padding/{}", number % 7), &"p".repeat(5000))?;
            change.audit(audit("count", "n"))
        });
        changed.unwrap();
        println!("\nacknowledged {number}");
    }
}

#[test]
fn a_writer_that_is_killed_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new();
    let program = std::env::current_exe().unwrap();
    let mut last = 0;
    for round in 1..=8 {
        let mut child = child_command(program.to_str().unwrap(), "write", &folder.0)
            .args(["child", "--exact", "--nocapture"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let numbers = lines.map_while(Result::ok).filter_map(|line| {
            let number = line.strip_prefix("acknowledged ")?;
            number.parse::<u64>().ok()
        });
        for (seen, number) in numbers.enumerate() {
            last = number;
            if seen == round * 3 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let store = folder.store();
        let there = store
            .look(|look| look.memo::<u64>("number"))
            .unwrap()
            .unwrap();
        assert!(there == last || there == last + 1, "{there} of {last}");
        let check = store.verify_audit(&[]).unwrap();
        assert_eq!((check.records, check.faults.len()), (there, 0), "{check:?}");
        last = there;
    }
}

fn limit_files(bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    setrlimit(Resource::Fsize, limit).unwrap();
}

fn fill_the_disk(dir: &Path) {
    let store = Store::open(dir).unwrap();
    fill(&store);
    let size = fs::metadata(dir.join(FILE)).unwrap().len();
    limit_files(Some(size + 100_000));
    let mut kept = 0;
    let refused = loop {
        let put = |change: &mut welkin_fleet_store::Change| {
            change.set_memo(&format!("large/{kept:03}"), &"x".repeat(50_000))
        };
        match store.change(put) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000, "the limit was not met");
    };
    let before = dump(&store);
    assert!(matches!(refused, StoreError::Refused(_)));
    let told = refused.to_string();
    assert!(
        told.contains("File too large") && told.contains("nothing was changed"),
        "{told}"
    );
    assert!(store.trouble().unwrap().contains("File too large"));
    let there = store.look(|look| look.memos::<String>("large/")).unwrap();
    assert_eq!(there.len(), kept);

    // Not a byte can be written, not even in place: looks go on.
    limit_files(Some(0));
    let refused = store
        .change(|change| change.set_memo("small", &1))
        .unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
    let refused = store
        .change(|change| change.set_memo("small", &1))
        .unwrap_err();
    assert!(refused.to_string().contains("File too large"), "{refused}");
    assert_eq!(dump(&store), before);

    limit_files(None);
    store.change(|change| change.set_memo("small", &1)).unwrap();
    assert_eq!(store.trouble(), None);
    store.change(|change| change.drop_memo("small")).unwrap();
    assert_eq!(dump(&store), before);
    assert!(store.verify_audit(&[]).unwrap().faults.is_empty());
    fs::write(dir.join("done"), before).unwrap();
}

#[test]
fn a_full_disk_refuses_changes_and_heals() {
    let folder = Folder::new();
    let program = std::env::current_exe().unwrap();
    // A write beyond the limit raises a signal first; ignored, it fails as on a full disk.
    let status = child_command("sh", "fill", &folder.0)
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(program)
        .args(["child", "--exact", "--nocapture"])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let before = fs::read_to_string(folder.join("done")).unwrap();
    assert_eq!(dump(&folder.store()), before);
}

#[test]
fn a_state_on_a_disk_that_takes_nothing_can_be_looked_at() {
    let folder = Folder::new();
    let store = folder.store();
    fill(&store);
    let before = dump(&store);
    drop(store);
    let file = folder.join(FILE);
    let bytes = fs::read(&file).unwrap();
    let mut permissions = fs::metadata(&file).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&file, permissions).unwrap();
    if fs::OpenOptions::new().write(true).open(&file).is_ok() {
        return; // Root may write anything.
    }
    let store = folder.store();
    assert!(store.trouble().unwrap().contains("denied"));
    assert_eq!(dump(&store), before);
    assert!(store.change(|change| change.set_memo("x", &1)).is_err());
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

/// Opens a file of these bytes: either it is refused, untouched and with the way out, or all is there.
fn open_damaged(folder: &Folder, bytes: &[u8], what: &str, content: &str) -> bool {
    let file = folder.join(FILE);
    fs::write(&file, bytes).unwrap();
    match Store::open(&folder.0) {
        Ok(store) => {
            assert_eq!(dump(&store), content, "{what}");
            assert!(store.verify_audit(&[]).unwrap().faults.is_empty(), "{what}");
            false
        }
        Err(error) => {
            assert!(
                matches!(error, OpenError::Damaged { .. }),
                "{what}: {error}"
            );
            assert!(
                error.to_string().contains("welkin fleet restore"),
                "{error}"
            );
            assert!(
                fs::read(&file).unwrap() == bytes,
                "{what}: the file was touched"
            );
            true
        }
    }
}

#[test]
fn a_damaged_file_is_refused_untouched_or_was_damaged_where_nothing_is() {
    let folder = Folder::new();
    let store = folder.store();
    fill(&store);
    let content = dump(&store);
    let file = folder.join(FILE);
    let killed = fs::read(&file).unwrap();
    drop(store);
    let closed = fs::read(&file).unwrap();
    for (state, bytes, step) in [("closed", closed, 1), ("killed", killed, 7)] {
        assert!(!open_damaged(&folder, &bytes, state, &content));
        let mut refused = 0;
        let used = bytes.len() - bytes.iter().rev().take_while(|&&byte| byte == 0).count();
        // All of the header, then here and there, never at the same place of a page.
        let header = (0..352).step_by(step);
        let guarded = header.len() as u32;
        let places = header.chain((352..used).step_by(used / 150 + 1));
        for at in places {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            let what = format!("{state}, byte {at}");
            let is_refused = open_damaged(&folder, &damaged, &what, &content);
            assert!(is_refused || at >= 352, "{what}: the header is guarded");
            refused += u32::from(is_refused);
        }
        assert!(refused > guarded, "damage behind the header is noticed too");
        for len in [0, 1, 300, 352, 4096, bytes.len() / 2, bytes.len() - 1] {
            let what = format!("{state}, cut at {len}");
            open_damaged(&folder, &bytes[..len], &what, &content);
        }
        for page in 1..used.div_ceil(4096).min(40) {
            let mut damaged = bytes.clone();
            damaged[page * 4096..(page + 1) * 4096].fill(0);
            open_damaged(
                &folder,
                &damaged,
                &format!("{state}, page {page} gone"),
                &content,
            );
        }
        let foreign = vec![b'x'; 100_000];
        assert!(open_damaged(&folder, &foreign, "another file", &content));
    }
}
