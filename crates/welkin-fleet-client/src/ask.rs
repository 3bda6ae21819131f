//! One command to the master of this machine, for a program: the services of the founding note.

use std::path::Path;
use std::time::Duration;

use welkin_fleet_model::wire::client::{Command, Options, Outcome};

use crate::connect::Master;
use crate::failure::Failure;
use crate::session::{End, Extra, Session, Watch};

struct Silent;

impl Watch for Silent {
    fn progress(&mut self, _: &str) {}
}

/// Has the master behind the socket carry out a command, and waits for its end, at most `limit`. Blocks
/// the thread. The error, for people: the master cannot be reached, or there was no end in time (then
/// the work goes on).
pub fn ask(
    socket: &Path,
    command: Command,
    options: &Options,
    limit: Duration,
) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let extra = Extra {
        limit: Some(limit),
        or_busy: options.or_busy,
        now_or_never: options.now_or_never,
        ..Extra::default()
    };
    let conversation = async {
        let mut session = Session::open(&Master::Local(socket.to_owned())).await?;
        let end = session
            .call_uninterrupted(command, extra, &mut Silent)
            .await;
        session.close().await;
        end
    };
    match runtime.block_on(conversation) {
        Ok(End::Done(outcome, _)) => Ok(outcome),
        Ok(End::Interrupted) => Err("interrupted".to_owned()),
        Err(Failure { text, .. }) => Err(text),
    }
}
