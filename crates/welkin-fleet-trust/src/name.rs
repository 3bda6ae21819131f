//! The names of machines and people, as they stand in certificates, tokens and file names.

/// Longest name in bytes; a host name's limit.
const NAME_MAX: usize = 64;

/// The name that the master's own certificate has.
pub(crate) const MASTER: &str = "master";

/// Whether `name` may be enrolled: 1 to 64 of letters, digits, `.`, `_`, `-`, no `.` or `-` in front, and
/// not the master's.
pub fn check_name(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let well_formed = !name.is_empty()
        && name.len() <= NAME_MAX
        && name.bytes().all(allowed)
        && !name.starts_with(['.', '-']);
    if !well_formed {
        return Err(format!(
            "{name:?} cannot be a name: 1 to {NAME_MAX} of letters, digits, '.', '_' and '-', \
             beginning with a letter, a digit or '_'"
        ));
    }
    if name == MASTER {
        return Err(format!("{name:?} is the master's own name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_paths_or_options_are_refused() {
        for good in ["m1", "ops-anna", "host.example.org", "_x"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        let long = "x".repeat(65);
        for bad in [
            "", "..", ".a", "-a", "a/b", "a:b", "a b", "ä", "master", &long,
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
