//! The command line of `welkin fleet agent`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Word {
    /// Be the agent.
    Run(Args),
    /// Tell the agent of this folder to end.
    End(PathBuf),
    /// Write a systemd unit.
    Install(Args),
    /// Say how it is called.
    Help,
}

/// Where the master is.
#[derive(Clone, Debug, PartialEq)]
pub enum Master {
    /// `host:port`.
    Tcp(String),
    /// Its local socket.
    Local(PathBuf),
}

/// All that may be said.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// Where the master is.
    pub master: Master,
    /// Where state is kept.
    pub dir: PathBuf,
    /// A token to enrol by; `-` is standard input.
    pub token_file: Option<PathBuf>,
    /// The fleet's secret to enrol by.
    pub secret_file: Option<PathBuf>,
    /// Name to enrol by.
    pub machine: Option<String>,
    /// Keys one of which must have signed each release.
    pub trusted_keys: Option<PathBuf>,
    /// Where paths of the fleet file may lead beside the agent's own places.
    pub allow_paths: Vec<PathBuf>,
    /// Nodes may run as root.
    pub allow_root: bool,
}

/// How it is called.
pub const HELP: &str = "\
usage: welkin fleet agent --master HOST:PORT --dir DIR [--token-file F|-] [OPTIONS]

Starts, watches and stops the nodes of this machine, as the master wants it. Paths of the fleet file
are below the folder in which the agent is started. Nodes go on when the agent ends.

  --master HOST:PORT   where the master listens for agents
  --local MASTER_DIR   the master is on this machine and has this folder: no token is needed
  --dir DIR            where the agent keeps its key, releases, logs
  --token-file F|-     enrol by a token (welkin fleet token NAME --role agent)
  --secret-file F      enrol by the fleet's secret
  --machine NAME       the name to enrol by (default: the host's)
  --trusted-keys F     take only releases signed by one of these minisign keys
  --allow-path P       paths of the fleet file may lead below P too; may be given again
  --allow-user root    nodes may run as root
  --install            write a systemd unit that runs this command, and say how it is enabled
  --end                end the agent of DIR; its nodes go on

example: welkin fleet agent --master 10.0.0.1:7950 --dir /var/lib/welkin --token-file token";

/// Reads the command line; the error is for people.
pub fn parse(arguments: &[OsString]) -> Result<Word, String> {
    let mut given = Given::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_str().unwrap_or_default();
        let (option, inline) = match text.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            _ => (text, None),
        };
        match option {
            "--help" | "-h" => return Ok(Word::Help),
            "--install" => given.install = true,
            "--end" => given.end = true,
            "--master" | "--local" | "--dir" | "--token-file" | "--secret-file" | "--machine"
            | "--trusted-keys" | "--allow-path" | "--allow-user" => {
                let value = match inline {
                    Some(value) => OsString::from(value),
                    None => rest
                        .next()
                        .cloned()
                        .ok_or_else(|| format!("{option} needs a value"))?,
                };
                given.take(option, value)?;
            }
            _ => {
                return Err(format!(
                    "{} is no option of welkin fleet agent; see --help",
                    argument.to_string_lossy()
                ));
            }
        }
    }
    given.word()
}

#[derive(Default)]
struct Given {
    master: Option<Master>,
    dir: Option<PathBuf>,
    token_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    machine: Option<String>,
    trusted_keys: Option<PathBuf>,
    allow_paths: Vec<PathBuf>,
    allow_root: bool,
    install: bool,
    end: bool,
}

impl Given {
    fn take(&mut self, option: &str, value: OsString) -> Result<(), String> {
        let text = || {
            let text = value.to_str().map(str::to_owned);
            text.ok_or_else(|| format!("the value of {option} is not UTF-8"))
        };
        match option {
            "--master" => {
                let text = text()?;
                self.master = Some(match text.contains('/') {
                    true => Master::Local(PathBuf::from(text)),
                    false => Master::Tcp(address(text)?),
                });
            }
            "--local" => self.master = Some(Master::Local(Path::new(&value).join("fleet.sock"))),
            "--dir" => self.dir = Some(value.into()),
            "--token-file" => self.token_file = Some(value.into()),
            "--secret-file" => self.secret_file = Some(value.into()),
            "--machine" => self.machine = Some(text()?),
            "--trusted-keys" => self.trusted_keys = Some(value.into()),
            "--allow-path" => self.allow_paths.push(value.into()),
            _ => match value.to_str() {
                Some("root") => self.allow_root = true,
                _ => return Err("--allow-user is for root: other users need no leave".to_owned()),
            },
        }
        Ok(())
    }

    fn word(self) -> Result<Word, String> {
        let dir = self.dir.ok_or("--dir DIR is missing")?;
        if self.end {
            return Ok(Word::End(dir));
        }
        let missing = "--master HOST:PORT (or --local MASTER_DIR) is missing";
        let args = Args {
            master: self.master.ok_or(missing)?,
            dir,
            token_file: self.token_file,
            secret_file: self.secret_file,
            machine: self.machine,
            trusted_keys: self.trusted_keys,
            allow_paths: self.allow_paths,
            allow_root: self.allow_root,
        };
        Ok(match self.install {
            true => Word::Install(args),
            false => Word::Run(args),
        })
    }
}

/// The same command line for who becomes another binary: what was linked needs no token any more, and
/// standard input is not read twice.
pub fn without_token(mut arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--token-file") => drop(arguments.next()),
            Some(text) if text.starts_with("--token-file=") => {}
            _ => kept.push(argument),
        }
    }
    kept
}

fn address(text: String) -> Result<String, String> {
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(port)) if port != 0 => Ok(text),
        _ => Err(format!(
            "--master {text}: HOST:PORT is meant, as 10.0.0.1:7950"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Word, String> {
        let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        super::parse(&words)
    }

    #[test]
    fn a_token_is_not_handed_on() {
        let given = ["agent", "--token-file", "-", "--dir", "d", "--token-file=t"];
        let kept = without_token(given.into_iter().map(OsString::from));
        assert_eq!(kept, ["agent", "--dir", "d"]);
    }

    #[test]
    fn a_master_is_an_address_or_a_local_socket() {
        let Ok(Word::Run(args)) = parse("--master m:7950 --dir=d --allow-user root") else {
            panic!("it is right");
        };
        assert_eq!(args.master, Master::Tcp("m:7950".to_owned()));
        assert!(args.allow_root);
        for words in ["--local m --dir d", "--master m/fleet.sock --dir d"] {
            let Ok(Word::Run(args)) = parse(words) else {
                panic!("it is right");
            };
            assert_eq!(args.master, Master::Local(PathBuf::from("m/fleet.sock")));
        }
        assert_eq!(parse("--end --dir d"), Ok(Word::End(PathBuf::from("d"))));
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        for (words, part) in [
            ("--dir d", "--master"),
            ("--master m:1", "--dir"),
            ("--master m --dir d", "HOST:PORT"),
            ("--master m:1 --dir", "--dir needs a value"),
            ("--master m:1 --dir d --color", "--color"),
            ("--master m:1 --dir d --allow-user bob", "root"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(part), "{words}: {error}");
        }
    }
}
