//! A node as part of a fleet: its config keys, and the native service `.fleet` behind `cluster_master` and
//! `cluster_slave`.
//!
//! `settings.rs` are the config keys, `players.rs` the program's own count of players, `service.rs` is the
//! service; `absent.rs` stands in for it where the program is built without the fleet.

mod players;
#[cfg_attr(not(feature = "fleet"), path = "absent.rs")]
mod service;
pub mod settings;

use welkin_codec::seri::Writer;

pub use players::Players;
pub use service::FleetModule;

/// The local name of the service, without dot.
const NAME: &[u8] = b"fleet";

/// One text, as services pack it.
fn packed(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A text of ours is never too long.
    let _ = Writer::new(&mut bytes).string(text.as_bytes());
    bytes
}
