//! Archives with bytes that differ from what any tool wrote.

mod support;

#[path = "support/any.rs"]
mod any;

use proptest::prelude::*;
use support::zip::{Entry, zip_of};
use support::{file, folder, gzip, link, symlink, tar_of, zstd};

fn honest() -> [Vec<u8>; 4] {
    let tar = tar_of(&[
        folder("d/"),
        file("d/a", b"some text, some text, some text"),
        link(tar::EntryType::Link, "d/twin", "d/a"),
        symlink("l", "d/a"),
        support::entry(tar::EntryType::XHeader, b"x", 0o644, b"14 path=other\n"),
        file("b", &[9; 700]),
    ]);
    let zip = zip_of(&[
        Entry::new("d/", 0o040_755, b""),
        Entry::deflated("d/a", b"some text, some text, some text"),
        Entry::new("l", 0o120_777, b"d/a"),
    ]);
    [gzip(&tar), zstd(&tar), tar, zip]
}

#[test]
fn as_it_was_made_it_is_taken() {
    for bytes in honest() {
        assert!(any::check_any_archive(&bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_archive_with_other_bytes_is_answered(
        form in 0_usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = honest()[form].clone();
        for (at, with) in changes {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        any::check_any_archive(&bytes);
    }

    #[test]
    fn a_tar_with_another_header_and_its_checksum_is_answered(
        at in 0_usize..512,
        with in any::<u8>(),
        which in 0_usize..3,
    ) {
        let mut bytes = honest()[2].clone();
        // Headers that are followed by no content, by some, and by a second name.
        let start = [0, 512, 1536][which];
        bytes[start + at] = with;
        let mut header = tar::Header::from_byte_slice(&bytes[start..start + 512]).clone();
        header.set_cksum();
        bytes[start..start + 512].copy_from_slice(header.as_bytes());
        any::check_any_archive(&bytes);
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..600), magic in 0_usize..5) {
        let magics: [&[u8]; 5] = [b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\x50\x2a\x4d\x18"];
        any::check_any_archive(&[magics[magic], &bytes].concat());
    }
}
