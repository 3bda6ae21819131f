//! What keeps open pages up to date.
//!
//! One task looks at the fleet: at each change, at most twice a second, and each five seconds for the
//! lines. It writes every document once, however many pages there are, and only while there are any.
//! Each page follows at its own pace and gets the newest of each kind; what it missed between is gone,
//! but for the points of the lines, of which it then gets all again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::lines::Lines;
use super::{Audit, Source, document};

/// Least time between two looks.
const PACE: Duration = Duration::from_millis(500);
/// Figures change without a word.
const LOOK: Duration = Duration::from_secs(2);

/// The newest documents.
#[derive(Clone, Default)]
struct Newest {
    state: Arc<str>,
    audit: Arc<str>,
    point: Arc<str>,
    /// Number of that point.
    points: u64,
    written: Option<Instant>,
}

pub(super) struct Live {
    newest: watch::Sender<Newest>,
    lines: Mutex<Lines>,
    /// A page was opened.
    opened: Notify,
    /// Between two points of the lines.
    step: Duration,
}

impl Live {
    pub(super) fn new(step: Duration) -> Self {
        Self {
            step,
            newest: watch::Sender::default(),
            lines: Mutex::default(),
            opened: Notify::new(),
        }
    }

    /// Never ends.
    pub(super) async fn run<S: Source>(&self, source: Arc<S>) {
        let mut changed = source.changed();
        let mut point_at = Instant::now();
        loop {
            let looked = Instant::now();
            let view = source.view().await;
            if looked >= point_at {
                point_at = looked + self.step;
                self.lines().take(&view);
            }
            if self.newest.receiver_count() > 0 {
                let audit = source.audit().await;
                self.publish(&document::state(&view), &audit);
            }
            sleep_until(looked + PACE.min(self.step)).await;
            tokio::select! {
                () = sleep_until((looked + LOOK).min(point_at)) => {}
                () = self.opened.notified() => {}
                // A source that is gone changes no more.
                () = async { if changed.changed().await.is_err() { std::future::pending().await } } => {}
            }
        }
    }

    /// For one page.
    pub(super) fn follow(&self) -> Follower<'_> {
        let follower = Follower {
            live: self,
            newest: self.newest.subscribe(),
            sent: Newest::default(),
            begun: false,
        };
        self.opened.notify_one();
        follower
    }

    fn publish(&self, state: &Value, audit: &Audit) {
        let audit = serde_json::to_value(audit).unwrap_or_default();
        let (point, points) = {
            let lines = self.lines();
            (event("point", &lines.last()), lines.count)
        };
        let newest = Newest {
            state: event("state", state),
            audit: event("audit", &audit),
            point,
            points,
            written: Some(Instant::now()),
        };
        self.newest.send_replace(newest);
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one page has and has not.
pub(super) struct Follower<'a> {
    live: &'a Live,
    newest: watch::Receiver<Newest>,
    sent: Newest,
    begun: bool,
}

impl Follower<'_> {
    /// The next events, as they are written. `None`: there will be no more.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            let now = |newest: &Newest| newest.written.is_some_and(|at| at.elapsed() < LOOK);
            if self.begun || !now(&self.newest.borrow()) {
                self.newest.changed().await.ok()?;
            }
            let newest = self.newest.borrow_and_update().clone();
            let mut text = String::new();
            if !self.begun || newest.points > self.sent.points + 1 {
                text.push_str(&event("lines", &self.live.lines().all()));
            } else if newest.points != self.sent.points {
                text.push_str(&newest.point);
            }
            if newest.state != self.sent.state {
                text.push_str(&newest.state);
            }
            if newest.audit != self.sent.audit {
                text.push_str(&newest.audit);
            }
            self.begun = true;
            self.sent = newest;
            if !text.is_empty() {
                return Some(text);
            }
        }
    }
}

/// One event. JSON of ours has no line ends, so one line of data is enough.
fn event(name: &str, data: &Value) -> Arc<str> {
    format!("event: {name}\ndata: {data}\n\n").into()
}
