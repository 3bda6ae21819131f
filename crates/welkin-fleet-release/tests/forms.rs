//! One release in all forms, on its way from an operator's folder to an agent's.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink as make_link};
use std::os::unix::net::UnixListener;
use std::path::Path;

use support::zip::{Entry, zip_of};
use support::{Folder, file, folder, gzip, link, names, symlink, tar_of, zstd};
use welkin_fleet_release::{
    Error, Kind, Limits, Manifest, clean, enough_space, free_space, have, list, pack, remove,
    unpack,
};

fn release_in(folder: &Path) {
    fs::create_dir_all(folder.join("game/empty")).unwrap();
    fs::write(folder.join("game/main.lua"), "print 'hi'").unwrap();
    fs::write(folder.join("welkin"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.join("welkin"), fs::Permissions::from_mode(0o4755)).unwrap();
    make_link("game/main.lua", folder.join("main.lua")).unwrap();
}

fn tar_bytes() -> Vec<u8> {
    tar_of(&[
        folder("./"),
        folder("./game/"),
        file("./game/main.lua", b"print 'hi'"),
        support::entry(tar::EntryType::Regular, b"./welkin", 0o755, b"#!/bin/sh\n"),
        symlink("./main.lua", "game/main.lua"),
    ])
}

#[test]
fn the_same_files_are_the_same_release_in_every_form() {
    let place = Folder::new();
    let limits = Limits::default();
    release_in(&place.join("folder"));
    let zip = zip_of(&[
        Entry::new("game/", 0o040_755, b""),
        Entry::deflated("game/main.lua", b"print 'hi'"),
        Entry::new("welkin", 0o100_755, b"#!/bin/sh\n"),
        Entry::new("main.lua", 0o120_777, b"game/main.lua"),
    ]);
    let tar = tar_bytes();
    // Two frames, and one to skip between them.
    let mut frames = zstd(&tar[..1000]);
    frames.extend([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    frames.extend(zstd(&tar[1000..]));
    for (name, bytes) in [
        ("tar", tar.clone()),
        ("gz", gzip(&tar)),
        ("zst", zstd(&tar)),
        ("zip", zip),
        ("frames", frames),
    ] {
        fs::write(place.join(name), bytes).unwrap();
    }
    let first = pack(&place.join("folder"), &place.join("out"), &limits).unwrap();
    assert_eq!(first.files, 3);
    assert_eq!(first.unpacked, 33);
    assert_eq!(first.manifest.entries()[1].kind, Kind::Link);
    assert_eq!(first, {
        let manifest = Manifest::of_folder(&place.join("folder"), &limits).unwrap();
        let digest = manifest.digest();
        welkin_fleet_release::Packed {
            manifest,
            digest,
            ..first.clone()
        }
    });
    let bytes = fs::read(place.join("out")).unwrap();
    for form in ["tar", "gz", "zst", "zip", "frames", "out"] {
        let again = pack(&place.join(form), &place.join("again"), &limits).unwrap();
        assert_eq!(again, first, "{form}");
        assert_eq!(fs::read(place.join("again")).unwrap(), bytes, "{form}");
    }
}

#[test]
fn a_release_is_unpacked_whole_and_once() {
    let place = Folder::new();
    let (limits, releases, out) = (Limits::default(), place.join("releases"), place.join("out"));
    release_in(&place.join("folder"));
    let packed = pack(&place.join("folder"), &out, &limits).unwrap();
    let take = || unpack(&out, &releases, &packed.digest, &limits, None, &[]);
    assert!(!have(&releases, &packed.digest));
    let unpacked = take().unwrap();
    assert!(!unpacked.have);
    assert_eq!(unpacked.folder, releases.join(&packed.digest));
    assert_eq!(
        Manifest::of_folder(&unpacked.folder, &limits).unwrap(),
        packed.manifest
    );
    assert_eq!(
        fs::read_to_string(unpacked.folder.join("main.lua")).unwrap(),
        "print 'hi'"
    );
    assert!(!unpacked.folder.join("game/empty").exists());

    // A node writes into its folder; it is not unpacked over.
    fs::write(unpacked.folder.join("game/main.lua"), "changed").unwrap();
    assert!(take().unwrap().have);
    assert_eq!(
        fs::read_to_string(unpacked.folder.join("main.lua")).unwrap(),
        "changed"
    );
    assert_eq!(list(&releases).unwrap(), [packed.digest.as_str()]);
    remove(&releases, &packed.digest).unwrap();
    assert!(names(&releases).is_empty());
    remove(&releases, "../out").unwrap();
    assert!(out.exists());
}

#[test]
fn what_was_damaged_on_the_way_is_not_taken() {
    let place = Folder::new();
    let (limits, releases, out) = (Limits::default(), place.join("releases"), place.join("out"));
    release_in(&place.join("folder"));
    let packed = pack(&place.join("folder"), &out, &limits).unwrap();
    let bytes = fs::read(&out).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(&out, damaged).unwrap();
        // Bytes of the gzip header mean nothing to the content; everything else is noticed.
        match unpack(&out, &releases, &packed.digest, &limits, None, &[]) {
            Ok(_) => {
                let there = Manifest::of_folder(&releases.join(&packed.digest), &limits).unwrap();
                assert_eq!(there, packed.manifest, "byte {at}");
                remove(&releases, &packed.digest).unwrap();
            }
            Err(error) => assert!(!matches!(error, Error::Io(_)), "byte {at}: {error}"),
        }
        assert!(names(&releases).is_empty());
    }
    fs::write(&out, gzip(&tar_of(&[file("other", b"")]))).unwrap();
    let error = unpack(&out, &releases, &packed.digest, &limits, None, &[]).unwrap_err();
    assert!(matches!(error, Error::Digest { wanted, .. } if wanted == packed.digest));
    assert!(unpack(&out, &releases, "../../x", &limits, None, &[]).is_err());
}

#[test]
fn names_of_any_length_and_second_names_come_through() {
    let place = Folder::new();
    let limits = Limits::default();
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let root = place.join("folder");
    fs::create_dir_all(root.join("d".repeat(200))).unwrap();
    fs::write(root.join(&long), "content").unwrap();
    make_link(&long, root.join("short")).unwrap();
    make_link("./short", root.join("dotted")).unwrap();
    let packed = pack(&root, &place.join("out"), &limits).unwrap();
    assert_eq!(packed.files, 3);
    assert_eq!(
        pack(&place.join("out"), &place.join("again"), &limits).unwrap(),
        packed
    );

    let pax = |line: String| support::entry(tar::EntryType::XHeader, b"x", 0o644, line.as_bytes());
    let key = format!(" path={long}\n");
    let line = format!("{}{key}", key.len() + 3);
    let tar = tar_of(&[
        pax(line),
        file("cut", b"content"),
        link(tar::EntryType::Link, "twin", &long[..5]),
    ]);
    fs::write(place.join("tar"), tar).unwrap();
    let error = pack(&place.join("tar"), &place.join("x"), &limits).unwrap_err();
    assert!(error.to_string().contains("hard link"), "{error}");
    let tar = tar_of(&[
        file("a", b"content"),
        link(tar::EntryType::Link, "twin", "./a"),
    ]);
    fs::write(place.join("tar"), tar).unwrap();
    let twins = pack(&place.join("tar"), &place.join("x"), &limits)
        .unwrap()
        .manifest;
    assert_eq!(twins.entries()[0].sha256, twins.entries()[1].sha256);
}

#[test]
fn a_folder_with_what_no_release_has_is_refused_by_name() {
    let place = Folder::new();
    let root = place.join("folder");
    release_in(&root);
    let refused = |what: &str| {
        let error = pack(&root, &place.join("out"), &Limits::default()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    };
    make_link("/etc/passwd", root.join("out")).unwrap();
    refused("\"out\"");
    fs::remove_file(root.join("out")).unwrap();
    let _listener = UnixListener::bind(root.join("game/sock")).unwrap();
    refused("game/sock");
    fs::remove_file(root.join("game/sock")).unwrap();
    assert!(
        pack(
            &place.join("missing"),
            &place.join("out"),
            &Limits::default()
        )
        .is_err()
    );
    fs::create_dir(place.join("empty")).unwrap();
    assert!(pack(&place.join("empty"), &place.join("out"), &Limits::default()).is_err());
    assert_eq!(place.names(), ["empty", "folder"]);
}

#[test]
fn room_is_asked_for_and_leftovers_go() {
    let place = Folder::new();
    let free = free_space(&place.0).unwrap();
    assert!(enough_space(&place.0, 1).is_ok());
    let error = enough_space(&place.0, free.saturating_mul(2)).unwrap_err();
    assert!(error.to_string().starts_with("no room: "), "{error}");
    fs::create_dir_all(place.join(".part-abc-1-2/d")).unwrap();
    fs::write(place.join(".part-archive-1-2"), "").unwrap();
    fs::write(place.join("mine"), "").unwrap();
    clean(&place.0).unwrap();
    clean(&place.join("missing")).unwrap();
    assert_eq!(place.names(), ["mine"]);
}
