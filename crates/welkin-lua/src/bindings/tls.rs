//! The Lua module `welkin.tls.core`, behind `welkin.tls`: TLS sessions that are driven from Lua, which has
//! the socket.
//!
//! One kind of object for the three things there are: what clients share, what servers share, and a
//! session. A session keeps its plain text until it is read.

mod stream;

use std::ffi::CStr;

use mlua_sys as ffi;
use welkin_tls::{Client, ClientOptions, Server, Session, Stage, TlsError};

use super::inbox::Inbox;
use super::object;
use super::skynet::Entry;
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;

const FUNCTIONS: &[Entry] = &[
    (c"about", about),
    (c"client", client),
    (c"client_config", client_config),
    (c"close", close),
    (c"outgoing", outgoing),
    (c"read", stream::read),
    (c"readline", stream::readline),
    (c"receive", receive),
    (c"send", send),
    (c"server", server),
    (c"server_config", server_config),
    (c"stage", stage),
    (c"unread", stream::unread),
];

/// What an object is.
#[derive(Debug, Default)]
enum Tls {
    #[default]
    Nothing,
    Client(Client),
    Server(Server),
    Session(Box<Held>),
}

/// A session and what belongs to it.
#[derive(Debug)]
struct Held {
    session: Session,
    /// Plain text that nobody has read.
    inbox: Inbox,
    /// What the last call has to send; kept here while Lua copies it.
    wire: Vec<u8>,
    /// Plain text of one call.
    plain: Vec<u8>,
}

/// Room of `wire` and `plain` that is kept for the next call, in bytes.
const KEPT_BYTES_MAX: usize = 64 * 1024;

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        object::push_module::<Tls>(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `client_config(ca, certificate, key, believe_anybody) -> config`: names of files, or nil.
    fn client_config(call: &mut Call) -> LuaResult {
        let state = call.state;
        let place = new(state, 4);
        let identity = text(state, 2)?.zip(text(state, 3)?);
        let options = ClientOptions { ca: text(state, 1)?, identity, believe_anybody: state.to_bool(4) };
        let client = Client::new(&options).map_err(raise)?;
        // SAFETY: the object that `new` has made, of which nobody knows yet.
        unsafe { *place = Tls::Client(client) };
        Ok(1)
    }

    /// `server_config(certificate, key) -> config`: names of files.
    fn server_config(call: &mut Call) -> LuaResult {
        let state = call.state;
        let place = new(state, 2);
        let Some((certificate, key)) = text(state, 1)?.zip(text(state, 2)?) else {
            return Err(LuaError::plain("a server needs the files of its certificate and key"));
        };
        let server = Server::new(&certificate, &key).map_err(raise)?;
        // SAFETY: as above.
        unsafe { *place = Tls::Server(server) };
        Ok(1)
    }

    /// `client(config, name) -> session`: with the server that goes by `name`.
    fn client(call: &mut Call) -> LuaResult {
        let state = call.state;
        let place = new(state, 2);
        let config = object::check::<Tls>(state, 1, c"config of a client expected")?;
        let Some(name) = text(state, 2)? else {
            return Err(LuaError::Argument(2, c"name of a host expected"));
        };
        // SAFETY: a live object; nothing here calls Lua.
        let Tls::Client(config) = (unsafe { &*config }) else {
            return Err(LuaError::Argument(1, c"config of a client expected"));
        };
        hold(place, Session::client(config, &name))
    }

    /// `server(config) -> session`
    fn server(call: &mut Call) -> LuaResult {
        let place = new(call.state, 1);
        let config = object::check::<Tls>(call.state, 1, c"config of a server expected")?;
        // SAFETY: as above.
        let Tls::Server(config) = (unsafe { &*config }) else {
            return Err(LuaError::Argument(1, c"config of a server expected"));
        };
        hold(place, Session::server(config))
    }

    /// `receive(session, text) -> true`, or `false, why`: takes what came from the wire. `outgoing` is to
    /// be sent after both.
    fn receive(call: &mut Call) -> LuaResult {
        let state = call.state;
        let wire = state.check_text(2);
        let held = held(state)?;
        // SAFETY: a live object; Lua is not called, and `wire` lies on its stack.
        let result = unsafe {
            let held = &mut *held;
            let result = held.session.receive(wire, &mut held.plain);
            let fed = held.inbox.feed(&held.plain);
            reset(&mut held.plain);
            fed?;
            result
        };
        state.push_bool(result.is_ok());
        match result {
            Ok(()) => Ok(1),
            Err(error) => {
                super::info::push_owned(state, error.to_string().into_bytes());
                Ok(2)
            }
        }
    }

    /// `send(session, text or list of texts) -> text`: the same for the wire.
    fn send(call: &mut Call) -> LuaResult {
        let state = call.state;
        let held = held(state)?;
        if state.type_of(2) == ffi::LUA_TTABLE {
            for at in 1..=state.raw_len(2) as i64 {
                state.raw_get_i(2, at);
                let part = state.string(-1).ok_or(LuaError::Argument(2, c"list of texts expected"))?;
                // SAFETY: a live object; Lua is not called while the reference is there.
                unsafe { (*held).session.send(part) }.map_err(raise)?;
                state.pop(1);
            }
        } else {
            let text = state.check_text(2);
            // SAFETY: as above.
            unsafe { (*held).session.send(text) }.map_err(raise)?;
        }
        push_outgoing(state, held)
    }

    /// `outgoing(session) -> text`: what is to be sent now.
    fn outgoing(call: &mut Call) -> LuaResult {
        let held = held(call.state)?;
        push_outgoing(call.state, held)
    }

    /// `close(session) -> text`: the goodbye, to be sent.
    fn close(call: &mut Call) -> LuaResult {
        let held = held(call.state)?;
        // SAFETY: a live object.
        unsafe { (*held).session.close() };
        push_outgoing(call.state, held)
    }

    /// `stage(session) -> "handshake", "open" or "ended"`
    fn stage(call: &mut Call) -> LuaResult {
        let held = held(call.state)?;
        // SAFETY: a live object.
        call.state.push_lit(match unsafe { (*held).session.stage() } {
            Stage::Handshake => c"handshake",
            Stage::Open => c"open",
            Stage::Ended => c"ended",
        });
        Ok(1)
    }

    /// `about(session) -> version, cipher, server name`: nothing before both sides have agreed.
    fn about(call: &mut Call) -> LuaResult {
        let state = call.state;
        let held = held(state)?;
        // SAFETY: a live object.
        let Some(about) = (unsafe { (*held).session.about() }) else {
            return Ok(0);
        };
        let name = about.server_name;
        let texts = [Some(about.version), Some(about.cipher), name].map(|text| text.map(String::into_bytes));
        push_texts(state, texts);
        Ok(3)
    }
}

