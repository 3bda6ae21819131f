//! Every command of the founding note, right and wrong, as a telnet session types it.

use crate::classic::{Classic, shape};
use crate::console::Console;

/// What each text of a command looks like: literal, but `#` is a number and `*` anything.
const SHAPES: [(&str, &str); 8] = [
    ("list", "127.0.0.1:#\tup"),
    ("cpu", "#.#%"),
    ("mem", "#.# MiB  #.#%"),
    (
        "vmstat",
        "procs r=# b=#  memory free=# buff=# cache=# swap=#  io bi=# bo=#  system in=# cs=#  cpu us=# sy=# id=# wa=#",
    ),
    ("netstat", "established=# listen=# closing=#  online=#"),
    ("free", "total=# used=# free=# available=# swap=#/#"),
    ("disc", "/* #.#/#.#GiB #%*"),
    ("disk", "/* #.#/#.#GiB #%*"),
];

fn fits(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else {
        return text.is_empty();
    };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => (0..=text.len()).any(|at| text.is_char_boundary(at) && fits(rest, &text[at..])),
        '#' => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            digits > 0 && fits(rest, &text[digits..])
        }
        literal => text
            .strip_prefix(literal)
            .is_some_and(|text| fits(rest, text)),
    }
}

fn lines_fit(lines: &[String], nodes: &[&str], pattern: &str) -> bool {
    let expected = nodes.iter().map(|node| format!("{node}\t{pattern}"));
    lines.len() == nodes.len()
        && expected
            .zip(lines)
            .all(|(pattern, line)| fits(&pattern, line))
}

fn running() -> Classic {
    let fleet = Classic::new();
    fleet.start("master");
    fleet.start("slave_1");
    fleet.wait_for("list", "slave_1", "up");
    let mut console = fleet.console();
    console.ask("info .cluster_master start_all");
    for node in ["slave_1", "login_1"] {
        fleet.wait_for("online", node, "3");
        // Each has been measured twice, as what is told by the second needs.
        for command in ["cpu", "mem", "vmstat", "netstat", "free", "disc"] {
            fleet.wait_for(command, node, shape(command));
        }
    }
    fleet
}

#[test]
fn the_address_may_be_written_as_the_note_and_its_console_do() {
    let fleet = running();
    let mut console = fleet.console();
    let address = console.find("cluster_master");
    let number = u32::from_str_radix(&address, 16).expect("an address");
    let forms = [
        format!("{number:x}"),
        format!("{number:04x}"),
        format!(":{number:x}"),
        format!(":{number:08x}"),
        ".cluster_master".to_owned(),
    ];
    for form in forms {
        let lines = console.ask(&format!("info {form} list"));
        assert_eq!(lines.len(), 3, "{form}: {lines:#?}");
    }
    console
        .try_ask("info .nobody list")
        .expect_err("nobody is there");
}

#[test]
fn each_command_answers_a_line_for_each_node_in_the_words_of_the_page() {
    let fleet = running();
    let mut console = fleet.console();
    let nodes = ["login_1", "slave_1"];
    for (command, pattern) in SHAPES {
        // The master's node has figures of its machine alone, or none at all.
        let mut lines = console.ask(&format!("info .cluster_master {command}"));
        assert!(lines.is_sorted(), "{command}: {lines:#?}");
        lines.retain(|line| !line.starts_with("master\t"));
        assert!(lines_fit(&lines, &nodes, pattern), "{command}: {lines:#?}");
        if command == "list" {
            continue;
        }
        let one = console.ask(&format!("info .cluster_master {command} slave_1"));
        assert!(
            lines_fit(&one, &["slave_1"], pattern),
            "{command}: {one:#?}"
        );
    }
}

#[test]
fn wrong_words_are_told_in_one_line_and_the_session_goes_on() {
    let fleet = running();
    let mut console = fleet.console();
    let known = "one of: list start_all stop_all stop update cpu mem vmstat netstat free disc";
    let cases = [
        ("reboot", format!("unknown command reboot, {known}*")),
        ("", format!("unknown command *{known}*")),
        ("LIST", "unknown command LIST, *".to_owned()),
        ("cpu nobody", "unknown node nobody".to_owned()),
        ("disc nobody", "unknown node nobody".to_owned()),
        ("stop", "stop needs a node*".to_owned()),
        ("stop nobody", "unknown node nobody".to_owned()),
        ("stop master", "refused: master".to_owned()),
        // What selects several elsewhere is no node here.
        ("stop all", "unknown node all".to_owned()),
        ("stop slave*", "unknown node slave[*]".to_owned()),
        ("stop machine:x", "unknown node machine:x".to_owned()),
        (
            "stop slave_1 login_1",
            "stop takes one node at most*".to_owned(),
        ),
        ("list slave_1", "list takes no node*".to_owned()),
        ("start_all slave_1", "start_all takes no node*".to_owned()),
        ("stop_all slave_1", "stop_all takes no node*".to_owned()),
        ("update slave_1", "update takes no node*".to_owned()),
    ];
    for (words, pattern) in cases {
        let answer = console.try_ask(&format!("info .cluster_master {words}"));
        let lines = answer.unwrap_or_else(|lines| lines);
        let line = lines.first().map_or("", String::as_str);
        let pattern = pattern.replace("[*]", "?");
        let line = line.replace("slave*", "slave?");
        assert!(
            lines.len() == 1 && fits(&pattern, &line),
            "{words:?}: {lines:#?}"
        );
    }
    // Nothing was stopped by any of them.
    let left = console.ask("info .cluster_master list");
    assert!(left.iter().all(|line| line.ends_with("\tup")), "{left:#?}");
}

#[test]
fn stopping_and_starting_are_told_node_by_node() {
    let fleet = running();
    let mut console = fleet.console();
    let mut info = |words: &str| console.ask(&format!("info .cluster_master {words}"));
    assert_eq!(info("stop slave_1"), ["slave_1\tstopped"]);
    assert_eq!(info("stop slave_1"), ["slave_1\talready stopped"]);
    let listed = info("list");
    assert!(
        fits("slave_1\t127.0.0.1:#\tdown", &listed[2]),
        "{listed:#?}"
    );
    for command in ["cpu", "mem", "netstat"] {
        let lines = info(&format!("{command} slave_1"));
        assert_eq!(lines.len(), 1, "{command}: {lines:#?}");
    }
    assert_eq!(
        info("start_all"),
        ["login_1\talready running", "slave_1\tstarted"]
    );
    assert_eq!(info("stop_all"), ["login_1\tstopped", "slave_1\tstopped"]);
    assert_eq!(
        info("stop_all"),
        ["login_1\talready stopped", "slave_1\talready stopped"]
    );
}

#[test]
fn several_sessions_ask_at_the_same_time() {
    let fleet = running();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut console: Console = fleet.console();
                for command in ["list", "cpu", "disc", "free"] {
                    let lines = console.ask(&format!("info .cluster_master {command}"));
                    assert_eq!(lines.len(), 3, "{command}: {lines:#?}");
                }
            });
        }
    });
}
