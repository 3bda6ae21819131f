//! Archives that mean harm: each is refused for its own reason, and leaves nothing behind.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::zip::{Entry, zip_of};
use support::{Folder, entry, file, folder, gzip, link, symlink, tar_of, zstd};
use tar::EntryType;
use welkin_fleet_release::{Error, Limits, Packed, pack};

const SMALL: Limits = Limits {
    unpacked_max: 10_000,
    files_max: 20,
};

/// Packs `bytes` in a folder of its own; what it says, after a look at what it left.
fn packed(bytes: &[u8]) -> Result<Packed, Error> {
    let place = Folder::new();
    fs::write(place.join("outside"), "as it was").unwrap();
    fs::write(place.join("source"), bytes).unwrap();
    let outcome = pack(&place.join("source"), &place.join("out"), &SMALL);
    assert_eq!(fs::read(place.join("outside")).unwrap(), b"as it was");
    let expected: &[&str] = match &outcome {
        Ok(_) => &["out", "outside", "source"],
        Err(_) => &["outside", "source"],
    };
    assert_eq!(place.names(), expected, "{outcome:?}");
    outcome
}

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    let error = packed(bytes).expect_err(why).to_string();
    assert!(error.contains(why), "{error:?} does not say {why:?}");
}

#[test]
fn names_that_lead_out_are_refused() {
    refused(&tar_of(&[file("/etc/x", b"x")]), "absolute");
    refused(&tar_of(&[file("../outside", b"x")]), "leads out");
    refused(&tar_of(&[file("a/../../outside", b"x")]), "leads out");
    refused(&tar_of(&[folder("../x/")]), "leads out");
    refused(&tar_of(&[file("a\nb", b"x")]), "control characters");
    refused(
        &tar_of(&[entry(EntryType::Regular, b"\xff", 0o644, b"")]),
        "UTF-8",
    );
    refused(&tar_of(&[file(".", b"x")]), "a folder");
    refused(
        &zip_of(&[Entry::new("../outside", 0o100_644, b"x")]),
        "leads out",
    );
    refused(
        &zip_of(&[Entry::new("/etc/x", 0o100_644, b"x")]),
        "absolute",
    );
}

#[test]
fn links_that_lead_out_are_refused() {
    for target in ["/etc/passwd", "../outside", "a/../../outside", "..", ""] {
        refused(
            &tar_of(&[file("a/x", b""), symlink("l", target)]),
            "link to",
        );
    }
    // Through a link to the release itself, or to a folder above.
    refused(
        &tar_of(&[symlink("dot", "."), symlink("l", "dot/../outside")]),
        "leads out",
    );
    refused(
        &tar_of(&[
            file("a/x", b""),
            symlink("a/up", ".."),
            symlink("l", "a/up/../outside"),
        ]),
        "leads out",
    );
    refused(&tar_of(&[symlink("a", "b"), symlink("b", "a")]), "circle");
    refused(
        &tar_of(&[link(EntryType::Link, "l", "../outside")]),
        "leads out",
    );
    refused(
        &tar_of(&[link(EntryType::Link, "l", "/etc/passwd")]),
        "absolute",
    );
    refused(
        &tar_of(&[link(EntryType::Link, "l", "missing")]),
        "hard link",
    );
    refused(
        &tar_of(&[symlink("s", "x"), link(EntryType::Link, "l", "s")]),
        "hard link",
    );
    refused(
        &zip_of(&[Entry::new("l", 0o120_777, b"../outside")]),
        "leads out",
    );
}

#[test]
fn nothing_is_written_through_a_link() {
    refused(
        &tar_of(&[symlink("d", "."), file("d/x", b"x")]),
        "no folder",
    );
    refused(&tar_of(&[symlink("d", "."), folder("d/")]), "two entries");
    refused(
        &tar_of(&[symlink("f", "g"), file("f", b"x")]),
        "two entries",
    );
    refused(
        &tar_of(&[file("d/x", b"x"), symlink("d", "..")]),
        "two entries",
    );
}

#[test]
fn a_path_is_taken_once() {
    refused(&tar_of(&[file("a", b"1"), file("a", b"2")]), "two entries");
    refused(
        &tar_of(&[file("a", b"1"), file("./a", b"2")]),
        "two entries",
    );
    refused(&tar_of(&[file("a", b"1"), folder("a/")]), "two entries");
    refused(&tar_of(&[file("a", b"1"), file("a/b", b"2")]), "no folder");
    refused(&tar_of(&[folder("a/"), folder("a")]), "two entries");
    let entry = Entry::new("a", 0o100_644, b"1");
    refused(&zip_of(&[entry.clone(), entry]), "two entries");
}

#[test]
fn devices_pipes_and_sockets_are_refused() {
    refused(
        &tar_of(&[entry(EntryType::Char, b"c", 0o644, b"")]),
        "device",
    );
    refused(
        &tar_of(&[entry(EntryType::Block, b"b", 0o644, b"")]),
        "device",
    );
    refused(&tar_of(&[entry(EntryType::Fifo, b"p", 0o644, b"")]), "pipe");
    refused(
        &tar_of(&[entry(EntryType::GNUSparse, b"s", 0o644, b"")]),
        "sparse",
    );
    refused(
        &tar_of(&[entry(EntryType::new(b'Z'), b"z", 0o644, b"")]),
        "kind",
    );
    for (mode, what) in [
        (0o140_000, "socket"),
        (0o060_000, "device"),
        (0o010_000, "pipe"),
    ] {
        refused(&zip_of(&[Entry::new("x", mode, b"")]), what);
    }
}

