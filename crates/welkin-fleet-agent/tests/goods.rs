//! What nodes are given: releases, secrets; and what they give: output.

mod support;

use std::path::Path;

use support::World;
use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::agent::{Ask, Script};

#[test]
fn a_release_is_fetched_checked_and_run_and_a_damaged_one_is_refused() {
    let mut world = World::new("release");
    world.begin();
    let source = world.dir.join("source");
    std::fs::create_dir_all(source.join("game")).unwrap();
    let script = "#!/bin/sh\ncat game/what; exec sleep 1000\n";
    std::fs::write(source.join("node.sh"), script).unwrap();
    std::fs::write(source.join("game/what"), "from the release\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(source.join("node.sh"), mode).unwrap();
    let archive = world.dir.join("release.tar.gz");
    let limits = welkin_fleet_release::Limits::default();
    let packed = welkin_fleet_release::pack(&source, &archive, &limits).unwrap();
    let bytes = std::fs::read(&archive).unwrap();
    let fetch = |archive: usize| Ask::Fetch {
        digest: packed.digest.clone(),
        archive: archive as u64,
        unpacked: packed.unpacked,
        signature: None,
    };
    world.want(World::entry("a", "./node.sh"));
    world.order("a").release = Some(packed.digest.clone());
    world.send_orders();
    world.wait_report("a", |report| report.reason.contains("is not here yet"));

    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    let id = world.begin_ask(fetch(damaged.len()));
    world.stream(id, &damaged);
    world.reply(id).unwrap_err();
    let id = world.begin_ask(fetch(bytes.len() + 1));
    world.stream(id, &bytes);
    world.reply(id).unwrap_err();

    let id = world.begin_ask(fetch(bytes.len()));
    world.stream(id, &bytes);
    assert!(!world.reply(id).unwrap().have);
    let report = world.wait_state("a", State::Ready);
    assert_eq!(report.release.as_deref(), Some(packed.digest.as_str()));
    assert!(world.ask(fetch(bytes.len())).unwrap().have);

    let digest = Some(packed.digest.clone());
    let mut wrong = World::entry("b", "./nothing.sh");
    wrong.secrets.clear();
    let nodes = vec![World::entry("a", "./node.sh"), wrong];
    let faults = world.ask(Ask::Check { digest, nodes }).unwrap().faults;
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].0, "b");
    let removed = world.ask(Ask::Prune { keep: Vec::new() }).unwrap().removed;
    assert!(removed.is_empty(), "it runs");

    let logs = Ask::Logs {
        node: "a".to_owned(),
        lines: 10,
        since_unix_ms: None,
        follow: true,
        script: false,
    };
    let id = world.begin_ask(logs);
    world.wait("the output", |heard| {
        let stream = heard.streams.get(&id);
        stream.is_some_and(|(text, _)| text.ends_with(b"from the release\n"))
    });
    world.ask(Ask::Cancel { id }).unwrap();
    world.reply(id).unwrap();
}

