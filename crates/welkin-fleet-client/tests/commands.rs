//! The client as people use it, against a master that answers what the test tells it: what is asked of
//! the master, what is shown, and the exit status.

mod fake;

use std::io::Read;

use fake::{Answer, Fake, run};
use serde_json::{Value, json};
use welkin_fleet_model::table::{columns, row};
use welkin_fleet_model::wire::client::{Command, Outcome, Status, Trouble};
use welkin_fleet_trust::Role;

fn trouble(node: &str, code: &str, text: &str) -> Trouble {
    Trouble {
        node: node.to_owned(),
        code: code.to_owned(),
        text: text.to_owned(),
    }
}

fn refused(status: Status, error: Trouble) -> Answer {
    Answer::of(Outcome {
        status,
        errors: vec![error],
        ..Outcome::default()
    })
}

/// Three nodes for `list`, success for all else.
fn nodes(command: &Command) -> Answer {
    let shown = columns(command)
        .iter()
        .map(|column| (*column).to_owned())
        .collect();
    let rows = match command {
        Command::List { .. } => ["a", "b", "c"]
            .map(|name| {
                row([
                    ("node", json!(name)),
                    ("state", json!("ready")),
                    ("release", Value::Null),
                ])
            })
            .to_vec(),
        Command::Stop { sel } => {
            let stopped = |name: &String| {
                row([
                    ("node", json!(name)),
                    ("result", json!("stopped")),
                    ("seconds", json!(2.5)),
                ])
            };
            sel.iter().map(stopped).collect()
        }
        _ => Vec::new(),
    };
    Answer::of(Outcome {
        columns: shown,
        rows,
        ..Outcome::default()
    })
}

#[test]
fn a_table_is_shown_and_progress_goes_to_standard_error() {
    let fake = Fake::start("table", |command| {
        let mut answer = nodes(command);
        answer.progress.push("a is draining".to_owned());
        answer
    });
    let ran = fake.run("stop a");
    assert_eq!((ran.status, ran.err.as_str()), (0, "a is draining\n"));
    assert_eq!(ran.out, "node  result   seconds\na     stopped     2.5s\n");
    assert_eq!(
        fake.calls(),
        [Command::Stop {
            sel: vec!["a".to_owned()]
        }]
    );
}

#[test]
fn a_program_gets_one_object_whatever_happens() {
    let fake = Fake::start("json", |command| match command {
        Command::Machines => refused(
            Status::Forbidden,
            trouble("", "not-permitted", "needs view"),
        ),
        command => nodes(command),
    });
    let ran = fake.run("list --json");
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.status, &shown["ok"], &shown["results"][2]["node"]),
        (0, &json!(true), &json!("c"))
    );
    for (line, status, code) in [
        ("machines --json", 4, "not-permitted"),
        ("nonsense --json", 2, "usage"),
        ("stop a b --json", 1, "failed"),
    ] {
        let ran = fake.run(line);
        let shown: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(
            (ran.status, &shown["ok"], &shown["errors"][0]["code"]),
            (status, &json!(false), &json!(code)),
            "{line}"
        );
    }
}

#[test]
fn each_end_has_its_exit_status() {
    let fake = Fake::start("statuses", |command| match command {
        Command::Start { .. } => refused(
            Status::Failed,
            trouble("a", "failed", "exit status 3: no such map"),
        ),
        Command::Apply { .. } => {
            refused(Status::Usage, trouble("", "usage", "line 3: unknown key"))
        }
        Command::Machines => refused(
            Status::Forbidden,
            trouble("", "not-permitted", "needs view"),
        ),
        Command::Rollback { .. } => refused(
            Status::RolledBack,
            trouble("a", "failed", "not ready within 30 s"),
        ),
        Command::Status { .. } => Answer::default(),
        command => nodes(command),
    });
    for (line, status, wanted) in [
        ("list", 0, ""),
        ("start a", 1, "welkin: a: exit status 3: no such map\n"),
        ("start", 2, "something is missing"),
        ("machines", 4, "needs view"),
        ("rollback --yes", 5, "not ready within 30 s"),
        (
            "status --timeout 200ms",
            6,
            "no end after 200ms; the work goes on",
        ),
    ] {
        let ran = fake.run(line);
        assert_eq!(ran.status, status, "{line}: {ran:?}");
        assert!(ran.err.contains(wanted), "{line}: {ran:?}");
    }
    let ran = run(&fake.folder, "--dir nowhere list");
    assert!(
        ran.status == 3 && ran.err.contains("welkin fleet master --dir nowhere"),
        "{ran:?}"
    );
    let ran = run(&fake.folder, "--master 127.0.0.1:1 list");
    assert!(
        ran.status == 4 && ran.err.contains("there is no certificate for the master"),
        "{ran:?}"
    );
}

