//! The driver of a node without sockets: its leader waits on a condition variable.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::node::Node;
use crate::service::Driver;

#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Driver for Bell {
    fn poll(&self, _node: &Node, timeout: Option<Duration>) {
        let mut rung = self.rung.lock();
        if !*rung {
            match timeout {
                Some(timeout) => {
                    self.changed.wait_for(&mut rung, timeout);
                }
                None => self.changed.wait(&mut rung),
            }
        }
        *rung = false;
    }

    fn wake(&self) {
        *self.rung.lock() = true;
        self.changed.notify_one();
    }
}
