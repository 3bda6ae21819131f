//! Who knocks in vain: counted always, logged once for each address and minute.
//!
//! The table of addresses is bounded, so that a flood from many of them costs no memory; beyond the
//! bound all strangers share one entry.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered for their minute.
const ADDRESSES_MAX: usize = 4096;
const MINUTE: Duration = Duration::from_secs(60);
const CLEANING: Duration = Duration::from_secs(1);

/// What the master does with what the [`crate::Gate`] sees. Called from async code: it must not block.
pub trait Witness: Send + Sync + 'static {
    /// A line for the log.
    fn log(&self, line: &str);

    /// Somebody asked to be enrolled, for the audit log: name, role, from where, by what (`token`,
    /// `secret`), and what came of it (`Ok`: the enrolment).
    fn enrolment(&self, name: &str, role: &str, from: &str, by: &str, result: Result<&str, &str>) {
        let _ = (name, role, from, by, result);
    }
}

/// Connections since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Became links.
    pub links: u64,
    /// Enrolled somebody.
    pub enrolments: u64,
    /// No TLS, no frames, no greeting, or too slow at it.
    pub garbage: u64,
    /// A greeting that was understood and refused: certificate, role, version, token.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Guard(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    counts: Counts,
    /// When an address was last logged, and how many of its connections were not since.
    addresses: HashMap<IpAddr, (Instant, u64)>,
    /// The same for all that have no place in the table.
    others: Option<(Instant, u64)>,
    /// When old entries were last looked for in a full table.
    cleaned: Option<Instant>,
}

impl Guard {
    pub(crate) fn counts(&self) -> Counts {
        self.table().counts
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.table().counts);
    }

    /// Whether trouble from `address` is to be logged now; then how many were not logged before it.
    pub(crate) fn speaks(&self, address: IpAddr, now: Instant) -> Option<u64> {
        let mut table = self.table();
        let rested = |last: Instant| now.duration_since(last) >= CLEANING;
        if table.addresses.len() >= ADDRESSES_MAX && table.cleaned.is_none_or(rested) {
            table.cleaned = Some(now);
            table
                .addresses
                .retain(|_, (last, _)| now.duration_since(*last) < MINUTE);
        }
        let room = table.addresses.len() < ADDRESSES_MAX;
        let entry = if room || table.addresses.contains_key(&address) {
            table.addresses.get_mut(&address)
        } else {
            table.others.as_mut()
        };
        match entry {
            Some((last, hidden)) if now.duration_since(*last) < MINUTE => {
                *hidden += 1;
                None
            }
            Some(entry) => Some(std::mem::replace(entry, (now, 0)).1),
            None if room => {
                table.addresses.insert(address, (now, 0));
                Some(0)
            }
            None => {
                table.others = Some((now, 0));
                Some(0)
            }
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_logged_once_a_minute_with_the_number_of_the_others() {
        let guard = Guard::default();
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Instant::now();
        assert_eq!(guard.speaks(one, start), Some(0));
        assert_eq!(guard.speaks(one, start + Duration::from_secs(1)), None);
        assert_eq!(guard.speaks(one, start + Duration::from_secs(59)), None);
        assert_eq!(guard.speaks(two, start + Duration::from_secs(59)), Some(0));
        assert_eq!(guard.speaks(one, start + Duration::from_secs(60)), Some(2));
    }

    #[test]
    fn a_flood_from_many_addresses_costs_no_memory() {
        let guard = Guard::default();
        let now = Instant::now();
        let spoken = (0..20_000_u32)
            .filter(|at| guard.speaks(IpAddr::from(at.to_be_bytes()), now).is_some())
            .count();
        assert_eq!(spoken, ADDRESSES_MAX + 1);
        assert_eq!(guard.table().addresses.len(), ADDRESSES_MAX);
    }
}
