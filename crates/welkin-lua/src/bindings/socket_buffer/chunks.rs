//! The bytes of one connection that its service has not read yet: a queue of the buffers the socket
//! engine delivered, never joined until somebody asks for a text.
//!
//! Two costs shaped it. A read that waits for a separator is tried again at every delivery, so the
//! place up to which no match begins is remembered, and a line of n bytes is searched once whatever the
//! number of pieces it came in. And nothing is copied before its text is made.
//!
//! It has no limit of its own: `skynet.socket` pauses a connection that holds more than 128 KiB
//! unread, and programs set theirs with `socket.limit`. Plain data, used by the service's worker only.

use std::collections::VecDeque;
use welkin_runtime::Payload;

/// More places for chunks than this are given back when the buffer has become empty.
const IDLE_CHUNKS_MAX: usize = 32;

/// Unread bytes, oldest first.
#[derive(Default)]
pub struct Chunks {
    /// None of them is empty.
    queue: VecDeque<Payload>,
    /// Bytes of the first chunk that have been taken.
    taken: usize,
    /// Bytes not taken, over all chunks.
    size: usize,
    search: Search,
}

/// No match of `separator` begins before byte `at` of chunk `chunk`.
#[derive(Default)]
struct Search {
    separator: Vec<u8>,
    chunk: usize,
    at: usize,
}

/// How the bytes at one place compare with a separator.
enum Fit {
    Whole,
    /// All that has come so far fits; the rest is not there yet.
    SoFar,
    Not,
}

impl Chunks {
    /// Unread bytes.
    pub fn len(&self) -> usize {
        self.size
    }

    /// Appends a buffer; an empty one is freed at once.
    pub fn push(&mut self, chunk: Payload) {
        // Not its length: a null pointer has no bytes whatever length came with it.
        if !chunk.as_bytes().is_empty() {
            self.size += chunk.len();
            self.queue.push_back(chunk);
        }
    }

    /// The next `n` bytes if one chunk holds them all.
    pub fn contiguous(&self, n: usize) -> Option<&[u8]> {
        let Some(first) = self.queue.front() else {
            return (n == 0).then_some(&[]);
        };
        first.as_bytes()[self.taken..].get(..n)
    }

    /// The next `n` bytes, or all if there are fewer, as the slices they lie in.
    pub fn slices(&self, n: usize) -> impl Iterator<Item = &[u8]> {
        let mut left = n;
        let mut taken = self.taken;
        self.queue.iter().map_while(move |chunk| {
            let bytes = &chunk.as_bytes()[std::mem::take(&mut taken)..];
            let part = &bytes[..bytes.len().min(left)];
            left -= part.len();
            (!part.is_empty()).then_some(part)
        })
    }

    /// Takes the next `n` bytes, or all if there are fewer, and frees the chunks that are used up.
    pub fn skip(&mut self, n: usize) {
        if n >= self.size {
            self.clear();
            return;
        }
        self.size -= n;
        let mut left = n;
        while let Some(first) = self.queue.front() {
            let rest = first.len() - self.taken;
            if left < rest {
                self.taken += left;
                return;
            }
            left -= rest;
            self.drop_first();
        }
    }

    /// Frees everything.
    pub fn clear(&mut self) {
        self.queue.clear();
        if self.queue.capacity() > IDLE_CHUNKS_MAX {
            self.queue.shrink_to(0);
        }
        self.taken = 0;
        self.size = 0;
        self.search.chunk = 0;
        self.search.at = 0;
    }

    /// Bytes before the first whole `separator`, which may span chunks. An empty one is found at once
    /// when anything is there.
    pub fn find(&mut self, separator: &[u8]) -> Option<usize> {
        let Some(&first) = separator.first() else {
            return (self.size > 0).then_some(0);
        };
        let (mut chunk, mut at) = self.search_start(separator);
        let mut found = false;
        while let Some(bytes) = self.queue.get(chunk) {
            let Some(distance) = position(first, &bytes.as_bytes()[at..]) else {
                chunk += 1;
                at = 0;
                continue;
            };
            at += distance;
            match self.fit(chunk, at, separator) {
                Fit::Whole => found = true,
                Fit::SoFar => {}
                Fit::Not => {
                    at += 1;
                    continue;
                }
            }
            break;
        }
        self.search.chunk = chunk;
        self.search.at = at;
        found.then(|| self.distance(chunk, at))
    }

    /// Where to begin a search: after what the last one for the same separator excluded.
    fn search_start(&mut self, separator: &[u8]) -> (usize, usize) {
        let search = &mut self.search;
        if search.separator != separator {
            search.separator.clear();
            search.separator.extend_from_slice(separator);
            search.chunk = 0;
            search.at = 0;
        }
        if search.chunk == 0 {
            search.at = search.at.max(self.taken);
        }
        (search.chunk, search.at)
    }

    fn fit(&self, chunk: usize, at: usize, separator: &[u8]) -> Fit {
        let mut wanted = separator;
        let mut at = at;
        for bytes in self.queue.range(chunk..) {
            let there = &bytes.as_bytes()[std::mem::take(&mut at)..];
            let compared = there.len().min(wanted.len());
            if there[..compared] != wanted[..compared] {
                return Fit::Not;
            }
            wanted = &wanted[compared..];
            if wanted.is_empty() {
                return Fit::Whole;
            }
        }
        Fit::SoFar
    }

