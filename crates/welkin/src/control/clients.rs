//! The clients of the control socket: few, and the one that has been silent longest makes room.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use parking_lot::Mutex;

/// Connections at a time.
const CLIENTS_MAX: usize = 16;

/// The connections that are open.
#[derive(Default)]
pub(super) struct Clients(Mutex<Vec<Client>>);

struct Client {
    number: u64,
    stream: UnixStream,
    /// When it last asked something; `None`: it waits for an answer.
    silent_since: Option<Instant>,
}

impl Clients {
    /// Makes room, and adds one. `None`: there is no room.
    pub(super) fn add(&self, number: u64, stream: &UnixStream) -> Option<()> {
        let mut clients = self.0.lock();
        if clients.len() >= CLIENTS_MAX {
            let silent = clients.iter().filter(|c| c.silent_since.is_some());
            let longest = silent.min_by_key(|c| c.silent_since)?.number;
            let at = clients.iter().position(|c| c.number == longest)?;
            // Its thread hears of that by the end of its stream.
            let _ = clients[at].stream.shutdown(Shutdown::Both);
            clients.remove(at);
        }
        clients.push(Client {
            number,
            stream: stream.try_clone().ok()?,
            silent_since: Some(Instant::now()),
        });
        Some(())
    }

    /// Whether the client is silent, or waits for an answer.
    pub(super) fn set_silent(&self, number: u64, silent: bool) {
        let mut clients = self.0.lock();
        if let Some(client) = clients.iter_mut().find(|c| c.number == number) {
            client.silent_since = silent.then(Instant::now);
        }
    }

    /// The connection is over.
    pub(super) fn remove(&self, number: u64) {
        self.0.lock().retain(|client| client.number != number);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn of_too_many_clients_the_one_silent_longest_goes() {
        let clients = Clients::default();
        let pair = || UnixStream::pair().unwrap();
        let pairs: Vec<_> = (0..CLIENTS_MAX as u64 + 1).map(|_| pair()).collect();
        for (number, pair) in (0..).zip(&pairs[..CLIENTS_MAX]) {
            clients.add(number, &pair.0).unwrap();
        }
        clients.set_silent(0, false);
        clients.set_silent(2, true);
        clients
            .add(CLIENTS_MAX as u64, &pairs[CLIENTS_MAX].0)
            .unwrap();
        let mut byte = [0];
        assert_eq!(
            (&pairs[1].1).read(&mut byte).unwrap(),
            0,
            "the second was closed"
        );
        for number in 0..=CLIENTS_MAX as u64 {
            clients.set_silent(number, false);
        }
        assert!(clients.add(99, &pair().0).is_none(), "all wait for answers");
    }
}