#[test]
fn what_is_larger_than_the_limits_ends_at_them() {
    let zeros = vec![0; 10_001];
    refused(&tar_of(&[file("a", &zeros)]), "update.max_size");
    refused(
        &gzip(&tar_of(&[
            file("a", &zeros[..6000]),
            file("b", &zeros[..6000]),
        ])),
        "too large",
    );
    refused(&zstd(&tar_of(&[file("a", &zeros)])), "too large");
    refused(&zip_of(&[Entry::deflated("a", &zeros)]), "too large");
    assert!(packed(&tar_of(&[file("a", &zeros[..10_000])])).is_ok());
    let many: Vec<Vec<u8>> = (0..21).map(|n| file(&format!("f{n}"), b"")).collect();
    refused(&tar_of(&many), "more than 20 files");
    let deep = "d/".repeat(30) + "f";
    refused(&tar_of(&[file(&deep, b"")]), "more than 20 files");
    // Megabytes of zeros in a few kilobytes, as content and as what is no content.
    let bomb = vec![0; 32 << 20];
    refused(&gzip(&tar_of(&[file("a", &bomb)])), "too large");
    refused(
        &gzip(&tar_of(&[entry(EntryType::GNULongName, b"", 0o644, &bomb)])),
        "64 KiB",
    );
    refused(
        &gzip(&tar_of(&[entry(EntryType::XHeader, b"", 0o644, &bomb)])),
        "64 KiB",
    );
    refused(
        &gzip(&tar_of(&[entry(
            EntryType::XGlobalHeader,
            b"",
            0o644,
            &bomb,
        )])),
        "whole archive",
    );
    // A hard link is a file of its own, and counts.
    refused(
        &tar_of(&[file("a", &zeros[..6000]), link(EntryType::Link, "b", "a")]),
        "too large",
    );
}

#[test]
fn archives_that_lie_or_end_early_are_refused() {
    let honest = gzip(&tar_of(&[file("a", &[7; 3000])]));
    assert!(packed(&honest).is_ok());
    for len in [0, 1, 10, honest.len() / 2, honest.len() - 4] {
        assert!(packed(&honest[..len]).is_err(), "cut at {len}");
    }
    let plain = tar_of(&[file("a", &[7; 3000])]);
    refused(&plain[..1000], "whole archive");
    let frame = zstd(&plain);
    for len in [3, 20, frame.len() - 1] {
        assert!(packed(&frame[..len]).is_err(), "cut at {len}");
    }
    refused(b"#!/bin/sh\nrm -rf /\n", "first bytes");
    refused(&gzip(b"no tar"), "whole archive");
    refused(&tar_of(&[]), "whole archive");
    let mut two_sizes = entry(EntryType::XHeader, b"pax", 0o644, b"12 size=999\n");
    two_sizes.extend(file("a", b"x"));
    refused(&tar_of(&[two_sizes]), "two sizes");

    let entry = Entry::deflated("a", &[7; 3000]);
    let lies: [fn(&mut Entry); 6] = [
        |entry| entry.size -= 1,
        |entry| entry.size += 1,
        |entry| entry.crc ^= 1,
        |entry| entry.flags = 1,
        |entry| entry.method = 12,
        |entry| entry.local_name = b"b".to_vec(),
    ];
    assert!(packed(&zip_of(std::slice::from_ref(&entry))).is_ok());
    for (number, lie) in lies.iter().enumerate() {
        let mut entry = entry.clone();
        lie(&mut entry);
        assert!(packed(&zip_of(&[entry])).is_err(), "lie {number}");
    }
    let zip = zip_of(&[entry]);
    for len in 4..zip.len() {
        assert!(packed(&zip[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn setuid_setgid_and_sticky_do_not_come_along() {
    let place = Folder::new();
    let bytes = tar_of(&[
        entry(EntryType::Regular, b"run", 0o7755, b"x"),
        entry(EntryType::Regular, b"read", 0o7666, b"x"),
        entry(EntryType::Directory, b"d/", 0o7777, b""),
        file("d/x", b""),
    ]);
    fs::write(place.join("source"), bytes).unwrap();
    let packed = pack(&place.join("source"), &place.join("out"), &SMALL).unwrap();
    let releases = place.join("releases");
    let unpacked = welkin_fleet_release::unpack(
        &place.join("out"),
        &releases,
        &packed.digest,
        &SMALL,
        None,
        &[],
    )
    .unwrap();
    for (name, mode) in [("run", 0o755), ("read", 0o644), ("d", 0o755), ("", 0o755)] {
        let about = fs::metadata(unpacked.folder.join(name)).unwrap();
        assert_eq!(about.permissions().mode() & 0o7777, mode, "{name}");
    }
}
