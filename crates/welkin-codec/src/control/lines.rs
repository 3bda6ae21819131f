//! Lines out of a stream that may be cut anywhere.

/// A line was longer than allowed. What follows it is thrown away with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Bytes that came, cut into lines. Holds at most one unfinished line and what was fed last.
#[derive(Debug)]
pub struct Lines {
    held: Vec<u8>,
    /// Bytes of `held` before this have been handed out.
    begin: usize,
    /// Bytes of `held` before this hold no line feed.
    searched: usize,
    max: usize,
    broken: bool,
}

impl Lines {
    /// For lines of at most `max` bytes, the line feed not counted.
    pub fn new(max: usize) -> Self {
        Self {
            held: Vec::new(),
            begin: 0,
            searched: 0,
            max,
            broken: false,
        }
    }

    /// Takes what came. Call [`Lines::next_line`] until there is none before the next call, or what was
    /// fed adds up.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        self.held.drain(..self.begin);
        self.searched -= self.begin;
        self.begin = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next whole line, without its line feed. After [`TooLong`] there is no other.
    pub fn next_line(&mut self) -> Option<Result<&[u8], TooLong>> {
        if self.broken {
            return None;
        }
        let feed = self.held[self.searched..].iter().position(|b| *b == b'\n');
        let end = feed.map_or(self.held.len(), |at| self.searched + at);
        self.searched = end;
        if end - self.begin > self.max {
            self.broken = true;
            self.held = Vec::new();
            return Some(Err(TooLong));
        }
        feed?;
        let line = self.begin..end;
        self.begin = end + 1;
        self.searched = self.begin;
        Some(Ok(&self.held[line]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<Result<Vec<u8>, TooLong>> {
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line() {
            seen.push(line.map(<[u8]>::to_vec));
        }
        seen
    }

    #[test]
    fn lines_are_whole_wherever_the_stream_is_cut() {
        let stream = b"ab\n\ncde\nf";
        for cut in 0..=stream.len() {
            let mut lines = Lines::new(3);
            lines.feed(&stream[..cut]);
            let mut seen = all(&mut lines);
            lines.feed(&stream[cut..]);
            seen.extend(all(&mut lines));
            let expected = [b"ab".as_slice(), b"", b"cde"].map(|line| Ok(line.to_vec()));
            assert_eq!(seen, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_too_long_is_the_last_with_and_without_its_end() {
        for stream in [b"ok\nabcd".as_slice(), b"ok\nabcd\nok\n"] {
            let mut lines = Lines::new(3);
            lines.feed(stream);
            assert_eq!(all(&mut lines), [Ok(b"ok".to_vec()), Err(TooLong)]);
            lines.feed(b"\nok\n");
            assert_eq!(all(&mut lines), []);
        }
    }
}
