//! One agent's link: what it says becomes inputs of the core; its streams go on to clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use welkin_fleet_model::wire::agent::{FromAgent, ToAgent};
use welkin_fleet_trust::{Authority, Incoming, Link, LinkError};

use super::engine::Event;
use super::office::Office;
use crate::core::Input;
use crate::log;

/// How long an agent may take to say what it knows.
const FIRST: Duration = Duration::from_secs(30);

/// Serves the link until its end.
pub(crate) async fn serve(
    link: Link,
    office: Arc<Office>,
    authority: Arc<Authority>,
    events: mpsc::Sender<Event>,
) {
    let machine = link.peer().name.clone();
    let from = link.peer().origin.to_string();
    let hello = link.hello().clone();
    let (sender, mut receiver) = link.split();
    let first = tokio::time::timeout(FIRST, receiver.message::<FromAgent>()).await;
    let report = match first {
        Ok(Ok(FromAgent::Machine(report))) => report,
        Ok(Ok(_)) => {
            return log::line(&format!(
                "agent {machine} at {from} did not say first what it knows"
            ));
        }
        Ok(Err(error)) => return log::line(&format!("agent {machine} at {from}: {error}")),
        Err(_) => return log::line(&format!("agent {machine} at {from} said nothing")),
    };
    let session = office.number();
    office.agent_came(session, sender);
    log::line(&format!(
        "agent {machine} connected from {from}, version {}",
        hello.version
    ));
    let up = Input::AgentUp {
        machine: machine.clone(),
        session,
        from,
        version: hello.version,
        clock_unix_ms: hello.unix_ms,
        report,
    };
    let mut ended = events.send(Event::Input(up)).await.is_err();
    while !ended {
        ended = match receiver.next().await {
            Ok(Some(incoming)) => {
                heard(
                    incoming,
                    &machine,
                    session,
                    &office,
                    &authority,
                    &events,
                    receiver.peer(),
                )
                .await
            }
            Ok(None) => true,
            Err(error) => {
                log::line(&format!("agent {machine}: {error}"));
                true
            }
        };
    }
    office.agent_went(session);
    let _ = events
        .send(Event::Input(Input::AgentDown { machine, session }))
        .await;
}

/// `true`: the link is of no use any more.
async fn heard(
    incoming: Incoming,
    machine: &str,
    session: u64,
    office: &Arc<Office>,
    authority: &Arc<Authority>,
    events: &mpsc::Sender<Event>,
    peer: &welkin_fleet_trust::Peer,
) -> bool {
    let said = match incoming {
        Incoming::Piece { stream, data } => {
            office.pass(session, stream, Ok(data)).await;
            return false;
        }
        Incoming::End { stream, failure } => {
            office.pass(session, stream, Err(failure)).await;
            return false;
        }
        message => message.parse::<FromAgent>(),
    };
    match said {
        Ok(FromAgent::Renew(request)) => {
            let (authority, peer) = (authority.clone(), peer.clone());
            let issued =
                tokio::task::spawn_blocking(move || authority.renew(&peer, &request)).await;
            match issued {
                Ok(Ok(issued)) => office.tell_agent(
                    session,
                    ToAgent::Renewed {
                        certificate: issued.certificate,
                        authorities: issued.authorities,
                    },
                ),
                Ok(Err(why)) => log::line(&format!(
                    "agent {machine}: its certificate is not renewed: {why}"
                )),
                Err(_) => {}
            }
            false
        }
        Ok(said) => {
            let input = Input::AgentSays {
                machine: machine.to_owned(),
                session,
                said,
            };
            events.send(Event::Input(input)).await.is_err()
        }
        Err(error) => said_garbage(machine, &error),
    }
}

fn said_garbage(machine: &str, error: &LinkError) -> bool {
    log::line(&format!("agent {machine}: {error}"));
    true
}
