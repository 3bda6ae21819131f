//! A node from its start to its end, in the hands of a real keeper.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::{Place, alive, ended, pids, send, until};
use welkin_fleet_keeper::cgroup::{self, Cgroups};
use welkin_fleet_keeper::{Error, Exit, Found, Stay};

#[test]
fn the_end_is_told_written_down_and_found_again() {
    let place = Place::new();
    let mut node = place.sh("echo hello; echo trouble >&2; exit 3");
    let status = ended(&mut node);
    assert_eq!(status.exit, Exit::Code(3));
    assert_eq!(status.key, node.who().key);
    assert_eq!(place.log(), "hello\ntrouble\n");
    drop(node);
    let Found::Ended(start, found) = place.find() else {
        panic!("not ended");
    };
    assert_eq!((found, start.node.as_str()), (status, "n_1"));
    assert!(!place.run().join("keeper.sock").exists());
}

#[test]
fn a_node_is_born_in_order() {
    let place = Place::new();
    let mut start = place.script(
        "echo pid=$$; env | grep ^WELKIN_ | sort; echo $SHARD; pwd; ulimit -n; ulimit -Hn; \
         grep -E 'SigBlk|SigIgn' /proc/self/status; ls /proc/$$/fd; \
         readlink /proc/$$/fd/0; sleep 1000",
    );
    start.environment = [("SHARD".to_owned(), "7".to_owned())].into();
    start.control = Some("/c.sock".into());
    start.secrets = Some("/secrets".into());
    start.nofile = Some(100);
    let node = place.start(&start).unwrap();
    let log = place.logged("/dev/null\n");
    let pid = node.who().pid;
    let root = place.root.display();
    let key = &start.key;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], format!("pid={pid}"));
    assert_eq!(lines[1], "WELKIN_CONTROL=/c.sock");
    assert_eq!(lines[2], "WELKIN_FLEET=game");
    assert_eq!(lines[3], "WELKIN_NODE=n_1");
    assert_eq!(lines[4], "WELKIN_SECRETS=/secrets");
    assert_eq!(lines[5], format!("WELKIN_START={key}"));
    assert_eq!(lines[6..10], ["7", &root.to_string(), "100", "100"]);
    assert_eq!(lines[10], "SigBlk:\t0000000000000000");
    let ignored = u64::from_str_radix(lines[11].rsplit('\t').next().unwrap(), 16).unwrap();
    // Two above 31 are the C library's own, and come from whoever started the tests.
    assert_eq!(ignored & 0x7fff_ffff, 0);
    // No descriptor of the keeper comes over.
    assert_eq!(lines[12..], ["0", "1", "2", "/dev/null"]);
    // Huge pages are refused to the keeper alone.
    let status = |pid| fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(!status(pid).contains("THP_enabled:\t0"));
    assert!(!status(node.who().keeper).contains("THP_enabled:\t1"));
    // Its own group, in the keeper's session, as the keeper's child.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<u32> = stat.rsplit_once(") ").unwrap().1[2..]
        .split(' ')
        .take(3)
        .map(|field| field.parse().unwrap())
        .collect();
    let keeper = node.who().keeper;
    assert_eq!(fields, [keeper, pid, keeper]);
}

#[test]
fn a_node_that_ignores_the_request_is_killed() {
    let place = Place::new();
    let mut node = place.sh("trap '' TERM; echo ready; while :; do sleep 1; done");
    place.logged("ready");
    node.signal(15).unwrap();
    assert!(node.status().unwrap().is_err(), "it runs");
    node.kill().unwrap();
    let status = ended(&mut node);
    assert_eq!(status.reason(), "killed by SIGKILL");
}

