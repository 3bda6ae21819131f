//! Digests as people see and write them.
//!
//! Equality goes by the full digest, always. What is shown is its beginning, and what is typed may be any
//! beginning that is not ambiguous.

use std::fmt;

/// Characters of a full digest.
pub(crate) const LEN: usize = 64;
/// Characters that are shown.
const SHOWN: usize = 12;

/// What is shown of a digest.
pub fn id(digest: &str) -> &str {
    digest.get(..SHOWN).unwrap_or(digest)
}

/// Whether `text` is a full digest, as it may stand in a path.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == LEN && text.bytes().all(is_hex)
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Why a beginning names no release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindError {
    /// It is no beginning of a digest at all.
    NotAnId(String),
    /// No release begins so.
    Unknown(String),
    /// More than one does.
    Ambiguous {
        /// What was asked for.
        beginning: String,
        /// Full digests that begin so.
        found: Vec<String>,
    },
}

impl fmt::Display for FindError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnId(text) => write!(out, "{text:?} is no release id (digits and a to f)"),
            Self::Unknown(text) => write!(out, "no release begins with {text}"),
            Self::Ambiguous { beginning, found } => write!(
                out,
                "{beginning} is the beginning of {} releases: {}; write more of it",
                found.len(),
                found
                    .iter()
                    .map(|digest| id(digest))
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
        }
    }
}

impl std::error::Error for FindError {}

/// The one of `digests` that begins with `beginning`.
pub fn find<'a>(
    beginning: &str,
    digests: impl IntoIterator<Item = &'a str>,
) -> Result<String, FindError> {
    let wanted = beginning.to_ascii_lowercase();
    if wanted.is_empty() || wanted.len() > LEN || !wanted.bytes().all(is_hex) {
        return Err(FindError::NotAnId(beginning.to_owned()));
    }
    let mut found: Vec<String> = digests
        .into_iter()
        .filter(|digest| digest.starts_with(&wanted))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    match found.len() {
        0 => Err(FindError::Unknown(wanted)),
        1 => Ok(found.remove(0)),
        _ => Err(FindError::Ambiguous {
            beginning: wanted,
            found,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_names_one_release_or_says_why_not() {
        let (one, two) = ("ab".repeat(32), format!("abc{}", "0".repeat(61)));
        let all = [one.as_str(), two.as_str(), one.as_str()];
        assert_eq!(find("ABA", all).unwrap(), one);
        assert_eq!(find(&two, all).unwrap(), two);
        assert!(
            matches!(find("ab", all), Err(FindError::Ambiguous { found, .. }) if found.len() == 2)
        );
        assert!(matches!(find("0", all), Err(FindError::Unknown(_))));
        for wrong in ["", "../x", "zz", &"a".repeat(65)] {
            assert!(
                matches!(find(wrong, all), Err(FindError::NotAnId(_))),
                "{wrong}"
            );
        }
        assert_eq!(id(&one), "abababababab");
    }
}
