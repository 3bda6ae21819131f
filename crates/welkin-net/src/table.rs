//! Which socket has which number, and who owns which.
//!
//! Ids count up from 1 and begin again after `i32::MAX`; an id lives in slot `id mod 65536`, and an id
//! whose slot is taken is passed over. So an old id finds its slot empty or held by another id, never
//! somebody else's socket. 65536 sockets is the limit.
//!
//! Slots are made in groups as ids reach them; each has its own lock, held for a clone of an `Arc`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use welkin_runtime::Address;

use crate::socket::{Body, Socket};

/// Most sockets at a time.
pub(crate) const SOCKETS_MAX: usize = 65536;

const GROUP: usize = 256;

type Slot = RwLock<Option<Arc<Socket>>>;

#[derive(Debug)]
pub(crate) struct Table {
    groups: Box<[OnceLock<Box<[Slot]>>]>,
    /// The last number given out, not yet cut to 31 bits.
    last: AtomicU32,
    live: AtomicUsize,
    owners: Mutex<HashMap<Address, HashSet<i32>>>,
}

impl Table {
    pub fn new() -> Table {
        Table {
            groups: (0..SOCKETS_MAX / GROUP).map(|_| OnceLock::new()).collect(),
            last: AtomicU32::new(0),
            live: AtomicUsize::new(0),
            owners: Mutex::default(),
        }
    }

    /// Makes a socket. `Err` when there are too many: an id that no socket has.
    pub fn add(&self, owner: Address, body: Body) -> Result<Arc<Socket>, i32> {
        if self.live.fetch_add(1, Ordering::Relaxed) >= SOCKETS_MAX {
            self.live.fetch_sub(1, Ordering::Relaxed);
            return Err(self.next_id());
        }
        // The count above promises an empty slot, wherever it is.
        loop {
            let id = self.next_id();
            let mut slot = self.slot(id).write();
            if slot.is_none() {
                let socket = Arc::new(Socket::new(id, owner, body));
                *slot = Some(socket.clone());
                drop(slot);
                self.owners.lock().entry(owner).or_default().insert(id);
                return Ok(socket);
            }
        }
    }

    /// The socket with this id, if it still exists.
    pub fn get(&self, id: i32) -> Option<Arc<Socket>> {
        if id <= 0 {
            return None;
        }
        let slot = self.groups[index(id) / GROUP].get()?[index(id) % GROUP].read();
        slot.as_ref().filter(|socket| socket.id == id).cloned()
    }

    /// Forgets a socket. Called once for each, by who ends it, under its lock.
    pub fn remove(&self, id: i32, owner: Address) {
        let socket = self.slot(id).write().take();
        debug_assert_eq!(socket.as_ref().map(|socket| socket.id), Some(id));
        self.live.fetch_sub(1, Ordering::Relaxed);
        self.disown(id, owner);
    }

    /// Hands a socket over.
    pub fn change_owner(&self, id: i32, from: Address, to: Address) {
        if from != to {
            self.disown(id, from);
            self.owners.lock().entry(to).or_default().insert(id);
        }
    }

    /// The ids that `owner` has.
    pub fn owned(&self, owner: Address) -> Vec<i32> {
        self.owners
            .lock()
            .get(&owner)
            .map_or_else(Vec::new, |ids| ids.iter().copied().collect())
    }

    /// All sockets there are, by slot.
    pub fn all(&self) -> Vec<Arc<Socket>> {
        let slots = self.groups.iter().filter_map(|group| group.get()).flatten();
        slots.filter_map(|slot| slot.read().clone()).collect()
    }

    fn disown(&self, id: i32, owner: Address) {
        let mut owners = self.owners.lock();
        if let Some(ids) = owners.get_mut(&owner) {
            ids.remove(&id);
            if ids.is_empty() {
                owners.remove(&owner);
            }
        }
    }

    fn next_id(&self) -> i32 {
        loop {
            let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            let id = (number & 0x7fff_ffff).cast_signed();
            if id != 0 {
                return id;
            }
        }
    }

    fn slot(&self, id: i32) -> &Slot {
        let group = self.groups[index(id) / GROUP]
            .get_or_init(|| (0..GROUP).map(|_| RwLock::new(None)).collect());
        &group[index(id) % GROUP]
    }
}

fn index(id: i32) -> usize {
    id.cast_unsigned() as usize % SOCKETS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Address = Address(1);

    fn add(table: &Table) -> i32 {
        table.add(ME, Body::Resolving).unwrap().id
    }

    #[test]
    fn ids_begin_at_one_and_are_not_used_again() {
        let table = Table::new();
        assert_eq!(add(&table), 1);
        table.remove(1, ME);
        assert_eq!(add(&table), 2);
        assert!(table.get(1).is_none());
    }

    #[test]
    fn a_stale_id_does_not_reach_the_newer_socket_of_its_slot() {
        let table = Table::new();
        assert_eq!(add(&table), 1);
        table.remove(1, ME);
        table.last.store(65536, Ordering::Relaxed);
        assert_eq!(add(&table), 65537);
        assert!(table.get(1).is_none());
        assert_eq!(table.get(65537).unwrap().id, 65537);
    }

    #[test]
    fn a_slot_in_use_is_passed_over() {
        let table = Table::new();
        assert_eq!(add(&table), 1);
        table.last.store(65536, Ordering::Relaxed);
        assert_eq!(add(&table), 65538);
    }

    #[test]
    fn ids_begin_again_after_the_last_one() {
        let table = Table::new();
        table.last.store(i32::MAX as u32 - 1, Ordering::Relaxed);
        assert_eq!(add(&table), i32::MAX);
        assert_eq!(add(&table), 1);
    }

    #[test]
    fn a_full_table_refuses_with_an_id_that_is_nobodys() {
        let table = Table::new();
        for _ in 0..SOCKETS_MAX {
            add(&table);
        }
        let id = table.add(ME, Body::Resolving).unwrap_err();
        assert!(table.get(id).is_none());
        table.remove(5, ME);
        assert_eq!(index(add(&table)), 5);
    }

    #[test]
    fn an_owner_is_forgotten_with_its_last_socket() {
        let table = Table::new();
        let id = add(&table);
        table.change_owner(id, ME, Address(2));
        assert!(table.owned(ME).is_empty());
        assert_eq!(table.owned(Address(2)), [id]);
        table.remove(id, Address(2));
        assert!(table.owners.lock().is_empty());
    }

    #[test]
    fn no_garbage_id_is_found() {
        let table = Table::new();
        add(&table);
        for id in [0, -1, i32::MIN, i32::MAX, 65537] {
            assert!(table.get(id).is_none());
        }
    }
}
