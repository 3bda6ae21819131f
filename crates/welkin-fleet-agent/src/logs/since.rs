//! Where the output of some time on begins, from the indexes beside the log files.

use std::fs;
use std::io;
use std::path::Path;

use welkin_fleet_keeper::keeper::output::path;

use super::Place;

/// What lies behind an entry is at most so much younger than it.
const STEP_MS: u64 = 1_000;

/// Where what was written from `since` on begins, up to a second before. None: with the first line.
pub(super) fn place(folder: &Path, numbers: &[u64], since: u64) -> io::Result<Option<Place>> {
    let mut last = None;
    for number in numbers {
        let index = match fs::read(path(folder, *number, "idx")) {
            Ok(index) => index,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for (time, offset) in index.chunks_exact(16).map(entry) {
            let place = Place {
                number: *number,
                offset,
            };
            if time > since {
                // What lies between is older than `since`, unless it follows at once.
                let before = last.filter(|(before, _)| since < before + STEP_MS);
                return Ok(match (before, last) {
                    (Some((_, at)), _) => Some(at),
                    (None, Some(_)) => Some(place),
                    (None, None) => None,
                });
            }
            last = Some((time, place));
        }
    }
    let Some((time, place)) = last else {
        return Ok(None);
    };
    if since < time + STEP_MS {
        return Ok(Some(place));
    }
    // Nothing is young enough.
    let number = numbers.last().copied().unwrap_or(0);
    let offset = fs::metadata(path(folder, number, "log"))?.len();
    Ok(Some(Place { number, offset }))
}

fn entry(bytes: &[u8]) -> (u64, u64) {
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    (word(&bytes[..8]), word(&bytes[8..]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;

    fn index(folder: &Folder, number: u64, entries: &[(u64, u64)]) {
        let bytes: Vec<u8> = entries
            .iter()
            .flat_map(|(time, offset)| [time.to_le_bytes(), offset.to_le_bytes()].concat())
            .collect();
        fs::write(path(&folder.0, number, "idx"), bytes).unwrap();
    }

    #[test]
    fn what_is_older_stays_away() {
        let folder = Folder::new("since");
        folder.write(1, "a\nb\n");
        index(&folder, 1, &[(10_000, 0), (20_000, 2)]);
        folder.write(2, "c\nd\n");
        index(&folder, 2, &[(30_000, 0), (31_000, 2)]);
        assert_eq!(folder.read(100, Some(5_000)), "a\nb\nc\nd\n");
        assert_eq!(folder.read(100, Some(10_500)), "a\nb\nc\nd\n");
        assert_eq!(folder.read(100, Some(15_000)), "b\nc\nd\n");
        assert_eq!(folder.read(100, Some(30_500)), "c\nd\n");
        assert_eq!(folder.read(100, Some(31_999)), "d\n");
        assert_eq!(folder.read(100, Some(32_000)), "");
        assert_eq!(folder.read(1, Some(0)), "d\n");
    }
}
