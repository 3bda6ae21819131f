//! Which slot is behind which address.
//!
//! 64 shards, each under a lock that senders take for reading, so that they do not stand in each
//! other's way; a message is put into its mailbox under that read lock, without counting a reference
//! up and down. Numbers ascend and begin again after 2^24 - 1, passing over those in use: at most
//! 16,777,215 services live at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use crate::message::Address;

const SHARDS: usize = 64;
/// Entries that a shard keeps room for in any case.
const SPARE_ROOM: usize = 64;

type Shard<S> = RwLock<HashMap<u32, Arc<S>, BuildHasherDefault<Spread>>>;

pub(crate) struct Table<S> {
    shards: Box<[Padded<Shard<S>>]>,
    /// The number given last.
    last: AtomicU32,
    /// The harbor id, in the high byte.
    harbor_bits: u32,
}

/// A shard's lock has its cache lines to itself.
#[repr(align(128))]
struct Padded<T>(T);

impl<S> Table<S> {
    pub(crate) fn new(harbor: u8) -> Self {
        Table {
            shards: (0..SHARDS).map(|_| Padded(Shard::default())).collect(),
            last: AtomicU32::new(0),
            harbor_bits: u32::from(harbor) << 24,
        }
    }

    /// Puts what `make` gives under a new address. `None`: all numbers are in use.
    pub(crate) fn insert(&self, make: impl FnOnce(Address) -> S) -> Option<Arc<S>> {
        for _ in 0..=Address::NUMBER_MASK {
            let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            let number = number & Address::NUMBER_MASK;
            if number == 0 {
                continue;
            }
            let address = Address(self.harbor_bits | number);
            if let Entry::Vacant(free) = self.shard(address).write().entry(address.0) {
                return Some(Arc::clone(free.insert(Arc::new(make(address)))));
            }
        }
        None
    }

    pub(crate) fn get(&self, address: Address) -> Option<Arc<S>> {
        self.shard(address).read().get(&address.0).cloned()
    }

    /// Runs `f` on the slot under the shard's read lock; `f` must not come back to the table.
    pub(crate) fn with<R>(&self, address: Address, f: impl FnOnce(&Arc<S>) -> R) -> Option<R> {
        self.shard(address).read().get(&address.0).map(f)
    }

    /// As [`Table::with`], with a value that is handed back when there is no such slot.
    pub(crate) fn with_value<V, R>(
        &self,
        address: Address,
        value: V,
        f: impl FnOnce(&Arc<S>, V) -> R,
    ) -> Result<R, V> {
        match self.shard(address).read().get(&address.0) {
            Some(slot) => Ok(f(slot, value)),
            None => Err(value),
        }
    }

    pub(crate) fn remove(&self, address: Address) -> Option<Arc<S>> {
        self.shard(address).write().remove(&address.0)
    }

    /// Gives back room that many services have left, shard by shard.
    pub(crate) fn shrink(&self) {
        for shard in &self.shards {
            let crowded = {
                let shard = shard.0.read();
                shard.capacity() <= SPARE_ROOM.max(4 * shard.len())
            };
            if !crowded {
                let mut shard = shard.0.write();
                let room = 2 * shard.len();
                shard.shrink_to(room);
            }
        }
    }

    /// Runs `f` on every slot, shard by shard under its read lock; `f` must not come back to the table.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Arc<S>)) {
        for shard in &self.shards {
            shard.0.read().values().for_each(&mut f);
        }
    }

    /// All addresses, ascending.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let mut all: Vec<Address> = Vec::new();
        for shard in &self.shards {
            all.extend(shard.0.read().keys().map(|&address| Address(address)));
        }
        all.sort_unstable();
        all
    }

    fn shard(&self, address: Address) -> &Shard<S> {
        &self.shards[address.0 as usize % SHARDS].0
    }
}

/// Spreads consecutive numbers over the table. Addresses are ours, not a peer's: nobody can aim them.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("addresses hash as u32")
    }

    fn write_u32(&mut self, address: u32) {
        self.0 = u64::from(address).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_begin_again_passing_over_those_in_use() {
        let table = Table::new(1);
        assert_eq!(
            *table.insert(|address| address).unwrap(),
            Address(0x0100_0001)
        );
        table.last.store(0x00ff_fffe, Ordering::Relaxed);
        assert_eq!(
            *table.insert(|address| address).unwrap(),
            Address(0x01ff_ffff)
        );
        assert_eq!(
            *table.insert(|address| address).unwrap(),
            Address(0x0100_0002)
        );
        table.remove(Address(0x0100_0002));
        assert_eq!(
            table.addresses(),
            [Address(0x0100_0001), Address(0x01ff_ffff)]
        );
    }
}
