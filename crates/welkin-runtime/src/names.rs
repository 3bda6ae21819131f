//! Local names (`.name`) of services, without the dot.
//!
//! A name belongs to one address for good: it cannot be moved, only vanish with its service. An
//! address may have many names, and one that does not exist can be named too.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::RwLock;

use crate::message::Address;

#[derive(Default)]
pub(crate) struct Names(RwLock<Tables>);

#[derive(Default)]
struct Tables {
    addresses: HashMap<Box<[u8]>, Address>,
    /// The other way round, so that the end of a service needs no search.
    names: HashMap<Address, Vec<Box<[u8]>>>,
}

impl Names {
    /// False: the name is taken.
    pub(crate) fn register(&self, name: &[u8], address: Address) -> bool {
        let mut tables = self.0.write();
        match tables.addresses.entry(name.into()) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(free) => free.insert(address),
        };
        tables.names.entry(address).or_default().push(name.into());
        true
    }

    pub(crate) fn query(&self, name: &[u8]) -> Option<Address> {
        self.0.read().addresses.get(name).copied()
    }

    /// One name of `address`, the first it got.
    pub(crate) fn of(&self, address: Address) -> Option<Box<[u8]>> {
        self.0.read().names.get(&address)?.first().cloned()
    }

    /// Forgets all names of `address`.
    pub(crate) fn forget(&self, address: Address) {
        if !self.0.read().names.contains_key(&address) {
            return;
        }
        let mut tables = self.0.write();
        for name in tables.names.remove(&address).unwrap_or_default() {
            tables.addresses.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_be_moved_but_vanishes_with_its_service() {
        let names = Names::default();
        assert!(names.register(b"a", Address(1)));
        assert!(names.register(b"", Address(1)));
        assert!(!names.register(b"a", Address(1)));
        assert!(!names.register(b"a", Address(2)));
        names.forget(Address(1));
        assert_eq!(names.query(b""), None);
        assert!(names.register(b"a", Address(2)));
        assert_eq!(names.query(b"a"), Some(Address(2)));
    }
}
