//! How the leader waits for the poller: awake for a moment, where that is likely to be enough.
//!
//! A thread that sleeps is woken in some 30 microseconds, its processor's sleep included, and a question that
//! goes to another node and back costs that twice: more than all that is done for it. So while what comes
//! comes soon, the leader looks again and again for [`AWAKE`] before it sleeps; what it spends on that it
//! would spend on falling asleep and waking up. In vain, it does so more and more rarely, and only waits that
//! were short bring it back: a node with little to do sleeps. So does one that many peers keep busy, or whose
//! processor somebody else needs: there it would only take time from those it waits for.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

/// The longest wait without sleep.
const AWAKE: Duration = Duration::from_micros(50);
/// Waits that sleep and end sooner would have been shorter awake: both sides have had to wake up.
const SOON: Duration = Duration::from_micros(150);
/// Events of the wait before from which on many peers are at it.
const MANY: usize = 3;
/// A look that took longer was interrupted: somebody else has use for the processor.
const TAKEN_AWAY: Duration = Duration::from_micros(20);
/// Short waits that are slept through after that.
const REST_TAKEN: u32 = 7;
/// Most short waits that are slept through after one awake in vain.
const REST_MAX: u32 = 63;

/// Whether to wait awake.
#[derive(Debug)]
pub(crate) struct Eager {
    /// Short waits to sleep through before the next one awake.
    rest: u32,
    /// How many they were after the last one in vain.
    last_rest: u32,
    /// There is another processor, for who is waited for.
    has_company: bool,
}

impl Eager {
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism();
        Self {
            rest: 1,
            last_rest: 0,
            has_company: processors.is_ok_and(|count| count.get() > 1),
        }
    }

    /// As [`Poll::poll`].
    pub fn poll(
        &mut self,
        poll: &mut Poll,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        if events.iter().nth(MANY - 1).is_some() {
            self.rest = REST_MAX;
        }
        if !self.has_company || timeout.is_some_and(|timeout| timeout < AWAKE) {
            return poll.poll(events, timeout);
        }
        let begin = Instant::now();
        let is_awake = self.rest == 0;
        if is_awake && self.look(poll, events, begin)? {
            return Ok(());
        }
        poll.poll(events, timeout)?;
        if !is_awake && begin.elapsed() < SOON {
            self.rest -= 1;
        }
        Ok(())
    }

    /// Looks from `begin` on for [`AWAKE`], if nobody else needs the processor; whether there is anything.
    fn look(&mut self, poll: &mut Poll, events: &mut Events, begin: Instant) -> io::Result<bool> {
        let mut awake = Duration::ZERO;
        while awake < AWAKE {
            poll.poll(events, Some(Duration::ZERO))?;
            let now = begin.elapsed();
            if now - awake > TAKEN_AWAY {
                self.rest = REST_TAKEN;
                return Ok(!events.is_empty());
            }
            if !events.is_empty() {
                self.last_rest = 0;
                return Ok(true);
            }
            awake = now;
            std::hint::spin_loop();
        }
        self.last_rest = (2 * self.last_rest + 1).min(REST_MAX);
        self.rest = self.last_rest;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Token, Waker};

    #[test]
    fn a_look_sees_what_is_there_and_one_in_vain_is_followed_by_rest() {
        let mut poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let (mut eager, mut events) = (Eager::new(), Events::with_capacity(4));
        for _ in 0..20 {
            assert!(!eager.look(&mut poll, &mut events, Instant::now()).unwrap());
            assert!((1..=REST_MAX).contains(&eager.rest));
        }
        waker.wake().unwrap();
        assert!(eager.look(&mut poll, &mut events, Instant::now()).unwrap());
        // With nobody there it ends asleep, and rests.
        eager.rest = 0;
        let timeout = Some(Duration::from_millis(1));
        eager.poll(&mut poll, &mut events, timeout).unwrap();
        assert!(events.is_empty() && (eager.rest > 0 || !eager.has_company));
    }
}
