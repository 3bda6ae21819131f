//! Words that must not be in the tree: marks of unfinished work, and names of one machine.
//!
//! Looked for in every text file, comments and quotes included.

use super::{Finding, Source};

struct Word {
    /// In pieces, so that this file does not hold it.
    pieces: [&'static str; 2],
    what: &'static str,
    mend: &'static str,
}

const UNFINISHED: &str = "a mark of unfinished work";
const FINISH: &str = "finish it, or say in a plain sentence what the limit is and why";
const PLACE: &str = "the path of one machine";
const RELATIVE: &str =
    "use a path relative to the tree, a variable, or a made-up one like /srv/game";
const REGISTRY: &str = "the host of a package registry";
const CONFIGURED: &str = "leave it to cargo's own configuration";

const WORDS: [Word; 10] = [
    word(["to", "do!"], UNFINISHED, FINISH),
    word(["unimplem", "ented!"], UNFINISHED, FINISH),
    word(["FIX", "ME"], UNFINISHED, FINISH),
    word(["XX", "X"], UNFINISHED, FINISH),
    word(["/wo", "rk/"], PLACE, RELATIVE),
    word(["/ro", "ot/"], PLACE, RELATIVE),
    word(["/ho", "me/"], PLACE, RELATIVE),
    word(["index.crates", ".io"], REGISTRY, CONFIGURED),
    word(["static.crates", ".io"], REGISTRY, CONFIGURED),
    word(["proxy.golang", ".org"], REGISTRY, CONFIGURED),
];

const fn word(pieces: [&'static str; 2], what: &'static str, mend: &'static str) -> Word {
    Word { pieces, what, mend }
}

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for word in &WORDS {
            let text = word.pieces.concat();
            for (index, line) in source.file.text.lines().enumerate() {
                if stands_alone(line, &text) {
                    let what = format!("`{text}`: {}", word.what);
                    findings.push(source.finding(index + 1, what, word.mend));
                }
            }
        }
        if source.file.path.ends_with("Cargo.lock") {
            findings.extend(foreign_sources(source));
        }
    }
    findings
}

/// Whether `word` is in the line and is no part of a longer word, or of a longer path.
fn stands_alone(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let longer_path =
            word.starts_with('/') && matches!(before, Some('.' | '-' | '~' | '$' | '}'));
        let longer_word = word.ends_with(part) && after.is_some_and(part);
        !before.is_some_and(part) && !longer_path && !longer_word
    })
}

/// Every locked crate comes from crates.io, under the name all machines know it by.
fn foreign_sources(lock: &Source) -> Vec<Finding> {
    let known = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let mend = "lock it again without a mirror in cargo's configuration";
    lock.file
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("source = ") && *line != known)
        .map(|(index, line)| lock.finding(index + 1, format!("foreign {line}"), mend))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    #[test]
    fn marks_and_machine_paths_are_found_anywhere() {
        let text = format!("// {}ME later\nok\nlocal p = \"/ho{}x\"\n", "FIX", "me/");
        let lines: Vec<usize> = check(&[source("a.lua", &text)])
            .iter()
            .map(|f| f.line)
            .collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn parts_of_longer_words_are_not() {
        let text = format!(
            "0{}XX MAXX{} ./wo{}a https://a.b/ho{}c",
            "XX", "X", "rk/", "me/"
        );
        assert_eq!(check(&[source("a.md", &text)]), []);
    }

    #[test]
    fn a_lock_names_no_mirror() {
        let lock = "source = \"sparse+https://mirror.example/index/\"\n";
        assert_eq!(check(&[source("Cargo.lock", lock)]).len(), 1);
    }
}
