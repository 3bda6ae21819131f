//! The module `snlua`: what a node launches to get a Lua service.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use welkin_net::Net;
use welkin_runtime::{
    Context, Control, LaunchError, Message, Module, NewService, Node, Payload, kind,
};

use crate::control::LuaControl;
use crate::image::Images;
use crate::service::LuaService;

/// Settings of all Lua services of a node.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Memory limit of a service that sets none, in bytes; 0 = none.
    pub memory_max: usize,
    /// Deadline of calls that have no own, in milliseconds; 0 = none.
    pub call_timeout_ms: u32,
    /// CPU time of a message from which on it is logged, in nanoseconds; 0 = none is.
    pub slow_ns: u64,
    /// What wins: a built-in module or service, or a file of its name.
    pub library: crate::library::Preference,
    /// Functions that the node calls in services.
    pub hooks: Arc<crate::hooks::Hooks>,
}

/// What all VMs of a node share.
pub struct Shared {
    /// The socket engine.
    pub net: Arc<Net>,
    /// Settings.
    pub options: Options,
    /// Slow messages that were logged.
    pub slow: crate::slow::Told,
    /// Hash seed: random for each process, the same for its VMs.
    pub seed: u32,
    /// Which file a service's name means, so that a spawn searches no folders.
    pub found: RwLock<HashMap<Vec<u8>, Arc<crate::loader::Found>>>,
    /// Prepared VMs of programs that are started often.
    pub images: Images,
    /// Data of `skynet.sharedata`.
    pub data: crate::sharedata::Versions<crate::sharedata::tree::Tree>,
    /// Texts of `skynet.datasheet`.
    pub sheets: crate::sharedata::Versions<welkin_codec::datasheet::Sheet>,
    /// Tables that all services read.
    pub tables: crate::sharetable::Tables,
    /// References to writers that no reader has taken.
    pub stm: crate::bindings::stm::References,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

struct LuaModule(Arc<Shared>);

impl Module for LuaModule {
    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
        let address = cx.slot.address();
        let control = Arc::new(LuaControl::new(address, args));
        let service = LuaService::new(self.0.clone(), control.clone());
        // The program runs as the service's first message.
        let first = Message {
            source: address,
            session: 0,
            kind: kind::TEXT,
            payload: Payload::copy_from(args),
        };
        cx.node
            .post(address, first)
            .map_err(|_| LaunchError::Silent)?;
        Ok(NewService {
            service: Box::new(service),
            control: Some(control as Arc<dyn Control>),
        })
    }
}

/// Makes `snlua` known to `node`.
pub fn register(node: &Arc<Node>, options: Options, net: Arc<Net>) {
    crate::preempt::install();
    let shared = Shared {
        net,
        options,
        slow: crate::slow::Told::default(),
        seed: seed(),
        found: RwLock::default(),
        images: Images::default(),
        data: crate::sharedata::Versions::default(),
        sheets: crate::sharedata::Versions::default(),
        tables: crate::sharetable::Tables::default(),
        stm: crate::bindings::stm::References::default(),
    };
    node.register_module("snlua", Arc::new(LuaModule(Arc::new(shared))));
}

fn seed() -> u32 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() as u32
}
