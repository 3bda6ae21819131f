//! What is no fleet at all: garbage, no TLS, nothing, too much.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use welkin_fleet_model::wire::Hello;

use super::*;
use crate::link::{Framed, dial, hello, reach};
use crate::tls::{self, Expect};

/// Reads until the master closes.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

fn hasty() -> GateOptions {
    GateOptions {
        limits: Limits {
            handshake: Duration::from_millis(300),
            ..Limits::default()
        },
        secret: None,
    }
}

#[tokio::test]
async fn garbage_is_closed_counted_and_logged_once() {
    let mut world = World::new(GateOptions::default()).await;
    let kinds: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 64],
        &[0xff; 4096],
        &[22, 3, 1, 0xff, 0xff, 1, 2],
    ];
    for bytes in kinds {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let _ = stream.shutdown().await;
        closed(&mut stream).await;
    }
    while world.gate.counts().garbage < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.notes.lines.lock().unwrap().len(), 1);
    let agent = world.enrolled("m1", Role::Agent);
    world.link(&agent, Purpose::Agent).await;
}

#[tokio::test]
async fn who_says_nothing_is_closed_at_the_deadline() {
    let world = World::new(hasty()).await;
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    closed(&mut silent).await;
    // With TLS, but without a greeting.
    let config = tls::client(Expect::Roots(world.authority.keys().roots.clone()), None).unwrap();
    let (mut stream, _) = dial(&world.master(), config).await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    while world.gate.counts().garbage < 2 {
        tokio::task::yield_now().await;
    }
    world.logged(&["greeting"]).await;
}

#[tokio::test]
async fn a_greeting_byte_by_byte_does_not_hold_the_door() {
    let world = World::new(hasty()).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    // The head of a TLS record that announces much, then a trickle.
    for byte in [22, 3, 1, 0x40, 0].into_iter().chain(std::iter::repeat(0)) {
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    closed(&mut stream).await;
}

async fn newcomer(world: &World) -> Framed {
    let config = tls::client(Expect::Roots(world.authority.keys().roots.clone()), None).unwrap();
    let (stream, _) = dial(&world.master(), config).await.unwrap();
    Framed::new(stream)
}

#[tokio::test]
async fn who_shows_no_certificate_may_enrol_and_nothing_else() {
    let world = World::new(GateOptions::default()).await;
    for purpose in [Purpose::Agent, Purpose::Client] {
        let mut framed = newcomer(&world).await;
        let result = reach(&mut framed, hello(purpose)).await;
        assert!(matches!(result, Err(LinkError::Refused(_))), "{result:?}");
    }
    let mut framed = newcomer(&world).await;
    reach(&mut framed, hello(Purpose::Enrol)).await.unwrap();
}

#[tokio::test]
async fn a_stranger_cannot_make_the_master_hold_much() {
    let world = World::new(GateOptions::default()).await;
    let mut framed = newcomer(&world).await;
    let much = "x".repeat(1 << 17);
    let _ = framed.send(&much).await;
    let answer: Result<Hello, _> = framed.receive().await;
    assert!(answer.is_err());
    world.logged(&["65536"]).await;
}

#[tokio::test]
async fn a_version_too_far_away_is_told_so() {
    let world = World::new(GateOptions::default()).await;
    let mut framed = newcomer(&world).await;
    let greeting = Hello {
        protocol: 9,
        version: "7.0.0".into(),
        ..hello(Purpose::Enrol)
    };
    let result = reach(&mut framed, greeting).await;
    assert!(
        matches!(&result, Err(LinkError::Refused(text)) if text.contains("7.0.0")),
        "{result:?}"
    );
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let options = GateOptions {
        limits: Limits {
            strangers_of_one: 3,
            ..Limits::default()
        },
        secret: None,
    };
    let world = World::new(options).await;
    let mut kept = Vec::new();
    for _ in 0..4 {
        kept.push(TcpStream::connect(world.address).await.unwrap());
    }
    world.logged(&["too many"]).await;
    closed(&mut kept[3]).await;
}
