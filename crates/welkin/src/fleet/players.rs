//! Players as the program counts them by a command of its own: `online = "gate.online"` of the fleet file.
//!
//! The agent asks for it over the control socket, whose threads are no services. So the question goes
//! through `.fleet` to the Lua service `fleet_online`, which knows how to find a service and to give up on
//! one; both are launched when the first question comes. One question is under way at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use welkin_codec::control::Answer;
use welkin_codec::seri::{Reader, Token, Writer};
use welkin_runtime::{Address, Message, Node, Payload, kind};

use super::NAME;

/// How long the whole may take; the program's command has one second of it.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What came back: packed values; `None`: the service failed.
type Said = Option<Vec<u8>>;

/// Where threads of the control socket wait for services.
#[derive(Debug, Default)]
pub struct Players {
    state: Mutex<State>,
    changed: Condvar,
    asking: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    counter: Option<Address>,
    awaited: i32,
    said: Option<Said>,
}

impl Players {
    /// Asks the program.
    pub fn ask(&self, node: &Arc<Node>, hook: &str) -> Answer {
        // One that waits here is the agent's own next question.
        let _one_at_a_time = self.asking.lock();
        let unknown = |error: String| Answer::Online {
            online: None,
            parts: None,
            error,
        };
        match self.question(node, hook) {
            Ok(bytes) => read(&bytes).unwrap_or_else(unknown),
            Err(error) => unknown(error),
        }
    }

    fn question(&self, node: &Arc<Node>, hook: &str) -> Result<Vec<u8>, String> {
        let (own, counter) = self.services(node)?;
        let slot = node.slot(own).ok_or("the service .fleet has ended")?;
        let mut bytes = Vec::new();
        if Writer::new(&mut bytes).string(hook.as_bytes()).is_err() {
            return Err("the name is too long".to_owned());
        }
        let session = slot.next_session();
        {
            let mut state = self.state.lock();
            (state.awaited, state.said) = (session, None);
        }
        let message = Message {
            source: own,
            session,
            kind: kind::LUA,
            payload: Payload::copy_from(&bytes),
        };
        if node.post(counter, message).is_err() {
            return Err("the service fleet_online has ended".to_owned());
        }
        let until = Instant::now() + ANSWER_LIMIT;
        let mut state = self.state.lock();
        while state.said.is_none() {
            if self.changed.wait_until(&mut state, until).timed_out() && state.said.is_none() {
                return Err("no answer in time".to_owned());
            }
        }
        state
            .said
            .take()
            .flatten()
            .ok_or_else(|| "the service fleet_online has failed".to_owned())
    }

    /// `.fleet` and `fleet_online`.
    fn services(&self, node: &Arc<Node>) -> Result<(Address, Address), String> {
        let own = node
            .name_query(NAME)
            .or_else(|| node.launch(NAME, b""))
            .or_else(|| node.name_query(NAME))
            .ok_or("the service .fleet cannot be launched")?;
        let mut state = self.state.lock();
        let alive = state
            .counter
            .filter(|address| node.slot(*address).is_some());
        let counter = alive
            .or_else(|| node.launch(b"snlua", b"fleet_online"))
            .ok_or("the service fleet_online cannot be launched")?;
        state.counter = Some(counter);
        Ok((own, counter))
    }

    /// An answer has come to `.fleet`.
    pub(super) fn answered(&self, session: i32, payload: Option<&Payload>) {
        let mut state = self.state.lock();
        if state.awaited == session {
            state.said = Some(payload.map(|payload| payload.as_bytes().to_vec()));
            self.changed.notify_all();
        }
    }
}

/// What `fleet_online` says: a number, and names with numbers, of which it is the sum; or a text, what is wrong.
fn read(bytes: &[u8]) -> Result<Answer, String> {
    let garbled = || "an answer that cannot be read".to_owned();
    let mut reader = Reader::new(bytes);
    let online = match reader.value().map_err(|_| garbled())? {
        Token::Integer(number) => u64::try_from(number).map_err(|_| garbled())?,
        Token::String(text) => return Err(String::from_utf8_lossy(text).into_owned()),
        _ => return Err(garbled()),
    };
    // Name and number in turn.
    let mut parts = BTreeMap::new();
    while let Some(token) = reader.next().map_err(|_| garbled())? {
        let (Token::String(name), Ok(Token::Integer(number))) = (token, reader.value()) else {
            return Err(garbled());
        };
        let name = String::from_utf8_lossy(name).into_owned();
        parts.insert(name, u64::try_from(number).map_err(|_| garbled())?);
    }
    Ok(Answer::Online {
        online: Some(online),
        parts: (!parts.is_empty()).then_some(parts),
        error: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_by_name_follow_their_sum() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.integer(3);
        for (name, number) in [("eu", 1), ("us", 2)] {
            writer.string(name.as_bytes()).unwrap();
            writer.integer(number);
        }
        let parts = BTreeMap::from([("eu".to_owned(), 1), ("us".to_owned(), 2)]);
        let whole = Answer::Online {
            online: Some(3),
            parts: Some(parts),
            error: String::new(),
        };
        assert_eq!(read(&bytes), Ok(whole));
        assert_eq!(read(&super::super::packed("why")), Err("why".to_owned()));
        assert!(read(&bytes[..bytes.len() - 1]).is_err() && read(b"").is_err());
    }
}
