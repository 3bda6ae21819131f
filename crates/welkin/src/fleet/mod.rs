//! A node as part of a fleet: its config keys, and the native service `.fleet` behind `cluster_master` and
//! `cluster_slave`.
//!
//! `settings.rs` are the config keys, `players.rs` the program's own count of players, `service.rs` is the
//! service; `absent.rs` stands in for it where the program is built without the fleet.

mod players;
#[cfg_attr(not(feature = "fleet"), path = "absent.rs")]
mod service;
pub mod settings;

use std::sync::Arc;

use welkin_codec::seri::Writer;
use welkin_runtime::{
    Address, Context, LaunchError, Message, Module, NewService, Node, Payload, kind,
};

use crate::control::Control;
pub use players::Players;
use service::Fleet;
use settings::Settings;

/// The local name of the service, without dot.
const NAME: &[u8] = b"fleet";

/// The module `fleet`. A second launch gives no service: the first one has the name.
pub struct FleetModule {
    settings: Option<Arc<Settings>>,
    control: Arc<Control>,
}

impl FleetModule {
    /// For a node with these settings.
    pub fn new(settings: Option<Settings>, control: &Arc<Control>) -> Self {
        Self {
            settings: settings.map(Arc::new),
            control: Arc::clone(control),
        }
    }
}

impl Module for FleetModule {
    fn create(&self, cx: &Context<'_>, _args: &[u8]) -> Result<NewService, LaunchError> {
        if !cx.node.name_register(NAME, cx.slot.address()) {
            return Err(LaunchError::Silent);
        }
        let fleet = Fleet::new(cx, self.settings.as_ref(), &self.control);
        Ok(NewService {
            service: Box::new(fleet),
            control: None,
        })
    }

    fn background(&self) -> bool {
        true
    }
}

/// One text, as services pack it.
fn packed(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A text of ours is never too long.
    let _ = Writer::new(&mut bytes).string(text.as_bytes());
    bytes
}

/// To whom waits, who is named with the session; nobody does for session 0.
fn answer(node: &Node, from: Address, (to, session): (Address, i32), bytes: &[u8]) {
    if session == 0 {
        return;
    }
    let message = Message {
        source: from,
        session,
        kind: kind::RESPONSE,
        payload: Payload::copy_from(bytes),
    };
    // Who asked may have ended meanwhile.
    drop(node.post(to, message));
}
