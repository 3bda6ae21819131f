//! Message dumps of single services: switched on and off by `LOGON` and `LOGOFF`, written by what the
//! embedder's [`crate::TapFactory`] opens.

use crate::message::{Address, Message};
use crate::node::Node;
use crate::slot::Slot;

impl Node {
    /// `LOGON`: a second one for the same service does nothing.
    pub(crate) fn tap_on(&self, caller: &Slot, param: &[u8]) {
        let Some((address, slot)) = self.tap_target(caller, param) else {
            return;
        };
        let Some(factory) = &self.tap_factory else {
            return;
        };
        let Some(path) = factory.path(self, address) else {
            return;
        };
        if slot.is_tapped() {
            return;
        }
        let tap = match factory.open(self, address) {
            Ok(tap) => tap,
            Err(path) => return self.log(caller.address(), format!("Open log file {path} fail")),
        };
        self.taps.lock().insert(address, tap);
        slot.set_tapped(true);
        self.log(caller.address(), format!("Open log file {path}"));
    }

    /// `LOGOFF`: nothing when it is off.
    pub(crate) fn tap_off(&self, caller: &Slot, param: &[u8]) {
        let Some((address, slot)) = self.tap_target(caller, param) else {
            return;
        };
        let Some(mut tap) = self.taps.lock().remove(&address) else {
            return;
        };
        slot.set_tapped(false);
        tap.close(self);
        self.log(caller.address(), format!("Close log file {address}"));
    }

    /// A message that is about to be handled.
    pub(crate) fn tap_message(&self, to: Address, message: &Message) {
        if let Some(tap) = self.taps.lock().get_mut(&to) {
            tap.message(self, to, message);
        }
    }

    fn tap_target(&self, caller: &Slot, param: &[u8]) -> Option<(Address, std::sync::Arc<Slot>)> {
        let address = self.to_address(caller, param);
        Some((address, self.slot(address)?))
    }
}
