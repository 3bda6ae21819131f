//! The end of a node by signals: hooks, their order, their deadline, readiness.

mod support;

use std::os::unix::process::ExitStatusExt;

use support::{Folder, Node, root};

const CONFIG: &str = "
thread = 2
harbor = 0
luaservice = './?.lua'
lua_path = './?.lua'
";

/// A service that says what its hooks do. Its arguments: a name, and what else it is to do.
const HELPER: &str = "
local skynet = require 'skynet'
local welkin = require 'welkin'
local name, what = ...
skynet.start(function()
    skynet.dispatch('lua', function(_, _, text) skynet.retpack(name .. ' got ' .. text) end)
    if what == 'loop' then
        welkin.on_exit(function() while true do end end)
    elseif what == 'hang' then
        local function save() skynet.wait() end
        welkin.on_exit(function() save() end)
    elseif what ~= 'nothing' then
        welkin.on_exit(function() skynet.error('exit of', name, welkin.draining()) end)
    end
end)
";

fn folder(main: &str, more: &str) -> Folder {
    let folder = Folder::new();
    let head =
        "local skynet = require 'skynet' require 'skynet.manager' local welkin = require 'welkin' ";
    folder.file(
        "main.lua",
        &format!("{head}\nskynet.start(function()\n{main}\nprint 'UP' io.stdout:flush() end)"),
    );
    folder.file("helper.lua", HELPER);
    folder.file("config", &format!("{CONFIG} {more}"));
    folder
}

/// Starts a node, sends it SIGTERM when it is up; its exit status and its lines from then on.
fn terminated(main: &str, more: &str) -> (Option<i32>, Vec<String>) {
    let folder = folder(main, more);
    let mut node = Node::start(folder.path(), &["config"]);
    node.wait_for("UP");
    node.signal("TERM");
    let (status, lines) = node.finish();
    (status.code(), lines)
}

fn at(lines: &[String], text: &str) -> usize {
    let found = lines.iter().position(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("no {text:?} in {lines:#?}"))
}

#[test]
fn hooks_run_from_the_last_service_to_the_first_and_from_the_last_function_to_the_first() {
    let (status, lines) = terminated(
        "welkin.on_exit(function() skynet.error('main first') end)
         local helper = skynet.newservice('helper', 'a')
         skynet.newservice('helper', 'b')
         welkin.on_exit(function() skynet.sleep(1) skynet.error('main second', skynet.call(helper, 'lua', 'x')) end)
         assert(not welkin.draining())",
        "",
    );
    assert_eq!(status, Some(0), "{lines:#?}");
    let order = [
        "exit of b true",
        "exit of a true",
        "main second a got x",
        "main first",
    ];
    let places = order.map(|text| at(&lines, text));
    assert!(places.is_sorted(), "{lines:#?}");
}

#[test]
fn sigint_drains_too_and_the_log_is_whole() {
    let folder = folder(
        "welkin.on_exit(function() for i = 1, 5000 do skynet.error('line', i) end end)",
        "",
    );
    let mut node = Node::start(folder.path(), &["config"]);
    node.wait_for("UP");
    node.signal("INT");
    let (status, lines) = node.finish();
    assert_eq!(status.code(), Some(0));
    at(&lines, "] line 5000");
}

#[test]
fn drain_hooks_come_before_the_listeners_are_closed_and_exit_hooks_after() {
    let (status, lines) = terminated(
        "local socket = require 'skynet.socket'
         local id, _, port = socket.listen('127.0.0.1', 0)
         socket.start(id, function(fd) socket.close_fd(fd) end)
         local function try() return socket.open('127.0.0.1', port) ~= nil end
         assert(try())
         welkin.on_drain(function() skynet.error('drain', welkin.draining(), try()) end)
         welkin.on_drain(function() skynet.error('second drain') end)
         welkin.on_exit(function() skynet.error('exit', try()) end)",
        "",
    );
    assert_eq!(status, Some(0), "{lines:#?}");
    let places = ["drain true true", "second drain", "exit false"].map(|text| at(&lines, text));
    assert!(places.is_sorted(), "{lines:#?}");
}

#[test]
fn a_drain_hook_alone_is_reason_to_drain() {
    let (status, lines) = terminated("welkin.on_drain(function() skynet.error('heard') end)", "");
    assert_eq!(status, Some(0), "{lines:#?}");
    at(&lines, "] heard");
}

