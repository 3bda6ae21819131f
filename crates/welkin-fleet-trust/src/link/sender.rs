//! The sending half: a queue, and the task that writes it.
//!
//! One queue in order of sending: what is sent after the end of a stream arrives after it. Room is
//! counted in bytes, apart for messages and for pieces of streams: of these only a few wait at a time,
//! so that a message behind them is not late. The task writes with a deadline for each part, sends signs
//! of life, and looks at what ends a link from outside: revocation, and the end of the certificate.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;
use welkin_fleet_model::wire::frame;

use super::framed::to_json;
use super::{Limits, Over, Peer, Stream};
use crate::authority::Revoked;
use crate::crypto::{self, now_unix_ms};
use crate::error::LinkError;

/// Pieces that wait to be written.
const PIECES: usize = 2;
/// Bytes of the queue that one permit stands for.
const UNIT: usize = 256;
/// What must make progress within the deadline.
const CHUNK: usize = 64 << 10;
/// How often the wall clock is compared with the certificate's end.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(20);

/// Sends on a link; clones share it. The link ends when [`Self::close`] is called or all are gone.
#[derive(Clone, Debug)]
pub struct Sender {
    queue: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
    room_max: u32,
    pieces: Arc<Semaphore>,
    over: Over,
    peer: Arc<Peer>,
    limits: Limits,
}

#[derive(Debug)]
enum Queued {
    Bytes(Vec<u8>, OwnedSemaphorePermit),
    Close,
}

impl Sender {
    pub(super) fn begin(
        write: WriteHalf<Box<dyn Stream>>,
        peer: Arc<Peer>,
        over: Over,
        limits: &Limits,
        revoked: Option<watch::Receiver<Revoked>>,
    ) -> Self {
        let room_max = u32::try_from(limits.queue / UNIT)
            .unwrap_or(u32::MAX)
            .max(1);
        let (queue, queued) = mpsc::unbounded_channel();
        let writer = Writer {
            write,
            queued,
            limits: limits.clone(),
        };
        let outside = outside(over.clone(), peer.clone(), revoked);
        tokio::spawn(writer.run(over.clone(), outside));
        Self {
            queue,
            room: Arc::new(Semaphore::new(room_max as usize)),
            room_max,
            pieces: Arc::new(Semaphore::new(PIECES)),
            over,
            peer,
            limits: limits.clone(),
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Queues a message; waits for room, at most as long as a write may take.
    pub async fn send(&self, message: &impl Serialize) -> Result<(), LinkError> {
        let body = to_json(message)?;
        let permits = self.permits(body.len());
        let room = self.room.clone().acquire_many_owned(permits);
        let permit = self.wait(room).await?;
        self.queue_message(&body, permit)
    }

    /// Queues a message if there is room for it now, else [`LinkError::Full`].
    pub fn try_send(&self, message: &impl Serialize) -> Result<(), LinkError> {
        let body = to_json(message)?;
        let permits = self.permits(body.len());
        match self.room.clone().try_acquire_many_owned(permits) {
            Ok(permit) => self.queue_message(&body, permit),
            Err(_) => Err(self.over.get().unwrap_or(LinkError::Full)),
        }
    }

    /// Queues data of a stream, at most [`frame::PIECE`] bytes. Waits for room.
    pub async fn piece(&self, stream: u64, data: &[u8]) -> Result<(), LinkError> {
        if data.len() > frame::PIECE {
            return Err(LinkError::TooLong(data.len()));
        }
        let permit = self.wait(self.pieces.clone().acquire_owned()).await?;
        let mut bytes = Vec::new();
        frame::piece(&mut bytes, stream, &crypto::sha256(data), data);
        self.push(bytes, permit)
    }

    /// Queues the end of a stream. `failure`: what was missing; empty: nothing.
    pub async fn end(&self, stream: u64, failure: &str) -> Result<(), LinkError> {
        let room = self
            .room
            .clone()
            .acquire_many_owned(self.permits(failure.len()));
        let permit = self.wait(room).await?;
        let mut bytes = Vec::new();
        frame::end(&mut bytes, stream, failure);
        self.push(bytes, permit)
    }

    /// Ends the link when all that was queued is written.
    pub fn close(&self) {
        let _ = self.queue.send(Queued::Close);
    }

    /// Whether the link is over.
    pub fn is_closed(&self) -> bool {
        self.over.get().is_some()
    }

    /// Waits until the link is over; why.
    pub async fn closed(&self) -> LinkError {
        self.over.wait().await
    }

    /// Room for that many bytes; one message may be larger than the queue, and is then alone in it.
    fn permits(&self, bytes: usize) -> u32 {
        let units = u32::try_from(bytes / UNIT + 1).unwrap_or(u32::MAX);
        units.min(self.room_max)
    }

    async fn wait<T, E>(&self, room: impl Future<Output = Result<T, E>>) -> Result<T, LinkError> {
        tokio::select! {
            room = timeout(self.limits.write, room) => match room {
                Ok(Ok(permit)) => Ok(permit),
                Ok(Err(_)) => Err(LinkError::Closed),
                Err(_) => Err(self.over.get().unwrap_or(LinkError::Slow)),
            },
            reason = self.over.wait() => Err(reason),
        }
    }

    fn queue_message(&self, body: &[u8], permit: OwnedSemaphorePermit) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        frame::message(&mut bytes, body);
        self.push(bytes, permit)
    }

    fn push(&self, bytes: Vec<u8>, permit: OwnedSemaphorePermit) -> Result<(), LinkError> {
        if let Some(reason) = self.over.get() {
            return Err(reason);
        }
        self.queue
            .send(Queued::Bytes(bytes, permit))
            .map_err(|_| self.over.get().unwrap_or(LinkError::Closed))
    }
}

struct Writer {
    write: WriteHalf<Box<dyn Stream>>,
    queued: mpsc::UnboundedReceiver<Queued>,
    limits: Limits,
}

impl Writer {
    async fn run(mut self, over: Over, outside: impl Future<Output = LinkError>) {
        let reason = tokio::select! {
            done = self.work() => done.err().unwrap_or(LinkError::Closed),
            reason = outside => reason,
        };
        over.set(reason);
        let _ = timeout(self.limits.write, self.write.shutdown()).await;
    }

