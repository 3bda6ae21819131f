//! What is said on a node's control socket (config key `welkin_control`), the whole of it.
//!
//! The socket is a local stream socket. Each side says lines: one JSON object, ended by a line feed.
//! Asked are, at most [`REQUEST_MAX`] bytes a line:
//!
//! ```text
//! {"ask":"status"}              how the node is
//! {"ask":"drain"}               not ready any more, drain hooks run, the node goes on
//! {"ask":"drain","off":true}    ready again
//! {"ask":"stop"}                as SIGTERM: drains and ends, or ends at once where nothing drains
//! {"ask":"online","hook":"gate.online"}   players, as that command of that service says
//! ```
//!
//! A request may hold `"id"` (a whole number), which comes back with its answers. Fields that are not
//! known are ignored on both sides, so that either may be newer; fields are only ever added. Answers,
//! at most [`ANSWER_MAX`] bytes a line, come in the order of the requests:
//!
//! ```text
//! {"answer":"status","ok":true,...}                        the fields of `Status`
//! {"answer":"drain","ok":true,"draining":..,"unfinished":[..]}
//! {"answer":"stop","ok":true,"pid":..,"drains":..,"exit_ms":..}
//! {"answer":"end","ok":true,"status":..,"unfinished":[..]} after `stop` with `drains`, last line
//! {"answer":"online","ok":true,"online":..,"parts":{..},"error":".."}
//! {"answer":"refused","ok":false,"error":".."}             what is wrong with the request
//! ```
//!
//! The end of the node closes the connection. A request that is no JSON object, or too long, is refused
//! and the connection closed, as what follows cannot be trusted; one that asks for something unknown is
//! refused, and the next is read.

mod lines;
mod status;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub use lines::{Lines, TooLong};
pub use status::{Online, Queue, Sockets, Status, Stuck, Totals};

/// Longest line of a request, in bytes.
pub const REQUEST_MAX: usize = 4096;
/// Longest line of an answer, in bytes.
pub const ANSWER_MAX: usize = 1 << 20;
/// Most texts of a list in an answer.
pub const LIST_MAX: usize = 64;

/// What is asked of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// How it is.
    Status,
    /// That it is not ready any more, or (`off`) again.
    Drain {
        /// Back to ready.
        off: bool,
    },
    /// That it drains and ends.
    Stop,
    /// How many players there are, by the program's own command.
    Online {
        /// `<service>.<command>`.
        hook: String,
    },
}

/// A line of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Comes back with the answers.
    pub id: Option<u64>,
    /// What is asked.
    pub ask: Ask,
}

/// Why a line is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Not a JSON object: the connection is of no use any more.
    Garbage(String),
    /// An object that asks for nothing known; `id` is what it gave.
    Unknown {
        /// Of the request.
        id: Option<u64>,
        /// What is wrong.
        text: String,
    },
}

/// A line of the node.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Ask::Status`].
    Status(Box<Status>),
    /// To [`Ask::Drain`].
    Drain {
        /// Whether the node drains now.
        draining: bool,
        /// Drain hooks that have not ended yet, for people.
        unfinished: Vec<String>,
    },
    /// First answer to [`Ask::Stop`].
    Stop {
        /// Of the node's process.
        pid: u32,
        /// It drains; else it ends at once and says no more.
        drains: bool,
        /// Time that hooks have, in milliseconds.
        exit_ms: u64,
    },
    /// The node has drained and ends now.
    End {
        /// Exit status of its process.
        status: u8,
        /// Hooks that had not ended, for people.
        unfinished: Vec<String>,
    },
    /// To [`Ask::Online`].
    Online {
        /// Players; `None`: nobody could say.
        online: Option<u64>,
        /// By name, where the command told several numbers.
        parts: Option<BTreeMap<String, u64>>,
        /// Why nobody could say; else empty.
        error: String,
    },
    /// What is wrong with the request.
    Refused(String),
}

