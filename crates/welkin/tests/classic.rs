//! `welkin_lualib`: programs that bring a Lua library of their own and dispatch for themselves, on our
//! native modules. The library of `tests/classic/` stands for a checkout of skynet's.

mod support;

use support::{Folder, Node, output, root};

/// A config that finds the library of these tests, with `more` at its end.
fn config(folder: &Folder, start: &str, more: &str) {
    let at = root().join("tests/classic");
    let at = at.display();
    folder.file(
        "config",
        &format!(
            "thread = 2 harbor = 0 start = '{start}'
             luaservice = '{at}/service/?.lua;./?.lua'
             lua_path = '{at}/lualib/?.lua;./?.lua'
             {more}"
        ),
    );
}

/// Runs a config until a line begins with `PASS`; the lines before it, none of which may be a FAIL.
fn passes(folder: &Folder) -> Vec<String> {
    let mut node = Node::start(folder.path(), &["config"]);
    let mut seen = Vec::new();
    while let Some(line) = node.line() {
        if line.starts_with("PASS") {
            assert!(
                !seen.iter().any(|l: &String| l.starts_with("FAIL")),
                "{seen:#?}"
            );
            return seen;
        }
        seen.push(line);
    }
    panic!("no PASS: {seen:#?}");
}

#[test]
fn a_library_that_dispatches_for_itself_runs_on_the_native_modules() {
    let folder = Folder::new();
    config(&folder, "behaviour", "welkin_lualib = 'path'");
    let seen = passes(&folder);
    let said = |text: &str| seen.iter().any(|line| line.contains(text));
    assert!(said("Set memory limit to 4.00 M"), "{seen:#?}");
    assert!(said("lua call [") && said("failed on demand"), "{seen:#?}");
}

#[test]
fn a_loop_on_the_main_thread_is_ended_also_in_an_error_handler() {
    let folder = Folder::new();
    config(&folder, "killing", "welkin_lualib = 'path'");
    let mut node = Node::start(folder.path(), &["config"]);
    let (mut in_main, mut in_callback) = (false, false);
    while !(in_main && in_callback) {
        let line = node.line().expect("the node goes on");
        in_main |= line.contains("lua loader error : service was killed");
        in_callback |= line.contains("lua call [") && line.contains("service was killed");
    }
}

#[test]
fn a_list_of_names_does_the_same_for_these_only() {
    let folder = Folder::new();
    let names = "welkin_lualib = 'skynet  bootstrap'";
    config(&folder, "behaviour", names);
    passes(&folder);
}

/// A start service for a node on the built-in library: the module is the file, or it is not.
fn origin_of(module: &str, lualib: &str) -> String {
    let folder = Folder::new();
    folder.file(
        "origin.lua",
        &format!(
            "local skynet = require 'skynet'
             local main = require '{module}'
             skynet.start(function()
                 print('ORIGIN ' .. (type(main) == 'table' and main.origin or 'built in'))
                 print('PASS')
                 os.exit(0, true)
             end)"
        ),
    );
    config(&folder, "origin", lualib);
    // The folder's `skynet` is not the subject here.
    let lines = passes(&folder);
    let line = lines.iter().find_map(|line| line.strip_prefix("ORIGIN "));
    line.expect("it is printed").to_owned()
}

#[test]
fn names_that_are_not_listed_stay_built_in() {
    let table = [
        ("skynet.queue", "", "built in"),
        ("skynet.queue", "welkin_lualib = 'builtin'", "built in"),
        ("skynet.queue", "welkin_lualib = 'skynet.queue'", "file"),
        (
            "skynet.queue",
            "welkin_lualib = 'skynet.mqueue'",
            "built in",
        ),
        ("skynet.mqueue", "welkin_lualib = 'skynet.mqueue'", "file"),
        // A part of `skynet` follows `skynet`, whatever the list says.
        (
            "skynet.require",
            "welkin_lualib = 'skynet.require'",
            "built in",
        ),
        // Listed, but no such file.
        (
            "skynet.socket",
            "welkin_lualib = 'skynet.socket'",
            "built in",
        ),
    ];
    for (module, lualib, origin) in table {
        assert_eq!(origin_of(module, lualib), origin, "{module} {lualib}");
    }
}

#[test]
fn a_listed_service_is_the_file() {
    let folder = Folder::new();
    config(&folder, "console", "welkin_lualib = 'console'");
    passes(&folder);
}

#[test]
fn a_broken_file_is_not_replaced_by_what_is_built_in() {
    let folder = Folder::new();
    folder.file("launcher.lua", "local function\n");
    config(&folder, "console", "welkin_lualib = 'launcher console'");
    let mut node = Node::start(folder.path(), &["config"]);
    let seen = node.wait_for("./launcher.lua:");
    assert!(
        seen.last()
            .is_some_and(|line| line.contains("<name> expected")),
        "{seen:#?}"
    );
}

#[test]
fn skynets_loader_is_run_where_files_come_first() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join("lualib")).expect("a folder can be made");
    folder.file(
        "lualib/loader.lua",
        "local name = string.match(..., '%S+')
         local path = LUA_SERVICE
         package.path, LUA_PATH = LUA_PATH, nil
         print('loader of', name)
         assert(loadfile(package.searchpath(name, path)))(select(2, string.match(..., '(%S+)%s*(%S*)')))",
    );
    let loader = "lualoader = './lualib/loader.lua'";
    config(
        &folder,
        "behaviour",
        &format!("{loader} welkin_lualib = 'path'"),
    );
    let seen = support::Node::start(folder.path(), &["config"]).wait_for("loader of\tbehaviour");
    assert!(
        seen.iter().any(|line| line == "loader of\tbootstrap"),
        "{seen:#?}"
    );

    config(
        &folder,
        "console",
        &format!("{loader} welkin_lualib = 'console'"),
    );
    assert!(
        !passes(&folder)
            .iter()
            .any(|line| line.starts_with("loader of"))
    );
}

#[test]
fn a_value_that_names_no_module_is_refused() {
    for wrong in ["''", "' '", "'skynet/queue'", "'skynet,queue'"] {
        let folder = Folder::new();
        config(&folder, "behaviour", &format!("welkin_lualib = {wrong}"));
        let (status, _, said) = output(folder.path(), &["config"]);
        assert_eq!(status, 78, "{wrong}: {said}");
        assert!(
            said.contains("welkin_lualib") && said.contains("builtin, path, or names"),
            "{wrong}: {said}"
        );
    }
    let folder = Folder::new();
    config(&folder, "console", "welkin_lualib = 'console skynet.quue'");
    let (status, _, said) = output(folder.path(), &["config"]);
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("names skynet.quue, which is not built in"),
        "{said}"
    );
}
