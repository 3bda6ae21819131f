//! The agent's side of a node's control connection; what is said on it: `welkin_codec::control`.
//!
//! The node answers in the order of the questions, one after the other, so a `drain` holds up what is
//! asked behind it. Who asks waits as long as he likes; an answer nobody waits for any more is dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use welkin_codec::control::{ANSWER_MAX, Answer, Ask, Lines, Request};

/// Questions that may be unanswered at a time.
const WAITING_MAX: usize = 64;
/// How long a node may take to take a question from the socket.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

type Waiting = oneshot::Sender<Answer>;

/// A connection; clones are the same one. It is closed when the last is dropped.
#[derive(Clone, Debug)]
pub struct Client {
    number: u64,
    asks: mpsc::Sender<(Ask, Waiting)>,
    /// A drain is not answered yet.
    drains: Arc<AtomicBool>,
}

/// The end of a connection.
pub type Closed = oneshot::Receiver<()>;

impl Client {
    /// Serves the connection from now on.
    pub fn new(stream: UnixStream) -> (Client, Closed) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (asks, asked) = mpsc::channel(WAITING_MAX);
        let (open, closed) = oneshot::channel::<()>();
        tokio::spawn(async move {
            serve(stream, asked).await;
            drop(open);
        });
        let client = Client {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            asks,
            drains: Arc::default(),
        };
        (client, closed)
    }

    /// Different for each connection of this agent.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the node is at a drain, and so answers nothing else.
    pub fn is_draining(&self) -> bool {
        self.drains.load(Ordering::Relaxed)
    }

    /// Asks; the error is for people.
    pub async fn ask(&self, ask: Ask, limit: Duration) -> Result<Answer, String> {
        let (waiting, answer) = oneshot::channel();
        let drain = matches!(ask, Ask::Drain { .. });
        if self.asks.try_send((ask, waiting)).is_err() {
            return Err("the node does not answer on its control socket".to_owned());
        }
        if drain {
            self.drains.store(true, Ordering::Relaxed);
        }
        let answer = tokio::time::timeout(limit, answer).await;
        if drain {
            self.drains.store(false, Ordering::Relaxed);
        }
        match answer {
            Ok(Ok(Answer::Refused(text))) => Err(text),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err("the node closed its control connection".to_owned()),
            Err(_) => Err(format!(
                "no answer on the control socket within {} s",
                limit.as_secs_f32()
            )),
        }
    }

    /// Asks without waiting for what comes of it.
    pub fn say(&self, ask: Ask) -> bool {
        let (waiting, _) = oneshot::channel();
        self.asks.try_send((ask, waiting)).is_ok()
    }
}

async fn serve(stream: UnixStream, mut asked: mpsc::Receiver<(Ask, Waiting)>) {
    let (mut reader, mut writer) = stream.into_split();
    let mut lines = Lines::new(ANSWER_MAX);
    let mut waiting: VecDeque<(u64, Waiting)> = VecDeque::new();
    let mut part = vec![0; 8 << 10];
    let mut id = 0;
    loop {
        tokio::select! {
            ask = asked.recv(), if waiting.len() < WAITING_MAX => {
                let Some((ask, who)) = ask else { return };
                id += 1;
                waiting.push_back((id, who));
                let line = Request { id: Some(id), ask }.line();
                match tokio::time::timeout(WRITE_LIMIT, writer.write_all(&line)).await {
                    Ok(Ok(())) => {}
                    _ => return,
                }
            }
            count = reader.read(&mut part) => {
                match count {
                    Ok(count) if count > 0 => lines.feed(&part[..count]),
                    _ => return,
                }
                while let Some(line) = lines.next_line() {
                    // A node that speaks otherwise is of no use on this connection.
                    let Ok(Ok(answer)) = line.map(Answer::parse) else { return };
                    give(&mut waiting, answer);
                }
            }
        }
    }
}

fn give(waiting: &mut VecDeque<(u64, Waiting)>, (id, answer): (Option<u64>, Answer)) {
    // `end` follows `stop` under the same number, which is answered already.
    let at = waiting.iter().position(|(asked, _)| Some(*asked) == id);
    if let Some((_, who)) = at.and_then(|at| waiting.remove(at)) {
        // Nobody may wait any more.
        let _ = who.send(answer);
    }
}
