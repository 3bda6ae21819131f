//! The receiving half: frames put together to messages, pieces checked against their digest.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, ReadHalf};
use tokio::time::{Instant, timeout_at};
use welkin_fleet_model::wire::frame::{Decoder, Frame, MESSAGE_MAX};

use super::framed::from_json;
use super::{Over, Peer, Stream};
use crate::crypto;
use crate::error::LinkError;

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message, JSON.
    Message(Vec<u8>),
    /// Data of a stream; it is what was sent.
    Piece {
        /// Which.
        stream: u64,
        /// The data.
        data: Vec<u8>,
    },
    /// The end of a stream.
    End {
        /// Which.
        stream: u64,
        /// What was missing; empty: nothing.
        failure: String,
    },
}

impl Incoming {
    /// The message in it.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, LinkError> {
        match self {
            Self::Message(body) => from_json(body),
            Self::Piece { .. } | Self::End { .. } => Err(LinkError::Garbage(
                "a stream where a message should be".into(),
            )),
        }
    }
}

/// Receives on a link. When it is dropped, the link ends.
pub struct Receiver {
    read: ReadHalf<Box<dyn Stream>>,
    decoder: Decoder,
    /// Parts of a message that goes on.
    parts: Vec<u8>,
    heard: Instant,
    silence: Duration,
    over: Over,
    peer: Arc<Peer>,
}

impl Receiver {
    pub(super) fn new(
        read: ReadHalf<Box<dyn Stream>>,
        decoder: Decoder,
        peer: Arc<Peer>,
        over: Over,
        silence: Duration,
    ) -> Self {
        Self {
            read,
            decoder,
            parts: Vec::new(),
            heard: Instant::now(),
            silence,
            over,
            peer,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What comes next. `None`: the peer, or we, closed the link in order. May be dropped and called
    /// again (`select!`): nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Incoming>, LinkError> {
        match self.step().await {
            Ok(Some(incoming)) => Ok(Some(incoming)),
            Ok(None) => {
                self.over.set(LinkError::Closed);
                Ok(None)
            }
            Err(error) => {
                self.over.set(error);
                // The first reason is the true one: a broken pipe is only what follows a revocation.
                match self.over.get() {
                    Some(LinkError::Closed) | None => Ok(None),
                    Some(reason) => Err(reason),
                }
            }
        }
    }

    /// The next message; anything else in its place is an error, and so is the end.
    pub async fn message<T: DeserializeOwned>(&mut self) -> Result<T, LinkError> {
        match self.next().await? {
            Some(incoming) => incoming.parse(),
            None => Err(LinkError::Closed),
        }
    }

    async fn step(&mut self) -> Result<Option<Incoming>, LinkError> {
        loop {
            if let Some(incoming) = self.decoded()? {
                return Ok(Some(incoming));
            }
            let read = self.read.read_buf(self.decoder.room());
            let read = tokio::select! {
                biased;
                reason = self.over.wait() => return Err(reason),
                read = timeout_at(self.heard + self.silence, read) => read,
            };
            match read {
                Ok(Ok(0)) if self.decoder.is_empty() && self.parts.is_empty() => return Ok(None),
                Ok(Ok(0)) => return Err(LinkError::Lost("closed within a message".into())),
                Ok(Ok(_)) => self.heard = Instant::now(),
                Ok(Err(error)) => return Err(LinkError::from_io(&error)),
                Err(_) => {
                    let ms = u64::try_from(self.silence.as_millis()).unwrap_or(u64::MAX);
                    return Err(LinkError::Silent(ms));
                }
            }
        }
    }

    /// The next whole thing among the bytes that are here.
    fn decoded(&mut self) -> Result<Option<Incoming>, LinkError> {
        while let Some(frame) = self.decoder.frame()? {
            match frame {
                Frame::Beat => {}
                Frame::Part(part) => add(&mut self.parts, part)?,
                Frame::Message(last) if self.parts.is_empty() => {
                    return Ok(Some(Incoming::Message(last.to_vec())));
                }
                Frame::Message(last) => {
                    add(&mut self.parts, last)?;
                    let body = std::mem::take(&mut self.parts);
                    return Ok(Some(Incoming::Message(body)));
                }
                Frame::Piece {
                    stream,
                    digest,
                    data,
                } => {
                    if crypto::sha256(data) != *digest {
                        return Err(LinkError::Garbage(format!(
                            "a damaged piece of stream {stream}"
                        )));
                    }
                    let data = data.to_vec();
                    return Ok(Some(Incoming::Piece { stream, data }));
                }
                Frame::End { stream, failure } => {
                    let failure = failure.to_owned();
                    return Ok(Some(Incoming::End { stream, failure }));
                }
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Receiver")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.over.set(LinkError::Closed);
    }
}

fn add(parts: &mut Vec<u8>, part: &[u8]) -> Result<(), LinkError> {
    let size = parts.len() + part.len();
    if size > MESSAGE_MAX {
        return Err(LinkError::Garbage(format!(
            "a message above {MESSAGE_MAX} bytes"
        )));
    }
    parts.extend_from_slice(part);
    Ok(())
}