impl Request {
    /// As a line, with its line feed.
    pub fn line(&self) -> Vec<u8> {
        let mut object = match &self.ask {
            Ask::Status => json!({ "ask": "status" }),
            Ask::Drain { off: false } => json!({ "ask": "drain" }),
            Ask::Drain { off: true } => json!({ "ask": "drain", "off": true }),
            Ask::Stop => json!({ "ask": "stop" }),
            Ask::Online { hook } => json!({ "ask": "online", "hook": hook }),
        };
        if let Some(id) = self.id {
            object["id"] = id.into();
        }
        line(&object)
    }

    /// Reads a line, without its line feed.
    pub fn parse(line: &[u8]) -> Result<Request, Mistake> {
        let object = object(line).map_err(Mistake::Garbage)?;
        let id = object.get("id").and_then(Value::as_u64);
        let unknown = |text: &str| {
            let text = text.to_owned();
            Err(Mistake::Unknown { id, text })
        };
        let ask = match object.get("ask").and_then(Value::as_str) {
            Some("status") => Ask::Status,
            Some("stop") => Ask::Stop,
            Some("drain") => match object.get("off") {
                None => Ask::Drain { off: false },
                Some(Value::Bool(off)) => Ask::Drain { off: *off },
                Some(_) => return unknown("\"off\" of drain is true or false"),
            },
            Some("online") => match object.get("hook").and_then(Value::as_str) {
                Some(hook) => Ask::Online {
                    hook: hook.to_owned(),
                },
                None => return unknown("\"hook\" of online is a text"),
            },
            _ => return unknown("\"ask\" is one of status, drain, stop, online"),
        };
        Ok(Request { id, ask })
    }
}

impl Answer {
    /// As a line, with its line feed.
    pub fn line(&self, id: Option<u64>) -> Vec<u8> {
        let mut object = self.object();
        object["ok"] = (!matches!(self, Answer::Refused(_))).into();
        if let Some(id) = id {
            object["id"] = id.into();
        }
        line(&object)
    }

    fn object(&self) -> Value {
        match self {
            Answer::Status(status) => {
                let mut object = status.to_json();
                object["answer"] = "status".into();
                object
            }
            Answer::Drain {
                draining,
                unfinished,
            } => json!({ "answer": "drain", "draining": draining, "unfinished": unfinished }),
            Answer::Stop {
                pid,
                drains,
                exit_ms,
            } => json!({ "answer": "stop", "pid": pid, "drains": drains, "exit_ms": exit_ms }),
            Answer::End { status, unfinished } => {
                json!({ "answer": "end", "status": status, "unfinished": unfinished })
            }
            Answer::Online {
                online,
                parts,
                error,
            } => {
                json!({ "answer": "online", "online": online, "parts": parts, "error": error })
            }
            Answer::Refused(error) => json!({ "answer": "refused", "error": error }),
        }
    }

    /// Reads a line, without its line feed: the id of the request, and the answer.
    pub fn parse(line: &[u8]) -> Result<(Option<u64>, Answer), String> {
        let object = object(line)?;
        let fields = Fields(&object);
        let answer = match fields.text("answer")?.as_str() {
            "status" => Answer::Status(Box::new(Status::from_json(&fields)?)),
            "drain" => Answer::Drain {
                draining: fields.boolean("draining")?,
                unfinished: fields.texts("unfinished")?,
            },
            "stop" => Answer::Stop {
                pid: fields.narrow("pid")?,
                drains: fields.boolean("drains")?,
                exit_ms: fields.number("exit_ms")?,
            },
            "end" => Answer::End {
                status: fields.narrow("status")?,
                unfinished: fields.texts("unfinished")?,
            },
            "online" => Answer::Online {
                online: fields.maybe("online", Value::as_u64),
                parts: fields.maybe("parts", Value::as_object).map(parts),
                error: fields.text("error")?,
            },
            "refused" => Answer::Refused(fields.text("error")?),
            other => return Err(format!("an answer of the kind {other:?} is not known")),
        };
        Ok((object.get("id").and_then(Value::as_u64), answer))
    }
}

