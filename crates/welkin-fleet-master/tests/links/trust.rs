//! Certificates: who may connect, who may do what, and what a revocation ends.

use std::path::Path;
use std::time::Duration;

use welkin_fleet_model::wire::Purpose;
use welkin_fleet_model::wire::client::{Command, Status};
use welkin_fleet_trust::{Identity, Limits, Link, LinkError, Token, connect, enrol};

use crate::agent;
use crate::house::{Client, FILE, House, apply, audit, connected, result, start};

async fn enrolled(house: &House, client: &mut Client, name: &str, role: &str) -> Identity {
    let command = Command::Token {
        name: name.into(),
        role: role.into(),
        ttl_ms: 60_000,
        replace: false,
    };
    let outcome = client.run(command).await;
    let token: Token = outcome.rows[0]["token"]
        .as_str()
        .expect("a token")
        .parse()
        .expect("a token");
    let folder = house.dir.join(format!("identity-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let master = format!("127.0.0.1:{}", house.port);
    enrol::with_token(&master, &token, Path::new(&folder), &Limits::default())
        .await
        .expect("enrolled")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_work_over_tls_within_their_roles() {
    let mut house = House::new("roles").await;
    let mut admin = house.client().await;
    admin.run(apply(FILE)).await;
    let machine = enrolled(&house, &mut admin, "m1", "agent").await;
    let agent = agent::serve(
        linked(&house, &machine, Purpose::Agent)
            .await
            .expect("a link"),
    );
    let operator = enrolled(&house, &mut admin, "olga", "operate").await;
    let viewer = enrolled(&house, &mut admin, "vera", "view").await;
    let mut olga = person(&house, &operator).await;
    let mut vera = person(&house, &viewer).await;
    connected(&mut vera).await;

    let refused = vera.run(start("a")).await;
    let code = refused.errors[0].code.as_str();
    assert_eq!((refused.status, code), (Status::Forbidden, "not-permitted"));
    assert_eq!(result(&olga.run(start("a")).await, 0), "started");
    assert_eq!(olga.run(apply(FILE)).await.status, Status::Forbidden);
    let audit = admin.run(audit()).await;
    let refusals = audit
        .rows
        .iter()
        .filter(|row| row["who"] == "vera" && row["command"] == "start");
    assert_eq!(refusals.count(), 1);
    let wrong = linked(&house, &viewer, Purpose::Agent).await;
    assert!(
        matches!(wrong, Err(LinkError::Refused(_))),
        "a person is no agent"
    );
    house.end().await;
    drop(agent.await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_ends_an_open_link_and_frees_the_name() {
    let mut house = House::new("revoke").await;
    let mut admin = house.client().await;
    let machine = enrolled(&house, &mut admin, "m1", "agent").await;
    let agent = agent::serve(
        linked(&house, &machine, Purpose::Agent)
            .await
            .expect("a link"),
    );
    connected(&mut admin).await;
    let certs = admin.run(Command::Certs { rotate_ca: false }).await;
    assert_eq!(certs.rows[0]["name"], "m1");
    assert_eq!(
        admin
            .run(Command::Revoke { name: "m1".into() })
            .await
            .status,
        Status::Done
    );
    let ended = tokio::time::timeout(Duration::from_secs(60), agent).await;
    drop(ended.expect("it ends by itself"));
    let again = linked(&house, &machine, Purpose::Agent).await;
    assert!(matches!(
        again,
        Err(LinkError::Revoked | LinkError::Refused(_))
    ));
    enrolled(&house, &mut admin, "m1", "agent").await;
    house.end().await;
}

async fn linked(house: &House, identity: &Identity, purpose: Purpose) -> Result<Link, LinkError> {
    let master = format!("127.0.0.1:{}", house.port);
    connect(&master, identity, purpose, &Limits::default()).await
}

async fn person(house: &House, identity: &Identity) -> Client {
    Client::new(
        linked(house, identity, Purpose::Client)
            .await
            .expect("a link"),
    )
}
