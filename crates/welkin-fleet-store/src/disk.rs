//! The file as redb sees it: with a seal on its header, and dead after the first failure.
//!
//! redb guards every page by a checksum that stands in the page above, up to a header that nothing
//! guards: one bit there names the older of two states, and following it would lose an acknowledged change
//! without a word. So each write of the header carries a SHA-256 of it, in bytes of the first page that
//! redb leaves unused, within the same disk sector. [`check_header`] is asked before a file is opened.
//!
//! After a write that failed nothing further reaches the file: what redb does when it is dropped must not
//! build on pages that may not be there.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use redb::StorageBackend;
use redb::backends::FileBackend;
use sha2::{Digest, Sha256};

/// Bytes of redb's header, file format 3.
pub(crate) const HEADER: usize = 320;
/// With the seal behind it. Must stay within one sector of 512 bytes, which disks write whole.
pub(crate) const SEALED: usize = HEADER + 32;

/// What became of the writes, for whoever holds the database.
#[derive(Debug, Default)]
pub(crate) struct Health {
    dead: AtomicBool,
    reason: Mutex<Option<String>>,
}

impl Health {
    /// The first failure, if there was one.
    pub(crate) fn reason(&self) -> Option<String> {
        self.reason.lock().clone()
    }

    /// Lets nothing further through.
    pub(crate) fn end(&self, reason: &str) {
        self.dead.store(true, Ordering::Release);
        self.reason.lock().get_or_insert_with(|| reason.to_owned());
    }

    fn watched<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome {
            self.end(&error.to_string());
        }
        outcome
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier write failed"));
        }
        Ok(())
    }
}

/// The file, locked for this process.
#[derive(Debug)]
pub(crate) struct Disk {
    file: FileBackend,
    health: Arc<Health>,
}

impl Disk {
    /// Takes the file's lock.
    pub(crate) fn new(file: File, health: Arc<Health>) -> Result<Self, redb::DatabaseError> {
        Ok(Self {
            file: FileBackend::new(file)?,
            health,
        })
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.health.watched(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.health.watched(self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.health.alive()?;
        self.health.watched(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.health.alive()?;
        self.health.watched(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.health.alive()?;
        if offset != 0 {
            return self.health.watched(self.file.write(offset, data));
        }
        let sealed = seal_header(data)?;
        self.health.watched(self.file.write(0, &sealed))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

fn seal_header(header: &[u8]) -> io::Result<[u8; SEALED]> {
    let mut sealed = [0; SEALED];
    if header.len() != HEADER {
        // Only another file format could do that, and then our bytes are not free any more.
        return Err(io::Error::other("redb writes a header of another length"));
    }
    sealed[..HEADER].copy_from_slice(header);
    sealed[HEADER..].copy_from_slice(&Sha256::digest(header));
    Ok(sealed)
}

/// Whether the first bytes of a file are a header with its seal.
pub(crate) fn check_header(start: &[u8; SEALED]) -> bool {
    Sha256::digest(&start[..HEADER])[..] == start[HEADER..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_of_the_header_is_guarded() {
        let sealed = seal_header(&[7; HEADER]).unwrap();
        assert!(check_header(&sealed));
        for byte in 0..SEALED {
            let mut damaged = sealed;
            damaged[byte] ^= 1;
            assert!(!check_header(&damaged), "byte {byte}");
        }
        assert!(seal_header(&[7; HEADER + 1]).is_err());
    }
}
