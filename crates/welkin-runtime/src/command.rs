//! The text commands of skynet: `LAUNCH`, `KILL`, `TIMEOUT` and so on, as programs and C modules use
//! them. Where skynet crashes (a missing parameter, SETENV twice) the answer is `None` here.
//!
//! Texts of log lines and results are part of the contract, byte for byte.

use std::sync::Arc;

use crate::message::Address;
use crate::node::Node;
use crate::slot::Slot;

const BLANKS: &[u8] = b" \t\r\n";

impl Node {
    /// Runs a text command for the service `caller`. `None`: no result, or an unknown command.
    pub fn command(
        self: &Arc<Self>,
        caller: &Slot,
        command: &[u8],
        param: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        match command {
            b"REG" => self.cmd_reg(caller, param.unwrap_or_default()),
            b"EXIT" => {
                self.log(caller.address(), "KILL self");
                self.kill(caller.address());
                None
            }
            b"STARTTIME" => Some(self.start_time().to_string().into_bytes()),
            b"ABORT" => {
                self.abort();
                None
            }
            b"MONITOR" => self.cmd_monitor(caller, param),
            _ => self.command_with(caller, command, param?),
        }
    }

    /// The commands that need a parameter.
    fn command_with(
        self: &Arc<Self>,
        caller: &Slot,
        command: &[u8],
        param: &[u8],
    ) -> Option<Vec<u8>> {
        match command {
            b"TIMEOUT" => {
                // A C int: larger numbers wrap.
                #[allow(clippy::cast_possible_truncation)]
                let ticks = integer(param, 10) as i32;
                Some(self.timeout(caller, ticks).to_string().into_bytes())
            }
            b"QUERY" => {
                let name = param.strip_prefix(b".")?;
                self.name_query(name).map(short_address)
            }
            b"NAME" => self.cmd_name(caller, param),
            b"KILL" => {
                self.cmd_kill(caller, param);
                None
            }
            b"LAUNCH" => self.cmd_launch(param),
            b"GETENV" => self.env_get(param),
            b"SETENV" => {
                self.cmd_setenv(caller, param);
                None
            }
            b"STAT" => Some(self.cmd_stat(caller, param)),
            b"LOGON" => {
                self.tap_on(caller, param);
                None
            }
            b"LOGOFF" => {
                self.tap_off(caller, param);
                None
            }
            b"SIGNAL" => {
                self.cmd_signal(caller, param);
                None
            }
            _ => None,
        }
    }

    fn cmd_reg(&self, caller: &Slot, name: &[u8]) -> Option<Vec<u8>> {
        if name.is_empty() {
            return Some(short_address(caller.address()));
        }
        let Some(local) = name.strip_prefix(b".") else {
            self.complain(caller, b"Can't register global name ", name, b" in C");
            return None;
        };
        self.name_register(local, caller.address())
            .then(|| local.to_vec())
    }

    fn cmd_name(&self, caller: &Slot, param: &[u8]) -> Option<Vec<u8>> {
        let mut words = param
            .split(|byte| BLANKS.contains(byte))
            .filter(|word| !word.is_empty());
        let (name, address) = (words.next()?, words.next()?);
        let address = hex(address.strip_prefix(b":")?);
        if address.is_none() {
            return None;
        }
        let Some(local) = name.strip_prefix(b".") else {
            self.complain(caller, b"Can't set global name ", name, b" in C");
            return None;
        };
        self.name_register(local, address).then(|| local.to_vec())
    }

    fn cmd_kill(&self, caller: &Slot, param: &[u8]) {
        let address = self.to_address(caller, param);
        if address.is_none() {
            return;
        }
        self.log(caller.address(), format!("KILL :{:x}", address.0));
        self.kill(address);
    }

    fn cmd_launch(self: &Arc<Self>, param: &[u8]) -> Option<Vec<u8>> {
        let end = |text: &[u8], stops: &[u8]| text.iter().position(|byte| stops.contains(byte));
        let (module, rest) = match end(param, BLANKS) {
            Some(at) => (&param[..at], &param[at + 1..]),
            None => (param, &[][..]),
        };
        let args = &rest[..end(rest, b"\r\n").unwrap_or(rest.len())];
        let address = self.launch(module, args)?;
        Some(format!(":{:08X}", address.0).into_bytes())
    }

