//! Whose certificate opens the door, and for what.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName, UnixTime};
use tokio::net::{TcpListener, UnixListener};
use welkin_fleet_model::wire::Purpose;

use super::*;
use crate::certificate::DAY_MS;
use crate::link::{Incoming, Origin, connect_local};
use crate::tls::{self, Expect, MasterVerifier, Seen};

#[tokio::test]
async fn an_agent_and_its_master_know_each_other_and_talk() {
    let mut world = World::new(GateOptions::default()).await;
    let agent = world.enrolled("m1", Role::Agent);
    let (ours, theirs) = world.link(&agent, Purpose::Agent).await;
    assert_eq!(
        (ours.peer().name.as_str(), ours.peer().role),
        ("m1", Role::Agent)
    );
    assert_eq!(theirs.peer().role, Role::Master);
    assert!(!theirs.hello().renew);
    let ((to_agent, _keep), (_alive, mut from_master)) = (ours.split(), theirs.split());
    to_agent.send(&"hello").await.unwrap();
    to_agent.piece(7, b"data").await.unwrap();
    to_agent.end(7, "").await.unwrap();
    assert_eq!(from_master.message::<String>().await.unwrap(), "hello");
    let piece = Incoming::Piece {
        stream: 7,
        data: b"data".to_vec(),
    };
    assert_eq!(from_master.next().await, Ok(Some(piece)));
    to_agent.close();
    let end = Incoming::End {
        stream: 7,
        failure: String::new(),
    };
    assert_eq!(from_master.next().await, Ok(Some(end)));
    assert_eq!(from_master.next().await, Ok(None));
    assert_eq!(world.gate.counts().links, 1);
}

#[tokio::test]
async fn an_identity_lives_on_disk_and_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::new(GateOptions::default()).await;
    world.enrolled("ops", Role::View);
    let loaded = Identity::load(&world.place("ops")).unwrap().unwrap();
    assert_eq!(loaded.subject().name, "ops");
    world.link(&loaded, Purpose::Client).await;
    for (file, mode) in [("key.pem", 0o600), ("identity.pem", 0o600), ("", 0o700)] {
        let path = world.place("ops").join(file);
        let found = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{file}");
    }
    assert!(Identity::load(&world.place("nobody")).unwrap().is_none());
}

#[tokio::test]
async fn a_certificate_of_another_authority_opens_nothing() {
    let world = World::new(GateOptions::default()).await;
    let other = World::new(GateOptions::default()).await;
    let stranger = other.enrolled("m1", Role::Agent);
    // It does not know this master either, and says so first.
    let third = World::new(GateOptions::default()).await;
    let error = third.connect(&stranger, Purpose::Agent).await.unwrap_err();
    assert!(matches!(error, LinkError::NotMaster(_)), "{error}");
    // One that believes anybody is refused by the master.
    let own = stranger.certified().unwrap();
    let config = tls::client(Expect::Proof, Some(own)).unwrap();
    let (stream, _) = crate::link::dial(&world.master(), config).await.unwrap();
    let mut framed = crate::link::Framed::new(stream);
    let greeting = crate::link::hello(Purpose::Agent);
    let error = crate::link::reach(&mut framed, greeting).await.unwrap_err();
    assert!(
        matches!(&error, LinkError::Refused(text) if text.contains("authority")),
        "{error}"
    );
    world.logged(&["unknown authority", "agent m1"]).await;
    assert_eq!(world.gate.counts().refused, 1);
}

#[tokio::test]
async fn an_expired_certificate_gives_that_reason_on_both_sides() {
    let world = World::new(GateOptions::default()).await;
    let long_ago = now_unix_ms() - 100 * DAY_MS;
    let agent = world.enrolled_at("m1", Role::Agent, long_ago, LEAF_MS);
    let error = world.connect(&agent, Purpose::Agent).await.unwrap_err();
    assert_eq!(error, LinkError::Expired);
    assert!(error.to_string().contains("expired"));
    world.logged(&["agent m1", "has expired"]).await;
}

#[tokio::test]
async fn a_link_ends_with_its_certificate() {
    let mut world = World::new(GateOptions::default()).await;
    let agent = world.enrolled_at("m1", Role::Agent, now_unix_ms(), 2_000);
    let (ours, _theirs) = world.link(&agent, Purpose::Agent).await;
    let (_sender, mut receiver) = ours.split();
    assert_eq!(receiver.next().await, Err(LinkError::Expired));
}

