//! The command line: from words to what is to be done.
//!
//! Options may stand before and behind the command's word, as `--name value` or `--name=value`; behind
//! a lone `--` nothing is an option. [`forms`] says which words there are, [`work`] what they mean.

pub mod forms;
#[cfg(test)]
mod tests;
pub mod work;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use welkin_fleet_model::near::nearest;
use welkin_fleet_model::units;

use crate::failure::Failure;
use forms::{EVERYWHERE, FORMS, Form};

/// What holds for any command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// `--master`: host and port, or the path of a local socket.
    pub master: Option<String>,
    /// `--dir`: the folder of a master on this machine.
    pub dir: Option<PathBuf>,
    /// `--json`.
    pub json: bool,
    /// `--timeout`, if it was given.
    pub timeout_ms: Option<u64>,
    /// `--or-busy`.
    pub or_busy: bool,
    /// `--now-or-never`.
    pub now_or_never: bool,
    /// `--yes`.
    pub yes: bool,
}

/// The words of one command line, sorted but not understood yet.
#[derive(Debug)]
pub struct Words {
    /// The command's form.
    pub form: &'static Form,
    /// What is no option, without the command's word.
    pub plain: Vec<String>,
    /// What stands behind `--`.
    pub behind: Option<Vec<String>>,
    options: BTreeMap<&'static str, String>,
}

impl Words {
    /// Sorts the words and checks them against the command's form.
    pub fn parse(arguments: &[OsString]) -> Result<(How, Words), Failure> {
        let mut words = Vec::new();
        for argument in arguments {
            let word = argument
                .to_str()
                .ok_or_else(|| Failure::usage(format!("{} is not UTF-8", argument.display())))?;
            words.push(word);
        }
        let form = form(&words)?;
        let mut found = Words {
            form,
            plain: Vec::new(),
            behind: None,
            options: BTreeMap::new(),
        };
        found.sort(&words)?;
        found.check_count()?;
        let how = found.how()?;
        Ok((how, found))
    }

    fn sort(&mut self, words: &[&str]) -> Result<(), Failure> {
        let mut rest = words.iter();
        let mut word_seen = false;
        while let Some(word) = rest.next() {
            if *word == "--" {
                self.behind = Some(rest.map(|word| (*word).to_owned()).collect());
                break;
            }
            if !is_option(word) {
                match word_seen {
                    false => word_seen = true,
                    true => self.plain.push((*word).to_owned()),
                }
                continue;
            }
            let (name, value) = split(word);
            let (known, takes) = self.known(name)?;
            let value = match (takes, value) {
                (true, Some(value)) => value.to_owned(),
                (true, None) => (*rest
                    .next()
                    .ok_or_else(|| self.wrong(&format!("{name} needs a value")))?)
                .to_owned(),
                (false, None) => String::new(),
                (false, Some(_)) => return Err(self.wrong(&format!("{name} takes no value"))),
            };
            if self.options.insert(known, value).is_some() {
                return Err(self.wrong(&format!("{name} is given twice")));
            }
        }
        Ok(())
    }

    /// The option's name as the forms have it, and whether a value follows.
    fn known(&self, name: &str) -> Result<(&'static str, bool), Failure> {
        let all = || {
            EVERYWHERE
                .split(' ')
                .chain(self.form.options.split(' '))
                .filter(|option| !option.is_empty())
        };
        let bare = |option: &'static str| option.trim_end_matches('=');
        if let Some(option) = all().find(|option| bare(option) == name) {
            return Ok((bare(option), option.ends_with('=')));
        }
        let hint = match nearest(name, all().map(bare)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!(
                "its options: {}",
                all().map(bare).collect::<Vec<_>>().join(" ")
            ),
        };
        Err(self.wrong(&format!("there is no option {name} here; {hint}")))
    }

    fn check_count(&self) -> Result<(), Failure> {
        let (least, most) = self.form.plain;
        let count = self.plain.len();
        if count < least || count > most {
            return Err(self.wrong(if count < least {
                "something is missing"
            } else {
                "too many words"
            }));
        }
        Ok(())
    }

    fn how(&self) -> Result<How, Failure> {
        Ok(How {
            master: self.text("--master"),
            dir: self.text("--dir").map(PathBuf::from),
            json: self.has("--json"),
            timeout_ms: self.value("--timeout", units::time)?,
            or_busy: self.has("--or-busy"),
            now_or_never: self.has("--now-or-never"),
            yes: self.has("--yes"),
        })
    }

    /// Whether the option was given.
    pub fn has(&self, option: &str) -> bool {
        self.options.contains_key(option)
    }

    /// The option's value.
    pub fn text(&self, option: &str) -> Option<String> {
        self.options.get(option).cloned()
    }

    /// The option's value, read.
    pub fn value<T>(
        &self,
        option: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        match self.options.get(option) {
            Some(text) => read(text)
                .map(Some)
                .map_err(|why| self.wrong(&format!("{option}: {why}"))),
            None => Ok(None),
        }
    }

    /// A wrong command line: what, the form, where more is said.
    pub fn wrong(&self, what: &str) -> Failure {
        let Form { word, usage, .. } = self.form;
        Failure::usage(format!(
            "{word}: {what}. It is: welkin fleet {word}{usage}. More: welkin fleet {word} --help"
        ))
    }
}

/// A lone `-` is standard input.
fn is_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}

fn split(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((name, value)) if word.starts_with("--") => (name, Some(value)),
        _ => (word, None),
    }
}

/// The form of the command among the words: the first that is neither an option nor its value.
fn form(words: &[&str]) -> Result<&'static Form, Failure> {
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if is_option(word) {
            let takes = EVERYWHERE
                .split(' ')
                .any(|option| option.strip_suffix('=') == Some(word));
            if takes {
                rest.next();
            }
            continue;
        }
        return FORMS.iter().find(|form| form.word == *word).ok_or_else(|| {
            let hint = match nearest(word, FORMS.iter().map(|form| form.word)) {
                Some(near) => format!("did you mean {near}? All: welkin fleet --help"),
                None => "welkin fleet --help tells all".to_owned(),
            };
            Failure::usage(format!("there is no command {word}; {hint}"))
        });
    }
    Err(Failure::usage(
        "which command? For example: welkin fleet status. All: welkin fleet --help",
    ))
}
