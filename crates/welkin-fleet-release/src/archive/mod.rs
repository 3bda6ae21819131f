//! Reading archives of anybody's making into a [`Stage`].
//!
//! The form is told by the first bytes, not by the name. What comes out of a decompressor ends at a limit
//! of its own, beside that of the files: headers that never end are no way around it.

mod tar_entries;
mod zip;
mod zstd;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::stage::Stage;
use crate::{Error, Limits};

/// Bytes of an archive that are no content: headers, names, padding, for each file.
const OVERHEAD_EACH: u64 = 4096;
const OVERHEAD: u64 = 1 << 20;

/// Reads the archive in the file `path`.
pub(crate) fn read(path: &Path, stage: &mut Stage, limits: &Limits) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::at(path))?;
    read_from(BufReader::new(file), stage, limits).map_err(|error| match error {
        // What decoders say of bytes that are not theirs.
        Error::Io(error) if is_bad_data(error.kind()) => Error::Archive(error.to_string()),
        other => other,
    })
}

fn is_bad_data(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::Other
    )
}

/// As [`read`], from anywhere.
pub(crate) fn read_from(
    mut input: impl Read + Seek,
    stage: &mut Stage,
    limits: &Limits,
) -> Result<(), Error> {
    let mut start = Vec::new();
    input.by_ref().take(512).read_to_end(&mut start)?;
    input.rewind()?;
    let most = limits
        .unpacked_max
        .saturating_add(limits.files_max.saturating_mul(OVERHEAD_EACH))
        .saturating_add(OVERHEAD);
    match start.as_slice() {
        [0x1f, 0x8b, ..] => tar_entries::read(MultiGzDecoder::new(input).take(most), stage),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            tar_entries::read(zstd::Frames::new(input).take(most), stage)
        }
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => zip::read(input, stage, limits),
        tar if tar.get(257..262) == Some(b"ustar") => tar_entries::read(input.take(most), stage),
        _ => Err(Error::Archive(
            "its first bytes are not those of tar.zst, tar.gz, tar or zip".to_owned(),
        )),
    }
}
