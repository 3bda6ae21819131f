//! The tables of the commands that look.

pub(super) mod figures;
mod machines;
mod nodes;
mod snapshot;

use serde_json::{Map, Value};

pub use snapshot::{MachineView, NodeView, RollView, View};

/// One row.
pub(super) fn row<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The first 12 digits of a digest, as releases are shown.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}
