//! Signatures of releases: minisign's (ed25519), over the text of the manifest.

use minisign_verify::{PublicKey, Signature};

use crate::{Error, Manifest};

/// Refuses a release that none of `trusted` has signed. No trusted keys: every release is taken.
pub fn check_signature(
    manifest: &Manifest,
    signature: Option<&str>,
    trusted: &[String],
) -> Result<(), Error> {
    if trusted.is_empty() {
        return Ok(());
    }
    let Some(signature) = signature else {
        return Err(Error::Signature(
            "the release is not signed, and only signed ones are taken (update.trusted_keys)"
                .into(),
        ));
    };
    signed(&manifest.text(), signature, trusted)
}

/// Whether one of `trusted` has signed `manifest_text`. A key is its line of base64, or a `.pub` file's
/// text; `signature` is a `.minisig` file's text.
pub fn signed(manifest_text: &str, signature: &str, trusted: &[String]) -> Result<(), Error> {
    let signature = Signature::decode(signature)
        .map_err(|_| Error::Signature("it is not one of minisign".to_owned()))?;
    for key in trusted {
        let key = public_key(key)?;
        // Not the old form, which signs the content itself and no hash of it.
        if key
            .verify(manifest_text.as_bytes(), &signature, false)
            .is_ok()
        {
            return Ok(());
        }
    }
    Err(Error::Signature(
        "none of the trusted keys made it for this release".to_owned(),
    ))
}

fn public_key(text: &str) -> Result<PublicKey, Error> {
    let text = text.trim();
    let key = if text.contains('\n') {
        PublicKey::decode(text)
    } else {
        PublicKey::from_base64(text)
    };
    key.map_err(|_| Error::Signature(format!("{text:?} is no public key of minisign")))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made once by minisign's own library, over the text below.
    const KEY: &str = "RWQ2Df09bWSU/gPhr9ObiK0UdT7IAScezMknClUaowVMqvfjDWtnDBty";
    const OTHER: &str = "RWQdYc6BNwkX83kYK3/XAXoSdBtViXqdqQ3H1ahQTPsUh20I5dBfKV6L";
    const TEXT: &str = "welkin release 1\n\
        - 3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad a\n";
    const SIGNATURE: &str = "untrusted comment: untrusted\n\
        RUQ2Df09bWSU/s5ZwdMv8v8p0GRAOy0kVXUXh6hhgpo6iQPz3n6jCDDr4MsiBK97O4afXSbwv0Qs+HruHaRoz4HpXJRkBdP2zQw=\n\
        trusted comment: welkin test\n\
        NB0FA8piQppVIlshAguoHXlvHy1ZvEFDZvmY1h1x9ABburb1rC0NV/33oWeXEv1DBx34/36HnbF/DYnvML18AA==\n";

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn a_release_is_taken_when_one_of_the_trusted_keys_signed_it() {
        let manifest = Manifest::parse(TEXT).unwrap();
        let check = |signature, trusted: &[&str]| {
            check_signature(&manifest, signature, &keys(trusted)).map_err(|error| error.to_string())
        };
        assert_eq!(check(None, &[]), Ok(()));
        assert_eq!(check(Some(SIGNATURE), &[OTHER, KEY]), Ok(()));
        let file = format!("untrusted comment: minisign public key\n{KEY}\n");
        assert_eq!(check(Some(SIGNATURE), &[&file]), Ok(()));
        assert!(check(None, &[KEY]).unwrap_err().contains("not signed"));
        assert!(
            check(Some(SIGNATURE), &[OTHER])
                .unwrap_err()
                .contains("none of the trusted")
        );
        assert!(
            check(Some("rubbish"), &[KEY])
                .unwrap_err()
                .contains("not one of minisign")
        );
        assert!(
            check(Some(SIGNATURE), &["rubbish"])
                .unwrap_err()
                .contains("no public key")
        );
    }

    #[test]
    fn a_signature_is_of_one_manifest_and_its_remark() {
        assert!(signed(TEXT, SIGNATURE, &keys(&[KEY])).is_ok());
        let other = TEXT.replace("- 3", "x 3");
        assert!(signed(&other, SIGNATURE, &keys(&[KEY])).is_err());
        let remark = SIGNATURE.replace("welkin test", "another one");
        assert!(signed(TEXT, &remark, &keys(&[KEY])).is_err());
    }
}
