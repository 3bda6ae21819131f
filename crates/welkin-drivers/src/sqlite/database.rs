//! One open database and its thread.
//!
//! The service hands requests over by a channel that never makes it wait: a full one refuses. The thread
//! ends when the service lets the channel go; what runs then is interrupted.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::Value;
use rusqlite::{Batch, Connection, Error, InterruptHandle, Statement};
use welkin_codec::seri::Writer;
use welkin_runtime::{Address, Context, Node};

use super::value::{failure_of, write_outcome, write_rows};
use super::{Asker, post};

/// Requests that wait for one database.
const JOBS_MAX: usize = 10_000;
/// Statements that are kept ready.
const STATEMENTS_MAX: usize = 128;

/// A request.
#[derive(Debug)]
pub struct Job {
    pub asker: Asker,
    pub sql: String,
    pub values: Vec<Value>,
}

/// What is to be opened, and who wants it.
pub struct Open {
    pub path: String,
    pub wal: bool,
    pub asker: Asker,
    /// What the asker gets when it is open.
    pub id: i64,
}

/// Why a request is not taken.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The database is not open, or is another service's.
    Closed,
    /// Too many requests wait.
    Full,
}

impl Refused {
    pub fn text(self) -> &'static str {
        match self {
            Self::Closed => "sqlite: the database is closed",
            Self::Full => "sqlite: too many requests wait for this database",
        }
    }
}

/// The service's end.
pub struct Database {
    jobs: Option<SyncSender<Job>>,
    /// Filled by the thread once the database is open.
    interrupt: Arc<Mutex<Option<InterruptHandle>>>,
    thread: JoinHandle<()>,
}

impl Database {
    /// Starts the thread, which opens the database and answers.
    pub fn start(cx: &Context<'_>, open: Open) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel(JOBS_MAX);
        let interrupt = Arc::new(Mutex::new(None));
        let thread = Thread {
            node: Arc::downgrade(cx.node),
            service: cx.slot.address(),
            interrupt: Arc::clone(&interrupt),
        };
        let thread = thread::Builder::new()
            .name("sqlite".into())
            .spawn(move || thread.run(&open, &waiting))?;
        Ok(Self {
            jobs: Some(jobs),
            interrupt,
            thread,
        })
    }

    /// It could not be opened.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Hands a request over. Its answer is posted by the thread.
    pub fn run(&self, job: Job) -> Result<(), Refused> {
        let jobs = self.jobs.as_ref().ok_or(Refused::Closed)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Disconnected(_) => Refused::Closed,
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(interrupt) = &*self.interrupt.lock() {
            interrupt.interrupt();
        }
    }
}

struct Thread {
    /// The node may end before a thread that is in the library.
    node: Weak<Node>,
    service: Address,
    interrupt: Arc<Mutex<Option<InterruptHandle>>>,
}

impl Thread {
    fn run(&self, open: &Open, jobs: &Receiver<Job>) {
        let connection = match connect(open) {
            Ok(connection) => connection,
            Err(error) => return self.answer(open.asker, failure_of(&error)),
        };
        *self.interrupt.lock() = Some(connection.get_interrupt_handle());
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).integer(open.id);
        self.answer(open.asker, bytes);
        while let Ok(job) = jobs.recv() {
            let result = execute(&connection, &job.sql, &job.values);
            self.answer(job.asker, result.unwrap_or_else(|error| failure_of(&error)));
        }
    }

    fn answer(&self, asker: Asker, bytes: Vec<u8>) {
        if let Some(node) = self.node.upgrade() {
            post(&node, self.service, asker, bytes);
        }
    }
}

fn connect(open: &Open) -> Result<Connection, Error> {
    let connection = Connection::open(&open.path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    if open.wal {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    }
    Ok(connection)
}

/// The packed result: of one statement, or a list of the results of several.
fn execute(connection: &Connection, sql: &str, values: &[Value]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let single = sql.trim_end().trim_end_matches(';');
    if !single.contains(';') && !single.trim().is_empty() {
        let mut statement = connection.prepare_cached(single)?;
        run(connection, &mut statement, values, &mut bytes)?;
        return Ok(bytes);
    }
    let mut results = Vec::new();
    let mut count = 0;
    let mut batch = Batch::new(connection, sql);
    while let Some(mut statement) = batch.next()? {
        run(connection, &mut statement, values, &mut results)?;
        count += 1;
    }
    match count {
        0 => {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR);
            Err(Error::SqliteFailure(
                code,
                Some("the query is empty".into()),
            ))
        }
        1 => Ok(results),
        _ => {
            let mut writer = Writer::new(&mut bytes);
            writer.table(count);
            bytes.extend(results);
            let mut writer = Writer::new(&mut bytes);
            let _ = writer.string(b"multiresultset");
            writer.boolean(true);
            writer.end_table();
            Ok(bytes)
        }
    }
}

fn run(
    connection: &Connection,
    statement: &mut Statement<'_>,
    values: &[Value],
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    if statement.parameter_count() != values.len() {
        let wanted = statement.parameter_count();
        return Err(Error::InvalidParameterCount(values.len(), wanted));
    }
    for (index, value) in (1..).zip(values) {
        statement.raw_bind_parameter(index, value)?;
    }
    if statement.column_count() > 0 {
        return write_rows(bytes, statement);
    }
    let before = connection.total_changes();
    statement.raw_execute()?;
    // Of this statement alone, without what its triggers did.
    let changed = connection.total_changes() != before;
    let affected = if changed { connection.changes() } else { 0 };
    write_outcome(bytes, connection, affected);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use welkin_codec::seri::{Reader, Token};

    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        let mut reader = Reader::new(bytes);
        let mut texts = Vec::new();
        while let Some(token) = reader.next().unwrap() {
            if let Token::String(text) = token {
                texts.push(String::from_utf8_lossy(text).into_owned());
            }
        }
        texts
    }

    #[test]
    fn what_is_stored_comes_back_by_its_label() {
        let db = memory();
        execute(
            &db,
            "create table t (id integer primary key, text text)",
            &[],
        )
        .unwrap();
        let strange = "it's \"x\"; -- \\ \n";
        let values = [Value::Text(strange.into())];
        execute(&db, "insert into t (text) values (?)", &values).unwrap();
        let rows = execute(&db, "select text from t", &[]).unwrap();
        assert_eq!(texts(&rows), ["text", strange]);
    }

    #[test]
    fn several_statements_see_what_those_before_did() {
        let sql = "create table t (a); insert into t values ('x;y'); select a from t";
        let result = execute(&memory(), sql, &[]).unwrap();
        assert!(texts(&result).contains(&"x;y".to_owned()));
        assert!(texts(&result).contains(&"multiresultset".to_owned()));
    }

    #[test]
    fn errors_are_told() {
        let failed = |sql: &str, values: &[Value]| {
            let error = execute(&memory(), sql, values).unwrap_err();
            texts(&failure_of(&error)).pop().unwrap()
        };
        assert_eq!(
            failed("select * from nowhere", &[]),
            "no such table: nowhere"
        );
        assert_eq!(failed(" ;", &[]), "the query is empty");
        let wrong = "the statement has 1 parameters, 0 values were given";
        assert_eq!(failed("select ?", &[]), wrong);
    }
}
