//! A whole node as a process: its log, its end, its signals, the background.

mod support;

use support::{Folder, Node, output, signal};

const READY: &str = "
local skynet = require 'skynet'
skynet.start(function() skynet.error('ready') end)
";

const CONFIG: &str = "
thread = 2
harbor = 0
luaservice = './?.lua'
lua_path = './?.lua'
";

#[test]
fn the_boot_log_is_exactly_that_of_skynet() {
    let folder = Folder::new();
    folder.file(
        "main.lua",
        "local skynet = require 'skynet' skynet.start(function() end)",
    );
    folder.file("config", CONFIG);
    let mut node = Node::start(folder.path(), &["config"]);
    let lines = node.wait_for("KILL self");
    assert_eq!(
        lines,
        [
            "[:00000002] LAUNCH snlua bootstrap",
            "[:00000003] LAUNCH snlua launcher",
            "[:00000004] LAUNCH snlua cdummy",
            "[:00000005] LAUNCH harbor 0 4",
            "[:00000006] LAUNCH snlua datacenterd",
            "[:00000007] LAUNCH snlua service_mgr",
            "[:00000008] LAUNCH snlua main",
            "[:00000002] KILL self",
        ]
    );
}

#[test]
fn a_node_that_aborts_ends_with_status_0_and_its_last_lines() {
    let folder = Folder::new();
    folder.file(
        "main.lua",
        "local skynet = require 'skynet' require 'skynet.manager'
         skynet.start(function()
            for i = 1, 1000 do skynet.error('line', i) end
            skynet.timeout(10, skynet.abort)
         end)",
    );
    folder.file("config", CONFIG);
    let (status, out, err) = output(folder.path(), &["config"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains("[:00000008] line 1000\n"), "{out}");
}

#[test]
fn a_start_service_that_fails_leaves_the_node_running() {
    let folder = Folder::new();
    folder.file("config", CONFIG);
    let mut node = Node::start(folder.path(), &["config"]);
    let lines = node.wait_for("[:00000002] KILL self");
    let failed = lines.iter().any(|line| line.contains("lua loader error"));
    assert!(failed, "{lines:#?}");
    node.signal("TERM");
    node.finish();
}

#[test]
fn sigterm_and_sigint_end_the_node_by_that_signal() {
    use std::os::unix::process::ExitStatusExt;
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        let folder = Folder::new();
        folder.file("main.lua", READY);
        folder.file("config", CONFIG);
        let mut node = Node::start(folder.path(), &["config"]);
        node.wait_for("[:00000008] ready");
        node.signal(name);
        let (status, _) = node.finish();
        assert_eq!(status.signal(), Some(number), "{status}");
    }
}

#[test]
fn lines_handed_to_the_logger_are_written_before_a_signal_ends_the_node() {
    let folder = Folder::new();
    folder.file(
        "main.lua",
        "local skynet = require 'skynet'
         skynet.start(function()
            for i = 1, 20000 do skynet.error(i) end
            print 'all sent' io.stdout:flush()
         end)",
    );
    folder.file("config", &format!("{CONFIG} logger = './node.log'"));
    let mut node = Node::start(folder.path(), &["config"]);
    node.wait_for("all sent");
    node.signal("TERM");
    node.finish();
    let log = folder.read("node.log");
    assert!(
        log.contains("[:00000008] 20000\n"),
        "{}",
        log.lines().count()
    );
}

#[test]
fn a_log_that_nobody_takes_is_bounded_and_says_what_is_missing() {
    let folder = Folder::new();
    folder.file(
        "main.lua",
        "local skynet = require 'skynet' require 'skynet.manager'
         skynet.start(function()
            for i = 1, 400000 do skynet.error(i) end
            print 'all sent' io.stdout:flush()
            skynet.timeout(1, skynet.abort)
         end)",
    );
    folder.file("config", &format!("{CONFIG} logger = './pipe'"));
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let mut node = Node::start(folder.path(), &["config"]);
    // Opened, so that the node starts, but not read: the logger is stuck in its first write.
    let mut reader = std::fs::File::open(&pipe).unwrap();
    node.wait_for("all sent");
    let mut log = String::new();
    std::io::Read::read_to_string(&mut reader, &mut log).unwrap();
    assert_eq!(node.finish().0.code(), Some(0));
    let said = log
        .lines()
        .find(|line| line.contains(" lines thrown away, as more than 262144 waited"));
    assert!(said.is_some(), "{} lines", log.lines().count());
    assert!(
        log.contains("[:00000008] 400000\n"),
        "the last ones are there"
    );
}

#[test]
fn sighup_opens_the_log_file_again() {
    let folder = Folder::new();
    folder.file("main.lua", READY);
    folder.file("config", &format!("{CONFIG} logger = './node.log'"));
    let mut node = Node::start(folder.path(), &["config"]);
    folder.wait_for("node.log", "ready");
    let file = |name: &str| folder.path().join(name);
    std::fs::rename(file("node.log"), file("node.log.1")).unwrap();
    node.signal("HUP");
    // The new file appears without a line in it.
    while !file("node.log").exists() {
        std::thread::yield_now();
    }
    node.signal("TERM");
    node.finish();
    let line = folder.read("node.log.1").lines().next().unwrap().to_owned();
    assert_eq!(&line[20..], " [:00000002] LAUNCH snlua bootstrap");
    assert_eq!(line.as_bytes()[17], b'.');
    let _ = std::fs::metadata(file("node.log")).unwrap();
    drop(node);
}

