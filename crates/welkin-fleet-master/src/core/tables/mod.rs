//! The tables of the commands that look.

pub(super) mod figures;
mod machines;
mod nodes;
mod snapshot;

pub use snapshot::{MachineView, NodeView, RollView, View};
pub(super) use welkin_fleet_model::table::row;

/// The first 12 digits of a digest, as releases are shown.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}
