//! The Lua library inside the binary: the texts of `lualib/` and `service/`, found by name.
//!
//! A node needs no files of its own beside the program. The tables are made by `build.rs`, sorted by
//! path, and searched by halves; nothing is allocated for a name that is not there.

use std::cmp::Ordering;

mod tables {
    include!(concat!(env!("OUT_DIR"), "/library_tables.rs"));
}

/// A file of the library: its path within its folder, and its text.
type File = (&'static str, &'static str);

/// The file of the Lua module `name` as `require` names it: `skynet.queue` is `skynet/queue.lua` or
/// `skynet/queue/init.lua` below `lualib/`.
pub fn module(name: &str) -> Option<File> {
    let name = name.as_bytes();
    find(tables::LUALIB, name, b".lua").or_else(|| find(tables::LUALIB, name, b"/init.lua"))
}

/// Source of the built-in service `name`: `launcher` is `service/launcher.lua`.
pub fn service(name: &str) -> Option<&'static str> {
    find(tables::SERVICE, name.as_bytes(), b".lua").map(|(_, source)| source)
}

fn find(table: &'static [File], name: &[u8], ending: &[u8]) -> Option<File> {
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

    static TABLE: &[File] = &[
        ("a.lua", "a"),
        ("b/c.lua", "bc"),
        ("b/init.lua", "b"),
        ("d-e.lua", "de"),
    ];

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
