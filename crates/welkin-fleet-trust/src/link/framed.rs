//! A stream before it is a link: the greeting, and the few messages of an enrolment. Small frames only,
//! one after the other; the caller sets the deadline.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use welkin_fleet_model::wire::frame::{self, Decoder, Frame};
use welkin_fleet_model::wire::{Hello, PROTOCOL, Purpose};

use super::{Limits, Link, Peer, Stream};
use crate::authority::Revoked;
use crate::crypto::now_unix_ms;
use crate::error::LinkError;

/// Longest frame from somebody whom we do not know yet.
const STRANGER_MAX: usize = 64 << 10;

pub(crate) struct Framed {
    stream: Box<dyn Stream>,
    decoder: Decoder,
}

impl Framed {
    pub(crate) fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            decoder: Decoder::new(STRANGER_MAX),
        }
    }

    pub(crate) async fn send(&mut self, message: &impl Serialize) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        frame::message(&mut bytes, &to_json(message)?);
        self.stream
            .write_all(&bytes)
            .await
            .map_err(|error| LinkError::from_io(&error))?;
        self.stream
            .flush()
            .await
            .map_err(|error| LinkError::from_io(&error))
    }

    pub(crate) async fn receive<T: DeserializeOwned>(&mut self) -> Result<T, LinkError> {
        loop {
            match self.decoder.frame()? {
                Some(Frame::Message(body)) => return from_json(body),
                Some(Frame::Beat) => continue,
                Some(_) => return Err(LinkError::Garbage("a stream before the greeting".into())),
                None => {}
            }
            let read = self.stream.read_buf(self.decoder.room()).await;
            match read {
                Ok(0) => {
                    return Err(LinkError::Lost(
                        "closed before the greeting was over".into(),
                    ));
                }
                Ok(_) => {}
                Err(error) => return Err(LinkError::from_io(&error)),
            }
        }
    }

    /// Says what was wrong before the end, as far as the peer listens.
    pub(crate) async fn refuse(&mut self, purpose: Purpose, text: &str) {
        let refusal = Hello {
            refused: Some(text.to_owned()),
            ..hello(purpose)
        };
        let _ = self.finish(&refusal).await;
    }

    /// Sends the last message and waits until the peer has gone, so that it is read before the end.
    pub(crate) async fn finish(&mut self, message: &impl Serialize) -> Result<(), LinkError> {
        self.send(message).await?;
        let failed = |error: std::io::Error| LinkError::from_io(&error);
        self.stream.shutdown().await.map_err(failed)?;
        let mut rest = [0; 256];
        while self.stream.read(&mut rest).await.map_err(failed)? > 0 {}
        Ok(())
    }

    pub(crate) fn link(
        mut self,
        peer: Peer,
        hello: Hello,
        limits: &Limits,
        revoked: Option<watch::Receiver<Revoked>>,
    ) -> Link {
        self.decoder.set_max(frame::MAX);
        Link::begin(self.stream, self.decoder, peer, hello, limits, revoked)
    }
}

/// Our greeting.
pub(crate) fn hello(purpose: Purpose) -> Hello {
    Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        purpose,
        unix_ms: now_unix_ms(),
        name: None,
        refused: None,
        renew: false,
    }
}

pub(crate) fn to_json(message: &impl Serialize) -> Result<Vec<u8>, LinkError> {
    let bytes = serde_json::to_vec(message)
        .map_err(|error| LinkError::Local(format!("a message that is no JSON: {error}")))?;
    match bytes.len() {
        size if size > frame::MESSAGE_MAX => Err(LinkError::TooLong(size)),
        _ => Ok(bytes),
    }
}

pub(crate) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, LinkError> {
    serde_json::from_slice(body).map_err(|error| LinkError::Garbage(error.to_string()))
}
