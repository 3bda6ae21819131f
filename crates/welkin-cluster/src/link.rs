//! The calling side of one connection, as a state machine: requests in, frames out, answers to whom they
//! belong. It knows no sockets, no services and no time; those are behind [`Io`].
//!
//! The connection is made on first use and again by the next use after it was lost. What is written
//! before it stands waits in the socket below, so a link is either idle or not. A request is written
//! once; when the connection ends, every one that waits fails, and only those.
//!
//! Small frames are gathered until [`Link::flush`] or until they are [`FLUSH_BYTES`]; large messages go
//! beneath them at low priority, part by part from where they lie.
//!
//! Limits: bytes that the peer does not take ([`Link::new`]), and [`WAITING_MAX`] requests that wait: a
//! caller with a deadline may have given up long ago, which nobody tells the link.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

use welkin_codec::cluster::{
    self, Answer, Malformed, PART, Responses, To, next_session, write_begin, write_part_head,
    write_request, write_trace,
};
use welkin_codec::frame::{Header, Package, Stream};
use welkin_codec::seri::Sink;
use welkin_runtime::Payload;

use crate::body::{Body, Frame, Tail};

/// Most requests that wait for an answer.
const WAITING_MAX: usize = 1 << 20;
/// Gathered bytes that go out at once.
const FLUSH_BYTES: usize = 64 * 1024;
/// Room for gathered bytes that is kept while there are none.
const OUT_KEPT: usize = FLUSH_BYTES + PART;

/// What a link does to the world.
pub trait Io {
    /// Who waits for an answer.
    type Waiter: Copy;
    /// Starts a connection; [`Link::connected`] or [`Link::lost`] follows.
    fn connect(&mut self);
    /// Ends the connection. Nothing more is heard of it.
    fn close(&mut self);
    /// Sends whole frames at high priority, also before the connection stands.
    fn send(&mut self, frames: &[u8]);
    /// Sends a message in parts of [`PART`] bytes, one behind each of the heads, at low priority.
    fn send_parts(&mut self, heads: Vec<Payload>, message: &Tail);
    /// Bytes that wait to be sent.
    fn unsent(&mut self) -> usize;
    /// The answer of a request.
    fn answer(&mut self, waiter: Self::Waiter, answer: Payload);
    /// The end of a request without one.
    fn fail(&mut self, waiter: Self::Waiter);
    /// Says something to people.
    fn log(&mut self, line: fmt::Arguments<'_>);
}

/// A request.
pub struct Request<'a, W> {
    /// Whom it is for; checked.
    pub to: To<'a>,
    /// Packed values.
    pub message: Values<'a>,
    /// `None`: a push.
    pub waiter: Option<W>,
    /// What to send in front of it, made from the session after its own.
    pub trace: Option<&'a dyn Fn(u32) -> Vec<u8>>,
}

/// Packed values, to be sent.
#[derive(Debug)]
pub enum Values<'a> {
    /// They are copied.
    Lent(&'a [u8]),
    /// They are sent from where they lie, if they travel in parts.
    Shared(Tail),
}

impl Values<'_> {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Values::Lent(bytes) => bytes,
            Values::Shared(tail) => tail.as_bytes(),
        }
    }

    fn to_tail(&self) -> Tail {
        match self {
            Values::Lent(bytes) => Tail {
                message: Arc::new(Payload::copy_from(bytes)),
                from: 0,
            },
            Values::Shared(tail) => tail.clone(),
        }
    }
}

