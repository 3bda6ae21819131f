//! What is sealed is opened, by the right passphrase and as a whole alone.

use std::io::{Read, Write};

use super::{CHUNK, Opener, SealError, Sealer, TAG};

fn sealed(content: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::with_work(Vec::new(), "right", 4).unwrap();
    sealer.write_all(content).unwrap();
    sealer.finish().unwrap()
}

fn opened(bytes: &[u8], passphrase: &str) -> Result<Vec<u8>, SealError> {
    let mut content = Vec::new();
    Opener::new(bytes, passphrase)?.read_to_end(&mut content)?;
    Ok(content)
}

#[test]
fn what_is_sealed_is_opened_at_all_lengths_around_a_chunk() {
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
        let content: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        assert_eq!(opened(&sealed(&content), "right").unwrap(), content);
    }
}

#[test]
fn another_passphrase_is_told_from_damage() {
    let bytes = sealed(b"state");
    assert!(matches!(
        opened(&bytes, "wrong"),
        Err(SealError::Passphrase)
    ));
    let mut header = bytes.clone();
    let mac = bytes.windows(4).position(|four| four == b"--- ").unwrap() + 5;
    header[mac] ^= 2;
    assert!(opened(&header, "right").is_err());
    assert!(matches!(
        opened(b"PK\x03\x04", "right"),
        Err(SealError::Foreign(_))
    ));
}

#[test]
fn a_part_is_not_taken_for_the_whole_and_no_byte_may_differ() {
    let bytes = sealed(&vec![5; 2 * CHUNK]);
    for len in [0, 10, 150, bytes.len() - CHUNK - TAG, bytes.len() - 1] {
        assert!(opened(&bytes[..len], "right").is_err(), "cut at {len}");
    }
    for at in (0..bytes.len()).step_by(977) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(opened(&damaged, "right").is_err(), "byte {at}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(opened(&longer, "right").is_err());
}
