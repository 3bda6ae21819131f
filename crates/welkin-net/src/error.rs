//! What goes wrong when a socket is made, and how system errors are worded.
//!
//! Programs compare these texts, so they are the C library's own (`Connection refused`), without the
//! error number that Rust adds.

use std::{fmt, io};

/// The poller refuses a file descriptor, or there are 65536 sockets.
pub(crate) const LIMIT: &str = "reach skynet socket number limit";

/// Why a command that answers at once failed. The Lua layer has its own text for each command; this
/// one is for people.
#[derive(Debug)]
pub enum NetError {
    /// The resolver's text.
    Resolve(String),
    /// A system call failed.
    Io(io::Error),
    /// All 65536 socket numbers are in use.
    Limit,
    /// There is no socket with this id.
    Unknown,
    /// The socket is not a UDP socket.
    NotUdp,
    /// A port is needed.
    NoPort,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetError::Resolve(text) => f.write_str(text),
            NetError::Io(error) => f.write_str(&text(error)),
            NetError::Limit => f.write_str(LIMIT),
            NetError::Unknown => f.write_str("invalid socket"),
            NetError::NotUdp => f.write_str("not a UDP socket"),
            NetError::NoPort => f.write_str("a port other than 0 is needed"),
        }
    }
}

impl std::error::Error for NetError {}

impl From<io::Error> for NetError {
    fn from(error: io::Error) -> Self {
        NetError::Io(error)
    }
}

/// The C library's words for `error`.
pub(crate) fn text(error: &io::Error) -> String {
    let mut text = error.to_string();
    if error.raw_os_error().is_some()
        && let Some(at) = text.rfind(" (os error ")
    {
        text.truncate(at);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_read_as_in_c() {
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(text(&refused), "Connection refused");
        assert_eq!(text(&io::Error::other("own words")), "own words");
    }
}
