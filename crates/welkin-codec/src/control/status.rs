//! How a node is, as it says so itself.

use serde_json::{Value, json};

use super::Fields;

/// The answer to `status`. Sizes are bytes, `since` is Unix time in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Name of the node: `WELKIN_NODE` of its environment, else its config key `cluster_node`.
    pub node: Option<String>,
    /// `WELKIN_START` of its environment, by which who started it knows it again.
    pub start_key: Option<String>,
    /// Of its process.
    pub pid: u32,
    /// Of the program, as `welkin --version` says it.
    pub version: String,
    /// It takes new work.
    pub ready: bool,
    /// Why it does not; empty when it does.
    pub reason: String,
    /// It was told to take no new work.
    pub draining: bool,
    /// It drains to end.
    pub stopping: bool,
    /// When it started.
    pub since: i64,
    /// How long ago that is by the monotonic clock, in seconds.
    pub uptime_s: u64,
    /// Services that live.
    pub services: u64,
    /// Services that will be asked at the end (`welkin.on_exit`, `welkin.on_drain`).
    pub hooked: u64,
    /// Players: the sum of `online_by`, `None` when nobody counts them or somebody cannot say.
    pub online: Option<u64>,
    /// Who counts players, at most [`super::LIST_MAX`].
    pub online_by: Vec<Online>,
    /// Resident memory of the process.
    pub memory: Option<u64>,
    /// Memory of its Lua services, each as of its last message.
    pub lua_memory: u64,
    /// Sockets by state.
    pub sockets: Sockets,
    /// The longest mailbox; `None` when all are empty.
    pub queue: Option<Queue>,
    /// Services in a message that does not end, at most [`super::LIST_MAX`].
    pub stuck: Vec<Stuck>,
    /// Since the start of the node.
    pub totals: Totals,
    /// Port of 127.0.0.1 at which its debug console listens, if it has one by its config.
    pub console: Option<u16>,
}

/// What a node has done since its start. A part of it may be lost with services and sockets that are
/// gone: who takes differences takes less than nothing for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages handled by services that live.
    pub messages: u64,
    /// Bytes that sockets received.
    pub rx: u64,
    /// Bytes that they sent.
    pub tx: u64,
    /// Messages whose handling ended with an error of the program.
    pub errors: u64,
}

/// A service that counts players.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Online {
    /// Its address, `:0000000a`.
    pub service: String,
    /// Its program.
    pub name: String,
    /// What it says; `None`: an error, no number, or no answer in time.
    pub online: Option<u64>,
}

/// How many sockets there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Listeners.
    pub listen: u64,
    /// Connections.
    pub established: u64,
    /// Half closed, or being closed.
    pub closing: u64,
    /// Of UDP.
    pub udp: u64,
}

/// A mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Address of the service.
    pub service: String,
    /// Its program.
    pub name: String,
    /// Messages that wait.
    pub messages: u64,
}

/// A service in a message that does not end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stuck {
    /// Its address.
    pub service: String,
    /// Its program.
    pub name: String,
    /// The function it was last seen in; may be empty.
    pub function: String,
    /// The line it was last seen at, `chat.lua:88`; may be empty.
    pub at: String,
    /// How long the message lasts, in milliseconds.
    pub ms: u64,
}

impl Status {
    pub(super) fn to_json(&self) -> Value {
        let online_by = self
            .online_by
            .iter()
            .map(|by| json!({ "service": by.service, "name": by.name, "online": by.online }));
        let queue = self.queue.as_ref().map(|queue| {
            json!({ "service": queue.service, "name": queue.name, "messages": queue.messages })
        });
        let stuck = self.stuck.iter().map(|stuck| {
            json!({
                "service": stuck.service, "name": stuck.name, "function": stuck.function,
                "at": stuck.at, "ms": stuck.ms,
            })
        });
        json!({
            "node": self.node,
            "start_key": self.start_key,
            "pid": self.pid,
            "version": self.version,
            "ready": self.ready,
            "reason": self.reason,
            "draining": self.draining,
            "stopping": self.stopping,
            "since": self.since,
            "uptime_s": self.uptime_s,
            "services": self.services,
            "hooked": self.hooked,
            "online": self.online,
            "online_by": online_by.collect::<Vec<_>>(),
            "memory": self.memory,
            "lua_memory": self.lua_memory,
            "sockets": {
                "listen": self.sockets.listen,
                "established": self.sockets.established,
                "closing": self.sockets.closing,
                "udp": self.sockets.udp,
            },
            "queue": queue,
            "stuck": stuck.collect::<Vec<_>>(),
            "messages": self.totals.messages,
            "rx": self.totals.rx,
            "tx": self.totals.tx,
            "errors": self.totals.errors,
            "console": self.console,
        })
    }

    pub(super) fn from_json(fields: &Fields<'_>) -> Result<Status, String> {
        let text = |name| fields.maybe(name, Value::as_str).map(String::from);
        let sockets = nested(fields.field("sockets", Some)?, |sockets| {
            Ok(Sockets {
                listen: sockets.number("listen")?,
                established: sockets.number("established")?,
                closing: sockets.number("closing")?,
                udp: sockets.number("udp")?,
            })
        })?;
        let queue = fields.maybe("queue", |queue| (!queue.is_null()).then_some(queue));
        Ok(Status {
            node: text("node"),
            start_key: text("start_key"),
            pid: fields.narrow("pid")?,
            version: fields.text("version")?,
            ready: fields.boolean("ready")?,
            reason: fields.text("reason")?,
            draining: fields.boolean("draining")?,
            stopping: fields.boolean("stopping")?,
            since: fields.field("since", Value::as_i64)?,
            uptime_s: fields.number("uptime_s")?,
            services: fields.number("services")?,
            hooked: fields.number("hooked")?,
            online: fields.maybe("online", Value::as_u64),
            online_by: fields.list("online_by", |by| nested(by, online))?,
            memory: fields.maybe("memory", Value::as_u64),
            lua_memory: fields.number("lua_memory")?,
            sockets,
            queue: queue.map(|queue| nested(queue, longest)).transpose()?,
            stuck: fields.list("stuck", |one| nested(one, stuck))?,
            totals: totals(fields),
            console: fields.maybe("console", |port| port.as_u64()?.try_into().ok()),
        })
    }
}

/// Nodes of before do not tell them.
fn totals(fields: &Fields<'_>) -> Totals {
    let number = |name| fields.maybe(name, Value::as_u64).unwrap_or(0);
    Totals {
        messages: number("messages"),
        rx: number("rx"),
        tx: number("tx"),
        errors: number("errors"),
    }
}

fn nested<T>(
    value: &Value,
    read: impl FnOnce(&Fields<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let object = value.as_object();
    let object = object.ok_or_else(|| "an object was expected inside the status".to_owned())?;
    read(&Fields(object))
}

fn online(by: &Fields<'_>) -> Result<Online, String> {
    Ok(Online {
        service: by.text("service")?,
        name: by.text("name")?,
        online: by.maybe("online", Value::as_u64),
    })
}

fn longest(queue: &Fields<'_>) -> Result<Queue, String> {
    Ok(Queue {
        service: queue.text("service")?,
        name: queue.text("name")?,
        messages: queue.number("messages")?,
    })
}

fn stuck(stuck: &Fields<'_>) -> Result<Stuck, String> {
    Ok(Stuck {
        service: stuck.text("service")?,
        name: stuck.text("name")?,
        function: stuck.text("function")?,
        at: stuck.text("at")?,
        ms: stuck.number("ms")?,
    })
}