#[test]
fn a_daemon_writes_its_pid_and_is_started_once() {
    let folder = Folder::new();
    folder.file("main.lua", READY);
    folder.file(
        "config",
        &format!("{CONFIG} logger = './node.log' daemon = './node.pid'"),
    );
    folder.file("node.pid", "2147480000 and an older longer content\n");
    let (status, out, err) = output(folder.path(), &["config"]);
    assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""));
    let pid: u32 = folder
        .read("node.pid")
        .trim_end()
        .parse()
        .expect("only the pid");
    folder.wait_for("node.log", "ready");
    let (status, _, err) = output(folder.path(), &["config"]);
    assert_eq!(status, 1);
    let said = format!("Skynet is already running, pid = {pid}.\n");
    assert!(err.starts_with(&said), "{err}");
    signal(pid, "TERM");
    assert!(
        !folder.read("node.pid").is_empty(),
        "a signal leaves the file"
    );
}

#[test]
fn a_daemon_that_ends_in_order_removes_its_pid_file() {
    let folder = Folder::new();
    folder.file(
        "main.lua",
        "local skynet = require 'skynet' require 'skynet.manager'
         skynet.start(function() skynet.timeout(1, skynet.abort) end)",
    );
    folder.file(
        "config",
        &format!("{CONFIG} logger = './node.log' daemon = './node.pid'"),
    );
    let (status, ..) = output(folder.path(), &["config"]);
    assert_eq!(status, 0);
    while folder.path().join("node.pid").exists() {
        std::thread::yield_now();
    }
}

#[test]
fn a_daemon_whose_boot_fails_tells_it() {
    let folder = Folder::new();
    folder.file(
        "config",
        &format!("{CONFIG} logger = './no/x.log' daemon = './node.pid'"),
    );
    let (status, _, err) = output(folder.path(), &["config"]);
    assert_eq!(status, 1);
    assert!(err.starts_with("Can't launch logger service\n"), "{err}");
    folder.file("config", &format!("{CONFIG} daemon = './no/node.pid'"));
    let (status, _, err) = output(folder.path(), &["config"]);
    assert_eq!(status, 1);
    assert!(
        err.starts_with("Can't create pidfile [./no/node.pid].\n"),
        "{err}"
    );
}

#[test]
fn run_starts_a_file_with_its_arguments() {
    let folder = Folder::new();
    folder.file(
        "hello.lua",
        "local skynet = require 'skynet' require 'skynet.manager'
         local helper = require 'helper'
         local words = table.concat({...}, '+')
         skynet.start(function()
            skynet.error(helper, words, skynet.getenv 'harbor')
            skynet.timeout(10, skynet.abort)
         end)",
    );
    folder.file("helper.lua", "return 'helper'");
    let (status, out, err) = output(folder.path(), &["run", "./hello.lua", "a", "b"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("[:00000008] helper a+b 0\n"), "{out}");
    let path = folder.path().join("hello.lua");
    let (status, out, _) = output(&support::root(), &["run", path.to_str().unwrap(), "c"]);
    assert_eq!(status, 0);
    assert!(out.contains("[:00000008] helper c 0\n"), "{out}");
}

#[test]
fn run_ends_with_status_1_when_the_file_does_not_start() {
    let folder = Folder::new();
    folder.file("bad.lua", "error 'on purpose'");
    let (status, out, err) = output(folder.path(), &["run", "bad.lua"]);
    assert_eq!(status, 1, "{out}{err}");
    assert!(out.contains("on purpose"), "{out}{err}");
}

#[test]
fn messages_are_dumped_to_the_log_folder() {
    let folder = Folder::new();
    folder.file(
        "main.lua",
        "local skynet = require 'skynet' require 'skynet.manager'
         local core = require 'skynet.core'
         skynet.start(function()
            skynet.dispatch('lua', function() end)
            local own = skynet.address(skynet.self())
            core.command('LOGON', own)
            skynet.send(skynet.self(), 'lua', 'hi')
            skynet.sleep(1)
            core.command('LOGOFF', own)
            skynet.timeout(10, skynet.abort)
         end)",
    );
    folder.file("config", &format!("{CONFIG} logpath = '.'"));
    let (_, out, _) = output(folder.path(), &["config"]);
    assert!(
        out.contains("[:00000008] Open log file ./00000008.log\n"),
        "{out}"
    );
    assert!(
        out.contains("[:00000008] Close log file :00000008\n"),
        "{out}"
    );
    let dump = folder.read("00000008.log");
    let lines: Vec<_> = dump.lines().collect();
    assert!(lines[0].starts_with("open time: "), "{dump}");
    assert!(
        lines[1].starts_with(":00000008 10 0 ") && lines[1].ends_with(" 146869"),
        "{dump}"
    );
    assert!(lines[2].starts_with(":00000000 1 "), "{dump}");
    assert!(lines[3].starts_with("close time: "), "{dump}");
}

#[test]
fn messages_to_other_nodes_are_dropped_and_their_callers_told() {
    let folder = Folder::new();
    folder.file(
        "main.lua",
        "local skynet = require 'skynet' require 'skynet.manager'
         skynet.start(function()
            print('call', pcall(skynet.call, 0x0200000a, 'lua'))
            io.stdout:flush()
            skynet.timeout(10, skynet.abort)
         end)",
    );
    folder.file("config", CONFIG);
    let (_, out, _) = output(folder.path(), &["config"]);
    let call = out.lines().find(|line| line.starts_with("call\tfalse"));
    assert!(
        call.is_some_and(|line| line.ends_with("call failed")),
        "{out}"
    );
    let line = "[:00000005] Drop message to harbor 2 from 8 to 200000a (session = ";
    assert!(out.contains(line), "{out}");
}
