//! The Lua library inside the binary: the texts of `lualib/` and `service/`, found by name.
//!
//! A node needs no files of its own beside the program. The tables are made by `build.rs`, sorted by
//! path, and searched by halves; nothing is allocated for a name that is not there.
//!
//! What is built in wins over a file of its name, unless the node's [`Preference`] says otherwise: then
//! a project can run with its own copy of skynet's Lua library, which finds here the native modules it
//! stands on.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

mod tables {
    include!(concat!(env!("OUT_DIR"), "/library_tables.rs"));
}

/// Which of two modules, or services, of one name is taken: ours, or the file on the project's paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// What is built in.
    #[default]
    Builtin,
    /// The file, if there is one.
    Path,
    /// The file for these names, what is built in for all others.
    PathFor(Vec<String>),
}

/// Parts of `skynet` itself: they know each other's insides, so they come from where `skynet` does.
const OF_SKYNET: [&[u8]; 2] = [b"skynet.debug", b"skynet.require"];

/// Modules of ours that stand on the insides of our `skynet`: beside a `skynet` from a file they come
/// from files too.
const ON_SKYNET: [&[u8]; 3] = [b"skynet.coroutine", b"skynet.queue", b"skynet.remotedebug"];

impl Preference {
    /// Whether a file named `name` is looked for before what is built in.
    pub fn is_file_first(&self, name: &[u8]) -> bool {
        match self {
            Self::Builtin => false,
            Self::Path => true,
            Self::PathFor(names) => {
                let listed = |name: &[u8]| names.iter().any(|n| n.as_bytes() == name);
                listed(head_of(name)) || ON_SKYNET.contains(&name) && listed(b"skynet")
            }
        }
    }
}

/// Whether a module or a service of this name is built in, or skynet's loader is meant by it.
pub fn is_built_in(name: &str) -> bool {
    name == "loader" || is_module(name.as_bytes()) || service(name).is_some()
}

/// Whether a module of this name is built in, native or Lua.
pub fn is_module(name: &[u8]) -> bool {
    let file = || std::str::from_utf8(name).ok().and_then(module);
    crate::bindings::opener(name).is_some() || file().is_some()
}

/// The module whose origin decides where `name` comes from.
pub fn head_of(name: &[u8]) -> &[u8] {
    if OF_SKYNET.contains(&name) {
        return b"skynet";
    }
    name
}

/// Whether one of the patterns of `path`, as in `package.path`, gives a file for the module `name`.
pub fn has_module_file(path: &[u8], name: &[u8]) -> bool {
    let slashes: Vec<u8> = name
        .iter()
        .map(|&byte| if byte == b'.' { b'/' } else { byte })
        .collect();
    has_file(path, &slashes)
}

/// Whether one of the patterns of `path` gives a file that can be read when `?` is `name`.
pub fn has_file(path: &[u8], name: &[u8]) -> bool {
    path.split(|byte| *byte == b';')
        .filter(|pattern| !pattern.is_empty())
        .map(|pattern| substitute(pattern, name))
        .any(|file| File::open(OsStr::from_bytes(&file)).is_ok())
}

/// `pattern` with `name` for each `?`.
pub fn substitute(pattern: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(pattern.len() + name.len());
    for byte in pattern {
        if *byte == b'?' {
            path.extend_from_slice(name);
        } else {
            path.push(*byte);
        }
    }
    path
}

/// A file of the library: its path within its folder, and its text.
type Entry = (&'static str, &'static str);

/// The file of the Lua module `name` as `require` names it: `skynet.queue` is `skynet/queue.lua` or
/// `skynet/queue/init.lua` below `lualib/`.
pub fn module(name: &str) -> Option<Entry> {
    let name = name.as_bytes();
    find(tables::LUALIB, name, b".lua").or_else(|| find(tables::LUALIB, name, b"/init.lua"))
}

/// Source of the built-in service `name`: `launcher` is `service/launcher.lua`.
pub fn service(name: &str) -> Option<&'static str> {
    find(tables::SERVICE, name.as_bytes(), b".lua").map(|(_, source)| source)
}

fn find(table: &'static [Entry], name: &[u8], ending: &[u8]) -> Option<Entry> {
    table
        .binary_search_by(|(path, _)| compare(path.as_bytes(), name, ending))
        .ok()
        .map(|at| table[at])
}

/// Orders a table's path against the path that `name` stands for, without building it.
fn compare(path: &[u8], name: &[u8], ending: &[u8]) -> Ordering {
    let wanted = name
        .iter()
        .map(|&byte| if byte == b'.' { b'/' } else { byte })
        .chain(ending.iter().copied());
    path.iter().copied().cmp(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: &[Entry] = &[
        ("a.lua", "a"),
        ("b/c.lua", "bc"),
        ("b/init.lua", "b"),
        ("d-e.lua", "de"),
    ];

    #[test]
    fn files_come_first_where_that_is_wanted() {
        let names = Preference::PathFor(vec!["skynet".into(), "gate".into()]);
        for (name, listed) in [
            ("skynet", true),
            ("skynet.require", true),
            ("skynet.queue", true),
            ("gate", true),
            ("skynet.socket", false),
            ("gat", false),
        ] {
            assert_eq!(names.is_file_first(name.as_bytes()), listed, "{name}");
            assert!(Preference::Path.is_file_first(name.as_bytes()));
            assert!(!Preference::Builtin.is_file_first(name.as_bytes()));
        }
    }

    #[test]
    fn a_file_is_found_as_require_would_find_it() {
        let root = env!("CARGO_MANIFEST_DIR");
        let path = format!(";./no/?.lua;{root}/?.toml;{root}/src/?.rs");
        let found = |name: &str| has_module_file(path.as_bytes(), name.as_bytes());
        assert!(found("Cargo") && found("bindings.core") && found("bindings/core"));
        assert!(!found("nothing") && !found("a\0b") && !found("bindings"));
        assert!(!has_file(path.as_bytes(), b"bindings.core"));
    }

    fn text(name: &[u8], ending: &[u8]) -> Option<&'static str> {
        find(TABLE, name, ending).map(|(_, text)| text)
    }

    #[test]
    fn dots_are_folders() {
        assert_eq!(text(b"b.c", b".lua"), Some("bc"));
        assert_eq!(text(b"b/c", b".lua"), Some("bc"));
        assert_eq!(text(b"b", b".lua"), None);
        assert_eq!(text(b"b", b"/init.lua"), Some("b"));
        assert_eq!(text(b"d-e", b".lua"), Some("de"));
        assert_eq!(text(b"", b".lua"), None);
    }

    #[test]
    fn the_tables_are_sorted_and_every_file_is_found() {
        for (table, of) in [
            (
                tables::LUALIB,
                (|name| module(name).map(|(_, text)| text)) as fn(&str) -> _,
            ),
            (tables::SERVICE, service as fn(&str) -> _),
        ] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
            for (path, source) in table {
                let name = path.strip_suffix(".lua").expect("only Lua files");
                assert_eq!(of(name), Some(*source), "{path}");
            }
        }
    }
}
