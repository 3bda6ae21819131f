//! The network between two processes, which a test can cut: connections stay, and nothing comes through.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// What the threads of a proxy share.
#[derive(Default)]
struct State {
    cut: Mutex<Cut>,
    changed: Condvar,
}

#[derive(Default)]
struct Cut {
    cut: bool,
    /// Bytes that still go to who connected, before it cuts itself.
    allowance: Option<u64>,
}

/// Listens on a port of its own and passes on what comes.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// To a port of this machine.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let own = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let state = shared.clone();
                thread::spawn(move || {
                    state.wait();
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else {
                        return;
                    };
                    let both = near
                        .try_clone()
                        .and_then(|near| Ok((near, far.try_clone()?)));
                    let Ok((near_too, far_too)) = both else {
                        return;
                    };
                    let back = state.clone();
                    thread::spawn(move || state.pass(near, far, false));
                    back.pass(far_too, near_too, true);
                });
            }
        });
        Self { port: own, state }
    }

    /// Nothing comes through from now on, and nobody is told.
    pub fn cut(&self) {
        self.state.lock().cut = true;
    }

    /// The same once so many more bytes have gone to who connected.
    pub fn cut_after(&self, bytes: u64) {
        self.state.lock().allowance = Some(bytes);
    }

    pub fn is_cut(&self) -> bool {
        self.state.lock().cut
    }

    /// What waits goes on.
    pub fn heal(&self) {
        let mut cut = self.state.lock();
        cut.cut = false;
        cut.allowance = None;
        drop(cut);
        self.state.changed.notify_all();
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Cut> {
        self.cut.lock().expect("nobody panics with it")
    }

    fn wait(&self) {
        let cut = self.lock();
        let healed = self.changed.wait_while(cut, |cut| cut.cut);
        drop(healed.expect("nobody panics with it"));
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, counted: bool) {
        let mut bytes = [0; 16 << 10];
        loop {
            let count = from.read(&mut bytes).unwrap_or(0);
            self.wait();
            if count == 0 || to.write_all(&bytes[..count]).is_err() {
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
            if counted {
                self.count(count as u64);
            }
        }
    }

    fn count(&self, count: u64) {
        let mut cut = self.lock();
        if let Some(left) = &mut cut.allowance {
            *left = left.saturating_sub(count);
            cut.cut |= *left == 0;
        }
    }
}