#[test]
fn a_secret_is_a_file_of_the_node_and_its_absence_is_said() {
    let mut world = World::new("secret");
    world.script(
        "node.sh",
        "cat $WELKIN_SECRETS/db.pass > seen; exec sleep 1000",
    );
    world.begin();
    let mut entry = World::entry("a", "./node.sh");
    entry.secrets = vec!["db.pass".to_owned()];
    world.want(entry);
    world.send_orders();
    let report = world.wait_state("a", State::Failed);
    assert!(
        report.reason.starts_with("secret db.pass is not set"),
        "{}",
        report.reason
    );
    let secret = |content: Option<&str>| Ask::Secret {
        name: "db.pass".to_owned(),
        content: content.map(str::to_owned),
    };
    world.ask(secret(Some("aHVzaA=="))).unwrap();
    world.wait_state("a", State::Ready);
    let seen = world.work().join("seen");
    world.wait_for("the node reads it", || {
        std::fs::read_to_string(&seen).is_ok_and(|text| text == "hush")
    });
    let file = world.run_folder("a").join("secrets/db.pass");
    assert_eq!(mode(&file), 0o600);
    assert!(world.ask(secret(Some("no base64!"))).is_err());
    // It outlives the agent, so that the node can be started without the master.
    world.kill_agent();
    world.begin();
    world.order("a").life = 2;
    world.send_orders();
    world.wait_report("a", |report| {
        report.life == 2 && report.state == State::Ready
    });
    world.orders.nodes.clear();
    world.send_orders();
    world.wait_for("it goes with the node", || !file.exists());
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_node_of_start_sh_may_go_into_the_background() {
    let mut world = World::new("scripts");
    world.script("start.sh", "sleep 1000 > /dev/null & echo $! > pid");
    world.script("update.sh", "echo updated; exit 3");
    world.begin();
    let scripts = world.look(|heard| heard.machine.as_ref().unwrap().scripts.clone());
    assert_eq!(scripts, [Script::Start, Script::Update]);
    let mut entry = World::entry("a", "unused");
    entry.scripted = true;
    world.want(entry);
    world.send_orders();
    world.wait_state("a", State::Ready);
    let file = world.work().join("pid");
    world.wait_for("the script", || file.exists());
    let pid: u32 = std::fs::read_to_string(&file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    world.wait_report("a", |report| report.pid == Some(pid));
    world.order("a").running = false;
    world.send_orders();
    world.wait_state("a", State::Stopped);
    assert!(!support::lives(pid));
    let script = Ask::Script {
        script: Script::Update,
        node: None,
    };
    let reply = world.ask(script).unwrap();
    assert_eq!((reply.status, reply.output.as_str()), (3, "updated\n"));
}

#[test]
fn the_agent_becomes_another_binary_in_place_and_its_nodes_go_on() {
    let mut world = World::new("upgrade");
    world.script("node.sh", "exec sleep 1000");
    world.begin();
    world.want(World::entry("a", "./node.sh"));
    world.send_orders();
    let pid = world.wait_state("a", State::Ready).pid;
    let source = world.dir.join("source");
    std::fs::create_dir_all(&source).unwrap();
    let own = Path::new(env!("CARGO_BIN_EXE_wk-agent"));
    let mut release = |content: &dyn Fn(&Path)| {
        content(&source.join("welkin"));
        let archive = world.dir.join("release.tar.gz");
        let limits = welkin_fleet_release::Limits::default();
        let packed = welkin_fleet_release::pack(&source, &archive, &limits).unwrap();
        let bytes = std::fs::read(&archive).unwrap();
        let id = world.begin_ask(Ask::Fetch {
            digest: packed.digest.clone(),
            archive: bytes.len() as u64,
            unpacked: packed.unpacked,
            signature: None,
        });
        world.stream(id, &bytes);
        world.reply(id).unwrap();
        packed.digest
    };
    let broken = release(&|path| {
        std::fs::write(path, "#!/bin/sh\nexit 1\n").unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    });
    let good = release(&|path| {
        std::fs::copy(own, path).unwrap();
    });
    world.ask(Ask::Upgrade { digest: broken }).unwrap_err();
    let (agent, links) = (world.agent_pid(), world.look(|heard| heard.links));
    world
        .ask(Ask::Upgrade {
            digest: good.clone(),
        })
        .unwrap();
    world.wait("another link", |heard| heard.links > links);
    world.wait_state("a", State::Ready);
    assert_eq!(world.report("a").pid, pid);
    let program = std::fs::read_link(format!("/proc/{agent}/exe")).unwrap();
    assert!(
        program.ends_with(Path::new(&good).join("welkin")),
        "{}",
        program.display()
    );
    // It has not proved itself yet: what is started next time is the old one.
    assert_eq!(
        std::fs::read_link(world.dir.join("agent/welkin")).unwrap(),
        own
    );
    let removed = world.ask(Ask::Prune { keep: Vec::new() }).unwrap().removed;
    assert!(!removed.contains(&good), "it runs");
}

#[test]
fn a_node_above_its_memory_limit_is_killed_and_the_limit_is_named() {
    let mut world = World::new("memory");
    let script = "x=$(head -c 150000000 /dev/zero | tr '\\0' x); sleep 1000";
    world.script("node.sh", script);
    world.begin();
    let mut entry = World::entry("a", "./node.sh");
    entry.limits.memory = Some(64 << 20);
    entry.restart = welkin_fleet_model::entry::Restart::Never;
    world.want(entry);
    world.send_orders();
    let report = world.wait_state("a", State::Failed);
    assert_eq!(report.reason, "killed: memory limit 64 MiB");
}

#[test]
fn a_long_way_to_the_agents_folder_does_no_harm() {
    let mut world = World::new("long");
    world.agent_dir = world.dir.join("x".repeat(100));
    world.begin();
    let mut entry = World::entry("a", &support::talking_node());
    entry.ready.probe = welkin_fleet_model::entry::Probe::Control;
    world.want(entry);
    world.send_orders();
    world.wait_state("a", State::Ready);
}