#[test]
fn errors_in_hooks_are_logged_and_hold_up_nothing() {
    let (status, lines) = terminated(
        "welkin.on_exit(function() skynet.error('first of all') end)
         welkin.on_exit(function() local x = nil; x() end)
         welkin.on_exit(function() error(setmetatable({}, {__tostring = function() return 'odd' end})) end)
         welkin.on_drain(function() error 'drain' end)",
        "",
    );
    assert_eq!(status, Some(0), "{lines:#?}");
    let text = lines.join("\n");
    assert!(
        text.contains("error: the exit hook ./main.lua:4 failed:"),
        "{text}"
    );
    assert!(
        text.contains("error: the exit hook ./main.lua:5 failed: odd"),
        "{text}"
    );
    assert!(
        text.contains("error: the drain hook ./main.lua:6 failed:"),
        "{text}"
    );
    assert!(text.contains("stack traceback"), "{text}");
    at(&lines, "first of all");
}

#[test]
fn what_is_no_function_is_refused_where_it_is_given() {
    let (status, lines) = terminated(
        "for _, f in ipairs { 'on_exit', 'on_drain', 'online' } do
             local ok, err = pcall(welkin[f], 1)
             skynet.error('refused', f, ok, err)
         end",
        "",
    );
    assert_eq!(status, None, "no hook: ended by the signal");
    for f in ["on_exit", "on_drain", "online"] {
        let line = &lines[at(&lines, &format!("refused {f} false"))];
        assert!(
            line.contains("main.lua") || line.contains("a function expected, got number"),
            "{line}"
        );
    }
}

#[test]
fn hooks_at_the_deadline_are_named_and_the_status_is_1() {
    let (status, lines) = terminated(
        "welkin.on_exit(function() skynet.error('never') end)
         skynet.newservice('helper', 'hanging', 'hang')",
        "welkin_exit_ms = 300",
    );
    assert_eq!(status, Some(1), "{lines:#?}");
    let line = &lines[at(&lines, "still runs after 300 ms (welkin_exit_ms)")];
    for part in [
        "the exit hook ./helper.lua:11 of service :0000000",
        " helper, now in ",
        "save",
        " at ./helper.lua:10",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let line = &lines[at(&lines, "were not run")];
    assert!(line.contains(" main were not run"), "{line}");
    assert!(
        !lines.iter().any(|line| line.ends_with("] never")),
        "{lines:#?}"
    );
}

#[test]
fn a_hook_in_a_loop_is_named_with_its_line() {
    for preempt in ["5", "0"] {
        let (status, lines) = terminated(
            "skynet.newservice('helper', 'looping', 'loop')",
            &format!("welkin_exit_ms = 300 welkin_preempt_ms = {preempt}"),
        );
        assert_eq!(status, Some(1), "{lines:#?}");
        let line = &lines[at(&lines, "still runs after 300 ms")];
        assert!(
            line.contains("the exit hook ./helper.lua:8 of service"),
            "{line}"
        );
        assert!(line.contains(" at ./helper.lua:8,"), "{line}");
    }
}

#[test]
fn a_drain_hook_that_hangs_leaves_time_for_the_exit_hooks() {
    let (status, lines) = terminated(
        "welkin.on_drain(function() skynet.wait() end)
         welkin.on_exit(function() skynet.error('saved') end)",
        "welkin_exit_ms = 500",
    );
    assert_eq!(status, Some(1), "{lines:#?}");
    at(&lines, "] saved");
    at(&lines, "the drain hook ./main.lua:3 of service");
}

#[test]
fn no_time_is_no_time() {
    let (status, lines) = terminated(
        "welkin.on_exit(function() skynet.sleep(1000) end)",
        "welkin_exit_ms = 0",
    );
    assert_eq!(status, Some(1), "{lines:#?}");
    at(&lines, "still runs after 0 ms");
}

#[test]
fn the_second_signal_ends_at_once() {
    let folder = folder(
        "welkin.on_exit(function() skynet.error('began') skynet.wait() end)",
        "",
    );
    let mut node = Node::start(folder.path(), &["config"]);
    node.wait_for("UP");
    node.signal("TERM");
    node.wait_for("] began");
    node.signal("INT");
    let (status, _) = node.finish();
    assert_eq!(status.signal(), Some(2), "{status}");
}

#[test]
fn a_node_that_is_ready_by_hand_drains_without_hooks() {
    let (status, lines) = terminated("", "welkin_ready = 'manual'");
    assert_eq!(status, Some(0), "{lines:#?}");
}

#[test]
fn services_that_have_ended_are_not_waited_for() {
    let (status, _) = terminated(
        "skynet.kill(skynet.newservice('helper', 'gone'))
         skynet.sleep(5)",
        "",
    );
    assert_eq!(status, None, "no hook is left: ended by the signal");
    let (status, lines) = terminated(
        "skynet.newservice('helper', 'other')
         welkin.on_drain(function() skynet.exit() end)
         welkin.on_exit(function() skynet.error('never') end)",
        "",
    );
    assert_eq!(status, Some(0), "{lines:#?}");
    at(&lines, "exit of other");
    assert!(
        !lines.iter().any(|line| line.ends_with("] never")),
        "{lines:#?}"
    );
}

#[test]
fn a_hook_may_end_the_node_itself() {
    let (status, lines) = terminated(
        "welkin.on_exit(function() skynet.abort() skynet.wait() end)",
        "",
    );
    assert_eq!(status, Some(0), "{lines:#?}");
}

#[test]
fn hooks_may_add_hooks_and_start_services() {
    let (status, lines) = terminated(
        "welkin.on_exit(function()
             welkin.on_exit(function() skynet.error('added') end)
             skynet.newservice('helper', 'late')
         end)",
        "",
    );
    assert_eq!(status, Some(0), "{lines:#?}");
    at(&lines, "] added");
    at(&lines, "exit of late true");
}

