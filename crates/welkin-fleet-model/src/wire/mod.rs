//! The messages between client, master and agent, and the frames they travel in.
//!
//! A connection begins with one [`Hello`] of each side. Then frames: see [`frame`]. What an agent and the
//! master say is in [`agent`], what a client and the master say in [`client`]. On TLS the certificate
//! tells name and role; `Hello` repeats neither. On the master's local socket the peer's user does.

pub mod agent;
pub mod client;
pub mod frame;

use serde::{Deserialize, Serialize};

/// Version of the messages that this build speaks. It understands the one before and the one after.
pub const PROTOCOL: u16 = 1;

/// First frame of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u16,
    /// Version of its program.
    pub version: String,
    /// What the connection is for.
    pub purpose: Purpose,
    /// Unix milliseconds of its clock.
    pub unix_ms: u64,
    /// Who connects, on the local socket of the master, where no certificate says so. Agents need it.
    #[serde(default)]
    pub name: Option<String>,
    /// The master does not take the connection, and why.
    #[serde(default)]
    pub refused: Option<String>,
    /// The master asks for a renewal of the certificate: two thirds of it are over, or its authority goes.
    #[serde(default)]
    pub renew: bool,
}

/// What the side that connected wants; the master answers with the same word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// It is an agent: [`agent`] follows.
    Agent,
    /// It is a client: [`client`] follows.
    Client,
    /// It has no certificate yet and holds a token or the fleet's secret: the messages of enrolment
    /// follow, which belong to `welkin-fleet-trust`.
    Enrol,
}