    /// Unread bytes before byte `at` of chunk `chunk`.
    fn distance(&self, chunk: usize, at: usize) -> usize {
        let before: usize = self.queue.range(..chunk).map(Payload::len).sum();
        before + at - self.taken
    }

    fn drop_first(&mut self) {
        self.queue.pop_front();
        self.taken = 0;
        if let Some(chunk) = self.search.chunk.checked_sub(1) {
            self.search.chunk = chunk;
        } else {
            self.search.at = 0;
        }
    }
}

/// Index of the first `byte`, by the C library's vectorised search.
fn position(byte: u8, bytes: &[u8]) -> Option<usize> {
    // SAFETY: `bytes` is a live slice, so all of its `len` bytes may be read.
    let found = unsafe { libc::memchr(bytes.as_ptr().cast(), byte.into(), bytes.len()) };
    (!found.is_null()).then(|| found as usize - bytes.as_ptr() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(parts: &[&str]) -> Chunks {
        let mut chunks = Chunks::default();
        for part in parts {
            chunks.push(Payload::copy_from(part.as_bytes()));
        }
        chunks
    }

    fn take(chunks: &mut Chunks, n: usize) -> String {
        let text = chunks.slices(n).collect::<Vec<_>>().concat();
        chunks.skip(n);
        String::from_utf8(text).expect("tests push text")
    }

    #[test]
    fn texts_come_out_in_order_over_chunk_borders() {
        let mut chunks = filled(&["abc", "", "de", "f"]);
        assert_eq!(chunks.len(), 6);
        assert_eq!(take(&mut chunks, 2), "ab");
        assert_eq!(chunks.contiguous(1), Some(&b"c"[..]));
        assert_eq!(chunks.contiguous(2), None);
        assert_eq!(take(&mut chunks, 3), "cde");
        assert_eq!(take(&mut chunks, 99), "f");
        assert_eq!(chunks.len(), 0);
        assert_eq!(chunks.contiguous(0), Some(&b""[..]));
    }

    #[test]
    fn a_separator_is_found_over_many_chunks() {
        let mut chunks = filled(&["x\r", "\n", "\r", "\nrest"]);
        assert_eq!(chunks.find(b"\r\n\r\n"), Some(1));
        assert_eq!(chunks.find(b"\n\r"), Some(2));
        assert_eq!(chunks.find(b"rest"), Some(5));
        assert_eq!(chunks.find(b"rest "), None);
        assert_eq!(chunks.find(b""), Some(0));
    }

    #[test]
    fn a_beginning_that_does_not_go_on_is_no_match() {
        let mut chunks = filled(&["aa", "a"]);
        assert_eq!(chunks.find(b"aab"), None);
        chunks.push(Payload::copy_from(b"b"));
        assert_eq!(chunks.find(b"aab"), Some(1));
    }

    #[test]
    fn a_search_goes_on_where_the_last_one_ended() {
        let mut chunks = filled(&["abc", "def"]);
        assert_eq!(chunks.find(b"\n"), None);
        assert_eq!((chunks.search.chunk, chunks.search.at), (2, 0));
        assert_eq!(take(&mut chunks, 4), "abcd");
        assert_eq!((chunks.search.chunk, chunks.search.at), (1, 0));
        chunks.push(Payload::copy_from(b"gh\n"));
        assert_eq!(chunks.find(b"\n"), Some(4));
    }

    #[test]
    fn what_was_taken_is_not_searched() {
        let mut chunks = filled(&["a\nb\nc"]);
        assert_eq!(chunks.find(b"\n"), Some(1));
        assert_eq!(take(&mut chunks, 2), "a\n");
        assert_eq!(chunks.find(b"\n"), Some(1));
        assert_eq!(take(&mut chunks, 2), "b\n");
        assert_eq!(chunks.find(b"\n"), None);
        assert_eq!(take(&mut chunks, 9), "c");
        chunks.push(Payload::copy_from(b"\n"));
        assert_eq!(chunks.find(b"\n"), Some(0));
    }

    /// Every way of cutting a text gives the lines that cutting it nowhere gives.
    #[test]
    fn chunking_does_not_change_lines() {
        let text = b"one\r\n\r\r\ntwo\r\n\n\r";
        for cuts in 0u32..1 << (text.len() - 1) {
            let mut chunks = Chunks::default();
            let mut lines = Vec::new();
            let mut start = 0;
            for end in 1..=text.len() {
                if end < text.len() && cuts & (1 << (end - 1)) == 0 {
                    continue;
                }
                chunks.push(Payload::copy_from(&text[start..end]));
                start = end;
                while let Some(n) = chunks.find(b"\r\n") {
                    lines.push(take(&mut chunks, n));
                    chunks.skip(2);
                }
            }
            assert_eq!(lines, ["one", "\r", "two"], "cuts {cuts:b}");
            assert_eq!(chunks.len(), 2);
        }
    }
}
