//! Which paths a release may have, and where its links may lead.
//!
//! A path is text, relative, without `..`, without control characters: it is a line of the manifest and is
//! shown to people. A link leads to somewhere inside of the release, also when it is followed through other
//! links on the way.

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;

/// Longest path in bytes.
const PATH_MAX: usize = 1024;
/// Longest part of a path in bytes; file systems take no more.
const PART_MAX: usize = 255;
/// Links followed on one way; more are a circle.
const FOLLOWED_MAX: usize = 40;

/// The path of an entry, in the one form that it has in a manifest. None: the folder itself.
pub(crate) fn clean(bytes: &[u8]) -> Result<Option<String>, Error> {
    let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    let refuse = |what: &str| Err(Error::entry(shown(), what));
    let Ok(text) = str::from_utf8(bytes) else {
        return refuse("its name is not UTF-8");
    };
    if text.len() > PATH_MAX {
        return refuse("its path is longer than 1024 bytes");
    }
    if text.chars().any(char::is_control) {
        return refuse("its name has control characters");
    }
    if text.starts_with('/') {
        return refuse("its path is absolute");
    }
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return refuse("its path leads out by .."),
            _ if part.len() > PART_MAX => return refuse("a name in its path is too long"),
            _ => parts.push(part),
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// All folders above `path`, the outermost first.
pub(crate) fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Refuses links that lead out of the release. `links`: path to target; `others`: all other paths.
pub(crate) fn check_links(
    links: &BTreeMap<String, String>,
    others: &BTreeSet<String>,
) -> Result<(), Error> {
    for (path, target) in links {
        let bad = |what: &str| {
            Err(Error::entry(
                path.as_str(),
                format!("link to {target:?}: {what}"),
            ))
        };
        if target.is_empty() || target.len() > PATH_MAX || target.chars().any(char::is_control) {
            return bad("no target a release may have");
        }
        if target.starts_with('/') {
            return bad("it is absolute");
        }
        if let Err(what) = follow(path, links, others) {
            return bad(what);
        }
    }
    Ok(())
}

/// Goes where the link at `path` leads, as the kernel would.
fn follow(
    path: &str,
    links: &BTreeMap<String, String>,
    others: &BTreeSet<String>,
) -> Result<(), &'static str> {
    let mut at: Vec<&str> = Vec::new();
    let mut ahead: Vec<&str> = path.split('/').rev().collect();
    let mut followed = 0;
    while let Some(part) = ahead.pop() {
        match part {
            "" | "." => continue,
            ".." => {
                if at.pop().is_none() {
                    return Err("it leads out of the release");
                }
                continue;
            }
            _ => at.push(part),
        }
        let here = at.join("/");
        if let Some(target) = links.get(&here) {
            followed += 1;
            if followed > FOLLOWED_MAX {
                return Err("it leads in a circle");
            }
            if target.starts_with('/') {
                return Err("it leads to an absolute link");
            }
            at.pop();
            ahead.extend(target.split('/').rev());
        } else if !others.contains(&here) && ahead.contains(&"..") {
            // What is not there now may be a link some day, and then `..` behind it leads elsewhere.
            return Err("it has .. behind something that is not there");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_form_or_are_refused() {
        assert_eq!(clean(b"./a//b/./c/").unwrap().unwrap(), "a/b/c");
        assert_eq!(clean(b"./").unwrap(), None);
        for bad in [
            &b"/etc/passwd"[..],
            b"../x",
            b"a/../b",
            b"a/..",
            b"a\nb",
            b"\xff",
            b"a\0b",
        ] {
            assert!(clean(bad).is_err(), "{bad:?}");
        }
        assert!(clean("x".repeat(256).as_bytes()).is_err());
        assert!(clean("x/".repeat(600).as_bytes()).is_err());
        assert_eq!(folders("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
    }

    fn check(links: &[(&str, &str)], others: &[&str]) -> bool {
        let links = links
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        let others = others.iter().map(|path| (*path).to_owned()).collect();
        check_links(&links, &others).is_ok()
    }

    #[test]
    fn links_stay_inside_also_through_other_links() {
        assert!(check(&[("a/l", "../b/file")], &["a", "b", "b/file"]));
        assert!(check(&[("l", "not/there/yet")], &[]));
        assert!(!check(&[("l", "/etc/passwd")], &[]));
        assert!(!check(&[("a/l", "../../x")], &["a"]));
        // `dot` is the release itself, and above it is outside.
        assert!(!check(&[("dot", "."), ("out", "dot/../x")], &[]));
        assert!(!check(&[("a/up", ".."), ("out", "a/up/../x")], &["a"]));
        assert!(!check(&[("one", "two"), ("two", "one")], &[]));
        assert!(!check(&[("l", "later/../../x")], &[]));
        assert!(!check(&[("l", "later/../x")], &[]));
        assert!(!check(&[("l", "")], &[]));
    }
}
