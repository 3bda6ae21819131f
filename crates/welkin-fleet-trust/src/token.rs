//! One-time tokens: what lets a newcomer in, once, under one name and role.
//!
//! The text is one line: `welkin-token-1:ROLE:NAME:FINGERPRINT:SECRET`. It holds the fingerprint of the
//! master's authority, so that the newcomer knows the master before it says anything. The master keeps
//! only the hash of the secret part. A token comes from a file or from standard input, never as an
//! argument, where every user of the machine could read it.

use std::fmt;
use std::str::FromStr;

use crate::crypto;
use crate::name::check_name;
use crate::role::Role;

const FORMAT: &str = "welkin-token-1";

/// As the newcomer holds it. `Display` is the text form.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Whom it enrols.
    pub name: String,
    /// As what.
    pub role: Role,
    /// SHA-256 (hex) of the authority's certificate.
    pub fingerprint: String,
    secret: [u8; 32],
}

impl Token {
    pub(crate) fn new(name: &str, role: Role, fingerprint: &str) -> Result<Self, String> {
        Ok(Self {
            name: name.to_owned(),
            role,
            fingerprint: fingerprint.to_owned(),
            secret: crypto::random()?,
        })
    }

    /// What is sent to the master, hex.
    pub(crate) fn secret(&self) -> String {
        crypto::hex(&self.secret)
    }

    /// What the master keeps.
    pub(crate) fn hash(&self) -> String {
        hash_of(&self.secret())
    }
}

pub(crate) fn hash_of(secret: &str) -> String {
    crypto::sha256_hex(secret.as_bytes())
}

impl fmt::Display for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            role,
            fingerprint,
            ..
        } = self;
        write!(
            out,
            "{FORMAT}:{role}:{name}:{fingerprint}:{}",
            self.secret()
        )
    }
}

/// Logs must not hold the secret part.
impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Token({}, {})", self.name, self.role)
    }
}

impl FromStr for Token {
    type Err = String;

    /// White space around it is passed over, as files end with a line's end.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "this is no token; welkin fleet token NAME --role ROLE makes one".to_owned();
        let parts: Vec<&str> = text.trim().split(':').collect();
        let [FORMAT, role, name, fingerprint, secret] = parts[..] else {
            return Err(wrong());
        };
        check_name(name)?;
        crypto::unhex::<32>(fingerprint).ok_or_else(wrong)?;
        Ok(Self {
            name: name.to_owned(),
            role: role.parse()?,
            fingerprint: fingerprint.to_owned(),
            secret: crypto::unhex(secret).ok_or_else(wrong)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_file_and_shows_nothing_in_a_log() {
        let token = Token::new("m1", Role::Agent, &"ab".repeat(32)).unwrap();
        let text = format!("\n{token}\r\n");
        assert_eq!(text.parse(), Ok(token.clone()));
        assert!(!format!("{token:?}").contains(&token.secret()));
    }

    #[test]
    fn half_a_token_is_none() {
        let text = Token::new("m1", Role::View, &"ab".repeat(32))
            .unwrap()
            .to_string();
        for cut in 0..text.len() {
            assert!(text[..cut].parse::<Token>().is_err(), "{cut}");
        }
        assert!(text.replace("view", "master").parse::<Token>().is_err());
        assert!(text.replace(":m1:", ":../m1:").parse::<Token>().is_err());
    }
}
