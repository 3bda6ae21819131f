//! A node that was started by a fleet's agent answers it too: over a connection that the node makes, to
//! the local socket named by `WELKIN_CONTROL` of its environment.
//!
//! What is said is the same as on a control socket (`welkin_codec::control`), and the agent asks; it
//! knows the node by `start_key` of its status. The node connects again, for as long as it runs: an
//! agent may be replaced. Who listens there must be the node's own user, or root.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Control;
use super::socket::{is_trusted, limit};

/// Between tries, at first and at most; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(15);

impl Control {
    /// Answers the agent at `path` from now on.
    pub fn answer_agent(self: &Arc<Self>, path: &Path) -> io::Result<()> {
        let (control, path) = (Arc::clone(self), path.to_owned());
        let agent = thread::Builder::new().name("control-agent".to_owned());
        agent.spawn(move || {
            let mut pause = PAUSE_FIRST;
            loop {
                match control.answer_once(&path) {
                    // It was there, so it is only being replaced.
                    Ok(()) => pause = PAUSE_FIRST,
                    Err(_) => pause = (pause * 2).min(PAUSE_MAX),
                }
                thread::sleep(pause);
            }
        })?;
        Ok(())
    }

    /// One connection to its end. The error: there was none.
    fn answer_once(self: &Arc<Self>, path: &Path) -> io::Result<()> {
        let stream = UnixStream::connect(path)?;
        limit(&stream)?;
        if !is_trusted(&stream)? {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // How it ended makes no difference.
        let _ = self.attend(|_| {}, stream);
        Ok(())
    }
}
