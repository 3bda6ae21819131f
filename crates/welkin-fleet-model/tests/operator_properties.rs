//! Texts that are nearly fleet files, cluster configs and selections.

use proptest::prelude::*;

#[path = "support/operator.rs"]
mod support;

/// Lines that may follow each other in any order.
fn lines() -> impl Strategy<Value = String> {
    let lines = [
        "[fleet]",
        "name = 'game'",
        "cluster = 'c'",
        "[defaults]",
        "machine = 'm1'",
        "config = 'c.{node}'",
        "[group.a]",
        "[group.b]",
        "after = ['a']",
        "after = ['b', 'a']",
        "[machine.m1]",
        "address = '10.0.0.1'",
        "[node.x_1]",
        "[node.x_2]",
        "[node.'y.z']",
        "group = 'a'",
        "group = 'b'",
        "stop.drain = '5m'",
        "limits = { memory = '4GiB', nofile = 100 }",
        "ready = { tcp = 80 }",
        "secrets = ['a', 'b']",
        "env = { A = '1' }",
        "[update]",
        "order = ['b']",
        "at_once = 2",
        "[clean]",
        "above = 80",
        "---",
        "x_1 = '10.0.0.1:1'",
        "y = \"10.0.0.2:2\",",
        "__nowaiting = true",
        "-- x",
        "--[[",
        "]]",
        "all x*",
        "group:a",
        "machine:m?",
        "\"",
        "[[x]]",
    ];
    proptest::collection::vec(proptest::sample::select(lines.to_vec()), 0..25)
        .prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn whatever_an_operator_gives_is_read_or_refused(text in lines()) {
        support::check_any_text(&text);
    }

    #[test]
    fn and_so_is_any_text(text in "\\PC{0,200}") {
        support::check_any_text(&text);
    }
}
