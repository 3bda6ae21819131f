//! A log that somebody has changed: each fault is found and told.

use redb::{ReadableTable, Table};

use super::*;
use crate::Store;

type Records<'t> = Table<'t, (&'static str, u64), &'static [u8]>;

/// What a look finds after `change` in a log of five records.
fn faults_after(name: &str, change: impl FnOnce(&mut Records<'_>)) -> Vec<String> {
    let folder = std::env::temp_dir().join(format!("welkin-audit-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = Store::open(&folder).unwrap();
    for name in ["anna", "bert", "carl", "dora", "emil"] {
        let record = AuditRecord {
            targets: vec![name.to_owned()],
            ..AuditRecord::default()
        };
        store.change(|to| to.audit(record)).unwrap();
    }
    let changed = store.change(|to| {
        change(&mut to.txn.open_table(tables::AUDIT)?);
        Ok::<_, StoreError>(())
    });
    changed.unwrap();
    let faults = store.verify_audit(&[]).unwrap().faults;
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
    faults
}

fn record(records: &Records<'_>, number: u64) -> Vec<u8> {
    let record = records.get(("", number)).unwrap();
    record.unwrap().value().to_vec()
}

fn put(records: &mut Records<'_>, number: u64, bytes: &[u8]) {
    records.insert(("", number), bytes).unwrap();
}

/// Record 2 with another target, as text.
fn forged(records: &Records<'_>) -> String {
    let text = String::from_utf8(record(records, 2)[HASH..].to_vec()).unwrap();
    text.replace("bert", "eve!")
}

#[test]
fn a_log_that_nobody_touched_has_no_fault() {
    assert_eq!(faults_after("whole", |_| ()), [""; 0]);
}

#[test]
fn a_changed_record_is_named() {
    let faults = faults_after("changed", |records| {
        let bytes = [&record(records, 2)[..HASH], forged(records).as_bytes()].concat();
        put(records, 2, &bytes);
    });
    assert_eq!(faults, ["record 2 was changed"]);
}

#[test]
fn a_changed_record_whose_hash_was_made_anew_shows_in_the_next() {
    let faults = faults_after("anew", |records| {
        let text = forged(records);
        let bytes = [&Sha256::digest(text.as_bytes())[..], text.as_bytes()].concat();
        put(records, 2, &bytes);
    });
    assert_eq!(faults, ["record 3 does not follow the one before"]);
}

#[test]
fn missing_records_are_named() {
    let faults = faults_after("missing", |records| {
        for number in [2, 3] {
            records.remove(("", number)).unwrap();
        }
    });
    let expected = [
        "records 2 to 3 are missing",
        "record 4 does not follow the one before",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn unreadable_records_are_named_and_the_rest_is_looked_at() {
    let faults = faults_after("unreadable", |records| {
        put(records, 3, b"short");
        let bytes = [&record(records, 5)[..HASH], b"no json"].concat();
        put(records, 5, &bytes);
    });
    let expected = [
        "record 3 cannot be read",
        "record 4 does not follow the one before",
        "record 5 was changed",
        "record 5 cannot be read",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn records_that_changed_places_are_named() {
    let faults = faults_after("places", |records| {
        let (two, three) = (record(records, 2), record(records, 3));
        put(records, 2, &three);
        put(records, 3, &two);
    });
    let said = "record 2 says it is 3".to_owned();
    assert!(faults.contains(&said), "{faults:?}");
}

#[test]
fn heads_are_found_anywhere_in_a_log_line() {
    let hash = "aB".repeat(32);
    let text = format!("x\n2026-01-01 [master] audit 12 {hash} newest\naudit 13 short\naudit");
    let head = AuditHead {
        number: 12,
        hash: "ab".repeat(32),
    };
    assert_eq!(AuditHead::from_log(&text), [head]);
}
