//! Rules of the configuration file, each by a small file.

use super::*;
use std::fs;
use std::path::PathBuf;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("welkin-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn load(name: &str, text: &str) -> Result<BTreeMap<String, String>, String> {
    let folder = Folder::new(name);
    let path = folder.file("config", text);
    let prefix = format!("{}/", folder.0.display());
    load_config(&path)
        .map(|keys| {
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            keys.into_iter().map(|(k, v)| (text(k), text(v))).collect()
        })
        .map_err(|error| error.to_string().replace(&prefix, ""))
}

fn one(name: &str, text: &str) -> String {
    load(name, text).unwrap()["x"].clone()
}

#[test]
fn values_become_their_lua_text() {
    assert_eq!(one("true", "x = true"), "true");
    assert_eq!(one("false", "x = false"), "false");
    assert_eq!(one("integer", "x = 10"), "10");
    assert_eq!(one("float", "x = 1.5"), "1.5");
    assert_eq!(one("big", "x = 1e100"), "1e+100");
    assert_eq!(one("method", "x = ('ab'):rep(3)"), "ababab");
    assert_eq!(one("empty", "x = ''"), "");
    assert_eq!(
        one(
            "bare",
            "x = (os == nil and print == nil and string == nil and _G == nil) and 1 or 0"
        ),
        "1"
    );
}

#[test]
fn include_itself_is_no_key() {
    assert_eq!(load("none", "local y = 1").unwrap().len(), 0);
    assert_eq!(load("nil", "x = nil").unwrap().len(), 0);
}

#[test]
fn variables_are_replaced_before_the_text_is_compiled() {
    let path = std::env::var("PATH").unwrap();
    assert_eq!(one("path", "x = '$PATH'"), path);
    assert_eq!(one("dollar", "x = '$ $-'"), "$ $-");
    assert_eq!(
        load("unset", "x = 1\n-- $WELKIN_NOT_SET").unwrap_err(),
        "[skynet config]:2: os.getenv() failed: WELKIN_NOT_SET"
    );
}

#[test]
fn errors_name_file_and_line() {
    assert_eq!(
        load("syntax", "x = 1\nx = =").unwrap_err(),
        "config:2: unexpected symbol near '='"
    );
    assert_eq!(
        load("nilindex", "x = y.z").unwrap_err(),
        "config:1: attempt to index a nil value (global 'y')"
    );
    assert_eq!(
        load("call", "error('x')").unwrap_err(),
        "config:1: attempt to call a nil value (global 'error')"
    );
    assert_eq!(
        load("bytecode", "\x1bLua").unwrap_err(),
        "attempt to load a binary chunk (mode is 't')"
    );
}

#[test]
fn keys_are_texts_and_values_plain() {
    assert_eq!(
        load("key", "_ENV[1] = 2").unwrap_err(),
        "Invalid config table"
    );
    assert_eq!(
        load("table", "x = {}").unwrap_err(),
        "Invalid config table key = x"
    );
    assert_eq!(
        load("function", "function x() end").unwrap_err(),
        "Invalid config table key = x"
    );
}

#[test]
fn includes_share_the_globals_and_are_relative_to_the_including_file() {
    let folder = Folder::new("include");
    folder.file(
        "sub/a.lua",
        "x = y .. 'a' include 'deep/b.lua' include 'c.lua'",
    );
    folder.file("sub/deep/b.lua", "x = x .. 'b'");
    folder.file("sub/c.lua", "x = x .. 'c'");
    folder.file("d.lua", "x = x .. 'd'");
    let main = folder.file("config", "y = 'm' include 'sub/a.lua' include 'd.lua'");
    let keys = load_config(&main).unwrap();
    assert_eq!(keys[b"x".as_slice()], b"mabcd");
}

#[test]
fn a_missing_include_names_the_file_and_the_place() {
    let folder = Folder::new("missing");
    let main = folder.file("config", "\n\ninclude 'nope.lua'");
    let error = load_config(&main).unwrap_err();
    let prefix = folder.0.display();
    assert_eq!(
        error.to_string(),
        format!("[skynet config]:3: {prefix}/nope.lua: No such file or directory")
    );
    let ConfigError::File { included_at, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(included_at, Some(format!("{prefix}/config:3")));
}

#[test]
fn a_missing_main_file_is_named_from_the_working_directory() {
    let error = load_config(Path::new("no-such-config")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "[skynet config]:1: ./no-such-config: No such file or directory"
    );
}
