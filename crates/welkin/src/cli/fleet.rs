//! `welkin fleet`: hands each word to the part of the fleet that it belongs to.
//!
//! The parts are crates of their own, and say themselves what went wrong; here is only the choice and
//! the help. `--help` may stand anywhere before a `--`, so that who has typed half a command can ask.

use std::ffi::{OsStr, OsString};

#[cfg_attr(not(feature = "fleet"), path = "fleet/absent.rs")]
mod parts;

use super::{help, say};
use crate::failure::Failure;
use crate::os::process::new_session;

/// Options of `welkin fleet` itself that are followed by a value.
const WITH_VALUE: [&str; 2] = ["--master", "--timeout"];

/// Before a part that a node starts and that must outlive it: it leaves the node's session first.
const DETACHED: &str = "detached";

pub fn fleet(arguments: &[OsString]) -> Result<u8, Failure> {
    let word = word(arguments);
    let asks = arguments
        .iter()
        .take_while(|argument| *argument != OsStr::new("--"))
        .any(|argument| argument == OsStr::new("--help"));
    if asks {
        return Ok(say(&parts::help(help::fleet::of(word))));
    }
    let rest = arguments.get(1..).unwrap_or_default();
    // Only as the first word: these take no options of the client before them.
    match arguments.first().and_then(|first| first.to_str()) {
        Some("help") => {
            let word = rest.first().and_then(|word| word.to_str());
            Ok(say(&parts::help(help::fleet::of(word))))
        }
        Some(DETACHED) => {
            new_session();
            fleet(rest)
        }
        first => parts::run(first, arguments),
    }
}

/// The command among the arguments: the first word that is neither an option nor the value of one.
fn word(arguments: &[OsString]) -> Option<&str> {
    let mut words = arguments.iter().map(|argument| argument.to_str());
    while let Some(word) = words.next() {
        match word {
            Some(option) if WITH_VALUE.contains(&option) => {
                words.next();
            }
            Some(option) if option.starts_with('-') => {}
            word => return word,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_found_behind_the_options_of_the_fleet() {
        let given = ["--json", "--master", "h:7950", "stop", "all"].map(OsString::from);
        assert_eq!(word(&given), Some("stop"));
        assert_eq!(word(&["--help".into()]), None);
    }

    #[test]
    fn each_command_has_its_own_help_with_an_example() {
        for (command, text) in help::fleet::COMMANDS {
            assert!(text.starts_with("welkin fleet "), "{command}: {text}");
            assert!(text.contains("Example"), "{command}: {text}");
            let listed = help::fleet::FLEET.contains(&format!("\n  {command} "));
            assert!(
                listed || *command == *"keeper",
                "{command} is not in the overview"
            );
        }
    }
}
