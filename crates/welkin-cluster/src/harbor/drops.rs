//! Lines about messages that were dropped: each is told, as skynet does, but of a flood the first of
//! each minute, and how many there were.

/// Lines of one kind and link in one minute.
pub(super) const LINES_MAX: u32 = 100;
/// In ticks of the node's clock, hundredths of a second.
const MINUTE_TICKS: i64 = 6_000;

/// What has been told of one link.
#[derive(Debug, Default)]
pub(super) struct Drops {
    since: i64,
    lines: u32,
    hidden: u64,
}

impl Drops {
    /// Counts one at `now`, in ticks, of which `lines_max` are told in a minute. `None`: not to be
    /// told. Else how many were not told before it.
    pub(super) fn count(&mut self, now: i64, lines_max: u32) -> Option<u64> {
        if self.lines > 0 && now - self.since < MINUTE_TICKS {
            if self.lines >= lines_max {
                self.hidden += 1;
                return None;
            }
            self.lines += 1;
            return Some(0);
        }
        self.since = now;
        self.lines = 1;
        Some(std::mem::take(&mut self.hidden))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_in_part_and_counted() {
        let mut drops = Drops::default();
        let told = (0..150)
            .filter(|_| drops.count(500, LINES_MAX) == Some(0))
            .count();
        assert_eq!(told, 100);
        assert_eq!(drops.count(500 + MINUTE_TICKS, 1), Some(50));
        assert_eq!(drops.count(501 + MINUTE_TICKS, 1), None);
    }
}
