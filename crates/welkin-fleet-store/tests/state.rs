//! What is put in comes out, in this process and in the next; what was refused left no trace.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::{Folder, audit, dump, fill};
use welkin_fleet_store::records::{AuditHead, HistoryRecord, TokenRecord};
use welkin_fleet_store::{FILE, OpenError, Store, StoreError, View};

type Done = Result<(), StoreError>;

#[test]
fn a_state_outlives_its_process_and_is_for_its_owner_alone() {
    let folder = Folder::new();
    let store = folder.store();
    fill(&store);
    let before = dump(&store);
    assert!(matches!(Store::open(&folder.0), Err(OpenError::InUse(_))));
    drop(store);
    assert_eq!(dump(&folder.store()), before);
    let file = folder.join(FILE);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let error = Store::open(&folder.0).map(drop).unwrap_err().to_string();
    assert!(
        error.contains("0640") && error.contains("chmod 600"),
        "{error}"
    );
}

#[test]
fn a_change_that_ends_in_an_error_or_a_panic_changed_nothing() {
    let folder = Folder::new();
    let store = folder.store();
    fill(&store);
    let before = dump(&store);
    let refused = store.change(|change| -> Result<(), StoreError> {
        change.drop_wanted("scene_1")?;
        change.set_memo("x", &1)?;
        Err(StoreError::Unfit("changed my mind".to_owned()))
    });
    assert_eq!(
        refused,
        Err(StoreError::Unfit("changed my mind".to_owned()))
    );
    assert_eq!(dump(&store), before);
    let long = store.change(|change| change.set_memo(&"n".repeat(600), &1));
    assert!(matches!(long, Err(StoreError::Unfit(_))));
    let large = store.change(|change| change.set_secret("s", &vec![0; 17 << 20], "a", 1));
    assert!(matches!(large, Err(StoreError::Unfit(_))));
    let broken = store.change(|change| -> Done {
        change.drop_wanted("scene_1")?;
        panic!("of the caller")
    });
    assert!(broken.is_err());
    assert_eq!(dump(&store), before);
    store
        .change(|change| change.drop_wanted("scene_1"))
        .unwrap();
    assert_ne!(dump(&store), before);
}

#[test]
fn a_look_sees_one_moment() {
    let folder = Folder::new();
    let store = folder.store();
    store.change(|change| change.set_memo("n", &1)).unwrap();
    store
        .look(|look| {
            store.change(|change| change.set_memo("n", &2))?;
            assert_eq!(look.memo::<u8>("n")?, Some(1));
            Done::Ok(())
        })
        .unwrap();
    assert_eq!(store.look(|look| look.memo::<u8>("n")).unwrap(), Some(2));
}

#[test]
fn versions_count_tokens_are_given_once_and_old_history_goes() {
    let folder = Folder::new();
    let store = folder.store();
    let changed = store.change(|change| {
        assert_eq!(change.put_fleet_file("one", None, "a", 1)?, 1);
        assert_eq!(change.put_fleet_file("two", None, "a", 2)?, 2);
        assert_eq!(change.fleet_file()?.unwrap().text, "two");
        assert_eq!(change.next_orders_version("m")?, 1);
        change.raise_orders_version("m", 10)?;
        change.raise_orders_version("m", 3)?;
        assert_eq!(change.next_orders_version("m")?, 11);
        let token = TokenRecord {
            id: "t".to_owned(),
            ..TokenRecord::default()
        };
        change.put_token(&token)?;
        assert_eq!(change.take_token("t")?, Some(token));
        assert_eq!(change.take_token("t")?, None);
        for unix_ms in 0..1010 {
            let record = HistoryRecord {
                unix_ms,
                ..HistoryRecord::default()
            };
            change.add_history("n", &record)?;
        }
        change.add_history("n2", &HistoryRecord::default())?;
        let kept = change.history("n")?;
        assert_eq!(
            (kept.len(), kept[0].unix_ms, kept[999].unix_ms),
            (1000, 10, 1009)
        );
        change.forget_history("n")?;
        assert_eq!(change.history("n")?.len(), 0);
        assert_eq!(change.history("n2")?.len(), 1);
        change.set_secret("s", b"x", "a", 1)?;
        assert!(change.drop_secret("s")? && !change.drop_secret("s")?);
        assert_eq!(change.secret("s")?, None);
        change.set_memo("a/1", &1)?;
        change.set_memo("b/1", &1)?;
        assert_eq!(change.memos::<u8>("a/")?, [("a/1".to_owned(), 1)]);
        Done::Ok(())
    });
    changed.unwrap();
}

#[test]
fn the_audit_log_is_a_chain_that_is_compared_with_what_was_logged() {
    let folder = Folder::new();
    let store = folder.store();
    assert_eq!(store.verify_audit(&[]).unwrap().faults, [""; 0]);
    let mut heads = Vec::new();
    for node in ["a", "b", "a"] {
        let head = store
            .change(|change| change.audit(audit("stop", node)))
            .unwrap();
        heads.push(head);
    }
    let log: String = heads
        .iter()
        .map(|head| format!("[12:00] audit {head}\n"))
        .collect();
    assert_eq!(AuditHead::from_log(&log), heads);
    let check = store.verify_audit(&heads).unwrap();
    assert_eq!((check.records, check.faults.len()), (3, 0));
    assert_eq!(check.head, heads[2]);
    let of_a = store
        .look(|look| look.audit_records(0, Some("a"), 10))
        .unwrap();
    assert_eq!(
        of_a.iter().map(|record| record.number).collect::<Vec<_>>(),
        [1, 3]
    );
    let newest = store.look(|look| look.audit_records(0, None, 1)).unwrap();
    assert_eq!(newest[0].number, 3);

    // Another chain, sound in itself, is not the one that was logged; a shorter one neither.
    let other = Folder::new().store();
    other
        .change(|change| change.audit(audit("start", "a")))
        .unwrap();
    let faults = other.verify_audit(&heads).unwrap().faults;
    assert_eq!(faults.len(), 3);
    assert!(faults[0].contains("record 1 is not the one"), "{faults:?}");
    assert!(
        faults[2].contains("record 3, whose hash was logged, is missing"),
        "{faults:?}"
    );
}

#[test]
fn an_authority_without_a_state_is_a_state_that_was_lost() {
    let folder = Folder::new();
    fs::write(folder.join("ca.key"), "").unwrap();
    let error = Store::open(&folder.0).map(drop).unwrap_err().to_string();
    assert!(
        error.contains("is gone") && error.contains("restore"),
        "{error}"
    );
    assert!(!folder.join(FILE).exists());
}
