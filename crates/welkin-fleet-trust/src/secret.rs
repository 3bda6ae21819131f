//! The secret of a fleet that was made from the note's files alone: one file of 32 random bytes as hex,
//! which the operator copies to every machine. Who has it can enrol machines, as agents only.
//!
//! It is never sent. Both sides prove that they know it by an HMAC over the exporter of their TLS
//! connection and their own name, so a proof is worth nothing on any other connection, and somebody in
//! the middle, who has two connections, can pass none on.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::crypto;
use crate::files;

/// What a proof is about; a change of the protocol changes it.
const ABOUT: &[u8] = b"welkin fleet secret 1";

/// The 32 bytes.
#[derive(Clone)]
pub struct FleetSecret([u8; 32]);

impl fmt::Debug for FleetSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FleetSecret")
    }
}

impl FleetSecret {
    /// Reads the file; it must be the owner's alone.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = files::read_private(path)?
            .ok_or_else(|| format!("{}: no such file", path.display()))?;
        crypto::unhex(text.trim()).map(Self).ok_or_else(|| {
            format!(
                "{}: not 64 hex digits; welkin fleet secret-file makes such a file",
                path.display()
            )
        })
    }

    /// Makes a new file, mode 0600. One that is there is never written over.
    pub fn make(path: &Path) -> Result<Self, String> {
        let bytes = crypto::random()?;
        let failed = |error: std::io::Error| {
            let hint = match error.kind() {
                ErrorKind::AlreadyExists => "; remove it first if it is not in use",
                _ => "",
            };
            format!("{}: {error}{hint}", path.display())
        };
        let mut file = files::create(path).map_err(failed)?;
        writeln!(file, "{}", crypto::hex(&bytes)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(Self(bytes))
    }

    /// What `side` (`agent`, `master`), called `name`, shows on the connection with that exporter.
    pub(crate) fn prove(&self, exporter: &[u8; 32], side: &str, name: &str) -> String {
        crypto::hex(&crypto::sign(&self.0, &parts(exporter, side, name)))
    }

    pub(crate) fn is_proof(
        &self,
        exporter: &[u8; 32],
        side: &str,
        name: &str,
        proof: &str,
    ) -> bool {
        crypto::unhex::<32>(proof)
            .is_some_and(|tag| crypto::is_signed(&self.0, &parts(exporter, side, name), &tag))
    }
}

fn parts<'a>(exporter: &'a [u8; 32], side: &'a str, name: &'a str) -> [&'a [u8]; 4] {
    [ABOUT, exporter, side.as_bytes(), name.as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Folder;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_others_may_read_is_refused_by_name_and_mode() {
        let folder = Folder::new();
        let path = folder.path().join("fleet.secret");
        let made = FleetSecret::make(&path).unwrap();
        assert_eq!(FleetSecret::load(&path).unwrap().0, made.0);
        assert!(FleetSecret::make(&path).unwrap_err().contains("in use"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = FleetSecret::load(&path).unwrap_err();
        assert!(
            error.contains("fleet.secret") && error.contains("0640"),
            "{error}"
        );
    }

    #[test]
    fn a_proof_is_of_one_connection_one_side_and_one_name() {
        let secret = FleetSecret([7; 32]);
        let proof = secret.prove(&[1; 32], "agent", "m1");
        assert!(secret.is_proof(&[1; 32], "agent", "m1", &proof));
        assert!(!secret.is_proof(&[2; 32], "agent", "m1", &proof));
        assert!(!secret.is_proof(&[1; 32], "master", "m1", &proof));
        assert!(!secret.is_proof(&[1; 32], "agent", "m2", &proof));
        assert!(!FleetSecret([8; 32]).is_proof(&[1; 32], "agent", "m1", &proof));
        assert!(!secret.is_proof(&[1; 32], "agent", "m1", "x"));
    }
}
