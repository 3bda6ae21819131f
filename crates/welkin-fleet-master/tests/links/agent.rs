//! An agent that does at once what it is told.

use std::collections::BTreeMap;

use tokio::task::JoinHandle;
use welkin_fleet_model::state::{NodeReport, State};
use welkin_fleet_model::wire::agent::{
    Ask, Beat, FromAgent, MachineReport, Orders, Reply, ToAgent,
};
use welkin_fleet_trust::{Incoming, Link, Sender};

/// What came as streams, by their numbers.
pub type Archives = BTreeMap<u64, Vec<u8>>;

/// Serves a link until its end; gives the archives that came.
pub fn serve(link: Link) -> JoinHandle<Archives> {
    tokio::spawn(async move {
        let (sender, mut receiver) = link.split();
        sender
            .send(&FromAgent::Machine(Box::<MachineReport>::default()))
            .await
            .expect("sent");
        sender
            .send(&FromAgent::Beat(Box::<Beat>::default()))
            .await
            .expect("sent");
        let mut archives = Archives::new();
        loop {
            match receiver.next().await {
                Ok(Some(Incoming::Piece { stream, data })) => {
                    archives.entry(stream).or_default().extend(data)
                }
                Ok(Some(Incoming::End { stream, failure })) => {
                    assert_eq!(failure, "");
                    let reply = Ok(Reply::default());
                    let _ = sender.send(&FromAgent::Reply { id: stream, reply }).await;
                }
                Ok(Some(message)) => hear(message.parse().expect("a message"), &sender).await,
                Ok(None) | Err(_) => return archives,
            }
        }
    })
}

async fn hear(said: ToAgent, sender: &Sender) {
    match said {
        ToAgent::Orders(orders) => report(orders, sender).await,
        // Answered when the archive is there.
        ToAgent::Ask {
            ask: Ask::Fetch { .. },
            ..
        } => {}
        ToAgent::Ask {
            id,
            ask: Ask::Logs { .. },
        } => {
            sender.piece(id, b"one\n").await.expect("sent");
            sender.piece(id, b"two\n").await.expect("sent");
            sender.end(id, "").await.expect("sent");
            let _ = sender
                .send(&FromAgent::Reply {
                    id,
                    reply: Ok(Reply::default()),
                })
                .await;
        }
        ToAgent::Ask { id, .. } => {
            let _ = sender
                .send(&FromAgent::Reply {
                    id,
                    reply: Ok(Reply::default()),
                })
                .await;
        }
        ToAgent::Renewed { .. } => {}
    }
}

async fn report(orders: Orders, sender: &Sender) {
    for order in orders.nodes {
        let state = if order.running {
            State::Ready
        } else {
            State::Stopped
        };
        let report = NodeReport {
            node: order.entry.name,
            state,
            life: order.life,
            orders: orders.version,
            release: order.release,
            drained: order.drain,
            ..NodeReport::default()
        };
        let _ = sender.send(&FromAgent::Node(report)).await;
    }
}
