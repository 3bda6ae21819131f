//! Folders of their own for tests, and a state with something in every table.
#![allow(dead_code)] // Each test uses its part.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use welkin_fleet_store::records::{
    AuditRecord, CertificateRecord, HistoryRecord, ReleaseRecord, TokenRecord,
};
use welkin_fleet_store::{Store, StoreError, View};

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("welkin-store-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn store(&self) -> Store {
        Store::open(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn audit(command: &str, target: &str) -> AuditRecord {
    AuditRecord {
        unix_ms: 1_700_000_000_000,
        who: "alice".to_owned(),
        from: "10.0.0.9".to_owned(),
        command: command.to_owned(),
        targets: vec![target.to_owned()],
        result: "done".to_owned(),
        ..AuditRecord::default()
    }
}

/// Something in every table.
pub fn fill(store: &Store) {
    store
        .change(|change| {
            change.put_fleet_file("[fleet]", Some("login = 1"), "alice", 1)?;
            for node in 0..40 {
                let node = format!("scene_{node}");
                change.set_wanted(&node, &(true, "d".repeat(300)))?;
                for at in 0..5 {
                    let record = HistoryRecord {
                        unix_ms: at,
                        reason: "exit status 1".to_owned(),
                        ..HistoryRecord::default()
                    };
                    change.add_history(&node, &record)?;
                }
                change.audit(audit("start", &node))?;
            }
            change.next_orders_version("m1")?;
            change.put_release(&ReleaseRecord {
                digest: "ab".repeat(32),
                ..ReleaseRecord::default()
            })?;
            change.put_certificate(&CertificateRecord {
                serial: "07".to_owned(),
                ..CertificateRecord::default()
            })?;
            change.put_token(&TokenRecord {
                id: "t1".to_owned(),
                ..TokenRecord::default()
            })?;
            change.set_secret("db.pass", &[0, 255, 7], "alice", 5)?;
            change.set_update(&("step", 4))?;
            change.set_memo("last/scene_1", &"ready")
        })
        .unwrap();
}

/// All that can be read, as one text.
pub fn dump(store: &Store) -> String {
    store
        .look(|look| {
            let mut nodes = look.all_wanted::<(bool, String)>()?;
            nodes.sort();
            let mut text = format!("{nodes:?} {:?}", look.fleet_file()?);
            for (node, _) in &nodes {
                text += &format!("{:?}", look.history(node)?);
            }
            text += &format!("{:?} {:?}", look.releases()?, look.certificates()?);
            text += &format!("{:?} {:?}", look.tokens()?, look.secrets()?);
            text += &format!(
                "{:?} {:?}",
                look.secret("db.pass")?,
                look.orders_version("m1")?
            );
            text += &format!("{:?}", look.update::<(String, u8)>()?);
            text += &format!("{:?}", look.memos::<String>("")?);
            text += &format!("{:?}", look.audit_records(0, None, usize::MAX)?);
            text += &format!("{:?}", look.audit_head()?);
            Ok::<_, StoreError>(text)
        })
        .unwrap()
}
