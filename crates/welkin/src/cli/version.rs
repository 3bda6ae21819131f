//! What `--version` prints: the version alone in the first line, as programs read it, and behind it what a
//! smaller build lacks, so that nobody looks for the fault elsewhere.

use welkin_runtime::built_without_all;

/// Parts that are features of cargo: the name, the feature, whether this build has it.
const PARTS: [(&str, &str, bool); 4] = [
    ("the fleet", "fleet", cfg!(feature = "fleet")),
    (
        "logins to MySQL by public keys",
        "mysql-keys",
        cfg!(feature = "mysql-keys"),
    ),
    ("SQLite", "sqlite", cfg!(feature = "sqlite")),
    ("TLS", "tls", cfg!(feature = "tls")),
];

/// The text.
pub fn version() -> String {
    let version = concat!("welkin ", env!("CARGO_PKG_VERSION"));
    let missing = PARTS.iter().filter(|(_, _, is_here)| !is_here);
    let missing: Vec<(&str, &str)> = missing
        .map(|(part, feature, _)| (*part, *feature))
        .collect();
    match missing.is_empty() {
        true => version.to_owned(),
        false => format!("{version}\n{}", built_without_all(&missing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_has_a_line_of_its_own_and_each_part_that_is_missing_is_named() {
        let said = version();
        let mut lines = said.lines();
        let first = lines.next().unwrap_or_default();
        assert_eq!(first, concat!("welkin ", env!("CARGO_PKG_VERSION")));
        let rest = lines.next().unwrap_or_default();
        for (part, _, is_here) in PARTS {
            assert_eq!(rest.contains(part), !is_here, "{part}: {said}");
        }
    }
}