#[tokio::test]
async fn a_revoked_certificate_ends_its_open_link_and_opens_no_other() {
    let mut world = World::new(GateOptions::default()).await;
    let agent = world.enrolled("m1", Role::Agent);
    let (ours, theirs) = world.link(&agent, Purpose::Agent).await;
    let other = world.enrolled("m2", Role::Agent);
    let (others, _alive) = world.link(&other, Purpose::Agent).await;
    let (sender, mut receiver) = ours.split();
    world.authority.revoke("m1").unwrap();
    assert_eq!(receiver.next().await, Err(LinkError::Revoked));
    assert_eq!(sender.send(&1).await, Err(LinkError::Revoked));
    assert_eq!(theirs.split().1.next().await, Ok(None));
    let error = world.connect(&agent, Purpose::Agent).await.unwrap_err();
    assert_eq!(error, LinkError::Revoked);
    world.logged(&["agent m1", "was revoked"]).await;
    assert!(!others.split().0.is_closed());
    assert!(world.authority.revoke("m1").is_err());
}

#[tokio::test]
async fn a_role_does_what_it_is_for() {
    let world = World::new(GateOptions::default()).await;
    let agent = world.enrolled("m1", Role::Agent);
    let error = world.connect(&agent, Purpose::Client).await.unwrap_err();
    assert!(
        matches!(&error, LinkError::Refused(text) if text.contains("agent")),
        "{error}"
    );
    let admin = world.enrolled("anna", Role::Admin);
    let error = world.connect(&admin, Purpose::Agent).await.unwrap_err();
    assert!(
        matches!(&error, LinkError::Refused(text) if text.contains("admin")),
        "{error}"
    );
    let error = world.connect(&admin, Purpose::Enrol).await.unwrap_err();
    assert!(matches!(error, LinkError::Refused(_)), "{error}");
}

#[tokio::test]
async fn an_enrolled_machine_cannot_play_the_master() {
    let world = World::new(GateOptions::default()).await;
    let agent = world.enrolled("m1", Role::Agent);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let roots = world.authority.keys().roots.clone();
    let own = agent.certified().unwrap();
    let config = tls::server(roots, Arc::default(), own, Arc::new(Seen::default())).unwrap();
    let play = async {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = tokio_rustls::TlsAcceptor::from(config).accept(stream).await;
    };
    let attempt = connect(&address, &agent, Purpose::Agent, &world.limits);
    let (result, ()) = tokio::join!(attempt, play);
    assert!(matches!(result, Err(LinkError::NotMaster(_))), "{result:?}");
}

#[tokio::test]
async fn a_clock_up_to_a_day_late_accepts_new_certificates() {
    let world = World::new(GateOptions::default()).await;
    let serving = world.authority.serving().unwrap();
    let verifier = MasterVerifier(Expect::Roots(world.authority.keys().roots.clone()));
    let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0; 4])));
    let verdict = |late_ms: u64| {
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now_unix_ms() - late_ms));
        verifier.verify_server_cert(&serving.cert[0], &serving.cert[1..], &name, &[], now)
    };
    verdict(0).unwrap();
    verdict(DAY_MS - 60_000).unwrap();
    assert!(verdict(DAY_MS + 60_000).is_err());
}

#[tokio::test]
async fn the_local_socket_is_the_administrators() {
    let world = World::new(GateOptions::default()).await;
    let path = world.place("fleet.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (sender, mut links) = mpsc::channel(8);
    let gate = world.gate.clone();
    tokio::spawn(async move { gate.serve_local(listener, sender).await });
    let _client = connect_local(&path, Purpose::Client, None, &world.limits)
        .await
        .unwrap();
    let link = links.recv().await.unwrap();
    assert_eq!(link.peer().role, Role::Admin);
    assert!(link.peer().name.starts_with("uid:"));
    assert!(matches!(
        link.peer().origin,
        Origin::Local { pid: Some(_), .. }
    ));
    let _agent = connect_local(&path, Purpose::Agent, Some("m1"), &world.limits)
        .await
        .unwrap();
    let link = links.recv().await.unwrap();
    assert_eq!(
        (link.peer().name.as_str(), link.peer().role),
        ("m1", Role::Agent)
    );
    let nameless = connect_local(&path, Purpose::Agent, None, &world.limits).await;
    assert!(
        matches!(nameless, Err(LinkError::Refused(_))),
        "{nameless:?}"
    );
}
