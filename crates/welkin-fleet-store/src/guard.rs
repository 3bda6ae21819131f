//! Where a panic of the database library stops.
//!
//! redb believes what it reads: on a file that was damaged behind its back it may panic instead of
//! returning an error. All use of it goes through here, so that damage is an answer like any other. While
//! a file is examined, which is the moment damage is expected, the panic's message is not printed either.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic becomes its message.
///
/// What `work` touched must not be used after a panic: the callers drop the database and open it anew.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(&*panic))
}

/// As [`caught`], and the panic leaves no trace on standard error.
pub(crate) fn caught_quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                others(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let outcome = caught(work);
    QUIET.set(before);
    outcome
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    // Assertions print their operands on further lines.
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_first_line() {
        assert_eq!(caught_quietly(|| 1), Ok(1));
        let text = caught_quietly(|| -> () { panic!("page {} is wrong\nleft: 1", 7) });
        assert_eq!(text, Err("page 7 is wrong".to_owned()));
    }
}
