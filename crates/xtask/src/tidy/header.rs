//! Every file opens by saying why it exists: `//!` in Rust, a `--` comment in Lua.

use super::{Finding, Source};

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().filter_map(missing).collect()
}

fn missing(source: &Source) -> Option<Finding> {
    let first = source.file.text.lines().next().unwrap_or_default();
    if source.file.is_rust() && !first.starts_with("//!") {
        let mend = "begin with `//!`: why the file exists, its rule, who may touch what it holds";
        return Some(source.finding(1, "no opening documentation", mend));
    }
    if source.file.is_lua() && !first.starts_with("--") {
        let mend = "begin with a `--` comment: why the file exists and its rule";
        return Some(source.finding(1, "no opening comment", mend));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    #[test]
    fn a_file_without_an_opening_is_found() {
        let bad = [
            source("a.rs", "use std::fmt;\n"),
            source("b.lua", "\n-- late\n"),
        ];
        assert_eq!(check(&bad).len(), 2);
        let good = [
            source("a.rs", "//! Why.\n"),
            source("b.lua", "-- Why.\n"),
            source("c.md", "Why\n"),
        ];
        assert_eq!(check(&good), []);
    }
}
