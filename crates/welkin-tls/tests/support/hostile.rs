//! What holds for a session whatever stands between it and its peer does to the bytes; shared with the
//! fuzz target. The input is a script: who is looked at, and what happens to what the other one says.
//!
//! TLS promises that what a session hands out is the beginning of what its peer has sent, or nothing: no
//! garbage, no gap, nothing twice. And nothing that comes from outside may end the program.

use std::fs;
use std::sync::LazyLock;

use rcgen::{CertificateParams, KeyPair};
use welkin_tls::{Client, ClientOptions, Server, Session, Stage};

const NAME: &str = "peer.example";

/// A client that trusts the server.
static ENDS: LazyLock<(Client, Server)> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("welkin-tls-hostile-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder of its own");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([NAME.to_string()]).expect("a good name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let path = |file: &str| folder.join(file).to_str().expect("UTF-8").to_string();
    fs::write(path("pem"), certificate.pem()).expect("a file");
    fs::write(path("key"), key.serialize_pem()).expect("a file");
    let options = ClientOptions {
        ca: Some(path("pem")),
        ..ClientOptions::default()
    };
    let ends = (
        Client::new(&options).expect("a client"),
        Server::new(&path("pem"), &path("key")).expect("a server"),
    );
    drop(fs::remove_dir_all(&folder));
    ends
});

/// One end, what it has been told to send, and what it has handed out.
struct End {
    session: Session,
    sent: Vec<u8>,
    plain: Vec<u8>,
    failed: bool,
    received: usize,
}

impl End {
    fn new(session: Session) -> Self {
        Self {
            session,
            sent: Vec::new(),
            plain: Vec::new(),
            failed: false,
            received: 0,
        }
    }

    fn says(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        self.session.take(&mut wire);
        wire
    }

    fn receive(&mut self, wire: &[u8]) {
        self.received += wire.len();
        let before = self.plain.len();
        let result = self.session.receive(wire, &mut self.plain);
        if self.failed {
            assert!(result.is_err(), "what has failed once goes on failing");
            assert_eq!(self.plain.len(), before, "after a failure nothing comes");
        }
        self.failed |= result.is_err();
    }

    fn send(&mut self, text: &[u8]) {
        if self.session.send(text).is_ok() {
            self.sent.extend_from_slice(text);
        }
    }

    /// Nothing has come but what `peer` has sent.
    fn check(&self, peer: &Self) {
        assert!(peer.sent.starts_with(&self.plain), "not what was sent");
        assert!(
            self.plain.len() <= self.received,
            "more than came on the wire"
        );
        if self.session.stage() == Stage::Handshake {
            assert!(self.plain.is_empty(), "text before both are agreed");
        }
    }
}

/// Takes the next number of the script; 0 behind its end.
fn next(script: &mut &[u8]) -> usize {
    let Some((first, rest)) = script.split_first() else {
        return 0;
    };
    *script = rest;
    usize::from(*first)
}

/// Plays the script.
pub fn check_script(mut script: &[u8]) {
    let (client, server) = &*ENDS;
    let client = End::new(Session::client(client, NAME).expect("a client's session"));
    let server = End::new(Session::server(server).expect("a server's session"));
    let (mut victim, mut peer) = match next(&mut script) % 2 {
        0 => (client, server),
        _ => (server, client),
    };
    for _ in 0..64 {
        if script.is_empty() {
            break;
        }
        step(&mut script, &mut victim, &mut peer);
        victim.check(&peer);
        peer.check(&victim);
        // What it knows of the connection can be asked at any time.
        drop(victim.session.about());
    }
}

fn step(script: &mut &[u8], victim: &mut End, peer: &mut End) {
    match next(script) % 9 {
        // Both are carried as they are.
        0 | 1 => {
            peer.receive(&victim.says());
            victim.receive(&peer.says());
        }
        // In small pieces.
        2 => {
            let size = 1 + next(script);
            peer.receive(&victim.says());
            peer.says()
                .chunks(size)
                .for_each(|piece| victim.receive(piece));
        }
        // Cut off, or some in the middle left out.
        3 => {
            let mut wire = peer.says();
            let from = next(script) * 8 % (wire.len() + 1);
            let to = (from + next(script)).min(wire.len());
            wire.drain(from..to);
            victim.receive(&wire);
        }
        // One byte is another.
        4 => {
            let mut wire = peer.says();
            let at = next(script) * 256 + next(script);
            let by = next(script) as u8;
            let len = wire.len();
            if len > 0 {
                wire[at % len] ^= by;
            }
            victim.receive(&wire);
        }
        // Twice the same.
        5 => {
            let wire = peer.says();
            victim.receive(&wire);
            victim.receive(&wire);
        }
        // Something that the peer has not said, with or without the head of a record.
        6 => {
            let (kind, len) = (next(script), next(script).min(script.len()));
            let (garbage, rest) = script.split_at(len);
            *script = rest;
            if kind % 8 > 0 {
                let [high, low] = (len as u16).to_be_bytes();
                victim.receive(&[19 + (kind % 8) as u8, 3, 3, high, low]);
            }
            victim.receive(garbage);
        }
        7 => {
            let text = vec![b't'; next(script) * 128];
            peer.send(&text);
            victim.send(&text[..text.len() / 2]);
        }
        _ => peer.session.close(),
    }
}