fn push_texts(state: State, texts: [Option<Vec<u8>>; 3]) {
    // Joined, as only one vector can be kept while Lua allocates.
    let lens = [0, 1, 2].map(|at| texts[at].as_ref().map(Vec::len));
    super::info::push_owned(state, texts.into_iter().flatten().flatten().collect());
    let all = state.top();
    let mut start = 0;
    for len in lens {
        match (len, state.string(all)) {
            (Some(len), Some(joined)) => {
                state.push_bytes(&joined[start..start + len]);
                start += len;
            }
            _ => state.push_nil(),
        }
    }
}

/// Pushes a new object above so many arguments.
fn new(state: State, arguments: i32) -> *mut Tls {
    state.set_top(arguments);
    object::push::<Tls>(state, 0);
    state.to_userdata(-1).cast()
}

fn hold(place: *mut Tls, session: Result<Session, TlsError>) -> LuaResult {
    let held = Held {
        session: session.map_err(raise)?,
        inbox: Inbox::default(),
        wire: Vec::new(),
        plain: Vec::new(),
    };
    // SAFETY: the object on top of the stack, which was made by this call and of which nobody knows yet.
    unsafe { *place = Tls::Session(Box::new(held)) };
    Ok(1)
}

/// The session at index 1.
fn held(state: State) -> Result<*mut Held, LuaError> {
    const EXPECTED: &CStr = c"session expected";
    let object = object::check::<Tls>(state, 1, EXPECTED)?;
    // SAFETY: a live object; what is boxed stays at its place as long as the object lives.
    match unsafe { &mut *object } {
        Tls::Session(held) => Ok(&raw mut **held),
        _ => Err(LuaError::Argument(1, EXPECTED)),
    }
}

fn push_outgoing(state: State, held: *mut Held) -> LuaResult {
    // SAFETY: a live object. The bytes belong to it while Lua copies them; a finalizer that comes back to
    // this very session meanwhile cannot be: it is on the stack.
    unsafe {
        let held = &mut *held;
        held.session.take(&mut held.wire);
        state.push_bytes(&held.wire);
        reset(&mut held.wire);
    }
    Ok(1)
}

fn reset(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.shrink_to(KEPT_BYTES_MAX);
}

/// The text at `index`, or nothing for nil.
fn text(state: State, index: i32) -> Result<Option<String>, LuaError> {
    if state.is_none_or_nil(index) {
        return Ok(None);
    }
    let bytes = state
        .string(index)
        .ok_or(LuaError::Argument(index, c"string expected"))?;
    match str::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.to_string())),
        Err(_) => Err(LuaError::Argument(index, c"text in UTF-8 expected")),
    }
}

fn raise(error: TlsError) -> LuaError {
    LuaError::plain(error.to_string())
}
