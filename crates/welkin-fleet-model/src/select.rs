//! Selections of nodes: names, `group:login`, `machine:m1`, `all`, globs.
//!
//! Several words select what any of them does. A word that matches nothing is an error, so that a
//! misspelt name never looks like success. `all` and globs pass over the master's own node: only its
//! full name means it. No word at all selects every node, the master's too; commands that change
//! something put `all` there instead.

use std::collections::BTreeSet;

use crate::entry::NodeEntry;
use crate::wire::client::Trouble;

/// Names of the selected nodes, sorted. `master`: the master's own node, if it is one of the fleet's.
pub fn select<'a>(
    words: &[String],
    nodes: impl IntoIterator<Item = &'a NodeEntry>,
    master: Option<&str>,
) -> Result<Vec<String>, Vec<Trouble>> {
    let nodes: Vec<&NodeEntry> = nodes.into_iter().collect();
    let mut selected = BTreeSet::new();
    let mut errors = Vec::new();
    if words.is_empty() {
        selected.extend(nodes.iter().map(|node| node.name.clone()));
    }
    for word in words {
        let before = errors.len();
        let found = nodes.iter().filter(|node| matches(word, node, master));
        let mut none = true;
        for node in found {
            none = false;
            selected.insert(node.name.clone());
        }
        // A fleet of no nodes has no fault in `all`.
        if none && word != "all" {
            errors.push(unmatched(word));
        }
        debug_assert!(errors.len() - before <= 1);
    }
    match errors.is_empty() {
        true => Ok(selected.into_iter().collect()),
        false => Err(errors),
    }
}

fn matches(word: &str, node: &NodeEntry, master: Option<&str>) -> bool {
    if word == node.name {
        return true;
    }
    if master == Some(node.name.as_str()) {
        return false;
    }
    match word.split_once(':') {
        Some(("group", name)) => node.group.as_deref().is_some_and(|group| glob(name, group)),
        Some(("machine", name)) => glob(name, &node.machine),
        Some(_) => false,
        None => word == "all" || glob(word, &node.name),
    }
}

fn unmatched(word: &str) -> Trouble {
    let text = match word.split_once(':') {
        Some((kind @ ("group" | "machine"), name)) => format!("no node of {kind} {name}"),
        Some((kind, _)) => format!(
            "{kind}: is no selection; there are names, group:NAME, machine:NAME, all, and globs"
        ),
        None if is_glob(word) => format!("no node matches {word}"),
        None => format!("unknown node {word}"),
    };
    Trouble {
        node: word.to_owned(),
        code: "unknown-node".to_owned(),
        text,
    }
}

/// Whether a word may mean several nodes.
pub fn is_glob(word: &str) -> bool {
    word.contains(['*', '?'])
}

/// `*` is any text, `?` one character, all else itself.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where to go on when what follows the last star did not fit: one character further. Only the last
    // star needs another try, so the work is at most the product of the lengths.
    let mut star = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[read] => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((from, tried)) => {
                    star = Some((from, tried + 1));
                    at = from + 1;
                    read = tried + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes() -> Vec<NodeEntry> {
        let node = |name: &str, machine: &str, group: Option<&str>| NodeEntry {
            name: name.to_owned(),
            machine: machine.to_owned(),
            group: group.map(str::to_owned),
            ..NodeEntry::default()
        };
        vec![
            node("master", "m1", None),
            node("login_1", "m1", Some("login")),
            node("scene_1", "m1", Some("scene")),
            node("scene_2", "m2", Some("scene")),
        ]
    }

    fn chosen(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match select(&words, &nodes(), Some("master")) {
            Ok(names) => Ok(names.join(" ")),
            Err(errors) => Err(errors[0].text.clone()),
        }
    }

    #[test]
    fn words_select_what_any_of_them_does() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(chosen(&["scene_2", "group:login"]), ok("login_1 scene_2"));
        assert_eq!(chosen(&["machine:m1"]), ok("login_1 scene_1"));
        assert_eq!(chosen(&["scene_*", "scene_1"]), ok("scene_1 scene_2"));
    }

    #[test]
    fn only_its_name_means_the_node_of_the_master() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(chosen(&["all"]), ok("login_1 scene_1 scene_2"));
        assert_eq!(chosen(&["*"]), ok("login_1 scene_1 scene_2"));
        assert_eq!(chosen(&["master"]), ok("master"));
        assert_eq!(chosen(&[]), ok("login_1 master scene_1 scene_2"));
    }

    #[test]
    fn a_word_that_matches_nothing_is_an_error() {
        let error = |text: &str| Err(text.to_owned());
        assert_eq!(
            chosen(&["scene_1", "scene_9"]),
            error("unknown node scene_9")
        );
        assert_eq!(chosen(&["group:chat"]), error("no node of group chat"));
        assert_eq!(chosen(&["x*"]), error("no node matches x*"));
        assert!(
            chosen(&["grupp:login"])
                .unwrap_err()
                .contains("grupp: is no selection")
        );
    }

    #[test]
    fn globs_go_back_to_the_last_star_only() {
        assert!(glob("*_?", "scene_1") && glob("a*b*c", "aXbXbXc") && glob("**", ""));
        assert!(!glob("*_?", "scene_12") && !glob("a*b", "ab.") && !glob("", "a"));
        assert!(!glob(&"*a".repeat(40), &"a".repeat(30)));
    }

    proptest! {
        #[test]
        fn a_name_with_parts_taken_out_still_matches(head in "[a-z_]{0,6}", middle in "[a-z_]{0,9}", end in "[a-z_]{0,6}") {
            let text = format!("{head}{middle}{end}");
            let pattern = format!("{}*{}", head, end);
            prop_assert!(glob(&pattern, &text));
        }

        #[test]
        fn any_words_are_answered(words in proptest::collection::vec(".{0,20}", 0..5)) {
            let _ = select(&words, &nodes(), None);
        }
    }
}
