//! The other side of a node under measurement: many TCP clients.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Longest wait of a client for its node.
const PATIENCE: Duration = Duration::from_secs(60);
/// Descriptors of a process besides those of its clients, generously.
const OTHERS: u64 = 200;

/// Lets this process, and the node it starts after this, have so many clients.
pub fn allow(clients: usize) -> Result<(), String> {
    let wanted = clients as u64 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(wanted),
        ..limit
    };
    setrlimit(Resource::Nofile, raised)
        .map_err(|e| format!("{wanted} descriptors are needed (ulimit -n): {e}"))
}

/// A port that nobody uses at the moment.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    let address = listener.and_then(|listener| listener.local_addr());
    Ok(address.map_err(|e| format!("no port is free: {e}"))?.port())
}

/// One client.
pub fn connect(port: u16) -> Result<TcpStream, String> {
    let failed = |e| format!("cannot connect to port {port}: {e}");
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    Ok(stream)
}