#[test]
fn many_services_are_all_asked() {
    let (status, lines) = terminated(
        "for i = 1, 500 do skynet.newservice('helper', 'n' .. i) end",
        "",
    );
    assert_eq!(status, Some(0));
    let said = lines
        .iter()
        .filter(|line| line.contains("exit of n"))
        .count();
    assert_eq!(said, 500);
    assert!(at(&lines, "exit of n500 ") < at(&lines, "exit of n1 "));
}

#[test]
fn a_full_mailbox_lets_the_question_in() {
    let (status, lines) = terminated(
        "skynet.dispatch('lua', function() skynet.sleep(0) end)
         welkin.on_exit(function() skynet.error('asked') end)
         skynet.timeout(0, function()
             for i = 1, 100 do skynet.send(skynet.self(), 'lua', i) end
             print 'FULL' io.stdout:flush()
             local till = skynet.hpc() + 3e8
             while skynet.hpc() < till do end
         end)",
        "welkin_mailbox_max = 10 welkin_preempt_ms = 0",
    );
    assert_eq!(status, Some(0), "{lines:#?}");
    at(&lines, "] asked");
}

#[test]
fn a_program_with_a_library_of_its_own_has_hooks_too() {
    let folder = Folder::new();
    let at_classic = root().join("tests/classic");
    let at_classic = at_classic.display();
    folder.file(
        "config",
        &format!(
            "thread = 2 harbor = 0 start = 'hooked' welkin_lualib = 'path'
             luaservice = '{at_classic}/service/?.lua;./?.lua'
             lua_path = '{at_classic}/lualib/?.lua;./?.lua'"
        ),
    );
    folder.file(
        "hooked.lua",
        // What hooks need of such a library: the debug protocol and where commands are added to it.
        "local core = require 'skynet.core'
         local commands = {}
         package.loaded['skynet.debug'] = { reg_debugcmd = function(name, f) commands[name] = f end }
         local welkin = require 'welkin'
         core.callback(function(kind, pointer, size)
             if kind == 9 then
                 local words = table.pack(core.unpack(pointer, size))
                 coroutine.wrap(commands[words[1]])(table.unpack(words, 2, words.n))
             end
         end)
         welkin.on_exit(function() print('classic exit', welkin.draining()) io.stdout:flush() end)
         print 'UP' io.stdout:flush()",
    );
    let mut node = Node::start(folder.path(), &["config"]);
    node.wait_for("UP");
    node.signal("TERM");
    let (status, lines) = node.finish();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    at(&lines, "classic exit\ttrue");
}

#[test]
fn native_code_that_does_not_come_back_does_not_hold_up_the_end() {
    let (status, lines) = terminated(
        "welkin.on_exit(function() os.execute('exec sleep 60 >/dev/null 2>&1') end)",
        "welkin_exit_ms = 100",
    );
    assert_eq!(status, Some(1), "{lines:#?}");
    at(&lines, "still runs after 100 ms");
}

#[test]
fn a_gate_bears_that_its_listener_is_closed() {
    let (status, lines) = terminated(
        "local gate = skynet.newservice('gate')
         skynet.call(gate, 'lua', 'open', { address = '127.0.0.1', port = 0, maxclient = 8, watchdog = skynet.self() })
         skynet.dispatch('lua', function() end)
         welkin.on_exit(function() skynet.sleep(5) skynet.error('gate lives', skynet.address(gate) ~= nil) end)",
        "",
    );
    assert_eq!(status, Some(0), "{lines:#?}");
    assert!(
        !lines.iter().any(|line| line.contains("lua call")),
        "{lines:#?}"
    );
    at(&lines, "gate lives true");
}
