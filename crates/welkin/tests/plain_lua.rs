//! `welkin lua`: scripts outside of any node.

mod support;

use std::io::Write;
use std::process::Stdio;

use support::{Folder, output, welkin};

/// Runs a script with arguments.
fn script(text: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = Folder::new();
    folder.file("script.lua", text);
    output(folder.path(), &[&["lua", "script.lua"], arguments].concat())
}

/// Runs `welkin lua` with these words and this standard input.
fn fed(folder: &Folder, words: &[&str], input: &str) -> (i32, String, String) {
    let mut child = welkin(folder.path(), &[&["lua"], words].concat())
        .stdin(Stdio::piped())
        .spawn()
        .expect("welkin starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it is our child");
    let text = |bytes| String::from_utf8(bytes).expect("the tests print UTF-8");
    let status = output.status.code().unwrap_or(-1);
    (status, text(output.stdout), text(output.stderr))
}

#[test]
fn a_script_sees_its_arguments() {
    let text = "#!/usr/bin/env -S welkin lua
        print(..., select('#', ...), #arg, arg[0], arg[1], arg[2], arg[-1])
        print(_VERSION, SERVICE_NAME)";
    let (status, out, err) = script(text, &["a b", "-x"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(out, "a b\t2\t2\tscript.lua\ta b\t-x\tlua\nLua 5.5\tnil\n");
}

#[test]
fn errors_end_with_status_1_and_a_traceback() {
    let table = [
        (
            "local function f()\nerror 'oops' end f()",
            "lua: script.lua:2: oops\nstack traceback:\n",
        ),
        (
            "error({})",
            "lua: (error object is a table value)\nstack traceback:\n",
        ),
        (
            "error(setmetatable({}, {__tostring = function() return 'own' end}))",
            "lua: own\n",
        ),
        ("x = = 1", "lua: script.lua:1: unexpected symbol near '='\n"),
        (
            "require 'client.crypt'.dhexchange 'x'",
            "lua: script.lua:1: Invalid dh uint64 key\nstack traceback:\n",
        ),
        ("os.exit(true)", ""),
    ];
    for (text, said) in table {
        let (status, out, err) = script(text, &[]);
        assert_eq!(out, "", "{text}");
        assert_eq!(status, i32::from(!said.is_empty()), "{text}: {err}");
        assert!(err.starts_with(said), "{text}: {err}");
    }
    let (status, _, err) = output(Folder::new().path(), &["lua", "no-such.lua"]);
    assert_eq!(status, 1);
    assert!(err.starts_with("lua: cannot open no-such.lua"), "{err}");
}

#[test]
fn the_status_is_the_scripts_own() {
    assert_eq!(script("os.exit(7)", &[]).0, 7);
    let text = "setmetatable({}, {__gc = function() print 'collected' end}) print 'end'";
    assert_eq!(
        script(text, &[]),
        (0, "end\ncollected\n".into(), String::new())
    );
}

#[test]
fn client_modules_are_there_and_those_of_a_node_are_refused() {
    let text = "
        local crypt = require 'client.crypt'
        assert(require 'skynet.crypt'.sha1 == crypt.sha1)
        assert(require 'md5'.sumhexa '' == 'd41d8cd98f00b204e9800998ecf8427e')
        assert(require 'client.socket'.connect)
        print(pcall(require 'client.socket'.connect, '127.0.0.1', 0))
        for _, name in ipairs { 'skynet', 'skynet.core', 'skynet.queue' } do
            local ok, why = pcall(require, name)
            assert(not ok and why:find(name, 1, true) and why:find 'inside a node', why)
        end
        local ok, why = pcall(require, 'no.such')
        assert(not ok and why:find \"module 'no.such' not found\", why)";
    let (status, out, err) = script(text, &[]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(out, "false\tConnect 127.0.0.1 0 failed\n");
}

#[test]
fn a_projects_own_files_are_found_as_lua_finds_them() {
    let folder = Folder::new();
    folder.file("mine.lua", "return 'mine ' .. ...");
    folder.file("script.lua", "print(require 'mine', package.path)");
    let child = welkin(folder.path(), &["lua", "script.lua"])
        .env_remove("LUA_PATH_5_5")
        .env("LUA_PATH", "./?.lua;x")
        .output()
        .expect("welkin starts");
    assert_eq!(
        String::from_utf8_lossy(&child.stdout),
        "mine mine\t./?.lua;x\n"
    );
}

#[test]
fn a_dash_or_no_file_is_standard_input() {
    let folder = Folder::new();
    let (status, out, _) = fed(&folder, &["-", "a"], "print('in', arg[0], ...)");
    assert_eq!((status, out.as_str()), (0, "in\t-\ta\n"));
    let (status, out, _) = fed(&folder, &[], "print('in', select('#', ...))");
    assert_eq!((status, out.as_str()), (0, "in\t0\n"));
    let (status, _, err) = fed(&folder, &[], "\nerror 'oops'");
    assert_eq!(status, 1);
    assert!(err.starts_with("lua: stdin:2: oops\n"), "{err}");
}

#[test]
fn the_end_of_the_input_ends_a_client_that_asks_for_lines() {
    let folder = Folder::new();
    folder.file(
        "client.lua",
        "local socket = require 'client.socket'
        while true do
            local line = socket.readstdin()
            if line then print(line) else socket.usleep(100) end
        end",
    );
    let ended = fed(&folder, &["client.lua"], "one\n\nlast");
    assert_eq!(ended, (1, "one\n\nlast\n".into(), String::new()));
}

#[test]
fn a_wrong_command_line_is_explained() {
    let folder = Folder::new();
    let (status, out, err) = output(folder.path(), &["lua", "-e", "print(1)"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.starts_with("welkin: lua has no option -e"), "{err}");
    let (status, out, _) = output(folder.path(), &["lua", "--help"]);
    assert_eq!(status, 0);
    assert!(out.contains("Example:\n  welkin lua client.lua"), "{out}");
}
