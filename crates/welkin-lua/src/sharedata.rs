//! Versions of the data that `skynet.sharedata` and `skynet.datasheet` show, and who keeps them.
//!
//! A version ([`tree`]; a sheet is `welkin_codec`'s) is ordinary memory of Rust and no value of any VM, so whoever holds it by an [`Arc`]
//! may let it go at any time: nothing that a program has got out of it points into it. A service
//! (`sharedatad`, `datasheet`) holds the newest one of each name, each reader the one that it last looked at and the one it
//! was told of. Services tell each other a version's number: one that is gone meanwhile is then just unknown.

pub mod tree;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// The least number of versions at which those that are gone are looked for.
const FULL_MIN: usize = 64;

/// A version and its number.
#[derive(Debug)]
pub struct Version<T> {
    /// Never given twice in a node; a later version has a higher one.
    pub number: u64,
    /// The data.
    pub data: Arc<T>,
}

impl<T> Clone for Version<T> {
    fn clone(&self) -> Self {
        let (number, data) = (self.number, self.data.clone());
        Self { number, data }
    }
}

/// The versions of a node, by number. There are as many as somebody holds.
#[derive(Debug)]
pub struct Versions<T>(Mutex<Numbered<T>>);

#[derive(Debug)]
struct Numbered<T> {
    last: u64,
    known: HashMap<u64, Weak<T>>,
    /// How many may be known before those that are gone are looked for.
    full: usize,
}

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Self(Mutex::new(Numbered {
            last: 0,
            known: HashMap::new(),
            full: FULL_MIN,
        }))
    }
}

impl<T> Versions<T> {
    /// Gives a version its number, and forgets those that are gone.
    pub fn add(&self, data: T) -> Version<T> {
        let data = Arc::new(data);
        let mut numbered = self.0.lock();
        numbered.last += 1;
        let number = numbered.last;
        if numbered.known.len() >= numbered.full {
            numbered.known.retain(|_, data| data.strong_count() > 0);
            numbered.full = (numbered.known.len() * 2).max(FULL_MIN);
        }
        numbered.known.insert(number, Arc::downgrade(&data));
        Version { number, data }
    }

    /// A hold of the version with that number, if anybody else has one.
    pub fn get(&self, number: u64) -> Option<Version<T>> {
        let data = self.0.lock().known.get(&number)?.upgrade()?;
        Some(Version { number, data })
    }
}
