//! The master's state on disk and its audit log.
//!
//! One file, `DIR/fleet.redb`, for its owner alone. [`Store::change`] is acknowledged when what it did is
//! on disk, all of it or nothing; [`Store::look`] sees a state as it was after some change. A disk that
//! takes no writes refuses changes with its reason and leaves looks as they are. A file that is not what
//! was written is not opened and not touched. [`Store::backup`] and [`restore`] move the state.
//!
//! Synchronous: a change waits for the disk.
#![forbid(unsafe_code)]

mod audit;
mod backup;
mod change;
mod disk;
mod error;
mod file;
mod guard;
mod look;
mod overlay;
pub mod records;
mod restore;
pub mod seal;
mod store;
mod tables;
mod view;

pub use audit::AuditCheck;
pub use change::Change;
pub use error::{OpenError, StoreError};
pub use look::Look;
pub use restore::{RestoreError, restore};
pub use store::{FILE, Store};
pub use view::View;
