//! One client's link: its calls go to the core or to the desk, what it uploads to files.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use welkin_fleet_model::wire::client::{
    Command, FromMaster, Options, Outcome, Status, ToMaster, Trouble,
};
use welkin_fleet_trust::{Incoming, Link, Peer, Role};

use super::engine::Event;
use super::office::{Client, Office};
use super::outbox::{self, Out};
use crate::core::{Input, Who};
use crate::desk::{Desk, upload::Upload};
use crate::log;

/// Calls that one client may have open.
const CALLS: usize = 256;

/// Serves the link until its end.
pub(crate) async fn serve(
    link: Link,
    office: Arc<Office>,
    desk: Arc<Desk>,
    events: mpsc::Sender<Event>,
) {
    let peer = link.peer().clone();
    let (sender, mut receiver) = link.split();
    let out = outbox::open(
        sender.clone(),
        office.store.clone(),
        office.dir.join("releases"),
    );
    let mut client = Connection {
        peer,
        office,
        desk,
        events,
        out,
        calls: HashMap::new(),
        uploads: HashMap::new(),
    };
    loop {
        match receiver.next().await {
            Ok(Some(incoming)) => {
                if let Err(why) = client.heard(incoming).await {
                    log::line(&format!("client {}: {why}", client.peer.name));
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                log::line(&format!("client {}: {error}", client.peer.name));
                break;
            }
        }
    }
    sender.close();
    client.forget_all().await;
}

struct Connection {
    peer: Peer,
    office: Arc<Office>,
    desk: Arc<Desk>,
    events: mpsc::Sender<Event>,
    out: mpsc::Sender<Out>,
    /// The client's numbers, and ours.
    calls: HashMap<u64, u64>,
    /// What is on its way, by the client's number.
    uploads: HashMap<u64, (Upload, Box<Command>, Options)>,
}

impl Connection {
    fn who(&self) -> Who {
        Who {
            name: self.peer.name.clone(),
            from: self.peer.origin.to_string(),
        }
    }

    async fn heard(&mut self, incoming: Incoming) -> Result<(), String> {
        match incoming {
            Incoming::Piece { stream, data } => self.piece(stream, data).await,
            Incoming::End { stream, failure } => self.end(stream, failure).await,
            message => match message.parse().map_err(|error| error.to_string())? {
                ToMaster::Call {
                    id,
                    command,
                    options,
                } => self.call(id, command, options).await,
                ToMaster::Forget { id } => {
                    if let Some(call) = self.calls.remove(&id) {
                        self.forget(call).await;
                    }
                    self.uploads.remove(&id);
                    Ok(())
                }
                ToMaster::Renew(request) => self.renew(request).await,
            },
        }
    }

    async fn renew(&mut self, request: String) -> Result<(), String> {
        let issued = self.desk.renew(self.peer.clone(), request).await?;
        let renewed = FromMaster::Renewed {
            certificate: issued.certificate,
            authorities: issued.authorities,
        };
        self.out
            .send(Out::Client(Box::new(renewed)))
            .await
            .map_err(|_| "it has gone".to_owned())
    }

    async fn call(
        &mut self,
        id: u64,
        command: Box<Command>,
        options: Options,
    ) -> Result<(), String> {
        self.calls.retain(|_, call| self.office.is_open(*call));
        if self.calls.contains_key(&id) || self.calls.len() >= CALLS {
            return Err(format!("call {id} is open already, or there are too many"));
        }
        let call = self.office.number();
        self.calls.insert(id, call);
        self.office.call_came(
            call,
            Client {
                id,
                out: self.out.clone(),
            },
        );
        if let Some(why) = self.forbidden(&command) {
            self.desk.audit_refusal(&self.who(), &command, &why).await;
            let trouble = Trouble {
                node: String::new(),
                code: "not-permitted".to_owned(),
                text: why,
            };
            let outcome = Outcome {
                status: Status::Forbidden,
                errors: vec![trouble],
                ..Outcome::default()
            };
            self.office.answer(
                call,
                |id| FromMaster::Done {
                    id,
                    outcome: Box::new(outcome),
                },
                true,
            );
            return Ok(());
        }
        if command.uploads() {
            let upload = Upload::open(&self.office.dir, call).await;
            self.uploads.insert(id, (upload, command, options));
            return Ok(());
        }
        self.carry_out(call, command, options).await;
        Ok(())
    }

    /// Why the client may not do that.
    fn forbidden(&self, command: &Command) -> Option<String> {
        let local = self.peer.until_unix_ms.is_none();
        if matches!(command, Command::Classic { .. } | Command::End) && !local {
            return Some("only on the master's machine".to_owned());
        }
        let needed = Role::needed(command);
        (!self.peer.role.includes(needed)).then(|| {
            format!(
                "not permitted: {} has the role {}, this needs {needed}",
                self.peer.name, self.peer.role
            )
        })
    }

    async fn carry_out(&self, call: u64, command: Box<Command>, options: Options) {
        let (desk, who, events) = (self.desk.clone(), self.who(), self.events.clone());
        if !Desk::does(&command) {
            let input = Input::Call {
                call,
                who,
                command,
                options,
            };
            let _ = events.send(Event::Input(input)).await;
            return;
        }
        // Beside the link: a long one does not hold up the next.
        tokio::spawn(async move { desk.call(call, who, *command, options).await });
    }

    async fn piece(&mut self, stream: u64, data: Vec<u8>) -> Result<(), String> {
        if let Some((upload, _, _)) = self.uploads.get_mut(&stream) {
            upload.piece(data).await;
        }
        Ok(())
    }

    async fn end(&mut self, stream: u64, failure: String) -> Result<(), String> {
        if let Some((upload, command, options)) = self.uploads.remove(&stream)
            && let Some(call) = self.calls.get(&stream).copied()
        {
            let (desk, who) = (self.desk.clone(), self.who());
            tokio::spawn(async move {
                desk.uploaded(call, who, upload, failure, *command, options)
                    .await
            });
        }
        Ok(())
    }

    async fn forget(&self, call: u64) {
        self.office.call_went(call);
        let _ = self.events.send(Event::Input(Input::Forget(call))).await;
    }

    async fn forget_all(&mut self) {
        for call in std::mem::take(&mut self.calls).into_values() {
            if self.office.is_open(call) {
                self.forget(call).await;
            }
        }
    }
}
