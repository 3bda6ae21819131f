//! TLS sessions as byte machines: what came from the wire goes in, plain text comes out, and the other
//! way round. No sockets here and no waiting; whoever has the socket owns the deadlines too.
//!
//! [`Client`] and [`Server`] hold what many connections share (whom to trust, who we are) and read it
//! from files once, when they are made; a [`Session`] is one connection. The protocol is rustls's, with
//! the cryptography of ring: TLS 1.3 and 1.2. ring is named in this crate wherever a provider is
//! needed, so no other code of the process can change it.
//!
//! Clients check the certificate of the server, that it is good for the name they have called, and that
//! it comes from somebody in `ca`, or from whom the system trusts. That can be switched off by name only.

#![forbid(unsafe_code)]

mod config;
mod error;
mod session;
#[cfg(test)]
mod tests;
mod trust;

pub use config::{Client, ClientOptions, Server};
pub use error::TlsError;
pub use session::{About, Session, Stage};

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
