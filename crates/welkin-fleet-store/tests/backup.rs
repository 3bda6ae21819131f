//! A backup made while changes go on is one moment of the state, and comes back as it was.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{Folder, audit, dump, fill};
use welkin_fleet_store::records::Restored;
use welkin_fleet_store::{FILE, RestoreError, Store, View, restore};

const RIGHT: &str = "correct horse";

fn backup(folder: &Folder, store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    let beside = [
        ("ca.key".to_owned(), folder.join("ca.key")),
        ("releases/ab.tar.gz".to_owned(), folder.join("archive")),
    ];
    store.backup(&mut bytes, RIGHT, &beside, 1000).unwrap();
    bytes
}

fn filled() -> (Folder, Store) {
    let folder = Folder::new();
    let store = folder.store();
    fill(&store);
    fs::write(folder.join("ca.key"), "the key").unwrap();
    fs::write(folder.join("archive"), vec![3; 70_000]).unwrap();
    (folder, store)
}

#[test]
fn what_was_backed_up_comes_back_for_its_owner_alone() {
    let (folder, store) = filled();
    let bytes = backup(&folder, &store);
    assert!(
        !bytes
            .windows(7)
            .any(|seven| seven == b"the key" || seven == b"scene_1")
    );
    let place = Folder::new();
    let dir = place.join("new/master");
    let restored = restore(&dir, bytes.as_slice(), RIGHT, 2000).unwrap();
    assert_eq!(
        restored,
        Restored {
            backup_unix_ms: 1000,
            unix_ms: 2000
        }
    );
    for name in [FILE, "ca.key", "releases/ab.tar.gz"] {
        let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    assert_eq!(fs::read(dir.join("ca.key")).unwrap(), b"the key");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 3);
    let new = Store::open(&dir).unwrap();
    assert_eq!(dump(&new), dump(&store));
    assert!(new.verify_audit(&[]).unwrap().faults.is_empty());
    assert_eq!(new.look(|look| look.restored()).unwrap(), Some(restored));
    new.change(|change| change.forget_restored()).unwrap();
    assert_eq!(new.look(|look| look.restored()).unwrap(), None);
    let again = restore(&dir, bytes.as_slice(), RIGHT, 2000);
    assert!(matches!(again, Err(RestoreError::NotEmpty(_))));
}

#[test]
fn another_passphrase_and_damage_are_told_apart_and_leave_nothing() {
    let (folder, store) = filled();
    let bytes = backup(&folder, &store);
    let place = Folder::new();
    let dir = place.join("dir");
    let wrong = restore(&dir, bytes.as_slice(), "correct hors", 1).unwrap_err();
    assert!(
        wrong.to_string().contains("passphrase is not the one"),
        "{wrong}"
    );
    let foreign = restore(&dir, &b"PK\x03\x04 something else"[..], RIGHT, 1).unwrap_err();
    assert!(matches!(foreign, RestoreError::Foreign(_)), "{foreign}");
    for at in [300, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let error = restore(&dir, damaged.as_slice(), RIGHT, 1).unwrap_err();
        assert!(
            matches!(error, RestoreError::Damaged(_)),
            "byte {at}: {error}"
        );
    }
    for len in [bytes.len() / 2, bytes.len() - 20] {
        let error = restore(&dir, &bytes[..len], RIGHT, 1).unwrap_err();
        assert!(
            matches!(error, RestoreError::Damaged(_)),
            "cut at {len}: {error}"
        );
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    restore(&dir, bytes.as_slice(), RIGHT, 1).unwrap();
}

#[test]
fn a_backup_is_one_moment_while_changes_go_on() {
    let (folder, store) = filled();
    let stop = AtomicBool::new(false);
    let bytes = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Three places that always say the same, and a chain that must not be cut.
            for number in 1_u64.. {
                let changed = store.change(|change| {
                    change.set_memo("a", &number)?;
                    change.set_wanted("b", &(true, number.to_string()))?;
                    change.set_memo("z", &number)?;
                    change.audit(audit("count", "b"))
                });
                changed.unwrap();
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let bytes = backup(&folder, &store);
        stop.store(true, Ordering::Relaxed);
        bytes
    });
    let place = Folder::new();
    restore(&place.0, bytes.as_slice(), RIGHT, 1).unwrap();
    let new = Store::open(&place.0).unwrap();
    let (a, z, b) = new
        .look(|look| {
            let b = look.wanted::<(bool, String)>("b")?;
            Ok::<_, welkin_fleet_store::StoreError>((look.memo::<u64>("a")?, look.memo("z")?, b))
        })
        .unwrap();
    assert_eq!(a, z);
    assert_eq!(
        b.map(|(_, number)| number),
        a.map(|number| number.to_string())
    );
    assert!(new.verify_audit(&[]).unwrap().faults.is_empty());
}
