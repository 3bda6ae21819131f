//! What a link does when its peer is slow, silent or wrong. Time is the test's.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use welkin_fleet_model::wire::Purpose;
use welkin_fleet_model::wire::frame::{self, Decoder};

use super::*;
use crate::link::{Incoming, Origin, Peer, hello};

fn peer() -> Peer {
    Peer {
        name: "m1".into(),
        role: Role::Agent,
        origin: Origin::Local { uid: 0, pid: None },
        until_unix_ms: None,
        shown: None,
    }
}

fn link(stream: DuplexStream) -> Link {
    let greeting = hello(Purpose::Agent);
    let limits = Limits::default();
    Link::begin(
        Box::new(stream),
        Decoder::default(),
        peer(),
        greeting,
        &limits,
        None,
    )
}

/// A link and the other end's bare bytes.
fn half() -> (Link, DuplexStream) {
    let (ours, theirs) = duplex(1 << 16);
    (link(ours), theirs)
}

fn pair() -> (Link, Link) {
    let (ours, theirs) = duplex(1 << 16);
    (link(ours), link(theirs))
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_lives_by_its_signs_of_life() {
    let (ours, theirs) = pair();
    let (to_them, mut from_them) = ours.split();
    let (_to_us, mut from_us) = theirs.split();
    let hour = Duration::from_secs(3600);
    let quiet = tokio::time::timeout(hour, async {
        tokio::select! {
            incoming = from_them.next() => incoming,
            incoming = from_us.next() => incoming,
        }
    });
    assert!(quiet.await.is_err());
    to_them.send(&5).await.unwrap();
    assert_eq!(from_us.message::<u8>().await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_not_heard_for_ten_seconds_is_gone() {
    let (ours, _silent) = half();
    let (sender, mut receiver) = ours.split();
    assert_eq!(receiver.next().await, Err(LinkError::Silent(10_000)));
    assert_eq!(sender.closed().await, LinkError::Silent(10_000));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_fills_a_bounded_queue() {
    let (ours, _theirs) = half();
    let (sender, _receiver) = ours.split();
    let text = "x".repeat(100_000);
    let mut taken = 0;
    while sender.try_send(&text).is_ok() {
        taken += text.len();
    }
    assert!(taken <= 4 << 20, "{taken} bytes");
    assert_eq!(sender.try_send(&text), Err(LinkError::Full));
    assert_eq!(sender.send(&text).await, Err(LinkError::Slow));
    assert_eq!(sender.closed().await, LinkError::Slow);
}

#[tokio::test(start_paused = true)]
async fn a_stream_waits_for_its_reader_and_a_message_after_it_stays_behind_it() {
    let (ours, theirs) = pair();
    let (sender, _keep) = ours.split();
    let (_alive, mut receiver) = theirs.split();
    let writing = tokio::spawn(async move {
        for piece in 0..40_u8 {
            sender.piece(1, &vec![piece; frame::PIECE]).await.unwrap();
        }
        sender.end(1, "half of it").await.unwrap();
        sender.send(&"after").await.unwrap();
        sender
    });
    for piece in 0..40_u8 {
        let Some(Incoming::Piece { stream: 1, data }) = receiver.next().await.unwrap() else {
            panic!("a piece")
        };
        assert!(data.len() == frame::PIECE && data[0] == piece);
    }
    let end = Incoming::End {
        stream: 1,
        failure: "half of it".into(),
    };
    assert_eq!(receiver.next().await, Ok(Some(end)));
    assert_eq!(receiver.message::<String>().await.unwrap(), "after");
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_queue_passes_and_one_above_the_limit_does_not() {
    let (ours, theirs) = pair();
    let (sender, _keep) = ours.split();
    let (_alive, mut receiver) = theirs.split();
    let text = "y".repeat(6 << 20);
    let (sent, got) = tokio::join!(sender.send(&text), receiver.message::<String>());
    sent.unwrap();
    assert!(got.unwrap() == text);
    let text = "z".repeat(17 << 20);
    assert!(matches!(
        sender.send(&text).await,
        Err(LinkError::TooLong(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_ends_the_link() {
    let mut damaged = Vec::new();
    frame::piece(&mut damaged, 3, &[0; 32], b"not this");
    let mut endless = Vec::new();
    for _ in 0..17 {
        endless.extend_from_slice(&(frame::MAX as u32).to_be_bytes());
        endless.push(3);
        endless.resize(endless.len() + frame::MAX - 1, b' ');
    }
    let cases: [&[u8]; 5] = [
        &[0xff; 8],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0, 0, 0, 0],
        &damaged,
        &endless,
    ];
    for bytes in cases {
        let (ours, theirs) = half();
        let (mut read, mut write) = tokio::io::split(theirs);
        let (sender, mut receiver) = ours.split();
        let feed = async {
            let _ = write.write_all(bytes).await;
            let mut rest = Vec::new();
            let _ = read.read_to_end(&mut rest).await;
        };
        let (result, ()) = tokio::join!(receiver.next(), feed);
        assert!(matches!(result, Err(LinkError::Garbage(_))), "{result:?}");
        assert!(sender.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_in_the_middle_of_a_message_is_a_loss() {
    let (ours, mut theirs) = half();
    theirs.write_all(&[0, 0, 0, 9, 0, b'1']).await.unwrap();
    drop(theirs);
    let (_sender, mut receiver) = ours.split();
    assert!(matches!(receiver.next().await, Err(LinkError::Lost(_))));
}

#[tokio::test(start_paused = true)]
async fn both_ends_go_when_one_half_is_dropped() {
    let (ours, theirs) = pair();
    let (sender, receiver) = ours.split();
    drop(receiver);
    assert_eq!(sender.closed().await, LinkError::Closed);
    assert_eq!(theirs.split().1.next().await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_loses_nothing() {
    let (ours, mut theirs) = half();
    let (_sender, mut receiver) = ours.split();
    let mut bytes = Vec::new();
    frame::message(&mut bytes, b"\"whole\"");
    for byte in bytes {
        theirs.write_all(&[byte]).await.unwrap();
        let moment = Duration::from_millis(1);
        if let Ok(incoming) = tokio::time::timeout(moment, receiver.next()).await {
            assert_eq!(
                incoming.unwrap().unwrap().parse::<String>().unwrap(),
                "whole"
            );
            return;
        }
    }
    panic!("the message never came");
}