#[test]
fn a_node_that_hears_the_request_ends_by_it() {
    let place = Place::new();
    let mut node =
        place.sh("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    place.logged("ready");
    node.signal(15).unwrap();
    assert_eq!(ended(&mut node).exit, Exit::Code(7));
    assert!(place.log().ends_with("bye\n"));
    node.signal(9).unwrap();
}

#[test]
fn all_of_a_node_is_killed() {
    let place = Place::new();
    let mut node = place.sh(
        "for i in 1 2 3 4 5; do (sleep 1000 & echo pid=$!; wait) & done; \
         setsid sh -c 'echo pid=$$; (sleep 1000 & echo pid=$!; echo all; wait)' & wait",
    );
    until("seven children", || {
        (pids(&place.log()).len() == 7).then_some(())
    });
    node.kill().unwrap();
    assert_eq!(ended(&mut node).exit, Exit::Signal(9));
    let left: Vec<u32> = pids(&place.log())
        .into_iter()
        .filter(|pid| alive(*pid))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_a_node_leaves_behind_ends_with_it() {
    let place = Place::new();
    let mut node = place.sh(
        "sleep 1000 & echo pid=$!; setsid sh -c 'echo pid=$$; echo out >ok; sleep 1000' & \
         while ! test -e ok; do sleep 0.01; done; exit 0",
    );
    let status = ended(&mut node);
    assert_eq!(status.exit, Exit::Code(0));
    assert!(status.left >= 2, "{status:?}");
    let pids = pids(&place.log());
    assert_eq!(pids.len(), 2);
    assert!(!pids.into_iter().any(alive));
}

#[test]
fn a_script_may_put_its_node_into_the_background() {
    let place = Place::new();
    let mut start = place.script("sh -c 'echo pid=$$; trap \"exit 5\" TERM; while :; do sleep 0.01; done' & sleep 0.05; exit 0");
    start.stay = Stay::Descendants;
    let mut node = place.start(&start).unwrap();
    let script = node.who().pid;
    let pid = until("the background process", || {
        pids(&place.log()).first().copied()
    });
    until("the end of the script", || {
        (node.refresh().unwrap().pid == pid).then_some(())
    });
    assert_ne!(script, pid);
    assert!(node.status().unwrap().is_err());
    node.signal(15).unwrap();
    assert_eq!(ended(&mut node).exit, Exit::Code(5));
}

#[test]
fn a_program_that_cannot_run_says_why() {
    let place = Place::new();
    let why = |start: &_| match place.start(start) {
        Err(Error::Exec(text)) => text,
        other => panic!("{other:?}"),
    };
    let mut start = place.script("");
    start.command = vec!["no-such-program".into()];
    assert_eq!(
        why(&start),
        "exec: no-such-program: No such file or directory (os error 2)"
    );
    let Found::Ended(_, status) = place.find() else {
        panic!("not ended");
    };
    assert_eq!((status.reason(), status.pid), (why(&start), 0));
    start.command = vec!["./plain".into()];
    fs::write(place.root.join("plain"), "x").unwrap();
    assert!(why(&start).contains("Permission denied"));
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(place.root.join("plain"), mode).unwrap();
    assert!(why(&start).contains("Exec format error"));
    start.command = vec!["true".into()];
    start.folder = "/no/such".into();
    assert!(why(&start).starts_with("exec: working folder /no/such: No such file"));
    start.command = vec![];
    assert_eq!(why(&start), "exec: the command is empty");
}

#[test]
fn a_keeper_is_deaf_to_what_stops_others() {
    let place = Place::new();
    let mut node = place.sh("sleep 1000");
    let keeper = node.who().keeper;
    for signal in ["-TERM", "-INT", "-HUP", "-PIPE", "-USR1"] {
        send(signal, keeper);
    }
    assert!(node.status().unwrap().is_err());
    let name = fs::read_to_string(format!("/proc/{keeper}/comm")).unwrap();
    assert_eq!(name, "wk-keeper\n");
    let arguments = fs::read(format!("/proc/{keeper}/cmdline")).unwrap();
    assert!(arguments.starts_with(b"wk-keeper\0fleet\0keeper\0"));
}

#[test]
fn a_keeper_is_small_and_has_one_thread() {
    let place = Place::new();
    let mut node = place.sh("head -c 30000000 /dev/zero | tr '\\0' '\\n'; echo over; sleep 1000");
    place.logged("over");
    node.status().unwrap().unwrap_err();
    let keeper = node.who().keeper;
    let smaps = fs::read_to_string(format!("/proc/{keeper}/smaps_rollup")).unwrap();
    let private: u64 = smaps
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .map(|line| {
            line.split_ascii_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        })
        .sum();
    assert!(private < 2048, "{private} KiB\n{smaps}");
    let threads = fs::read_dir(format!("/proc/{keeper}/task"))
        .unwrap()
        .count();
    assert_eq!(threads, 1);
}

#[test]
fn a_node_has_its_own_cgroup_where_that_is_permitted() {
    let Ok(groups) = Cgroups::detect() else {
        return;
    };
    let place = Place::new();
    let group = groups.node(&format!("test-{}", std::process::id()));
    let mut start =
        place.script("setsid sh -c '(sleep 1000 & echo pid=$!; wait) & wait' & echo pid=$!; wait");
    start.cgroup = Some(group.clone());
    let mut node = place.start(&start).unwrap();
    assert_eq!(node.who().cgroup.as_deref(), group.to_str());
    until("two children", || {
        (pids(&place.log()).len() == 2).then_some(())
    });
    let inside = cgroup::processes(&group);
    assert!(inside.contains(&node.who().pid) && !inside.contains(&node.who().keeper));
    node.kill().unwrap();
    assert_eq!(ended(&mut node).exit, Exit::Signal(9));
    assert!(!pids(&place.log()).into_iter().any(alive));
    assert!(!group.exists());
}
