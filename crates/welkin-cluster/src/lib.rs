//! Links to other nodes, by skynet's cluster protocol, from frame to mailbox and back without any Lua.
//!
//! Four kinds of native services, started by `clusterd` (Lua, which knows names and addresses and does
//! what is rare): `clustersender`, one for each node that is called, owns the connection to it and takes
//! requests from all services; `clusterlistener` accepts; `clusteragent`, one for each accepted
//! connection, hands requests to services and their answers back; `clusterproxy` stands for one service
//! of another node.
//!
//! What a connection says is the business of `welkin_codec::cluster`; what the calling side does about
//! it that of [`link::Link`], which knows neither sockets nor services, so that `tests/simulation.rs`
//! can run many of them from a seed with a network and a clock of its own.

#![deny(unsafe_code)]

mod accept;
mod agent;
mod body;
mod command;
mod debug;
mod endpoint;
pub mod harbor;
pub mod link;
mod message;
mod proxy;
#[allow(unsafe_code)]
mod raw;
mod sender;
mod text;

use std::sync::Arc;

use welkin_net::Net;
use welkin_runtime::Node;

pub use body::{Body, Tail};

/// Key of the environment: most bytes that wait to be sent to one peer, in MiB.
const QUEUE_MAX: &[u8] = b"welkin_cluster_queue_max_mb";
const QUEUE_MAX_MB: usize = 64;

/// Makes the services known to a node.
pub fn register(node: &Node, net: &Arc<Net>) {
    node.register_module("clustersender", Arc::new(sender::SenderModule(net.clone())));
    node.register_module(
        "clusterlistener",
        Arc::new(accept::ListenerModule(net.clone())),
    );
    node.register_module("clusteragent", Arc::new(agent::AgentModule(net.clone())));
    node.register_module("clusterproxy", Arc::new(proxy::ProxyModule));
}

/// Most bytes that wait to be sent to one peer.
fn queue_max(node: &Node) -> usize {
    let text = node.env_get(QUEUE_MAX).unwrap_or_default();
    let text = String::from_utf8(text).unwrap_or_default();
    text.parse().unwrap_or(QUEUE_MAX_MB).saturating_mul(1 << 20)
}