fn parts(object: &Map<String, Value>) -> BTreeMap<String, u64> {
    let numbers = object.iter();
    let number = |(name, value): (&String, &Value)| Some((name.clone(), value.as_u64()?));
    numbers.filter_map(number).collect()
}

fn line(object: &Value) -> Vec<u8> {
    let mut line = object.to_string().into_bytes();
    line.push(b'\n');
    line
}

fn object(line: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("a line is one JSON object".to_owned()),
        Err(error) => Err(format!("a line is one JSON object: {error}")),
    }
}

/// The fields of an object, each of the kind it must be.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn field<'a, T>(
        &'a self,
        name: &str,
        of: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, String> {
        let value = self.0.get(name).and_then(of);
        value.ok_or_else(|| format!("the field {name:?} is missing or of a wrong kind"))
    }

    fn text(&self, name: &str) -> Result<String, String> {
        self.field(name, |value| value.as_str().map(String::from))
    }

    fn boolean(&self, name: &str) -> Result<bool, String> {
        self.field(name, Value::as_bool)
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        self.field(name, Value::as_u64)
    }

    fn narrow<T: TryFrom<u64>>(&self, name: &str) -> Result<T, String> {
        self.field(name, |value| value.as_u64()?.try_into().ok())
    }

    /// A field that may be null, or missing.
    fn maybe<'a, T>(&'a self, name: &str, of: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        self.0.get(name).and_then(of)
    }

    fn list<T>(
        &self,
        name: &str,
        of: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let list = self.field(name, Value::as_array)?;
        list.iter().map(of).collect()
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("{name:?} holds something other than texts");
        self.list(name, |value| {
            value.as_str().map(String::from).ok_or_else(wrong)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, Mistake> {
        Request::parse(line.as_bytes())
    }

    #[test]
    fn requests_are_read_with_fields_of_later_versions() {
        let ask = |ask| Ok(Request { id: None, ask });
        assert_eq!(parse(r#"{"ask":"status","wait_ms":5}"#), ask(Ask::Status));
        assert_eq!(parse(r#" {"ask":"stop"} "#), ask(Ask::Stop));
        assert_eq!(parse(r#"{"ask":"drain"}"#), ask(Ask::Drain { off: false }));
        let off = Request {
            id: Some(7),
            ask: Ask::Drain { off: true },
        };
        assert_eq!(parse(r#"{"ask":"drain","off":true,"id":7}"#), Ok(off));
    }

    #[test]
    fn what_is_unknown_is_told_apart_from_garbage() {
        for line in [r#"{"ask":"sleep","id":3}"#, r#"{"id":3}"#] {
            let Err(Mistake::Unknown { id, .. }) = parse(line) else {
                panic!("{line}");
            };
            assert_eq!(id, Some(3));
        }
        let wrong = parse(r#"{"ask":"drain","off":1}"#);
        assert!(matches!(wrong, Err(Mistake::Unknown { .. })));
        for line in ["", "[]", "stop", "{", "\u{0}", &"[".repeat(4000)] {
            assert!(matches!(parse(line), Err(Mistake::Garbage(_))), "{line}");
        }
    }

    #[test]
    fn answers_come_out_as_they_went_in() {
        let unfinished = vec!["a \"b\"\n".to_owned()];
        for answer in [
            Answer::Refused("why".to_owned()),
            Answer::Drain {
                draining: true,
                unfinished: unfinished.clone(),
            },
            Answer::Stop {
                pid: 7,
                drains: true,
                exit_ms: 10_000,
            },
            Answer::Online {
                online: Some(3),
                parts: Some(BTreeMap::from([("eu".to_owned(), 1), ("us".to_owned(), 2)])),
                error: String::new(),
            },
            Answer::End {
                status: 1,
                unfinished,
            },
        ] {
            let line = answer.line(Some(9));
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(Answer::parse(&line), Ok((Some(9), answer)));
        }
    }
}
