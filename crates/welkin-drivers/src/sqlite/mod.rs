//! The native service `sqlite`, behind the Lua module `skynet.db.sqlite`: one for the node, launched by who
//! needs it first.
//!
//! `service.rs` is the service, with `database.rs`, `request.rs` and `value.rs`; `absent.rs` stands in for it
//! in a build without SQLite.

#[cfg(feature = "sqlite")]
mod database;
#[cfg(feature = "sqlite")]
mod request;
#[cfg_attr(not(feature = "sqlite"), path = "absent.rs")]
mod service;
#[cfg(feature = "sqlite")]
mod value;

use welkin_runtime::{Context, LaunchError, Module, NewService};

use service::Sqlite;

/// The local name, without dot.
const NAME: &[u8] = b"sqlite";

/// The module `sqlite`. A second launch gives no service: the first one has the name.
#[derive(Debug, Default)]
pub struct SqliteModule;

impl Module for SqliteModule {
    fn create(&self, cx: &Context<'_>, _args: &[u8]) -> Result<NewService, LaunchError> {
        if !cx.node.name_register(NAME, cx.slot.address()) {
            return Err(LaunchError::Silent);
        }
        Ok(NewService {
            service: Box::new(Sqlite::new()),
            control: None,
        })
    }

    fn background(&self) -> bool {
        true
    }
}
