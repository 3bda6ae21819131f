//! One connection's TLS.
//!
//! Whoever drives it hands over what came ([`Session::receive`]), sends what it says ([`Session::take`])
//! after each call, also after one that failed: the peer is told why. Limits are rustls's: a handshake
//! message has at most 64 KiB, a record 16 KiB of plain text, and nothing is kept of what is not whole
//! beyond that.

use std::io::{self, Read, Write};
use std::net::IpAddr;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, Error, ServerConnection};

use crate::{Client, Server, TlsError};

/// How far a session is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Both sides are not yet agreed; what is sent now waits until they are.
    Handshake,
    /// Plain text goes both ways.
    Open,
    /// The peer has said that it sends no more. An end of the connection without that may be somebody else's doing.
    Ended,
}

/// What both sides have agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct About {
    /// As `TLSv1_3`.
    pub version: String,
    /// As `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The name that the client has called, as the server learned it.
    pub server_name: Option<String>,
}

/// The TLS of one connection.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    ended: bool,
    /// We have said goodbye.
    closed: bool,
    /// What has gone wrong. rustls is not asked any more then: it would tell the peer once more, which it takes
    /// for a mistake of ours.
    failed: Option<Error>,
}

impl Session {
    /// The client's side, with the server that goes by `name`: a name of DNS or an address.
    pub fn client(config: &Client, name: &str) -> Result<Self, TlsError> {
        let wrong = || TlsError::Name(name.to_string());
        // An address may stand in brackets, as in a URL.
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let server = match bare.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(name.to_string()).map_err(|_| wrong())?,
        };
        let connection =
            ClientConnection::new(config.0.clone(), server).map_err(TlsError::Identity)?;
        Ok(Self::new(connection.into()))
    }

    /// The server's side.
    pub fn server(config: &Server) -> Result<Self, TlsError> {
        let connection = ServerConnection::new(config.0.clone()).map_err(TlsError::Identity)?;
        Ok(Self::new(connection.into()))
    }

    fn new(mut connection: Connection) -> Self {
        // What is written is taken at once, and must not be cut.
        connection.set_buffer_limit(None);
        Self {
            connection,
            ended: false,
            closed: false,
            failed: None,
        }
    }

    /// Takes what came from the wire and adds the plain text in it to `plain`. What stands behind the
    /// peer's goodbye, or comes after ours, is dropped. After an error it is the same error for ever.
    pub fn receive(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.failed.is_none() && !self.closed {
            self.failed = self.read(wire, plain).err();
        }
        match &self.failed {
            Some(error) => Err(TlsError::Peer(error.clone())),
            None => Ok(()),
        }
    }

    fn read(&mut self, mut wire: &[u8], plain: &mut Vec<u8>) -> Result<(), Error> {
        let general = |error: io::Error| Error::General(error.to_string());
        while !wire.is_empty() && !self.ended {
            self.connection.read_tls(&mut wire).map_err(general)?;
            let state = self.connection.process_new_packets()?;
            self.ended = state.peer_has_closed();
            let (start, more) = (plain.len(), state.plaintext_bytes_to_read());
            plain.resize(start + more, 0);
            let read = self.connection.reader().read_exact(&mut plain[start..]);
            read.map_err(general)?;
        }
        Ok(())
    }

    /// Takes plain text; [`Session::take`] gives it for the wire, when the handshake is done.
    pub fn send(&mut self, plain: &[u8]) -> Result<(), TlsError> {
        let sent = self.connection.writer().write_all(plain);
        sent.map_err(|_| TlsError::Ended)
    }

    /// Adds to `wire` what is to be sent now.
    pub fn take(&mut self, wire: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // Writing to memory does not fail; if it ever did, a loop would not mend it.
            if self.connection.write_tls(wire).is_err() {
                return;
            }
        }
    }

    /// Says goodbye; [`Session::take`] gives the bytes. Nothing is read any more.
    pub fn close(&mut self) {
        self.closed = true;
        self.connection.send_close_notify();
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        if self.ended {
            Stage::Ended
        } else if self.connection.is_handshaking() {
            Stage::Handshake
        } else {
            Stage::Open
        }
    }

    /// What both sides have agreed on; `None` before they have.
    pub fn about(&self) -> Option<About> {
        let connection = &self.connection;
        Some(About {
            version: format!("{:?}", connection.protocol_version()?),
            cipher: format!("{:?}", connection.negotiated_cipher_suite()?.suite()),
            server_name: match connection {
                Connection::Server(server) => server.server_name().map(str::to_string),
                Connection::Client(_) => None,
            },
        })
    }
}
