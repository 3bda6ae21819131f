//! The example with two nodes does what it says. Its ports are those of its node table.

mod support;

use std::process::{Command, Stdio};

use support::root;

#[test]
fn two_nodes_call_send_and_share_a_snax_service() {
    let script = root().join("examples/cluster/start.sh");
    let output = Command::new(script)
        .arg(env!("CARGO_BIN_EXE_welkin"))
        .stdin(Stdio::null())
        .output()
        .expect("a shell is there");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}");
    for line in [
        "deposit: 100\n",
        "balance: 120\n",
        "withdraw: 70\n",
        "withdraw too much: false\n",
        "by proxy: 70\n",
        "ledger: bread 3, milk 2\n",
        "the shop closes\n",
        "the bank closes\n",
    ] {
        assert!(out.contains(line), "no {line:?} in {out}");
    }
    assert!(out.contains("not enough money"), "the bank logs why: {out}");
}
