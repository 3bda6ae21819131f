//! Client and server against each other, in memory, with certificates made for the test.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::{Client, ClientOptions, Server, Session, Stage, TlsError};

/// A folder with `ca.pem`, and for each server `NAME.pem` and `NAME.key`.
struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("welkin-tls-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(
            folder.join("ca.pem"),
            params.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        let issuer = Issuer::new(params, key);
        Self { folder, issuer }
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).to_str().unwrap().to_string()
    }

    fn server(&self, name: &str, expired: bool) -> Server {
        let mut params = CertificateParams::new([name.to_string()]).unwrap();
        if expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.folder.join("server.pem"), certificate.pem()).unwrap();
        fs::write(self.folder.join("server.key"), key.serialize_pem()).unwrap();
        Server::new(&self.path("server.pem"), &self.path("server.key")).unwrap()
    }

    fn client(&self) -> Client {
        let ca = Some(self.path("ca.pem"));
        let options = ClientOptions {
            ca,
            ..ClientOptions::default()
        };
        Client::new(&options).unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Carries what `from` says to `to`, in pieces of `size` bytes; the plain text that arrives.
fn carry(from: &mut Session, to: &mut Session, size: usize) -> Result<Vec<u8>, TlsError> {
    let (mut wire, mut plain) = (Vec::new(), Vec::new());
    from.take(&mut wire);
    for piece in wire.chunks(size) {
        to.receive(piece, &mut plain)?;
    }
    Ok(plain)
}

fn shake_hands(client: &mut Session, server: &mut Session, size: usize) -> Result<(), TlsError> {
    for _ in 0..4 {
        carry(client, server, size)?;
        carry(server, client, size)?;
    }
    assert_eq!((client.stage(), server.stage()), (Stage::Open, Stage::Open));
    Ok(())
}

fn refusal(client: &Client, name: &str, server: &Server) -> String {
    let mut client = Session::client(client, name).unwrap();
    let mut server = Session::server(server).unwrap();
    let error = shake_hands(&mut client, &mut server, 9000).unwrap_err();
    // The server is told, and says so.
    let told = carry(&mut client, &mut server, 9000).unwrap_err();
    assert!(told.to_string().starts_with("the peer has refused: "));
    error.to_string()
}

#[test]
fn plain_text_goes_both_ways_however_it_is_cut() {
    let authority = Authority::new();
    let server = authority.server("db.example", false);
    for size in [1, 7, 100_000] {
        let mut client = Session::client(&authority.client(), "db.example").unwrap();
        let mut server = Session::server(&server).unwrap();
        assert_eq!((client.stage(), client.about()), (Stage::Handshake, None));
        client.send(b"early ").unwrap();
        shake_hands(&mut client, &mut server, size).unwrap();
        let long = vec![7; 200_000];
        server.send(&long).unwrap();
        assert_eq!(carry(&mut server, &mut client, size).unwrap(), long);
        client.send(b"text").unwrap();
        assert_eq!(carry(&mut client, &mut server, size).unwrap(), b"text");
        let about = server.about().unwrap();
        assert_eq!(about.version, "TLSv1_3");
        assert_eq!(about.server_name.as_deref(), Some("db.example"));
        client.close();
        assert!(carry(&mut client, &mut server, size).unwrap().is_empty());
        assert_eq!(server.stage(), Stage::Ended);
        assert!(
            client.send(b"more").is_err()
                || carry(&mut client, &mut server, size).unwrap().is_empty()
        );
    }
}

#[test]
fn a_client_believes_neither_strangers_nor_other_names_nor_old_papers() {
    let authority = Authority::new();
    let (client, server) = (authority.client(), authority.server("db.example", false));
    let text = refusal(&client, "other.example", &server);
    assert!(text.contains("other.example"), "{text}");
    let text = refusal(&client, "127.0.0.1", &server);
    assert!(text.contains("not valid for name"), "{text}");
    let text = refusal(&Authority::new().client(), "db.example", &server);
    assert!(text.contains("not trusted"), "{text}");
    let text = refusal(&client, "db.example", &authority.server("db.example", true));
    assert!(text.contains("expired"), "{text}");
}

#[test]
fn a_client_that_was_told_so_believes_anybody() {
    let server = Authority::new().server("db.example", true);
    let options = ClientOptions {
        believe_anybody: true,
        ..ClientOptions::default()
    };
    let mut client = Session::client(&Client::new(&options).unwrap(), "::1").unwrap();
    let mut server = Session::server(&server).unwrap();
    shake_hands(&mut client, &mut server, 9000).unwrap();
}

#[test]
fn files_that_are_none_and_names_that_are_none_are_named() {
    let authority = Authority::new();
    let text = |path: &str| Server::new(path, path).unwrap_err().to_string();
    assert!(text("/nowhere/at.all").starts_with("/nowhere/at.all: "));
    fs::write(authority.folder.join("empty"), "").unwrap();
    assert!(text(&authority.path("empty")).ends_with("there is no certificate in it"));
    assert!(text(&authority.path("ca.pem")).contains("ca.pem: "));
    let client = authority.client();
    for name in ["", "a b", "a..b", "-"] {
        let error = Session::client(&client, name).unwrap_err();
        assert!(error.to_string().contains("neither a name"), "{error}");
    }
    assert!(Session::client(&client, "[::1]").is_ok());
}

#[test]
fn who_speaks_no_tls_is_told_from_who_does() {
    let mut client = Session::client(&Authority::new().client(), "db.example").unwrap();
    let error = client.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n", &mut Vec::new());
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with("the peer does not speak TLS"), "{text}");
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_never_plain_text(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let config = Client::new(&ClientOptions { believe_anybody: true, ..ClientOptions::default() }).unwrap();
        let mut client = Session::client(&config, "db.example").unwrap();
        let mut plain = Vec::new();
        let _ = client.receive(&bytes, &mut plain);
        prop_assert!(plain.is_empty());
        prop_assert_eq!(client.stage(), Stage::Handshake);
    }
}
