//! A webhook's other side, made by hand.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio_rustls::TlsAcceptor;

use super::address::Address;
use super::{Inner, Times, config};

const QUICK: Times = Times {
    each: Duration::from_secs(5),
    pauses: [Duration::ZERO; 2],
};

fn inner(url: &str, times: Times) -> Inner {
    Inner {
        address: Address::read(url).unwrap(),
        times,
        tls: OnceCell::new(),
    }
}

async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"}") && stream.read_buf(&mut text).await.unwrap() > 0 {}
    String::from_utf8(text).unwrap()
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_event_is_posted_until_it_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut texts = Vec::new();
        for reply in ["HTTP/1.1 500 no\r\n\r\n", "", "HTTP/1.1 204 taken\r\n\r\n"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            texts.push(heard(&mut stream).await);
            answer(&mut stream, reply).await;
        }
        texts
    });
    let inner = inner(&format!("http://{address}/hook?key=1"), QUICK);
    inner.deliver("{\"event\":\"node-failed\"}").await.unwrap();
    let texts = server.await.unwrap();
    assert_eq!(texts[0], texts[2]);
    assert!(
        texts[0].starts_with("POST /hook?key=1 HTTP/1.1\r\n"),
        "{}",
        texts[0]
    );
    assert!(texts[0].contains(&format!("\r\nHost: {address}\r\n")));
    assert!(texts[0].contains("\r\nContent-Length: 23\r\n"));
    assert!(texts[0].ends_with("\r\n\r\n{\"event\":\"node-failed\"}"));
}

#[tokio::test]
async fn three_tries_are_all_and_the_last_failure_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            heard(&mut stream).await;
            answer(&mut stream, "HTTP/1.1 302 elsewhere\r\nLocation: /\r\n\r\n").await;
        }
    });
    let inner = inner(&format!("http://{address}"), QUICK);
    let why = inner.deliver("{}").await.unwrap_err();
    assert!(why.contains("302 elsewhere"), "{why}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_host_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let times = Times {
        each: Duration::from_millis(20),
        ..QUICK
    };
    let why = inner(&format!("http://{address}"), times)
        .deliver("{}")
        .await
        .unwrap_err();
    assert!(why.contains("no answer within"), "{why}");
}

#[tokio::test]
async fn a_host_is_known_by_its_certificate() {
    for (name, good) in [("localhost", true), ("other.example", false)] {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    heard(&mut stream).await;
                    answer(&mut stream, "HTTP/1.1 200 OK\r\n\r\n").await;
                }
            }
        });
        let inner = inner(&format!("https://localhost:{port}/"), QUICK);
        inner.tls.set(config(roots).unwrap()).unwrap();
        let outcome = inner.deliver("{}").await;
        assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        server.abort();
    }
}

#[test]
fn addresses_are_read_or_said_to_be_wrong() {
    let read = |url: &str| Address::read(url).unwrap();
    let plain = read("HTTP://host");
    assert_eq!(
        (plain.tls, plain.port, plain.path.as_str()),
        (false, 80, "/")
    );
    let full = read("https://[::1]:8443/a/b?c=d#e");
    assert_eq!(
        (full.host.as_str(), full.port, full.path.as_str()),
        ("::1", 8443, "/a/b?c=d")
    );
    assert_eq!(full.shown(), "https://[::1]:8443");
    assert_eq!(read("https://host?x").path, "/?x");
    for wrong in [
        "",
        "host",
        "ftp://host",
        "http://",
        "http://:80",
        "http://h:x",
        "http://a:b@h",
        "http://h/ x",
        "http://[::1]x",
    ] {
        assert!(Address::read(wrong).is_err(), "{wrong}");
    }
}
