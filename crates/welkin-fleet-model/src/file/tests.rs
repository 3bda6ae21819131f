//! The fleet file as an operator meets it.

use super::*;
use crate::entry::{Probe, Restart};
use proptest::prelude::*;

const SPEC: &str = r#"
[fleet]
name = "game"
cluster = "cluster_config"
webhook = "https://ops.example/h"

[defaults]
dir = "."
command = "welkin {config}"
restart = "on-failure"
backoff = { first = "1s", max = "60s", reset = "10m" }
give_up = { starts = 5, within = "2m" }
ready = { timeout = "30s" }
stop = { drain = "30s", kill = "10s" }
limits = { memory = "4GiB", nofile = 65536 }
secrets = ["db.pass"]
env = { A = "1", SHARD = "0" }
[group.login]
[group.scene]
after = ["login"]
stop = { drain = "5m" }
ready.tcp = 8000
[machine.m1]
address = "10.0.0.1"
[node.login_1]
machine = "m1"
config = "game/config.login"
group = "login"
env = { SHARD = "1" }
online = "gate.online"
[node.scene_1]
group = "scene"
config = "game/config.{node}"
ready.after = "3s"
restart = "always"
[update]
order = ["scene"]
watch = "1m"
max_errors = 2.5
max_size = "1GiB"
[clean]
above = 80
"#;

const CLUSTER: &str = "master = '10.0.0.9:1'\nscene_1 = '10.0.0.1:2'\nchat = '10.0.0.1:3'\n";

fn parsed(text: &str) -> Fleet {
    Fleet::parse(text, None).unwrap_or_else(|faults| panic!("{faults}"))
}

fn faults(text: &str) -> String {
    Fleet::parse(text, None).unwrap_err().to_string()
}

#[test]
fn a_node_is_merged_from_all_layers() {
    let fleet = Fleet::parse(SPEC, Some(CLUSTER)).unwrap_or_else(|faults| panic!("{faults}"));
    let login = &fleet.nodes["login_1"];
    assert_eq!(
        login
            .env
            .iter()
            .map(|(k, v)| format!("{k}{v}"))
            .collect::<String>(),
        "A1SHARD1"
    );
    assert_eq!(login.limits.memory, Some(4 << 30));
    assert_eq!(login.stop.drain_ms, 30_000);
    let scene = &fleet.nodes["scene_1"];
    assert_eq!((scene.stop.drain_ms, scene.stop.kill_ms), (300_000, 10_000));
    assert_eq!(scene.ready.probe, Probe::After(3_000));
    assert_eq!(scene.ready.timeout_ms, 30_000);
    assert_eq!(scene.restart, Restart::Always);
    assert_eq!(scene.config.as_deref(), Some("game/config.scene_1"));
    // Machine and address come from the cluster config and [machine].
    assert_eq!(
        (scene.machine.as_str(), scene.address.as_deref()),
        ("m1", Some("10.0.0.1:2"))
    );
    assert_eq!(fleet.update.watch_ms, 60_000);
    assert_eq!(fleet.keep().clean_above, 80);
    assert_eq!(fleet.update_order(), ["scene", "login"]);
    assert_eq!(fleet.start_order(), ["login", "scene"]);
}

#[test]
fn lines_of_the_cluster_config_without_an_entry_are_left_to_the_scripts() {
    let fleet = Fleet::parse(SPEC, Some(CLUSTER)).unwrap();
    let chat = &fleet.nodes["chat"];
    assert!(chat.scripted && chat.machine == "m1");
    assert!(fleet.nodes["master"].scripted && fleet.nodes["master"].machine.is_empty());
    assert!(!fleet.nodes["scene_1"].scripted);
}

