//! How a node is: by its own word, or (`console.rs`) by a port, a console or a web page that answers.

use std::time::Duration;

use welkin_codec::control::{Answer, Ask, Status};
use welkin_fleet_model::entry::Probe;

use super::client::Client;
use crate::supervise::Probed;

/// How long a look may take.
pub const LIMIT: Duration = Duration::from_secs(3);

/// What a node says of itself.
pub fn judge(status: &Status) -> Probed {
    if status.ready {
        Probed::Well
    } else if status.stopping {
        Probed::Unready(status.reason.clone())
    } else if status.draining && status.stuck.is_empty() {
        Probed::Draining
    } else {
        Probed::Unready(status.reason.clone())
    }
}

/// Looks once.
pub async fn look(probe: &Probe, client: Option<Client>) -> Probed {
    match probe {
        Probe::Control => control(client).await,
        other => match crate::console::probe(other, LIMIT).await {
            Ok(()) => Probed::Well,
            Err(text) => Probed::Silent(text),
        },
    }
}

async fn control(client: Option<Client>) -> Probed {
    let Some(client) = client else {
        return Probed::Silent("it has not connected to the agent's control socket".to_owned());
    };
    match client.ask(Ask::Status, LIMIT).await {
        Ok(Answer::Status(status)) => judge(&status),
        Ok(_) => {
            Probed::Silent("it answers on the control socket, but not what was asked".to_owned())
        }
        // It is at work for us.
        Err(_) if client.is_draining() => Probed::Draining,
        Err(text) => Probed::Silent(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_drains_is_well_and_one_that_is_stuck_is_not() {
        let mut status = Status {
            draining: true,
            reason: "it drains".to_owned(),
            ..Status::default()
        };
        assert_eq!(judge(&status), Probed::Draining);
        status.stopping = true;
        assert_eq!(judge(&status), Probed::Unready("it drains".to_owned()));
        status.ready = true;
        assert_eq!(judge(&status), Probed::Well);
    }
}
