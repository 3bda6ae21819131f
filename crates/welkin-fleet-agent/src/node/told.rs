//! What a node says of itself, as figures: rates are the difference of two sayings.

use std::collections::BTreeMap;

use welkin_codec::control::{Status, Totals};
use welkin_fleet_model::figures::NodeFigures;

/// A saying older than this is none.
const FRESH_MS: u64 = 10_000;

/// The last two sayings.
#[derive(Clone, Debug, Default)]
pub struct Told {
    last: Option<(u64, Status)>,
    before: Option<(u64, Status)>,
    online: Option<Players>,
    /// The hook gave nothing: told to the log at that time.
    pub complained_ms: Option<u64>,
}

/// What a hook said.
#[derive(Clone, Debug)]
struct Players {
    at: u64,
    sum: u64,
    parts: Option<BTreeMap<String, u64>>,
}

impl Told {
    /// What the node said at `ms`.
    pub fn take(&mut self, ms: u64, status: Status) {
        self.before = self.last.take();
        self.last = Some((ms, status));
    }

    /// What its hook said.
    pub fn take_online(&mut self, at: u64, sum: u64, parts: Option<BTreeMap<String, u64>>) {
        self.online = Some(Players { at, sum, parts });
    }

    /// The hook has no answer any more.
    pub fn forget_online(&mut self) {
        self.online = None;
    }

    /// The last saying.
    pub fn status(&self) -> Option<&Status> {
        self.last.as_ref().map(|(_, status)| status)
    }

    /// Fills in what the machine cannot tell.
    pub fn fill(&self, ms: u64, figures: &mut NodeFigures) {
        let fresh = |at: u64| ms.saturating_sub(at) <= FRESH_MS;
        if let Some(players) = self.online.as_ref().filter(|players| fresh(players.at)) {
            figures.online = Some(players.sum);
            figures.online_parts.clone_from(&players.parts);
        }
        let Some((at, status)) = self.last.as_ref().filter(|(at, _)| fresh(*at)) else {
            return;
        };
        figures.established = Some(status.sockets.established);
        figures.listen = Some(status.sockets.listen);
        figures.closing = Some(status.sockets.closing);
        figures.services = Some(status.services);
        figures.longest_queue = Some(status.queue.as_ref().map_or(0, |queue| queue.messages));
        figures.stuck = status
            .stuck
            .iter()
            .map(|stuck| {
                format!("{} {} {}", stuck.service, stuck.name, stuck.at)
                    .trim()
                    .to_owned()
            })
            .collect();
        if figures.online.is_none() {
            figures.online = status.online;
        }
        let Some((since, before)) = self
            .before
            .as_ref()
            .filter(|(_, old)| old.pid == status.pid)
        else {
            return;
        };
        let seconds = at.saturating_sub(*since) as f64 / 1_000.0;
        let rate = |of: fn(&Totals) -> u64| {
            let more = of(&status.totals).saturating_sub(of(&before.totals));
            (seconds > 0.0).then(|| more as f64 / seconds)
        };
        figures.rx = rate(|totals| totals.rx);
        figures.tx = rate(|totals| totals.tx);
        figures.messages = rate(|totals| totals.messages);
        figures.errors = rate(|totals| totals.errors).map(|rate| rate * 60.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_between_two_sayings_of_one_process() {
        let status = |pid, rx| Status {
            pid,
            totals: Totals {
                rx,
                ..Totals::default()
            },
            online: Some(4),
            ..Status::default()
        };
        let mut told = Told::default();
        told.take(1_000, status(7, 100));
        told.take(3_000, status(7, 300));
        let mut figures = NodeFigures::default();
        told.fill(3_000, &mut figures);
        assert_eq!((figures.rx, figures.online), (Some(100.0), Some(4)));
        told.take(5_000, status(8, 400));
        told.take_online(5_000, 9, None);
        let mut figures = NodeFigures::default();
        told.fill(5_000, &mut figures);
        assert_eq!((figures.rx, figures.online), (None, Some(9)));
        let mut figures = NodeFigures::default();
        told.fill(50_000, &mut figures);
        assert_eq!((figures.established, figures.online), (None, None));
    }
}
