//! The store: one file, one writer at a time, looks beside it.
//!
//! After a failed write, or a panic of the database library, the database is dropped and opened anew
//! before it is used again. While it cannot be opened for writing, looks are served from the file as it
//! is, and each change tries anew: a disk that has room again heals the store without a restart.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use redb::{Database, DatabaseError, ReadableDatabase};

use crate::audit::{self, AuditCheck};
use crate::change::Change;
use crate::disk::Health;
use crate::error::{OpenError, StoreError};
use crate::file;
use crate::guard;
use crate::look::Look;
use crate::records::AuditHead;

/// Name of the file in the master's folder.
pub const FILE: &str = "fleet.redb";
/// A folder that holds this has had a state.
const AUTHORITY: &str = "ca.key";

/// The master's state. Shared between threads by reference.
pub struct Store {
    path: PathBuf,
    /// Held through a change: redb would let a second one wait inside, where it could not be given up.
    writer: Mutex<()>,
    held: RwLock<Held>,
    /// Why the last change was refused.
    trouble: Mutex<Option<String>>,
}

enum Held {
    /// As it should be.
    Writable(Database, Arc<Health>),
    /// Looks alone, from the file as it is.
    ReadOnly(Database),
    /// To be opened before use. `doubted`: something was wrong with what stood in it.
    Closed { doubted: bool },
}

impl Store {
    /// Opens the state in the folder `dir`, which exists; makes it if there is none.
    ///
    /// A disk that takes no writes does not keep a state that is there from being opened: changes are
    /// refused then (see [`Store::trouble`]).
    pub fn open(dir: &Path) -> Result<Store, OpenError> {
        let path = dir.join(FILE);
        if !path.exists() && dir.join(AUTHORITY).exists() {
            return Err(OpenError::Lost(path));
        }
        file::make(&path)?;
        let store = Store {
            path,
            writer: Mutex::new(()),
            held: RwLock::new(Held::Closed { doubted: true }),
            trouble: Mutex::new(None),
        };
        store.claim()?;
        file::examine(&store.path)?;
        if let Err(error) = store.reopen(&mut store.held.write()) {
            match error {
                StoreError::Damaged(what) => return Err(OpenError::damaged(&store.path, what)),
                other => {
                    // Another process may have come in between.
                    store.claim()?;
                    *store.trouble.lock() = Some(other.to_string());
                }
            }
        }
        Ok(store)
    }

    /// A look at the state as of now. `look` sees one snapshot, whatever changes meanwhile.
    pub fn look<T, E: From<StoreError>>(
        &self,
        look: impl FnOnce(&Look) -> Result<T, E>,
    ) -> Result<T, E> {
        let held = self.open_for_looks()?;
        let outcome = guard::caught(|| {
            let txn = match &*held {
                Held::Writable(database, _) | Held::ReadOnly(database) => database.begin_read(),
                Held::Closed { .. } => {
                    let why = "it was closed meanwhile".to_owned();
                    return Err(StoreError::Refused(why).into());
                }
            };
            look(&Look(txn.map_err(StoreError::from)?))
        });
        drop(held);
        match outcome {
            Ok(outcome) => outcome,
            Err(panic) => {
                self.close(true);
                Err(StoreError::Damaged(panic).into())
            }
        }
    }

