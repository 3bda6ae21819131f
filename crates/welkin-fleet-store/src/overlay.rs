//! A file that is read and never written: what redb writes stays in memory, above it.
//!
//! redb repairs while it opens. A file is first opened through here, so that one that turns out to be
//! damaged has not changed by a byte; and a file on a disk that takes no writes can still be looked at.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use parking_lot::Mutex;
use redb::StorageBackend;

const BLOCK: u64 = 4096;

/// The file below and what was written above it.
#[derive(Debug)]
pub(crate) struct Overlay {
    file: File,
    state: Mutex<Above>,
}

#[derive(Debug)]
struct Above {
    len: u64,
    /// Bytes of the file below that still show; less after it was cut.
    shown: u64,
    blocks: HashMap<u64, Box<[u8]>>,
}

impl Overlay {
    /// Above `file`, as long as it is now.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let state = Mutex::new(Above {
            len,
            shown: len,
            blocks: HashMap::new(),
        });
        Ok(Self { file, state })
    }

    fn below(&self, state: &Above, block: u64) -> io::Result<Box<[u8]>> {
        let mut bytes = vec![0; BLOCK as usize].into_boxed_slice();
        let start = block * BLOCK;
        let there = state.shown.saturating_sub(start).min(BLOCK) as usize;
        self.file.read_exact_at(&mut bytes[..there], start)?;
        Ok(bytes)
    }
}

/// The blocks that `len` bytes from `offset` touch: number, first byte in it, bytes.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + len as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let (block, first) = (at / BLOCK, at % BLOCK);
        let count = (BLOCK - first).min(end - at);
        at += count;
        Some((block, first as usize, count as usize))
    })
}

fn within(state: &Above, offset: u64, len: usize) -> io::Result<()> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= state.len => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "beyond the end of the file",
        )),
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock();
        within(&state, offset, out.len())?;
        let mut done = 0;
        for (block, first, count) in pieces(offset, out.len()) {
            let target = &mut out[done..done + count];
            match state.blocks.get(&block) {
                Some(bytes) => target.copy_from_slice(&bytes[first..first + count]),
                None => {
                    target.copy_from_slice(&self.below(&state, block)?[first..first + count]);
                }
            }
            done += count;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.len = len;
        state.shown = state.shown.min(len);
        state.blocks.retain(|block, _| block * BLOCK < len);
        if let Some(last) = state.blocks.get_mut(&(len / BLOCK)) {
            last[(len % BLOCK) as usize..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        within(&state, offset, data.len())?;
        let mut done = 0;
        for (block, first, count) in pieces(offset, data.len()) {
            let mut bytes = match state.blocks.remove(&block) {
                Some(bytes) => bytes,
                None => self.below(&state, block)?,
            };
            bytes[first..first + count].copy_from_slice(&data[done..done + count]);
            state.blocks.insert(block, bytes);
            done += count;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_show_and_leave_the_file_as_it_is() {
        let path = std::env::temp_dir().join(format!("welkin-overlay-{}", std::process::id()));
        std::fs::write(&path, vec![1; 10_000]).unwrap();
        let overlay = Overlay::new(File::open(&path).unwrap()).unwrap();
        overlay.write(4000, &[2; 200]).unwrap();
        overlay.set_len(4100).unwrap();
        overlay.set_len(12_000).unwrap();
        let mut all = vec![9; 12_000];
        overlay.read(0, &mut all).unwrap();
        assert!(all[..4000].iter().all(|&byte| byte == 1));
        assert!(all[4000..4100].iter().all(|&byte| byte == 2));
        assert!(all[4100..].iter().all(|&byte| byte == 0));
        assert!(overlay.read(11_999, &mut [0; 2]).is_err());
        assert!(overlay.write(u64::MAX, &[0; 2]).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), vec![1; 10_000]);
        std::fs::remove_file(&path).unwrap();
    }
}