#[test]
fn several_nodes_are_not_stopped_without_a_yes() {
    let fake = Fake::start("confirm", nodes);
    let ran = fake.run("stop_all");
    assert!(
        ran.status == 1
            && ran
                .err
                .contains("stop 3 nodes (a, b, c)? There is no terminal to ask on: give --yes"),
        "{ran:?}"
    );
    assert!(
        fake.calls()
            .iter()
            .all(|command| matches!(command, Command::List { .. }))
    );
    for line in [
        "restart a b",
        "rollback",
        "update --script --restart",
        "update --release 3f5a",
    ] {
        let ran = fake.run(line);
        assert!(
            ran.status == 1 && ran.err.contains("give --yes"),
            "{line}: {ran:?}"
        );
    }
    assert_eq!(fake.run("stop_all --yes").status, 0);
    assert_eq!(fake.run("restart a").status, 0);
}

#[test]
fn a_selection_that_matches_nothing_is_told_before_the_question() {
    let fake = Fake::start("unmatched", |_| {
        refused(
            Status::Failed,
            trouble("x*", "unknown-node", "no node matches x*"),
        )
    });
    let ran = fake.run("stop x*");
    assert!(
        ran.status == 1 && ran.err == "welkin: no node matches x*\n",
        "{ran:?}"
    );
}

#[test]
fn a_release_is_uploaded_once() {
    let known: std::sync::Arc<std::sync::Mutex<Option<String>>> = std::sync::Arc::default();
    let answers = known.clone();
    let fake = Fake::start("update", move |command| match command {
        Command::Releases { .. } => {
            let digest = answers.lock().unwrap().clone();
            let rows =
                digest.map(|digest| row([("id", json!(&digest[..12])), ("digest", json!(digest))]));
            Answer::of(Outcome {
                rows: rows.into_iter().collect(),
                ..Outcome::default()
            })
        }
        command => nodes(command),
    });
    let game = fake.folder.join("game-1");
    std::fs::create_dir(&game).unwrap();
    std::fs::write(game.join("main.lua"), "x = 1\n").unwrap();
    let ran = fake.run("update a --release game-1");
    assert_eq!(ran.status, 0, "{ran:?}");
    let calls = fake.calls();
    let Some(Command::Update {
        release: None,
        label,
        ..
    }) = calls.last()
    else {
        panic!("{calls:?}");
    };
    assert_eq!(label, "game-1");
    let archive = fake
        .seen
        .lock()
        .unwrap()
        .uploads
        .values()
        .next()
        .unwrap()
        .clone();
    assert_eq!(archive[..2], [0x1f, 0x8b]);
    // The master has it now.
    let limits = welkin_fleet_release::Limits::default();
    let digest = welkin_fleet_release::pack(&game, &fake.folder.join("x"), &limits)
        .unwrap()
        .digest;
    *known.lock().unwrap() = Some(digest.clone());
    assert_eq!(fake.run("update a --release game-1").status, 0);
    let Some(Command::Update { release, .. }) = fake.calls().pop() else {
        panic!()
    };
    assert_eq!(release, Some(digest));
}

