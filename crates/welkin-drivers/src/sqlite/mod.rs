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

use welkin_runtime::{
    Address, Context, LaunchError, Message, Module, NewService, Node, Payload, kind,
};

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

/// Who waits for an answer.
#[derive(Copy, Clone, Debug)]
struct Asker {
    source: Address,
    session: i32,
}

/// To whom waits; nobody does for session 0.
fn post(node: &Node, from: Address, asker: Asker, bytes: Vec<u8>) {
    if asker.session == 0 {
        return;
    }
    let message = Message {
        source: from,
        session: asker.session,
        kind: kind::RESPONSE,
        payload: Payload::copy_from(&bytes),
    };
    // Who asked may have ended meanwhile.
    drop(node.post(asker.source, message));
}