    /// Changes the state: all that `change` did, or nothing. `Ok` when it is on disk; an `Err` of `change`
    /// itself leaves everything as it was.
    ///
    /// After [`StoreError::Refused`] nothing was changed, with one exception no program can rule out: a
    /// disk that reported a failure of the very last write and kept it. What holds is what a look says.
    pub fn change<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Change) -> Result<T, E>,
    ) -> Result<T, E> {
        let _writer = self.writer.lock();
        let held = self.open_for_changes()?;
        let Held::Writable(database, health) = &*held else {
            return Err(StoreError::Refused("it was closed meanwhile".to_owned()).into());
        };
        let outcome = guard::caught(|| write(database, change));
        let failed = health.reason();
        if outcome.is_err() {
            health.end("closed after damage was met");
        }
        drop(held);
        match (outcome, failed) {
            (Ok(Ok(value)), failed) => {
                // It is on disk; what failed then was a tidying up behind it.
                if failed.is_some() {
                    self.close(false);
                }
                *self.trouble.lock() = None;
                Ok(value)
            }
            (Ok(Err(_)), Some(reason)) => {
                self.close(false);
                *self.trouble.lock() = Some(reason.clone());
                Err(StoreError::Refused(reason).into())
            }
            (Ok(Err(error)), None) => Err(error),
            (Err(panic), _) => {
                self.close(true);
                Err(StoreError::Damaged(panic).into())
            }
        }
    }

    /// Why changes are refused, if the last one was. For people.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// Goes through the whole audit log and compares it with `logged` (see [`AuditHead::from_log`]).
    pub fn verify_audit(&self, logged: &[AuditHead]) -> Result<AuditCheck, StoreError> {
        self.look(|look| audit::verify(look, logged))
    }

    /// Sees that no other process holds the file, before anything is read from it.
    fn claim(&self) -> Result<(), OpenError> {
        let fail = |error| OpenError::io(&self.path, error);
        let file = File::open(&self.path).map_err(fail)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse(self.path.clone())),
            Err(std::fs::TryLockError::Error(error))
                if error.kind() == io::ErrorKind::Unsupported =>
            {
                Ok(())
            }
            Err(std::fs::TryLockError::Error(error)) => Err(fail(error)),
        }
    }

    fn close(&self, doubted: bool) {
        let mut held = self.held.write();
        if let Held::Writable(_, health) = &*held {
            health.end("closed after a failure");
        }
        // Dropping may panic again where the file is damaged.
        let old = std::mem::replace(&mut *held, Held::Closed { doubted });
        let _ = guard::caught_quietly(move || drop(old));
    }

    fn open_for_looks(&self) -> Result<RwLockReadGuard<'_, Held>, StoreError> {
        let held = self.held.read();
        if !matches!(&*held, Held::Closed { .. }) {
            return Ok(held);
        }
        drop(held);
        let mut held = self.held.write();
        if matches!(&*held, Held::Closed { .. })
            && let Err(error) = self.reopen(&mut held)
            && matches!(&*held, Held::Closed { .. })
        {
            return Err(error);
        }
        Ok(parking_lot::RwLockWriteGuard::downgrade(held))
    }

    fn open_for_changes(&self) -> Result<RwLockReadGuard<'_, Held>, StoreError> {
        let held = self.held.read();
        if matches!(&*held, Held::Writable(..)) {
            return Ok(held);
        }
        drop(held);
        let mut held = self.held.write();
        if !matches!(&*held, Held::Writable(..))
            && let Err(error) = self.reopen(&mut held)
        {
            *self.trouble.lock() = Some(error.to_string());
            return Err(error);
        }
        Ok(parking_lot::RwLockWriteGuard::downgrade(held))
    }

    /// Opens the file for writing. If that fails, `held` serves looks at least, if that can be.
    fn reopen(&self, held: &mut Held) -> Result<(), StoreError> {
        if let Held::Closed { doubted: true } = held {
            file::examine(&self.path).map_err(|error| StoreError::Damaged(error.to_string()))?;
        }
        let health = Arc::new(Health::default());
        let opened = guard::caught_quietly(|| file::open(&self.path, &health));
        let error = match opened {
            Ok(Ok(database)) => {
                *held = Held::Writable(database, health);
                return Ok(());
            }
            Ok(Err(DatabaseError::Storage(redb::StorageError::Corrupted(what)))) => {
                return Err(StoreError::Damaged(what));
            }
            Ok(Err(error)) => StoreError::Refused(health.reason().unwrap_or(error.to_string())),
            Err(panic) => match health.reason() {
                Some(reason) => StoreError::Refused(reason),
                None => return Err(StoreError::Damaged(panic)),
            },
        };
        if let Held::Closed { .. } = held
            && let Ok(file) = File::open(&self.path)
            && let Ok(Ok(database)) = guard::caught_quietly(|| file::open_above(file))
        {
            *held = Held::ReadOnly(database);
        }
        Err(error)
    }
}

fn write<T, E: From<StoreError>>(
    database: &Database,
    change: impl FnOnce(&mut Change) -> Result<T, E>,
) -> Result<T, E> {
    let mut txn = database.begin_write().map_err(StoreError::from)?;
    // Two phases: a state that was acknowledged is never given up for an older one. With what is needed
    // for a quick repair, so that a file can be opened again on a disk that is full.
    txn.set_quick_repair(true);
    let mut change_under_way = Change { txn };
    let value = change(&mut change_under_way)?;
    change_under_way.txn.commit().map_err(StoreError::from)?;
    Ok(value)
}