    fn cmd_setenv(&self, caller: &Slot, param: &[u8]) {
        let Some(blank) = param.iter().position(|&byte| byte == b' ') else {
            return;
        };
        let (key, value) = (&param[..blank], &param[blank + 1..]);
        if self.env_set(key, value).is_err() {
            self.complain(caller, b"Can't setenv exist key : ", key, b"");
        }
    }

    fn cmd_monitor(&self, caller: &Slot, param: Option<&[u8]>) -> Option<Vec<u8>> {
        match param {
            Some(param) if !param.is_empty() => {
                self.set_monitor_address(self.to_address(caller, param));
                None
            }
            _ => Some(self.monitor_address())
                .filter(|monitor| !monitor.is_none())
                .map(short_address),
        }
    }

    fn cmd_stat(&self, caller: &Slot, name: &[u8]) -> Vec<u8> {
        match name {
            b"mqlen" => caller.mailbox_len().to_string(),
            b"endless" => u8::from(caller.take_endless()).to_string(),
            b"cpu" => seconds(caller.cpu_ns()),
            b"time" if !self.profile() => "0".to_owned(),
            b"time" => seconds(caller.message_cpu_ns()),
            b"message" => caller.messages().to_string(),
            _ => String::new(),
        }
        .into_bytes()
    }

    fn cmd_signal(&self, caller: &Slot, param: &[u8]) {
        let blank = param.iter().position(|&byte| byte == b' ');
        let (head, number) = match blank {
            Some(at) => (&param[..at], integer(&param[at + 1..], 0)),
            None => (param, 0),
        };
        // A name may have blanks; the whole text is tried first.
        let whole = param
            .strip_prefix(b".")
            .and_then(|name| self.name_query(name));
        let address = match whole {
            Some(address) => address,
            None => self.to_address(caller, head),
        };
        let Some(slot) = self.slot(address) else {
            return;
        };
        if let Some(control) = slot.control() {
            #[allow(clippy::cast_possible_truncation)]
            control.signal(self, if whole.is_some() { 0 } else { number as i32 });
        }
    }

    /// `:hex` or `.name`; 0 for what cannot be resolved.
    pub(crate) fn to_address(&self, caller: &Slot, text: &[u8]) -> Address {
        match text {
            [b':', digits @ ..] => hex(digits),
            [b'.', name @ ..] => self.name_query(name).unwrap_or_default(),
            _ => {
                self.complain(caller, b"Can't convert ", text, b" to handle");
                Address::NONE
            }
        }
    }

    fn complain(&self, caller: &Slot, before: &[u8], what: &[u8], after: &[u8]) {
        self.log(caller.address(), [b"error: ", before, what, after].concat());
    }
}

fn short_address(address: Address) -> Vec<u8> {
    format!(":{:x}", address.0).into_bytes()
}

/// Nanoseconds as seconds with six digits.
fn seconds(ns: u64) -> String {
    let us = (ns + 500) / 1000;
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// The number at the beginning of `digits`, as C's strtoul with base 16 reads it.
fn hex(digits: &[u8]) -> Address {
    #[allow(clippy::cast_possible_truncation)]
    Address(integer(digits, 16) as u32)
}

/// The number at the beginning of `text`, as C's strtol reads it (base 0: by prefix); 0 without one.
fn integer(text: &[u8], base: u32) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (base, digits) = match (base, text) {
        (0 | 16, [b'0', b'x' | b'X', rest @ ..]) => (16, rest),
        (0, [b'0', ..]) => (8, text),
        (0, _) => (10, text),
        _ => (base, text),
    };
    let value = digits
        .iter()
        .map_while(|&byte| char::from(byte).to_digit(base))
        .fold(0i64, |value, digit| {
            value
                .saturating_mul(i64::from(base))
                .saturating_add(i64::from(digit))
        });
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        assert_eq!(integer(b"0x10", 0), 16);
        assert_eq!(integer(b"010", 0), 8);
        assert_eq!(integer(b" -12ab", 10), -12);
        assert_eq!(integer(b"x", 10), 0);
        assert_eq!(hex(b"100000000"), Address(0));
        assert_eq!(hex(b"0000000Ag"), Address(10));
    }

    #[test]
    fn seconds_have_six_digits() {
        assert_eq!(seconds(1_234_567_890), "1.234568");
        assert_eq!(seconds(0), "0.000000");
    }
}