    /// `Ok`: closed in order.
    async fn work(&mut self) -> Result<(), LinkError> {
        loop {
            match timeout(self.limits.beat, self.queued.recv()).await {
                Ok(Some(Queued::Bytes(bytes, _room))) => self.put(&bytes).await?,
                Ok(Some(Queued::Close) | None) => return Ok(()),
                Err(_) => {
                    let mut bytes = Vec::new();
                    frame::beat(&mut bytes);
                    self.put(&bytes).await?;
                }
            }
        }
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        for chunk in bytes.chunks(CHUNK) {
            let write = async {
                self.write.write_all(chunk).await?;
                self.write.flush().await
            };
            timeout(self.limits.write, write)
                .await
                .map_err(|_| LinkError::Slow)?
                .map_err(|error| LinkError::from_io(&error))?;
        }
        Ok(())
    }
}

/// What ends a link besides its own work: the other half, a revocation, the end of the certificate.
async fn outside(
    over: Over,
    peer: Arc<Peer>,
    mut revoked: Option<watch::Receiver<Revoked>>,
) -> LinkError {
    loop {
        let until = peer.until_unix_ms.unwrap_or(u64::MAX);
        let left = Duration::from_millis(until.saturating_sub(now_unix_ms()));
        if left.is_zero() {
            return LinkError::Expired;
        }
        if let (Some(revoked), Some(shown)) = (&mut revoked, &peer.shown)
            && revoked
                .borrow_and_update()
                .contains_key(&shown.subject.enrolment)
        {
            return LinkError::Revoked;
        }
        tokio::select! {
            reason = over.wait() => return reason,
            () = changed(&mut revoked) => {}
            () = tokio::time::sleep(left.min(CERTIFICATE_LOOK)) => {}
        }
    }
}

async fn changed(revoked: &mut Option<watch::Receiver<Revoked>>) {
    if let Some(receiver) = revoked
        && receiver.changed().await.is_ok()
    {
        return;
    }
    // Nothing to watch, or the authority is gone with its process.
    std::future::pending().await
}
