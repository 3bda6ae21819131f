//! Keys that watch over services: slow messages, deadlines of calls, the form of log lines.

mod support;

use support::{Folder, Node};

/// A node of this config whose start service is `program`.
fn start(folder: &Folder, config: &str, program: &str) -> Node {
    folder.file("main.lua", program);
    folder.file(
        "config",
        &format!("harbor = 0 thread = 2 start = 'main' luaservice = './?.lua' {config}"),
    );
    Node::start(folder.path(), &["config"])
}

const SLOW: &str = "
    local skynet = require 'skynet'
    local clock = os.clock
    local function spend(ms)
        local stop = clock() + ms / 1000
        while clock() < stop do end
    end
    local function crunch(ms) spend(ms) return ms end
    skynet.start(function()
        skynet.dispatch('lua', function(_, _, ms) skynet.retpack(crunch(ms)) end)
        skynet.timeout(0, function()
            for _, ms in ipairs { 0, 200, 200 } do
                skynet.call(skynet.self(), 'lua', ms)
            end
            skynet.error 'through'
        end)
    end)";

#[test]
fn a_slow_message_is_logged_once_with_its_stack() {
    for config in [
        "welkin_slow_ms = 50",
        "welkin_slow_ms = 50 welkin_preempt_ms = 0",
    ] {
        let folder = Folder::new();
        let mut node = start(&folder, config, SLOW);
        let lines = node.wait_for("through");
        let slow: Vec<_> = lines
            .iter()
            .filter(|l| l.contains("slow message"))
            .collect();
        assert_eq!(slow.len(), 1, "{lines:#?}");
        assert!(
            slow[0]
                .contains(" ms CPU time (welkin_slow_ms = 50) in function 'spend' at ./main.lua:"),
            "{slow:?}"
        );
        assert!(
            slow[0].ends_with(", service :00000008 main, message lua from :00000008 main"),
            "{slow:?}"
        );
        assert!(lines.iter().any(|l| l == "stack traceback:"), "{lines:#?}");
        assert!(
            lines.iter().any(|l| l.contains("in upvalue 'crunch'")),
            "{lines:#?}"
        );
    }
}

#[test]
fn without_the_key_no_message_is_slow() {
    let folder = Folder::new();
    let lines = start(&folder, "", SLOW).wait_for("through");
    assert!(
        !lines.iter().any(|l| l.contains("slow message")),
        "{lines:#?}"
    );
}

#[test]
fn every_call_has_the_deadline_of_the_config() {
    let folder = Folder::new();
    let program = "
        local skynet = require 'skynet'
        skynet.start(function()
            skynet.dispatch('lua', function(_, _, ...)
                if ... then skynet.retpack(...) else skynet.response() end
            end)
            print(skynet.call(skynet.self(), 'lua', 'in time'))
            print(pcall(skynet.call, skynet.self(), 'lua'))
            print(pcall(require 'welkin'.call_within, 20, skynet.self(), 'lua'))
            print 'through'
        end)";
    let mut node = start(&folder, "welkin_call_timeout_ms = 40", program);
    let lines = node.wait_for("through");
    for line in [
        "in time",
        "false\tcall timeout: 40 ms, :00000008 main, message lua",
        "false\tcall timeout: 20 ms, :00000008 main, message lua",
    ] {
        assert!(lines.iter().any(|l| l == line), "{lines:#?}");
    }
}

#[test]
fn news_of_shared_data_may_come_later_than_any_answer() {
    let folder = Folder::new();
    let program = "
        local skynet = require 'skynet'
        local data = require 'skynet.sharedata'
        local builder, sheets = require 'skynet.datasheet.builder', require 'skynet.datasheet'
        skynet.start(function() skynet.fork(function()
            data.new('d', { n = 1 }) builder.new('s', { n = 1 })
            local d, s = data.query 'd', sheets.query 's'
            print('before', d.n, s.n)
            skynet.sleep(20)
            data.update('d', { n = 2 }) builder.update('s', { n = 2 })
            repeat skynet.sleep(1) until d.n == 2 and s.n == 2
            print 'through'
        end) end)";
    let mut node = start(&folder, "welkin_call_timeout_ms = 40", program);
    let lines = node.wait_for("through");
    assert!(!lines.iter().any(|l| l.contains("timeout")), "{lines:#?}");
}

#[test]
fn log_lines_can_be_for_people_or_for_programs() {
    let program = "
        local skynet = require 'skynet'
        skynet.start(function()
            skynet.error 'say \"hi\"'
            skynet.fork(function() skynet.timeout(0, function() skynet.error 'through' end) error 'oops' end)
        end)";
    let folder = Folder::new();
    let lines = start(&folder, "welkin_log_format = 'text'", program).wait_for("through");
    let ends = |end: &str| lines.iter().any(|l| l.ends_with(end));
    assert!(ends(" info  main :00000008 say \"hi\""), "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|l| l.contains(" error main :00000008 lua call [") && !l.contains('\x1b')),
        "{lines:#?}"
    );

    let lines = start(&folder, "welkin_log_format = 'json'", program).wait_for("through");
    assert!(
        lines
            .iter()
            .all(|l| l.starts_with("{\"time\":\"") && l.ends_with("\"}")),
        "{lines:#?}"
    );
    let said = "\"level\":\"info\",\"service\":\"main\",\"address\":\":00000008\",\"text\":\"say \\\"hi\\\"\"}";
    assert!(lines.iter().any(|l| l.ends_with(said)), "{lines:#?}");
}

#[test]
fn a_fatal_signal_leaves_a_report_and_ends_the_node_all_the_same() {
    use std::os::unix::process::ExitStatusExt;
    let folder = Folder::new();
    let program = "local skynet = require 'skynet' skynet.start(function() print 'up' end)";
    let mut node = start(&folder, "", program);
    node.wait_for("up");
    let report = format!("welkin-crash-{}.txt", node.id());
    node.signal("SEGV");
    let (status, _) = node.finish();
    assert_eq!(status.signal(), Some(11), "{status}");
    let text = folder.read(&report);
    assert!(
        text.contains(": ended by signal 11 while it ran service :"),
        "{text}"
    );
    assert!(text.lines().count() > 3, "the stack is there: {text}");
}
