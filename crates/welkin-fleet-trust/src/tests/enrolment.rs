//! How one gets in, and how not.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use welkin_fleet_model::wire::{Hello, Purpose};

use super::*;
use crate::certificate::DAY_MS;
use crate::enrol::{Answer, Request, with_secret, with_token};
use crate::link::{Framed, hello};
use crate::secret::FleetSecret;
use crate::tls::{self, Seen};
use crate::token::Token;

const TTL: Duration = Duration::from_secs(60);

fn secret(world: &World, name: &str) -> FleetSecret {
    let path = world.place(name);
    FleetSecret::load(&path).unwrap_or_else(|_| FleetSecret::make(&path).unwrap())
}

fn refused(result: &Result<Identity, LinkError>, word: &str) -> bool {
    matches!(result, Err(LinkError::Refused(text)) if text.contains(word))
}

async fn world_with_secret() -> (World, FleetSecret) {
    let folder = Folder::new();
    let secret = FleetSecret::make(&folder.path().join("secret")).unwrap();
    let options = GateOptions {
        secret: Some(secret.clone()),
        ..GateOptions::default()
    };
    (World::new(options).await, secret)
}

#[tokio::test]
async fn a_token_lets_one_in_once() {
    let mut world = World::new(GateOptions::default()).await;
    let token = world
        .authority
        .token("m1", Role::Agent, TTL, false)
        .unwrap();
    let text = token.to_string();
    let token: Token = text.parse().unwrap();
    let place = world.place("m1");
    let agent = with_token(&world.master(), &token, &place, &world.limits)
        .await
        .unwrap();
    assert_eq!(
        (agent.subject().name.as_str(), agent.subject().role),
        ("m1", Role::Agent)
    );
    world.link(&agent, Purpose::Agent).await;
    let again = with_token(&world.master(), &token, &world.place("x"), &world.limits).await;
    assert!(refused(&again, "was used"), "{again:?}");
    assert!(Identity::load(&world.place("x")).unwrap().is_none());
    let heard = world.notes.enrolments.lock().unwrap().clone();
    assert_eq!(heard, ["m1 agent token in", "  token out"]);
    assert_eq!(world.gate.counts().enrolments, 1);
    // Strangers do not fill the audit log.
    for _ in 0..3 {
        let again = with_token(&world.master(), &token, &world.place("x"), &world.limits).await;
        assert!(refused(&again, "was used"), "{again:?}");
    }
    assert_eq!(world.notes.enrolments.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_token_has_its_time() {
    let world = World::new(GateOptions::default()).await;
    let token = world
        .authority
        .token("m1", Role::Agent, Duration::ZERO, false)
        .unwrap();
    let past = now_unix_ms();
    while now_unix_ms() <= past + 1 {
        std::hint::spin_loop();
    }
    let late = with_token(&world.master(), &token, &world.place("m1"), &world.limits).await;
    assert!(refused(&late, "has expired"), "{late:?}");
}

#[tokio::test]
async fn a_false_master_is_known_before_the_token_is_shown() {
    let world = World::new(GateOptions::default()).await;
    let other = World::new(GateOptions::default()).await;
    let token = world
        .authority
        .token("m1", Role::Agent, TTL, false)
        .unwrap();
    let result = with_token(&other.master(), &token, &world.place("m1"), &world.limits).await;
    assert!(matches!(result, Err(LinkError::NotMaster(_))), "{result:?}");
    assert!(other.notes.enrolments.lock().unwrap().is_empty());
    let result = with_token(&world.master(), &token, &world.place("m1"), &world.limits).await;
    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn a_name_that_is_enrolled_is_its_keys_until_it_is_replaced_or_revoked() {
    let mut world = World::new(GateOptions::default()).await;
    let first = world.enrolled("m1", Role::Agent);
    let (ours, _theirs) = world.link(&first, Purpose::Agent).await;
    let token = world
        .authority
        .token("m1", Role::Agent, TTL, false)
        .unwrap();
    let place = world.place("other");
    let result = with_token(&world.master(), &token, &place, &world.limits).await;
    assert!(refused(&result, "--replace"), "{result:?}");
    // The same key may ask again; the refused token was not used up.
    let result = with_token(&world.master(), &token, &world.place("m1"), &world.limits).await;
    assert_eq!(
        result.unwrap().subject().enrolment,
        first.subject().enrolment
    );
    let token = world.authority.token("m1", Role::Agent, TTL, true).unwrap();
    let second = with_token(&world.master(), &token, &place, &world.limits)
        .await
        .unwrap();
    assert_ne!(second.subject().enrolment, first.subject().enrolment);
    assert_eq!(ours.split().1.next().await, Err(LinkError::Revoked));
    world.link(&second, Purpose::Agent).await;
    world.authority.revoke("m1").unwrap();
    let token = world.authority.token("m1", Role::View, TTL, false).unwrap();
    let place = world.place("third");
    with_token(&world.master(), &token, &place, &world.limits)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_agent_whose_certificate_expired_asks_again_with_its_key() {
    let (mut world, secret) = world_with_secret().await;
    let long_ago = now_unix_ms() - 100 * DAY_MS;
    world.enrolled_at("m1", Role::Agent, long_ago, LEAF_MS);
    let place = world.place("m1");
    let agent = with_secret(&world.master(), &secret, "m1", &place, &world.limits)
        .await
        .unwrap();
    world.link(&agent, Purpose::Agent).await;
    // Who has the secret but not the key does not get the name.
    let place = world.place("thief");
    let result = with_secret(&world.master(), &secret, "m1", &place, &world.limits).await;
    assert!(refused(&result, "another key"), "{result:?}");
}

#[tokio::test]
async fn the_secret_lets_agents_in_and_nobody_else() {
    let (mut world, shared) = world_with_secret().await;
    let place = world.place("m1");
    let agent = with_secret(&world.master(), &shared, "m1", &place, &world.limits)
        .await
        .unwrap();
    assert_eq!(agent.subject().role, Role::Agent);
    world.link(&agent, Purpose::Agent).await;
    let wrong = secret(&world, "wrong");
    let place = world.place("m2");
    let result = with_secret(&world.master(), &wrong, "m2", &place, &world.limits).await;
    assert!(refused(&result, "fleet_secret"), "{result:?}");
    world.logged(&["fleet_secret"]).await;
    let heard = world.notes.enrolments.lock().unwrap().clone();
    assert_eq!(heard, ["m1 agent secret in", "m2  secret out"]);
    // Revoked means revoked: the secret alone does not undo it.
    world.authority.revoke("m1").unwrap();
    let place = world.place("m1");
    let result = with_secret(&world.master(), &shared, "m1", &place, &world.limits).await;
    assert!(refused(&result, "was revoked"), "{result:?}");
}

#[tokio::test]
async fn a_master_without_a_secret_says_so() {
    let world = World::new(GateOptions::default()).await;
    let any = secret(&world, "any");
    let place = world.place("m1");
    let result = with_secret(&world.master(), &any, "m1", &place, &world.limits).await;
    assert!(refused(&result, "no fleet_secret"), "{result:?}");
}

/// A server that grants whatever is asked, and shows the proof that it heard, or none.
async fn grant_all(listener: TcpListener, authority: Arc<Authority>, echo: bool) {
    let (stream, _) = listener.accept().await.unwrap();
    let roots = authority.keys().roots.clone();
    let own = authority.serving().unwrap();
    let config = tls::server(roots, Arc::default(), own, Arc::new(Seen::default())).unwrap();
    let stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
    let mut framed = Framed::new(stream);
    let _: Hello = framed.receive().await.unwrap();
    framed.send(&hello(Purpose::Enrol)).await.unwrap();
    let Request::Secret { proof, request, .. } = framed.receive().await.unwrap() else {
        panic!("a request with the secret")
    };
    let token = authority.token("m1", Role::Agent, TTL, false).unwrap();
    let issued = authority
        .enrol(Right::Token(&token.secret()), &request)
        .unwrap();
    let answer = Answer::Granted {
        certificate: issued.certificate,
        authorities: issued.authorities,
        proof: echo.then_some(proof),
    };
    let _ = framed.send(&answer).await;
}

#[tokio::test]
async fn a_master_that_cannot_prove_the_secret_is_none() {
    for echo in [true, false] {
        let world = World::new(GateOptions::default()).await;
        let shared = secret(&world, "shared");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let place = world.place("m1");
        let attempt = with_secret(&address, &shared, "m1", &place, &world.limits);
        let play = grant_all(listener, world.authority.clone(), echo);
        let (result, ()) = tokio::join!(attempt, play);
        assert!(matches!(result, Err(LinkError::NotMaster(_))), "{result:?}");
        assert!(Identity::load(&place).unwrap().is_none());
    }
}

#[test]
fn the_names_in_a_request_count_for_nothing() {
    let folder = Folder::new();
    let records = Arc::new(MemoryRecords::default());
    let authority = Authority::open(folder.path(), records).unwrap();
    let token = authority.token("m1", Role::View, TTL, false).unwrap();
    let key = crate::authority::keys::new_key().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["master".to_owned()]).unwrap();
    let uri = "welkin-fleet:admin:root:0123456789abcdef"
        .try_into()
        .unwrap();
    params.subject_alt_names.push(rcgen::SanType::URI(uri));
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let issued = authority
        .enrol(Right::Token(&token.secret()), &request)
        .unwrap();
    let chain = crate::authority::keys::read_chain(&issued.certificate).unwrap();
    let shown = crate::certificate::Shown::read(&chain[0]).unwrap();
    assert_eq!(
        (shown.subject.name.as_str(), shown.subject.role),
        ("m1", Role::View)
    );
    assert!(
        authority
            .enrol(Right::Token(&token.secret()), "no request")
            .is_err()
    );
}
