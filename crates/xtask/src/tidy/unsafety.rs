//! `unsafe` stays in the few files that exist for it, and each use argues why it holds.
//!
//! The list below is the whole of it: a file that is not named, or is not below a folder that is,
//! holds no `unsafe`. A new entry is a decision about the architecture, not a detail of a change.

use super::lexer::tokens;
use super::{Finding, Source};

/// Files, and folders with a `/` at their end, that may hold `unsafe`.
const ALLOWED: [&str; 13] = [
    // Message buffers come from the process's malloc and go back to it.
    "crates/welkin-runtime/src/payload.rs",
    "crates/welkin-runtime/src/payload/",
    // The signal that ends a slice, and the thread it is sent to.
    "crates/welkin-runtime/src/preempt.rs",
    // Clocks and thread attributes the standard library does not have.
    "crates/welkin-runtime/src/os.rs",
    // Hints to the processor about memory that nobody reads there.
    "crates/welkin-runtime/src/warm.rs",
    // File descriptors by number.
    "crates/welkin-net/src/raw.rs",
    // Packed values that come to a cluster sender by pointer.
    "crates/welkin-cluster/src/raw.rs",
    // Tests that look into what a service would be handed.
    "crates/welkin-net/tests/",
    // The whole crate is the border to Lua's C API.
    "crates/welkin-lua/",
    // Declarations of the Lua that is built there, and calls that see whether it is the one we meant.
    "crates/welkin-lua-vm/src/",
    // Terminals, fork, signals.
    "crates/welkin/src/os/",
    // Fork and execution, signals, pidfds.
    "crates/welkin-fleet-keeper/src/os.rs",
    // The data of a socket message, which its payload carries as a pointer.
    "crates/welkin/src/dump.rs",
];

/// How far above its `unsafe` a SAFETY comment may stand, in lines.
const SAFETY_LINES_MAX: usize = 3;

const ARGUE: &str =
    "write `// SAFETY:` within three lines above: the invariant relied on, and who upholds it";
const FORBID: &str =
    "open the crate with `#![forbid(unsafe_code)]`, so that the compiler sees to it";
const MOVE: &str =
    "do it without, or move it to a file that crates/xtask/src/tidy/unsafety.rs allows";

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources
        .iter()
        .filter(|s| s.file.is_rust())
        .flat_map(|source| check_file(source).into_iter().chain(unforbidden(source)))
        .collect()
}

/// The root of a crate that has no file for `unsafe` leaves nothing to this check.
fn unforbidden(source: &Source) -> Option<Finding> {
    let (folder, root) = source.file.path.split_once("/src/")?;
    let is_root = root == "lib.rs" || root == "main.rs";
    let folder = format!("{folder}/");
    let forbids = source.layers.code.contains("#![forbid(unsafe_code)]");
    let may = ALLOWED.iter().any(|entry| entry.starts_with(&folder));
    (is_root && !may && !forbids)
        .then(|| source.finding(1, "a crate without `unsafe` does not forbid it", FORBID))
}

fn check_file(source: &Source) -> Vec<Finding> {
    let allowed = ALLOWED.iter().any(|entry| match entry.strip_suffix('/') {
        Some(_) => source.file.path.starts_with(entry),
        None => source.file.path == *entry,
    });
    let comments: Vec<&str> = source.layers.comments.lines().collect();
    let code = tokens(&source.layers.code);
    let mut findings = Vec::new();
    for (at, token) in code.iter().enumerate() {
        if token.text != "unsafe" {
            continue;
        }
        if !allowed {
            findings.push(source.finding(token.line, "`unsafe` outside of its files", MOVE));
        }
        let needs_argument = code
            .get(at + 1)
            .is_some_and(|next| next.text == "{" || next.text == "impl");
        let above = token.line.saturating_sub(1 + SAFETY_LINES_MAX);
        let argued = comments
            .iter()
            .take(token.line)
            .skip(above)
            .any(|line| line.contains("SAFETY"));
        if needs_argument && !argued {
            findings.push(source.finding(token.line, "`unsafe` without an argument", ARGUE));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&[source(path, text)])
            .iter()
            .map(|f| f.line)
            .collect()
    }

    #[test]
    fn unsafe_stays_in_its_files() {
        let text = "// SAFETY: here\nunsafe { f() }\n";
        assert_eq!(lines("crates/welkin-codec/src/a.rs", text), [2]);
        assert!(lines("crates/welkin-lua/src/a.rs", text).is_empty());
        assert!(lines("crates/welkin-codec/src/a.rs", "// unsafe\n\"unsafe\"").is_empty());
    }

    #[test]
    fn an_argument_stands_within_three_lines() {
        let far = "// SAFETY: far\n\n\n\nunsafe { f() }\n";
        let near = "// SAFETY: near\n\n\nunsafe { f() }\n";
        assert_eq!(lines("crates/welkin-lua/src/a.rs", far), [5]);
        assert!(lines("crates/welkin-lua/src/a.rs", near).is_empty());
        let quoted = "\"SAFETY\"; unsafe impl Send for A {}\n";
        assert_eq!(lines("crates/welkin-lua/src/a.rs", quoted), [1]);
    }

    #[test]
    fn a_crate_without_unsafe_forbids_it() {
        let code = "//! Why.\n";
        assert_eq!(lines("crates/welkin-codec/src/lib.rs", code), [1]);
        let code = "//! Why.\n#![forbid(unsafe_code)]\n";
        assert!(lines("crates/welkin-codec/src/lib.rs", code).is_empty());
        assert!(lines("crates/welkin-net/src/lib.rs", "//! Why.\n").is_empty());
    }

    #[test]
    fn an_unsafe_function_argues_in_its_documentation_instead() {
        assert!(lines("crates/welkin-lua/src/a.rs", "unsafe fn f() {}\n").is_empty());
    }
}
