//! Which releases may go.

/// A release, as far as its removal goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Full digest.
    pub digest: String,
    /// A node runs it, or is to run it at its next start.
    pub used: bool,
    /// A rollback would go back to it.
    pub previous: bool,
    /// When it came, Unix milliseconds.
    pub since_unix_ms: u64,
}

/// Full digests to remove so that `keep` releases stay, oldest first. None that is used, none that a
/// rollback needs: so more than `keep` may stay.
pub fn removable(all: &[Kept], keep: usize) -> Vec<String> {
    let surplus = all.len().saturating_sub(keep);
    by_age(all, |release| !release.used && !release.previous)
        .into_iter()
        .take(surplus)
        .collect()
}

/// Full digests in the order in which they go when the disk is nearly full: oldest first, those that a
/// rollback needs last, used ones never.
pub fn under_pressure(all: &[Kept]) -> Vec<String> {
    let mut order = by_age(all, |release| !release.used && !release.previous);
    order.extend(by_age(all, |release| !release.used && release.previous));
    order
}

fn by_age(all: &[Kept], which: impl Fn(&Kept) -> bool) -> Vec<String> {
    let mut some: Vec<&Kept> = all.iter().filter(|release| which(release)).collect();
    some.sort_by_key(|release| (release.since_unix_ms, &release.digest));
    some.into_iter()
        .map(|release| release.digest.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(digest: &str, since_unix_ms: u64, used: bool, previous: bool) -> Kept {
        Kept {
            digest: digest.to_owned(),
            used,
            previous,
            since_unix_ms,
        }
    }

    #[test]
    fn what_is_used_or_needed_for_a_rollback_stays() {
        let all = [
            release("c", 3, false, false),
            release("a", 1, true, false),
            release("b", 2, false, true),
            release("d", 4, false, false),
            release("e", 5, true, false),
        ];
        assert_eq!(removable(&all, 5), [""; 0]);
        assert_eq!(removable(&all, 4), ["c"]);
        assert_eq!(removable(&all, 0), ["c", "d"]);
        assert_eq!(under_pressure(&all), ["c", "d", "b"]);
    }
}
