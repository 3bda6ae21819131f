//! Who may say what to whom in a fleet, and the links on which it is said.
//!
//! - [`Authority`]: the master's own certificate authority with its tokens and revocations. What must
//!   outlive the master goes through [`Records`], which the store implements.
//! - [`Gate`]: the master's door. It accepts TLS and local connections, enrols newcomers by itself, and
//!   hands out [`Link`]s of peers whose name and role are known. Everything that is no TLS, has a wrong
//!   certificate or is too slow ends here.
//! - [`Identity`]: key and certificate of an agent or a client on disk; [`connect`], [`connect_local`]
//!   and the two ways to [`enrol`] use it.
//! - [`Link`], split into [`Sender`] and [`Receiver`]: framed messages and streams, with limits, a queue
//!   of bounded size, signs of life, and an end as soon as the peer's certificate is revoked.
//! - [`Role`]: the table of what each role may do.
//! - [`Browsers`]: TLS of the same authority for the master's http port.
//! - [`FleetSecret`]: the file of the compatible face by which agents are enrolled.
//!
//! All links are TLS 1.3 with certificates of both sides. The master is known by its authority and its
//! role, never by a host name. A certificate says `welkin-fleet:ROLE:NAME:ENROLMENT` in its only
//! alternative name; the enrolment is what is revoked, and what a renewal keeps.
#![forbid(unsafe_code)]

mod authority;
mod browse;
mod certificate;
mod crypto;
pub mod enrol;
mod error;
mod files;
mod gate;
mod guard;
mod identity;
mod link;
mod name;
mod records;
mod role;
mod secret;
mod tls;
mod token;

pub use authority::{Authority, Issued};
pub use browse::Browsers;
pub use certificate::Subject;
pub use error::LinkError;
pub use files::read_private;
pub use gate::{Gate, GateOptions};
pub use guard::{Counts, Witness};
pub use identity::Identity;
pub use link::{Incoming, Limits, Link, Origin, Peer, Receiver, Sender, connect, connect_local};
pub use name::check_name;
pub use records::{CertRecord, Change, Kept, MemoryRecords, Records, RevokedRecord, TokenRecord};
pub use role::Role;
pub use secret::FleetSecret;
pub use token::Token;

#[cfg(test)]
mod tests;
