//! The node environment: text keys and values that all services read and that never change.

use std::collections::HashMap;
use std::fmt;

use parking_lot::RwLock;

/// The key exists already; values of the environment never change.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct EnvExists;

impl fmt::Display for EnvExists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key exists in the node environment and its value cannot be changed")
    }
}

impl std::error::Error for EnvExists {}

#[derive(Default)]
pub(crate) struct Env(RwLock<HashMap<Vec<u8>, Vec<u8>>>);

impl Env {
    pub(crate) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.read().get(key).cloned()
    }

    pub(crate) fn set(&self, key: &[u8], value: &[u8]) -> Result<(), EnvExists> {
        let mut values = self.0.write();
        if values.contains_key(key) {
            return Err(EnvExists);
        }
        values.insert(key.into(), value.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_be_changed() {
        let env = Env::default();
        assert_eq!(env.set(b"k", b""), Ok(()));
        assert_eq!(env.set(b"k", b"v"), Err(EnvExists));
        assert_eq!(env.get(b"k"), Some(Vec::new()));
    }
}