#[test]
fn logs_are_the_bytes_of_the_node() {
    let fake = Fake::start("logs", |command| match command {
        Command::Logs { follow: true, .. } => Answer {
            stream: vec![b"one\n".to_vec()],
            outcome: None,
            ..Answer::default()
        },
        _ => Answer {
            stream: vec![b"one\ntw".to_vec(), b"o\n\x1b[1mthree".to_vec()],
            outcome: Some(Outcome::default()),
            ..Answer::default()
        },
    });
    assert_eq!(fake.run("logs a").out, "one\ntwo\n\u{1b}[1mthree");
    let shown: Value = serde_json::from_str(&fake.run("logs a --json").out).unwrap();
    assert_eq!(shown["results"][1], json!({"node": "a", "line": "two"}));
    // -f goes on until Ctrl-C, which is no failure.
    let mut child = fake.spawn("logs a -f");
    let mut first = [0; 4];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    assert_eq!(&first, b"one\n");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn ctrl_c_leaves_the_work_to_the_master() {
    let fake = Fake::start("interrupt", |_| Answer {
        progress: vec!["a is starting".to_owned()],
        ..Answer::default()
    });
    let mut child = fake.spawn("start a");
    let mut first = [0; 14];
    child
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    interrupt(&child);
    let ran: fake::Ran = child.wait_with_output().unwrap().into();
    assert!(
        ran.status == 130 && ran.err.contains("what was begun goes on"),
        "{ran:?}"
    );
    assert_eq!(fake.forgotten.recv(), Ok(1));
}

fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn texts_are_printed_alone() {
    let fake = Fake::start("texts", |command| {
        let (key, text) = match command {
            Command::Export => ("file", "[fleet]\nname = \"x\"\n"),
            Command::Token { .. } => ("token", "wk1.abc"),
            _ => ("output", "<CMD Error>\n"),
        };
        let status = if key == "output" {
            Status::Failed
        } else {
            Status::Done
        };
        Answer::of(Outcome {
            status,
            rows: vec![row([(key, json!(text))])],
            ..Outcome::default()
        })
    });
    assert_eq!(fake.run("export").out, "[fleet]\nname = \"x\"\n");
    assert_eq!(fake.run("token m1 --role agent").out, "wk1.abc\n");
    let ran = fake.run("exec a -- nonsense");
    assert_eq!((ran.status, ran.out.as_str()), (1, "<CMD Error>\n"));
}

#[test]
fn a_fleet_file_is_checked_here_and_sent_with_its_cluster_config() {
    let fake = Fake::start("apply", |_| {
        Answer::of(Outcome {
            head: vec!["+ node.a on m1".to_owned()],
            ..Outcome::default()
        })
    });
    std::fs::write(
        fake.folder.join("fleet.toml"),
        "[fleet]\ncluster = 'cc'\n[node.a]\nmachine = 'm1'\nconfig = 'c'\n",
    )
    .unwrap();
    let ran = fake.run("apply fleet.toml");
    assert!(
        ran.status == 2 && ran.err.contains("cannot read cc"),
        "{ran:?}"
    );
    std::fs::write(fake.folder.join("cc"), "a = '10.0.0.1:2000'\n").unwrap();
    let ran = fake.run("apply fleet.toml");
    assert_eq!((ran.status, ran.out.as_str()), (0, "+ node.a on m1\n"));
    let Some(Command::Apply {
        cluster,
        dry_run: false,
        ..
    }) = fake.calls().pop()
    else {
        panic!()
    };
    assert_eq!(cluster.as_deref(), Some("a = '10.0.0.1:2000'\n"));
    std::fs::write(fake.folder.join("wrong.toml"), "[node.a]\nmachin = 'm1'\n").unwrap();
    let ran = fake.run("apply wrong.toml");
    assert!(ran.status == 2 && ran.err.contains("welkin: wrong.toml:2: unknown key machin in node.a; the nearest known key is machine\n"), "{ran:?}");
    let ran = fake.run("import cc");
    assert!(
        ran.status == 0 && ran.out.contains("[node.a]\nmachine = \"m1\"\n"),
        "{ran:?}"
    );
}

#[test]
fn a_backup_is_whole_or_not_there() {
    let fake = Fake::start("backup", |command| match command {
        Command::Backup { passphrase } if passphrase == "good" => Answer {
            stream: vec![vec![1, 2, 3], vec![4]],
            outcome: Some(Outcome::default()),
            ..Answer::default()
        },
        _ => Answer {
            stream: vec![vec![1]],
            failure: "disk full".to_owned(),
            outcome: Some(Outcome::default()),
            ..Answer::default()
        },
    });
    std::fs::write(fake.folder.join("pass"), "good\n").unwrap();
    let ran = fake.run("backup all.backup --passphrase-file pass");
    assert!(
        ran.status == 0 && ran.out.contains("all.backup written, 4 B"),
        "{ran:?}"
    );
    assert_eq!(
        std::fs::read(fake.folder.join("all.backup")).unwrap(),
        [1, 2, 3, 4]
    );
    std::fs::write(fake.folder.join("pass"), "other\n").unwrap();
    let ran = fake.run("backup second --passphrase-file pass");
    assert!(
        ran.status == 1 && ran.err.contains("disk full; second is not written"),
        "{ran:?}"
    );
    assert!(!fake.folder.join("second").exists() && !fake.folder.join("second.part").exists());
    let ran = run(
        &fake.folder,
        "--dir new restore all.backup --passphrase-file pass",
    );
    assert_eq!((ran.status, ran.out.as_str()), (0, "new all.backup 5\n"));
}

#[test]
fn a_token_becomes_a_certificate_and_a_revoked_one_is_told() {
    let fake = Fake::start("enrol", nodes);
    let (address, token) = (fake.address, fake.token("anna", Role::View));
    let ran = run(
        &fake.folder,
        &format!("--master {address} enrol --token-file {}", token.display()),
    );
    assert!(
        ran.status == 0 && ran.out.contains("enrolled as anna, role view"),
        "{ran:?}"
    );
    let ran = run(&fake.folder, &format!("--master {address} list"));
    assert!(ran.status == 0 && ran.out.contains("\na "), "{ran:?}");
    fake.revoke("anna");
    let ran = run(&fake.folder, &format!("--master {address} list"));
    assert!(ran.status == 4 && ran.err.contains("revoked"), "{ran:?}");
}

#[test]
fn secrets_travel_from_files_and_secret_files_are_made_once() {
    let fake = Fake::start("secrets", nodes);
    std::fs::write(fake.folder.join("pw"), [0, 255]).unwrap();
    assert_eq!(fake.run("secret set db.pass pw").status, 0);
    let set = Command::SecretSet {
        name: "db.pass".to_owned(),
        content: "AP8=".to_owned(),
    };
    assert_eq!(fake.calls(), [set]);
    assert_eq!(fake.run("secret-file fleet.secret").status, 0);
    let text = std::fs::read_to_string(fake.folder.join("fleet.secret")).unwrap();
    assert_eq!(text.trim().len(), 64);
    assert_eq!(fake.run("secret-file fleet.secret").status, 1);
}
