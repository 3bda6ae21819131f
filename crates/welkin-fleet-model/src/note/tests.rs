//! The texts of the note, letter by letter.

use super::*;
use crate::table::row;
use crate::wire::client::Trouble;
use serde_json::json;

fn shown(command: &str, node: Option<&str>, rows: Vec<Row>) -> String {
    let outcome = Outcome {
        rows,
        ..Outcome::default()
    };
    let texts = answer(command, node, &outcome).unwrap();
    texts
        .iter()
        .map(|(name, text)| format!("{name}\t{text}\n"))
        .collect()
}

fn trouble(node: &str, code: &str, text: &str) -> Trouble {
    Trouble {
        node: node.to_owned(),
        code: code.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn unknown_words_are_told_with_the_known_ones() {
    let text = request("lsit", None).unwrap_err();
    assert_eq!(
        text,
        "unknown command lsit, one of: list start_all stop_all stop update cpu mem vmstat netstat free disc disk online"
    );
    assert!(request("stop", None).unwrap_err().contains("needs a node"));
    assert!(
        request("start_all", Some("x"))
            .unwrap_err()
            .contains("takes no node")
    );
    assert_eq!(request("disk", None), request("disc", None));
}

#[test]
fn nodes_are_up_down_or_unknown() {
    let node = |name: &str, state: &str| {
        row([
            ("node", json!(name)),
            ("address", json!("1.2.3.4:5")),
            ("state", json!(state)),
        ])
    };
    let text = shown(
        "list",
        None,
        vec![
            node("b", "failed"),
            node("a", "not-ready"),
            node("c", "unknown"),
        ],
    );
    assert_eq!(
        text,
        "a\t1.2.3.4:5\tup\nb\t1.2.3.4:5\tdown\nc\t1.2.3.4:5\tunknown\n"
    );
}

#[test]
fn results_are_shown_in_the_words_of_the_master() {
    let rows = vec![row([
        ("node", json!("a")),
        ("result", json!("killed after 40s")),
        ("seconds", json!(40)),
    ])];
    assert_eq!(shown("stop", Some("a"), rows), "a\tkilled after 40s\n");
    let rows = vec![row([
        ("machine", json!("m1")),
        ("nodes", json!(["a", "b"])),
        ("result", json!("updated 12 -> 13")),
    ])];
    assert_eq!(
        shown("update", None, rows),
        "a\tupdated 12 -> 13\nb\tupdated 12 -> 13\n"
    );
}

#[test]
fn figures_have_their_exact_forms() {
    let rows = vec![
        row([("node", json!("a")), ("cpu", json!(12.34))]),
        row([("node", json!("b")), ("cpu", Value::Null)]),
    ];
    assert_eq!(shown("cpu", None, rows), "a\t12.3%\nb\tunreachable\n");
    let rows = vec![row([
        ("node", json!("a")),
        ("rss", json!(3 << 19)),
        ("share", json!(0.04)),
    ])];
    assert_eq!(shown("mem", None, rows), "a\t1.5 MiB  0.0%\n");
    let rows = vec![
        row([
            ("node", json!("a")),
            ("established", json!(3)),
            ("listen", json!(1)),
            ("closing", json!(0)),
            ("online", Value::Null),
        ]),
        row([("node", json!("z"))]),
    ];
    assert_eq!(
        shown("netstat", None, rows),
        "a\testablished=3 listen=1 closing=0  online=-\nz\testablished=- listen=- closing=-  online=-\n"
    );
    let rows = vec![
        row([("node", json!("a")), ("online", json!(7))]),
        row([("node", json!("b"))]),
    ];
    assert_eq!(shown("online", None, rows), "a\t7\nb\t-\n");
}

#[test]
fn figures_of_a_machine_stand_for_each_of_its_nodes() {
    let mut vmstat = row([("machine", json!("m1")), ("nodes", json!(["a", "b"]))]);
    for (key, value) in [
        ("r", 1),
        ("b", 2),
        ("free", 3 << 20),
        ("buff", 4 << 20),
        ("cache", 5 << 20),
        ("swap", 6 << 20),
        ("bi", 7),
        ("bo", 8),
        ("in", 9),
        ("cs", 10),
        ("us", 11),
        ("sy", 12),
        ("id", 13),
        ("wa", 14),
    ] {
        vmstat.insert(key.to_owned(), json!(value));
    }
    let line = "procs r=1 b=2  memory free=3 buff=4 cache=5 swap=6  io bi=7 bo=8  system in=9 cs=10  cpu us=11 sy=12 id=13 wa=14";
    assert_eq!(
        shown("vmstat", None, vec![vmstat.clone()]),
        format!("a\t{line}\nb\t{line}\n")
    );
    assert_eq!(
        shown("vmstat", Some("b"), vec![vmstat]),
        format!("b\t{line}\n")
    );
    let mib = |mib: u64| json!(mib << 20);
    let rows = vec![row([
        ("machine", json!("m")),
        ("nodes", json!(["a"])),
        ("total", mib(8)),
        ("used", mib(5)),
        ("free", mib(3)),
        ("available", mib(4)),
        ("swap_used", mib(0)),
        ("swap_total", mib(2)),
    ])];
    assert_eq!(
        shown("free", None, rows),
        "a\ttotal=8 used=5 free=3 available=4 swap=0/2\n"
    );
    let disk = |mount: &str| {
        row([
            ("machine", json!("m")),
            ("nodes", json!(["a"])),
            ("mount", json!(mount)),
            ("total", json!(40u64 << 30)),
            ("used", json!(10u64 << 30)),
            ("percent", json!(25.0)),
        ])
    };
    assert_eq!(
        shown("disc", None, vec![disk("/"), disk("/data")]),
        "a\t/ 10.0/40.0GiB 25%  /data 10.0/40.0GiB 25%\n"
    );
}

#[test]
fn what_was_refused_is_one_line() {
    let refused = |error: Trouble| {
        let outcome = Outcome {
            status: Status::Failed,
            errors: vec![error],
            ..Outcome::default()
        };
        answer("stop", Some("master"), &outcome)
    };
    assert_eq!(
        refused(trouble("master", "refused", "refused: master")),
        Err("refused: master".to_owned())
    );
    assert_eq!(
        refused(trouble("master", "unknown-node", "x")),
        Err("unknown node master".to_owned())
    );
    assert_eq!(
        refused(trouble("", "failed", "disk full\n")),
        Err("disk full".to_owned())
    );
    let texts = refused(trouble("master", "unreachable", "its agent is away")).unwrap();
    assert_eq!(texts["master"], "unreachable");
}
