//! Who is connected, and where each effect goes.
//!
//! Every link has a queue of its own and a task that writes it out, so that one slow peer holds up
//! nobody else. A queue that is full ends its link: agents come again and are told anew, clients hear
//! nothing of work that goes on anyhow.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use welkin_fleet_model::wire::agent::{Ask, ToAgent};
use welkin_fleet_model::wire::client::FromMaster;
use welkin_fleet_store::Store;
use welkin_fleet_trust::Sender;

use super::outbox::{self, Out};
use crate::core::{CallId, Effect, Session};
use crate::log;

/// How long a client may hold up what an agent sends it.
const CLIENT_MAX: Duration = Duration::from_secs(3);
/// How often a trouble is said that lasts.
const TROUBLE: Duration = Duration::from_secs(60);

/// See the file.
pub(crate) struct Office {
    pub store: Arc<Store>,
    /// The master's folder.
    pub dir: PathBuf,
    agents: Mutex<HashMap<Session, (Sender, mpsc::Sender<Out>)>>,
    clients: Mutex<HashMap<CallId, Client>>,
    /// Streams of agents that go on to clients.
    streams: Mutex<HashMap<(Session, u64), CallId>>,
    next: AtomicU64,
    said: Mutex<Option<Instant>>,
    posters: Mutex<HashMap<String, Arc<crate::webhook::Poster>>>,
}

/// Where the answers of a call go.
#[derive(Clone)]
pub(crate) struct Client {
    /// The client's own number of the call.
    pub id: u64,
    /// Its link's queue.
    pub out: mpsc::Sender<Out>,
}

impl Office {
    pub(crate) fn new(store: Arc<Store>, dir: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            store,
            dir,
            agents: Mutex::default(),
            clients: Mutex::default(),
            streams: Mutex::default(),
            next: AtomicU64::new(1),
            said: Mutex::default(),
            posters: Mutex::default(),
        })
    }

    /// A number for a session or a call; never given twice.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn agent_came(&self, session: Session, sender: Sender) {
        let out = outbox::open(
            sender.clone(),
            self.store.clone(),
            self.dir.join("releases"),
        );
        self.agents.lock().insert(session, (sender, out));
    }

    pub(crate) fn agent_went(&self, session: Session) {
        self.agents.lock().remove(&session);
        self.streams.lock().retain(|(of, _), _| *of != session);
    }

    pub(crate) fn tell_agent(&self, session: Session, message: ToAgent) {
        self.to_agent(session, Out::Agent(Box::new(message)));
    }

    /// Ends all links of agents: they come again at once.
    pub(crate) fn part_from_agents(&self) {
        for (sender, _) in self.agents.lock().values() {
            sender.close();
        }
    }

    pub(crate) fn call_came(&self, call: CallId, client: Client) {
        self.clients.lock().insert(call, client);
    }

    /// Where the answers of that call go.
    pub(crate) fn client(&self, call: CallId) -> Option<Client> {
        self.clients.lock().get(&call).cloned()
    }

    /// Somebody waits for that call.
    pub(crate) fn is_open(&self, call: CallId) -> bool {
        self.clients.lock().contains_key(&call)
    }

    pub(crate) fn call_went(&self, call: CallId) {
        self.clients.lock().remove(&call);
        self.streams.lock().retain(|_, of| *of != call);
    }

    /// A piece of a stream, or its end, on its way from an agent to a client.
    pub(crate) async fn pass(&self, session: Session, stream: u64, piece: Result<Vec<u8>, String>) {
        let Some(call) = self.streams.lock().get(&(session, stream)).copied() else {
            return;
        };
        let Some(client) = self.clients.lock().get(&call).cloned() else {
            return;
        };
        let out = match piece {
            Ok(data) => Out::Piece(client.id, data),
            Err(failure) => {
                self.streams.lock().remove(&(session, stream));
                Out::End(client.id, failure)
            }
        };
        if client.out.send_timeout(out, CLIENT_MAX).await.is_err() {
            self.streams.lock().remove(&(session, stream));
        }
    }

    pub(crate) fn answer(&self, call: CallId, make: impl FnOnce(u64) -> FromMaster, last: bool) {
        let client = match last {
            true => self.clients.lock().remove(&call),
            false => self.clients.lock().get(&call).cloned(),
        };
        if let Some(client) = client {
            let _ = client.out.try_send(Out::Client(Box::new(make(client.id))));
        }
        if last {
            self.streams.lock().retain(|_, of| *of != call);
        }
    }

    /// Carries out what the core has decided, in its order.
    pub(crate) fn let_out(&self, effects: Vec<Effect>) {
        for effect in effects {
            self.let_one_out(effect);
        }
    }

    fn let_one_out(&self, effect: Effect) {
        match effect {
            Effect::Orders { session, orders } => {
                self.tell_agent(session, ToAgent::Orders((*orders).clone()));
            }
            Effect::Ask {
                session,
                id,
                ask,
                call,
            } => {
                if let Some(call) = call {
                    self.streams.lock().insert((session, id), call);
                }
                let out = match &ask {
                    Ask::Fetch { digest, .. } => {
                        Out::Fetch(id, digest.clone(), Box::new(ToAgent::Ask { id, ask }))
                    }
                    _ => Out::Agent(Box::new(ToAgent::Ask { id, ask })),
                };
                self.to_agent(session, out);
            }
            Effect::Secret {
                session,
                id,
                name,
                there,
            } => {
                self.to_agent(session, Out::Secret { id, name, there });
            }
            Effect::Close { session, why } => {
                log::line(&format!("connection closed: {why}"));
                if let Some((sender, _)) = self.agents.lock().get(&session) {
                    sender.close();
                }
            }
            Effect::Progress { call, text } => {
                self.answer(call, |id| FromMaster::Progress { id, text }, false);
            }
            Effect::Done { call, outcome } => {
                self.answer(call, |id| FromMaster::Done { id, outcome }, true);
            }
            Effect::Log(line) => log::line(&line),
            Effect::Webhook { url, event } => self.post(&url, &event),
            Effect::Prune { keep } => {
                let (store, dir) = (self.store.clone(), self.dir.clone());
                tokio::task::spawn_blocking(move || {
                    crate::desk::releases::prune_to(&store, &dir, &keep)
                });
            }
        }
    }

    fn to_agent(&self, session: Session, out: Out) {
        let agents = self.agents.lock();
        if let Some((sender, queue)) = agents.get(&session)
            && queue.try_send(out).is_err()
        {
            log::line(&format!(
                "agent {} does not take what it is sent",
                sender.peer().name
            ));
            sender.close();
        }
    }

    fn post(&self, url: &str, event: &serde_json::Value) {
        let mut posters = self.posters.lock();
        if !posters.contains_key(url) {
            match crate::webhook::Poster::new(url) {
                Ok(poster) => drop(posters.insert(url.to_owned(), Arc::new(poster))),
                Err(why) => return log::line(&format!("webhook {url}: {why}")),
            }
        }
        posters[url].post(event);
    }

    /// The state cannot be written; said once a minute.
    pub(crate) fn trouble(&self, why: &str) {
        let mut said = self.said.lock();
        if said.is_none_or(|at| at.elapsed() > TROUBLE) {
            *said = Some(Instant::now());
            log::line(why);
        }
    }
}
