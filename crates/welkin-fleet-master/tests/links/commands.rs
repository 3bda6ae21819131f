//! Commands from a client to an agent and back, through store and links.

use welkin_fleet_model::wire::Purpose;
use welkin_fleet_model::wire::client::{Command, Status};
use welkin_fleet_trust::{Limits, connect_local};

use crate::agent;
use crate::house::{FILE, House, apply, audit, connected, result, start};

async fn local_agent(house: &House) -> tokio::task::JoinHandle<agent::Archives> {
    let socket = house.dir.join("fleet.sock");
    let link = connect_local(&socket, Purpose::Agent, Some("m1"), &Limits::default()).await;
    agent::serve(link.expect("an agent"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let mut house = House::new("restart").await;
    let mut client = house.client().await;
    assert_eq!(client.run(apply(FILE)).await.status, Status::Done);
    let wrong = client.run(apply("[fleet]\nnme = 1\n")).await;
    assert_eq!(wrong.status, Status::Usage, "{wrong:?}");
    let first = local_agent(&house).await;
    connected(&mut client).await;
    let outcome = client.run(start("a")).await;
    assert_eq!(
        (outcome.status, result(&outcome, 0)),
        (Status::Done, "started")
    );
    let history = client.run(Command::History { node: "a".into() }).await;
    assert_eq!(history.status, Status::Done);
    house.end().await;
    first.await.expect("ended");

    house.start().await;
    let mut client = house.client().await;
    let status = client.run(Command::Status { sel: Vec::new() }).await;
    assert_eq!(status.rows[0]["wanted"], "running");
    assert_eq!(status.rows[0]["state"], "unknown");
    assert_eq!(status.rows[0]["last"], "ready");
    let audit = client.run(audit()).await;
    let commands: Vec<&str> = audit
        .rows
        .iter()
        .filter_map(|row| row["command"].as_str())
        .collect();
    assert_eq!(commands, ["apply", "apply", "start", "start", "end"]);
    let verify = Command::Audit {
        since_unix_ms: None,
        node: None,
        verify: true,
        logged: Vec::new(),
    };
    assert_eq!(client.run(verify).await.status, Status::Done);
    let export = client.run(Command::Export).await;
    assert_eq!(export.rows[0]["file"], FILE);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_goes_from_a_client_to_the_agent_and_a_log_the_other_way() {
    let mut house = House::new("release").await;
    let mut client = house.client().await;
    client.run(apply(FILE)).await;
    let agent = local_agent(&house).await;
    connected(&mut client).await;
    client.run(start("all")).await;
    let folder = house.dir.join("game");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("main.lua"), vec![b'x'; 100_000]).expect("a file");
    let archive = house.dir.join("game.tar.gz");
    let packed =
        welkin_fleet_release::pack(&folder, &archive, &Default::default()).expect("packed");
    let bytes = std::fs::read(&archive).expect("an archive");
    let update = Command::Update {
        sel: vec!["all".into()],
        release: None,
        label: "v1".into(),
        signature: None,
        no_rollback: false,
    };
    let outcome = client.run_with(update, &bytes).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:?}");
    let releases = client.run(Command::Releases { prune: None }).await;
    assert_eq!(releases.rows[0]["digest"], packed.digest);
    assert_eq!(releases.rows[0]["used_by"], serde_json::json!(["a", "b"]));
    let again = Command::Update {
        sel: vec!["a".into()],
        release: Some(packed.digest[..8].into()),
        label: String::new(),
        signature: None,
        no_rollback: false,
    };
    assert_eq!(client.run(again).await.status, Status::Done);

    let garbage = Command::Update {
        sel: vec!["all".into()],
        release: None,
        label: String::new(),
        signature: None,
        no_rollback: false,
    };
    let outcome = client.run_with(garbage, b"no archive at all").await;
    assert_eq!(
        (outcome.status, outcome.errors[0].code.as_str()),
        (Status::Failed, "refused")
    );

    let logs = Command::Logs {
        node: "a".into(),
        follow: false,
        since_unix_ms: None,
        lines: 10,
        script: false,
    };
    assert_eq!(client.run(logs).await.status, Status::Done);
    assert_eq!(client.stream, b"one\ntwo\n");
    house.end().await;
    let archives = agent.await.expect("ended");
    assert_eq!(
        archives
            .values()
            .filter(|archive| **archive == bytes)
            .count(),
        1,
        "fetched once, as it was"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_brings_everything_back_but_not_its_secrets_into_the_open() {
    let mut house = House::new("backup").await;
    let mut client = house.client().await;
    client.run(apply(FILE)).await;
    let secret = Command::SecretSet {
        name: "db.pass".into(),
        content: "aHVudGVyMg==".into(),
    };
    assert_eq!(client.run(secret).await.rows[0]["name"], "db.pass");
    let refused = client
        .run(Command::Backup {
            passphrase: String::new(),
        })
        .await;
    assert_eq!(refused.status, Status::Failed);
    let outcome = client
        .run(Command::Backup {
            passphrase: "correct horse".into(),
        })
        .await;
    assert_eq!(outcome.status, Status::Done, "{outcome:?}");
    let file = house.dir.join("backup");
    assert!(!client.stream.windows(7).any(|window| window == b"hunter2"));
    std::fs::write(&file, &client.stream).expect("written");
    let audit = client.run(audit()).await;
    assert!(
        !format!("{audit:?}").contains("hunter2") && !format!("{audit:?}").contains("aHVudGVyMg")
    );
    house.end().await;

    let dir = house.dir.join("restored");
    let why = welkin_fleet_master::restore(&dir, &file, "wrong").expect_err("a wrong passphrase");
    assert!(!why.is_empty());
    welkin_fleet_master::restore(&dir, &file, "correct horse").expect("restored");
    house.dir = dir;
    house.start().await;
    let mut client = house.client().await;
    assert_eq!(client.run(Command::Export).await.rows[0]["file"], FILE);
    assert_eq!(client.run(Command::SecretList).await.rows.len(), 1);
    house.end().await;
}
