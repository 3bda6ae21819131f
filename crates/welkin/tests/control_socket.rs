//! The control socket and the commands `status`, `drain` and `stop`, through the real program.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::time::Duration;

use support::{Folder, Node, PATIENCE_S, output, welkin};

const CONFIG: &str = "
thread = 2
harbor = 0
luaservice = './?.lua'
lua_path = './?.lua'
welkin_control = './control.sock'
";

fn folder(main: &str, more: &str) -> Folder {
    let folder = Folder::new();
    let head =
        "local skynet = require 'skynet' require 'skynet.manager' local welkin = require 'welkin'";
    folder.file(
        "main.lua",
        &format!("{head} skynet.start(function() {main} end)"),
    );
    folder.file("config", &format!("{CONFIG} {more}"));
    folder
}

/// Starts a node and waits until it answers.
fn start(folder: &Folder) -> Node {
    let node = Node::start(folder.path(), &["config"]);
    // The file may be one that a dead node has left.
    until(|| UnixStream::connect(folder.path().join("control.sock")).is_ok());
    node
}

/// A node that is ready.
fn ready(folder: &Folder) -> Node {
    let node = start(folder);
    until(|| status(folder).contains("\"ready\":true"));
    node
}

/// Nobody tells strangers when something changes in a node, so it is asked again.
fn until(condition: impl Fn() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(PATIENCE_S);
    while !condition() {
        assert!(std::time::Instant::now() < end, "it never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn status(folder: &Folder) -> String {
    let (code, out, err) = output(folder.path(), &["status", "--json", "config"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    out
}

fn connect(folder: &Folder) -> UnixStream {
    let stream = UnixStream::connect(folder.path().join("control.sock")).unwrap();
    let limit = Some(Duration::from_secs(PATIENCE_S));
    stream.set_read_timeout(limit).unwrap();
    stream
}

fn ask(stream: &UnixStream, line: &str) -> String {
    let mut to = stream;
    to.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::with_capacity(1, stream)
        .read_line(&mut answer)
        .unwrap();
    answer
}

#[test]
fn a_node_says_how_it_is() {
    let folder = folder(
        "local socket = require 'skynet.socket'
         socket.start((socket.listen('127.0.0.1', 0)), function() end)
         welkin.online(function() return 3 end)
         welkin.online(function() return 4 end)",
        "cluster_node = 'game1'",
    );
    let node = ready(&folder);
    let mode = fs::metadata(folder.path().join("control.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let json = status(&folder);
    for part in [
        "\"node\":\"game1\"",
        "\"online\":7",
        "\"draining\":false",
        "\"ok\":true",
        "\"listen\":1",
        "\"services\":7",
        "\"stuck\":[]",
        &format!("\"pid\":{}", node.id()),
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
    let (code, out, _) = output(folder.path(), &["status", "./control.sock"]);
    assert_eq!(code, 0);
    for part in [
        "node      game1\n",
        "state     ready\n",
        "online    7\n",
        "MiB (services in Lua: ",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn the_environment_names_the_node_and_its_start() {
    let folder = folder("", "");
    let mut node = welkin(folder.path(), &["config"]);
    let mut node = node
        .env("WELKIN_NODE", "n1")
        .env("WELKIN_START", "k")
        .spawn()
        .unwrap();
    until(|| fs::exists(folder.path().join("control.sock")).unwrap());
    let json = status(&folder);
    node.kill().unwrap();
    node.wait().unwrap();
    assert!(
        json.contains("\"node\":\"n1\"") && json.contains("\"start_key\":\"k\""),
        "{json}"
    );
}

#[test]
fn players_are_unknown_when_one_who_counts_cannot_say() {
    for (wrong, said) in [
        ("function() error 'no idea' end", "no idea"),
        ("function() return 'many' end", "gave many"),
        ("function() return -1 end", "gave -1"),
        ("function() return 1.5 end", "gave 1.5"),
    ] {
        let folder = folder(
            &format!("welkin.online(function() return 3 end) welkin.online({wrong})"),
            "",
        );
        let mut node = ready(&folder);
        let json = status(&folder);
        assert!(json.contains("\"online\":null,\"online_by\":[{"), "{json}");
        node.wait_for(said);
    }
    let folder = folder("welkin.online(function() skynet.wait() end)", "");
    let _node = ready(&folder);
    for _ in 0..2 {
        let json = status(&folder);
        assert!(json.contains("\"name\":\"main\",\"online\":null"), "{json}");
    }
    let folder = self::folder("welkin.online(function() skynet.sleep(5) return 3 end)", "");
    let _node = ready(&folder);
    let streams = [connect(&folder), connect(&folder), connect(&folder)];
    for mut stream in &streams {
        stream.write_all(b"{\"ask\":\"status\"}\n").unwrap();
    }
    for stream in &streams {
        let mut json = String::new();
        BufReader::new(stream).read_line(&mut json).unwrap();
        assert!(json.contains("\"online\":3,"), "{json}");
    }
}

#[test]
fn a_node_is_ready_when_its_start_service_has_started() {
    let folder = folder("skynet.wait()", "");
    let _node = start(&folder);
    let json = status(&folder);
    assert!(
        json.contains("\"ready\":false") && json.contains("\"reason\":\"it starts\""),
        "{json}"
    );
    let folder = self::folder("error 'no'", "");
    let mut node = start(&folder);
    node.wait_for("[:00000002] KILL self");
    let json = status(&folder);
    assert!(json.contains("its start service has failed"), "{json}");
}

#[test]
fn a_node_is_ready_by_hand_when_the_program_says_so() {
    let folder = folder(
        "skynet.timeout(1, function() print 'UP' io.stdout:flush() end)
        skynet.dispatch('lua', function() end) skynet.name('.main', skynet.self())
        skynet.fork(function() while not io.open('go') do skynet.sleep(1) end welkin.ready() end)",
        "welkin_ready = 'manual'",
    );
    let mut node = start(&folder);
    node.wait_for("UP");
    let json = status(&folder);
    assert!(json.contains("has not called welkin.ready()"), "{json}");
    folder.file("go", "");
    until(|| status(&folder).contains("\"ready\":true"));
}

#[test]
fn a_node_answers_while_all_its_workers_loop() {
    let folder = folder(
        "for i = 1, 2 do skynet.newservice('looping') end",
        "welkin_preempt_ms = 0 welkin_exit_ms = 100",
    );
    folder.file(
        "looping.lua",
        "local skynet = require 'skynet'
         skynet.start(function() skynet.timeout(10, function() while true do end end) end)",
    );
    let mut node = start(&folder);
    until(|| status(&folder).contains("all workers are in messages that do not end"));
    let (code, out, _) = output(folder.path(), &["status", "config"]);
    assert_eq!(code, 0);
    let stuck = out
        .lines()
        .filter(|line| line.starts_with("stuck "))
        .count();
    assert_eq!(stuck, 2, "{out}");
    assert!(
        out.contains(" looping for ") && out.contains(" ./looping.lua:2\n"),
        "{out}"
    );
    let (code, ..) = output(folder.path(), &["stop", "config"]);
    assert_eq!(code, 0);
    assert_eq!(node.finish().0.signal(), Some(15));
}

#[test]
fn a_drained_node_goes_on_and_can_be_ready_again() {
    let folder = folder(
        "local n = 0
         welkin.on_drain(function() n = n + 1 skynet.error('draining', n, welkin.draining()) end)",
        "",
    );
    let mut node = ready(&folder);
    for n in 1..=2 {
        let (code, out, err) = output(folder.path(), &["drain", "config"]);
        assert_eq!((code, out.as_str(), err.as_str()), (0, "draining\n", ""));
        node.wait_for(&format!("draining {n} true"));
        let json = status(&folder);
        assert!(
            json.contains("\"draining\":true") && json.contains("\"ready\":false"),
            "{json}"
        );
        output(folder.path(), &["drain", "config"]);
        let (code, out, _) = output(folder.path(), &["drain", "--off", "--json", "config"]);
        assert_eq!(code, 0);
        assert!(out.contains("\"draining\":false"), "{out}");
        assert!(status(&folder).contains("\"ready\":true"));
    }
    output(folder.path(), &["drain", "config"]);
    let (code, ..) = output(folder.path(), &["stop", "config"]);
    assert_eq!(code, 0);
    let (status, lines) = node.finish();
    assert_eq!(status.code(), Some(0));
    assert!(
        !lines.iter().any(|line| line.contains("draining 4")),
        "{lines:#?}"
    );
}

#[test]
fn stop_waits_for_the_end_and_tells_what_it_left_unfinished() {
    let folder = folder(
        "welkin.on_exit(function() skynet.sleep(10) skynet.error('saved') end)",
        "",
    );
    let mut node = ready(&folder);
    let (code, out, err) = output(folder.path(), &["stop", "config"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "stopped\n", ""));
    let (status, lines) = node.finish();
    assert_eq!(status.code(), Some(0));
    assert!(
        lines.iter().any(|line| line.contains("saved")),
        "{lines:#?}"
    );
    assert!(!folder.path().join("control.sock").exists());

    let folder = self::folder(
        "welkin.on_exit(function() skynet.wait() end)",
        "welkin_exit_ms = 200",
    );
    let mut node = ready(&folder);
    let (code, out, err) = output(folder.path(), &["stop", "./control.sock"]);
    assert_eq!((code, out.as_str()), (1, "stopped\n"));
    assert!(
        err.contains("main.lua:1 of service") && err.contains("still runs after 200 ms"),
        "{err}"
    );
    assert_eq!(node.finish().0.code(), Some(1));
}

#[test]
fn two_stops_wait_for_the_same_end() {
    let folder = folder(
        "welkin.on_exit(function() while not io.open('go') do skynet.sleep(1) end end)",
        "",
    );
    let mut node = ready(&folder);
    let streams = [connect(&folder), connect(&folder)];
    for stream in &streams {
        let first = ask(stream, "{\"ask\":\"stop\",\"id\":5}");
        assert!(
            first.contains("\"drains\":true") && first.contains("\"id\":5"),
            "{first}"
        );
    }
    let json = status(&folder);
    assert!(
        json.contains("\"stopping\":true") && json.contains("\"ready\":false"),
        "{json}"
    );
    let (code, _, err) = output(folder.path(), &["drain", "--off", "config"]);
    assert!(code == 1 && err.contains("cannot be ready again"), "{err}");
    folder.file("go", "");
    for mut stream in streams {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(
            rest.contains("\"answer\":\"end\"") && rest.contains("\"status\":0"),
            "{rest}"
        );
    }
    assert_eq!(node.finish().0.code(), Some(0));
}

#[test]
fn a_node_without_hooks_is_stopped_at_once_by_config_pid_or_socket() {
    let folder = folder("", "");
    for by in ["config", "control.sock", "PID"] {
        let mut node = ready(&folder);
        let pid = node.id().to_string();
        let target = if by == "PID" { &pid } else { by };
        let (code, out, err) = output(folder.path(), &["stop", target]);
        assert_eq!((code, out.as_str(), err.as_str()), (0, "stopped\n", ""));
        assert_eq!(node.finish().0.signal(), Some(15));
        assert!(!folder.path().join("control.sock").exists());
    }
}

#[test]
fn a_daemon_is_stopped_by_its_pid_file() {
    let folder = Folder::new();
    folder.file(
        "main.lua",
        "local skynet = require 'skynet' local welkin = require 'welkin'
         skynet.start(function() welkin.on_exit(function() skynet.error('bye') end) skynet.error('ready') end)",
    );
    folder.file(
        "config",
        "thread = 2 harbor = 0 luaservice = './?.lua' logger = './node.log' daemon = './node.pid'",
    );
    let (code, ..) = output(folder.path(), &["config"]);
    assert_eq!(code, 0);
    folder.wait_for("node.log", "ready");
    let (code, out, err) = output(folder.path(), &["stop", "--json", "config"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("\"ok\":true"), "{out}");
    assert!(folder.read("node.log").contains("bye"));
    assert!(
        !folder.path().join("node.pid").exists(),
        "an orderly end removes it"
    );
    folder.file("node.pid", "1\n");
    let (code, _, err) = output(folder.path(), &["stop", "config"]);
    assert!(code == 1 && err.contains("the node does not run"), "{err}");
}

#[test]
fn what_a_killed_node_left_is_replaced_and_a_living_node_is_not() {
    let folder = folder("", "");
    let mut node = ready(&folder);
    node.signal("KILL");
    node.finish();
    assert!(folder.path().join("control.sock").exists());
    let (code, _, err) = output(folder.path(), &["status", "config"]);
    assert!(
        code == 1 && err.contains("the node does not run: nobody answers"),
        "{err}"
    );
    let _node = ready(&folder);
    let (code, out, err) = output(folder.path(), &["config"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains("another node answers on the control socket ./control.sock"),
        "{err}"
    );
    assert!(
        status(&folder).contains("\"ready\":true"),
        "the first has kept its socket"
    );
}

#[test]
fn a_boot_that_fails_leaves_no_socket() {
    let folder = folder("", "logger = './no/x.log'");
    let (code, ..) = output(folder.path(), &["config"]);
    assert_eq!(code, 1);
    assert!(!folder.path().join("control.sock").exists());
    folder.file(
        "config",
        &format!("{CONFIG} welkin_control = './no/c.sock'"),
    );
    let (code, _, err) = output(folder.path(), &["config"]);
    assert!(
        code == 78 && err.contains("correct the config key welkin_control"),
        "{err}"
    );
}

#[test]
fn garbage_and_slow_clients_hurt_nobody() {
    let folder = folder("", "");
    let _node = ready(&folder);
    let slow: Vec<_> = (0..40)
        .map(|_| {
            let stream = connect(&folder);
            // The node may have closed it already, for want of room.
            let _ = (&stream).write_all(b"{\"ask\":");
            stream
        })
        .collect();
    let stream = connect(&folder);
    let unknown = ask(&stream, "{\"ask\":\"dance\",\"id\":1}");
    assert!(
        unknown.contains("\"ok\":false") && unknown.contains("\"id\":1"),
        "{unknown}"
    );
    assert!(
        ask(&stream, "{\"ask\":\"status\"}").contains("\"ok\":true"),
        "it goes on"
    );
    let mut garbage = ask(&stream, "\u{0}\u{1}garbage");
    (&stream).read_to_string(&mut garbage).unwrap();
    assert!(garbage.contains("a line is one JSON object"), "{garbage}");
    let mut long = connect(&folder);
    let _ = long.write_all(&vec![b'x'; 100_000]);
    let mut said = Vec::new();
    let _ = long.read_to_end(&mut said);
    assert!(status(&folder).contains("\"ready\":true"));
    drop(slow);
}

#[test]
fn other_users_are_refused() {
    let folder = folder("", "");
    let mut node = ready(&folder);
    let socket = folder.path().join("control.sock");
    // Only root can act as somebody else.
    let as_other = |arguments: &[&str]| welkin(folder.path(), arguments).uid(65534).output();
    let Ok(refused) = as_other(&["status", "./control.sock"]) else {
        return;
    };
    assert_eq!(refused.status.code(), Some(1));
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = as_other(&["stop", "./control.sock"]).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    node.wait_for("user 65534 was refused at the control socket");
    assert!(status(&folder).contains("\"ready\":true"));
}

#[test]
fn targets_that_are_none_are_told() {
    let folder = folder("", "");
    let table = [
        (&["status"][..], 2, "status takes one node"),
        (&["stop", "a", "b"], 2, "stop takes one node"),
        (&["stop", "--now", "config"], 2, "no option --now"),
        (&["status", "no.sock"], 1, "cannot find no.sock"),
        (&["status", "."], 2, "neither a config file nor a socket"),
        (&["stop", "config"], 1, "the node does not run"),
        (
            &["stop", "2147480000"],
            1,
            "cannot stop the process 2147480000",
        ),
        (&["drain", "2147480000"], 1, "needs the control socket"),
        (&["stop", "plain"], 2, "set welkin_control"),
        (
            &["stop", "wrong"],
            78,
            "welkin_controll is not known; the nearest known key is welkin_control",
        ),
    ];
    folder.file("plain", "harbor = 0");
    folder.file("wrong", "welkin_controll = 'x'");
    for (arguments, expected, text) in table {
        let (code, _, err) = output(folder.path(), arguments);
        assert!(
            code == expected && err.contains(text),
            "{arguments:?}: {code} {err}"
        );
    }
    for command in ["stop", "drain", "status"] {
        let (code, out, _) = output(folder.path(), &[command, "--help"]);
        assert!(
            code == 0 && out.contains(&format!("Example:\n  welkin {command} ")),
            "{out}"
        );
    }
}

#[test]
fn a_node_connects_to_the_agent_that_started_it_and_again_to_the_next() {
    let folder = folder("welkin.on_exit(function() skynet.error('saved') end)", "");
    let path = folder.path().join("agent.sock");
    let listen = || {
        let _ = fs::remove_file(&path);
        std::os::unix::net::UnixListener::bind(&path).unwrap()
    };
    let agent = listen();
    let mut node = welkin(folder.path(), &["config"]);
    let node = node.env("WELKIN_CONTROL", "agent.sock");
    let mut node = node.env("WELKIN_START", "k1").spawn().unwrap();
    let (stream, _) = agent.accept().unwrap();
    assert!(ask(&stream, "{\"ask\":\"status\"}").contains("\"start_key\":\"k1\""));
    drop((agent, stream));
    let (stream, _) = listen().accept().unwrap();
    assert!(ask(&stream, "{\"ask\":\"stop\"}").contains("\"drains\":"));
    let mut rest = String::new();
    let _ = (&stream).read_to_string(&mut rest);
    node.wait().unwrap();
}