/// See the head of this file.
#[derive(Debug)]
pub struct Link<W> {
    state: State,
    session: u32,
    waiting: HashMap<u32, W>,
    frames: Stream<Frame>,
    responses: Responses<Body>,
    /// Gathered frames.
    out: Vec<u8>,
    /// Bytes that wait at the socket, at most.
    unsent_max: usize,
    queue_max: usize,
    /// Pushes that went out before the connection stood.
    pushes: u64,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum State {
    Closed,
    Idle,
    Connecting,
    Connected,
}

impl<W: Copy> Link<W> {
    /// A link without a connection. No more than `queue_max` bytes wait to be sent, but for one message
    /// that is larger by itself.
    pub fn new(queue_max: usize) -> Self {
        Self {
            state: State::Idle,
            session: 1,
            waiting: HashMap::new(),
            frames: Stream::default(),
            responses: Responses::default(),
            out: Vec::new(),
            unsent_max: 0,
            queue_max,
            pushes: 0,
        }
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of answers that are not whole.
    pub fn kept(&self) -> usize {
        self.responses.kept()
    }

    /// Whether the connection stands.
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// Sends a request, on a new connection if there is none.
    pub fn submit<I: Io<Waiter = W>>(&mut self, io: &mut I, request: &Request<'_, W>) {
        let message = request.message.as_bytes();
        if let Err(why) = self.admit(io, message.len()) {
            io.log(format_args!("{why}"));
            if let Some(waiter) = request.waiter {
                // It has had its number all the same, as in skynet.
                self.session = next_session(self.session);
                io.fail(waiter);
            }
            return;
        }
        self.connect_if_idle(io);
        let large = message.len() >= PART;
        let session = self.session;
        let numbered = large || request.waiter.is_some();
        if numbered {
            self.session = next_session(session);
        }
        match request.waiter {
            Some(waiter) => {
                // A session comes again after 2^31; who still waits by then has lost its answer.
                if let Some(forgotten) = self.waiting.insert(session, waiter) {
                    io.fail(forgotten);
                }
            }
            None if self.state == State::Connecting => self.pushes += 1,
            None => {}
        }
        if large {
            self.send_large(io, request, session);
        } else {
            let session = if numbered { session } else { 0 };
            trace(&mut self.out, request, self.session);
            write_request(&mut self.out, &request.to, session, message);
            if self.out.len() >= FLUSH_BYTES {
                self.flush(io);
            }
        }
    }

    /// Whether a message of this many bytes may be sent.
    fn admit<I: Io<Waiter = W>>(&mut self, io: &mut I, bytes: usize) -> Result<(), String> {
        if self.state == State::Closed {
            return Err("assertion failed! (the node is down: its address is false)".into());
        }
        if u32::try_from(bytes).is_err() {
            return Err(format!(
                "a message of {bytes} bytes is too large for the cluster"
            ));
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err("too many calls wait for an answer of the peer".into());
        }
        if self.state == State::Idle || self.unsent_max + self.out.len() + bytes <= self.queue_max {
            return Ok(());
        }
        self.unsent_max = io.unsent();
        let waits = self.unsent_max + self.out.len();
        if waits == 0 || waits + bytes <= self.queue_max {
            return Ok(());
        }
        Err(format!(
            "the peer does not read: {waits} bytes wait to be sent to it and {bytes} more would be \
             over the limit (welkin_cluster_queue_max_mb); calls fail, sends are dropped"
        ))
    }

    fn connect_if_idle<I: Io<Waiter = W>>(&mut self, io: &mut I) {
        if self.state == State::Idle {
            self.unsent_max = 0;
            self.pushes = 0;
            self.state = State::Connecting;
            io.connect();
        }
    }

    fn send_large<I: Io<Waiter = W>>(
        &mut self,
        io: &mut I,
        request: &Request<'_, W>,
        session: u32,
    ) {
        self.flush(io);
        let message = request.message.to_tail();
        // `admit` has seen to it that the size fits.
        let size = message.as_bytes().len();
        let push = request.waiter.is_none();
        let heads = message.heads(|head, number, bytes, last| {
            if number == 0 {
                trace(head, request, self.session);
                write_begin(head, &request.to, session, size as u32, push);
            }
            write_part_head(head, session, bytes, last);
        });
        self.unsent_max += size + heads.iter().map(Payload::len).sum::<usize>();
        io.send_parts(heads, &message);
    }

    /// Sends what is gathered. To be called when nothing more is known to come at once.
    #[inline]
    pub fn flush<I: Io<Waiter = W>>(&mut self, io: &mut I) {
        if !self.out.is_empty() {
            io.send(&self.out);
            self.unsent_max += self.out.len();
            self.out.clear();
            self.out.shrink_to(OUT_KEPT);
        }
    }

    /// The connection stands.
    pub fn connected(&mut self) {
        if self.state == State::Connecting {
            self.state = State::Connected;
            self.pushes = 0;
        }
    }

    /// The connection has ended, or could not be made.
    pub fn lost<I: Io<Waiter = W>>(&mut self, io: &mut I) {
        if matches!(self.state, State::Connecting | State::Connected) {
            self.state = State::Idle;
            self.drop_all(io);
        }
    }

    /// Ends the connection. `closed`: and makes no other, until [`Link::open`].
    pub fn close<I: Io<Waiter = W>>(&mut self, io: &mut I, closed: bool) {
        if matches!(self.state, State::Connecting | State::Connected) {
            io.close();
            self.drop_all(io);
        }
        self.state = if closed { State::Closed } else { State::Idle };
    }

    /// Connects now; what there was has been closed.
    pub fn open<I: Io<Waiter = W>>(&mut self, io: &mut I) {
        self.state = State::Idle;
        self.connect_if_idle(io);
    }

    fn drop_all<I: Io<Waiter = W>>(&mut self, io: &mut I) {
        self.out = Vec::new();
        self.frames = Stream::default();
        self.responses = Responses::default();
        let mut waiting: Vec<_> = mem::take(&mut self.waiting).into_iter().collect();
        waiting.sort_unstable_by_key(|&(session, _)| session);
        if !waiting.is_empty() || self.pushes > 0 {
            let (calls, pushes) = (waiting.len(), self.pushes);
            io.log(format_args!(
                "[Error: socket] the connection is lost: calls that failed: {calls}, sends that never left: {pushes}"
            ));
        }
        self.pushes = 0;
        for (_, waiter) in waiting {
            io.fail(waiter);
        }
    }

    /// Takes what the peer sent. A peer that breaks the rules loses the connection.
    pub fn data<I: Io<Waiter = W>>(&mut self, io: &mut I, bytes: &[u8]) {
        if self.state != State::Connected {
            return;
        }
        let mut frames = mem::take(&mut self.frames);
        let taken = frames.feed(Header::Short, bytes).try_for_each(|frame| {
            // Two bytes cannot announce what is too long.
            match frame.map_err(|_| Malformed)? {
                Package::Whole(body) => self.response(io, body),
                Package::Joined(body) => self.response(io, body.as_slice()),
            }
        });
        self.frames = frames;
        if let Err(Malformed) = taken {
            io.log(format_args!("{Malformed}, the connection is closed"));
            self.close(io, false);
        }
    }

    fn response<I: Io<Waiter = W>>(&mut self, io: &mut I, body: &[u8]) -> Result<(), Malformed> {
        let waiting = &self.waiting;
        let is_waiting = |session| waiting.contains_key(&session);
        let Some((session, answer)) = self.responses.take(body, is_waiting)? else {
            return Ok(());
        };
        let Some(waiter) = self.waiting.remove(&session) else {
            io.log(format_args!("socket: unknown session : {session}"));
            return Ok(());
        };
        match answer {
            Answer::Result(Package::Whole(bytes)) => io.answer(waiter, Payload::copy_from(bytes)),
            Answer::Result(Package::Joined(body)) => io.answer(waiter, body.finish()),
            Answer::Nothing => io.answer(waiter, Payload::empty()),
            Answer::Error(text) => {
                io.log(format_args!("{}", String::from_utf8_lossy(text)));
                io.fail(waiter);
            }
        }
        Ok(())
    }
}

/// The tag goes in front of its request. One that is too long has been refused before.
fn trace<W>(sink: &mut impl Sink, request: &Request<'_, W>, session: u32) {
    if let Some(trace) = request.trace {
        write_trace(sink, &trace(session));
    }
}

/// Whether a tag can be sent.
pub(crate) fn tag_fits(tag: &[u8]) -> bool {
    tag.len() <= cluster::TRACE_MAX
}
