//! What must hold for any bytes that are taken for an archive: an answer, and nothing anywhere but where
//! it belongs. For the property tests and for the fuzzer alike.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use welkin_fleet_release::{Limits, Manifest, pack, unpack};

const LIMITS: Limits = Limits {
    unpacked_max: 1 << 20,
    files_max: 64,
};

/// Packs `bytes`, and unpacks what came of it. Whether they are a release's.
pub fn check_any_archive(bytes: &[u8]) -> bool {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("welkin-any-{}-{count}", std::process::id());
    let place: PathBuf = std::env::temp_dir().join(name);
    let work = place.join("work");
    fs::create_dir_all(&work).unwrap();
    fs::write(place.join("source"), bytes).unwrap();
    let packed = pack(&place.join("source"), &work.join("out"), &LIMITS);
    assert_eq!(fs::read(place.join("source")).unwrap(), bytes);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 2);
    let left = fs::read_dir(&work).unwrap().count();
    let taken = packed.is_ok();
    match packed {
        Err(error) => {
            assert_eq!(left, 0);
            assert!(!error.to_string().is_empty());
        }
        Ok(packed) => {
            assert_eq!(left, 1);
            assert!(packed.unpacked <= LIMITS.unpacked_max && packed.files <= LIMITS.files_max);
            assert_eq!(
                Manifest::parse(&packed.manifest.text()).unwrap(),
                packed.manifest
            );
            let out = work.join("out");
            let unpacked = unpack(&out, &work, &packed.digest, &LIMITS, None, &[]).unwrap();
            let there = Manifest::of_folder(&unpacked.folder, &LIMITS).unwrap();
            assert_eq!(there, packed.manifest);
        }
    }
    fs::remove_dir_all(&place).unwrap();
    taken
}