#[test]
fn all_faults_are_told_with_their_lines() {
    let text = faults(
        "[fleet]\nnam = \"x\"\n[node.a]\nmachin = \"m1\"\nconfig = \"c\"\nstop = { drain = 30 }\n\
         [node.b]\nmachine = \"m1\"\n[node.'c d']\n[updates]\n",
    );
    let wanted = [
        "line 2: unknown key nam in fleet; the nearest known key is name",
        "line 3: node.a: no machine: give machine = \"...\" here or in its group or in [defaults]",
        "line 4: unknown key machin in node.a; the nearest known key is machine",
        "line 6: drain: this is of type integer, it must be a time with its unit in quotes, as \"30s\"",
        "line 7: node.b: its command \"welkin {config}\" needs config = \"...\"",
        "line 9: \"c d\" cannot be the name of a node: up to 64 letters, digits, _ - and ., not . or - first",
        "line 10: unknown key updates at the top; the nearest known key is update",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let node = |line: &str| {
        faults(&format!(
            "[defaults]\nmachine = \"m\"\ncommand = \"x\"\n[node.a]\n{line}\n"
        ))
    };
    for (line, wanted) in [
        (
            "limits.memory = \"4\"",
            "line 5: memory: \"4\" is not a size",
        ),
        ("limits.nofile = 1", "it must be a whole number from 16"),
        (
            "restart = \"yes\"",
            "\"always\", \"on-failure\" or \"never\"",
        ),
        (
            "ready = { tcp = 1, http = \"http://x\" }",
            "give one of control tcp console http after, not tcp and http",
        ),
        ("ready.tcp = 70000", "from 1 to 65535"),
        ("online = \"gate\"", "give \"service.command\""),
        ("command = \"a 'b\"", "a quote in it is not closed"),
        ("command = \"a {realease}\"", "{realease} is not known"),
        ("env = { WELKIN_NODE = \"x\" }", "belongs to the fleet"),
        ("secrets = [\"a/b\"]", "is not a name"),
        ("secrets = [\"a\", \"a\"]", "stands in it twice"),
        ("address = \"10.0.0.1\"", "give \"ip:port\""),
        ("after = [\"x\"]", "unknown key after in node.a"),
        ("backoff = { first = \"2m\" }", "backoff.max is less"),
        ("machine = \"a\\u0000\"", "zero byte"),
    ] {
        let text = node(line);
        assert!(text.contains(wanted), "{line}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn groups_that_are_not_there_or_wait_for_each_other_are_refused() {
    let text = faults(
        "[group.a]\nafter = [\"b\"]\n[group.b]\nafter = [\"a\", \"c\"]\n[update]\norder = [\"d\"]\n",
    );
    assert!(
        text.contains("line 2: groups wait for each other: a after b after a"),
        "{text}"
    );
    assert!(
        text.contains("line 4: group.b: after names c, and there is no such group"),
        "{text}"
    );
    assert!(
        text.contains("line 6: update.order: there is no group d"),
        "{text}"
    );
}

#[test]
fn broken_toml_is_told_with_its_line_and_nothing_else() {
    let text = faults("[fleet]\nname = \"x\"\nname = \"y\"\nwrong =\n[node.a]\n");
    assert!(text.starts_with("line 3: "), "{text}");
    assert!(text.contains("\nline 4: "), "{text}");
    assert!(!text.contains("node.a"), "{text}");
}

#[test]
fn a_wrong_cluster_config_is_a_fault_of_the_fleet_file() {
    let faults = Fleet::parse("", Some("x = 1\n")).unwrap_err().to_string();
    assert!(
        faults.starts_with("cluster config, line 1: \"x = 1\" is not understood"),
        "{faults}"
    );
    assert_eq!(Fleet::cluster_path(SPEC).as_deref(), Some("cluster_config"));
}

#[test]
fn a_difference_speaks_as_the_file_does() {
    let old = parsed("[defaults]\nmachine='m1'\nconfig='c'\n[node.a]\n[node.b]\n");
    let new = parsed(
        "[defaults]\nmachine='m1'\nconfig='c'\n[update]\nkeep=7\n[node.b]\nlimits.memory='1GiB'\nenv.X='1'\n[node.c]\nmachine='m2'\n",
    );
    let shown: Vec<String> = difference(Some(&old), &new)
        .iter()
        .map(Change::to_string)
        .collect();
    let wanted = [
        "~ update keep: 5 -> 7",
        "- node.a",
        "~ node.b env.X: - -> 1",
        "~ node.b limits.memory: - -> 1 GiB",
        "+ node.c on m2",
    ];
    assert_eq!(shown, wanted);
    assert!(difference(Some(&new), &new).is_empty());
    assert_eq!(difference(None, &old)[0].to_string(), "+ node.a on m1");
}

/// Texts that are nearly fleet files: pieces of one, in any order.
fn nearly() -> impl Strategy<Value = String> {
    let lines: Vec<&'static str> = SPEC
        .lines()
        .chain(["[node.x]", "after = ['scene']", "x = [[1]]", "\"", "= 1"])
        .collect();
    proptest::collection::vec(proptest::sample::select(lines), 0..30)
        .prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in nearly()) {
        if let Err(faults) = Fleet::parse(&text, Some(CLUSTER)) {
            prop_assert!(!faults.0.is_empty());
        }
    }
}
