//! The service: it keeps account of who has which database open.
//!
//! Each open database has a thread, which runs its requests one after the other and posts the answers; no
//! worker ever waits for a disk. A database belongs to the service that opened it. One whose owner has ended
//! is closed by its finalizer, or at the latest when another one is opened.
//!
//! Requests are packed values: `"open", path, wal`, `"query", id, sql, ...`, `"close", id`. The answers are
//! the id or what went wrong; a result as the Lua module gives it; nothing.

use std::collections::HashMap;

use welkin_runtime::{Address, Context, Flow, Message, Service, kind};

use super::database::{self, Database, Job, Refused};
use super::request::{self, Request};
use super::{Asker, post, value};

/// Databases that are open at a time, over the whole node: each has a thread.
const DATABASES_MAX: usize = 256;

pub(super) struct Sqlite {
    /// At most [`DATABASES_MAX`].
    databases: HashMap<i64, Owned>,
    last: i64,
}

struct Owned {
    owner: Address,
    database: Database,
}

impl Service for Sqlite {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        if message.kind != kind::LUA {
            return Flow::Done;
        }
        let asker = Asker {
            source: message.source,
            session: message.session,
        };
        match request::read(message.payload.as_bytes()) {
            Some(Request::Open { path, wal }) => self.open(cx, asker, path, wal),
            Some(Request::Query { id, sql, values }) => {
                self.query(cx, asker, id, Job { asker, sql, values });
            }
            Some(Request::Close { id }) => {
                self.databases
                    .retain(|open, owned| *open != id || owned.owner != asker.source);
                answer(cx, asker, Vec::new());
            }
            None => refuse(cx, asker, "sqlite: a request that cannot be read"),
        }
        Flow::Done
    }
}

impl Sqlite {
    pub fn new() -> Self {
        Self {
            databases: HashMap::new(),
            last: 0,
        }
    }

    fn open(&mut self, cx: &Context<'_>, asker: Asker, path: String, wal: bool) {
        self.databases
            .retain(|_, owned| cx.node.slot(owned.owner).is_some() && !owned.database.is_over());
        if self.databases.len() >= DATABASES_MAX {
            let text = format!("sqlite: {DATABASES_MAX} databases are open, close some of them");
            return refuse(cx, asker, &text);
        }
        self.last += 1;
        let open = database::Open {
            path,
            wal,
            asker,
            id: self.last,
        };
        match Database::start(cx, open) {
            Ok(database) => {
                let owner = asker.source;
                self.databases.insert(self.last, Owned { owner, database });
            }
            Err(error) => refuse(cx, asker, &format!("sqlite: no thread: {error}")),
        }
    }

    fn query(&mut self, cx: &Context<'_>, asker: Asker, id: i64, job: Job) {
        let refused = match self.databases.get(&id) {
            Some(owned) if owned.owner == asker.source => owned.database.run(job),
            _ => Err(Refused::Closed),
        };
        if let Err(refused) = refused {
            refuse(cx, asker, refused.text());
        }
    }
}

fn answer(cx: &Context<'_>, asker: Asker, bytes: Vec<u8>) {
    post(cx.node, cx.slot.address(), asker, bytes);
}

fn refuse(cx: &Context<'_>, asker: Asker, text: &str) {
    answer(cx, asker, value::failure(1, "HY000", text));
}
