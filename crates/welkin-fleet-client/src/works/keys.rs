//! Certificates, secrets and the audit log: what needs a file of this machine beside the master.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use welkin_fleet_model::table::row;
use welkin_fleet_model::wire::client::{Command, Outcome};
use welkin_fleet_trust::{FleetSecret, Limits, Token, enrol as trust};

use super::Client;
use crate::connect::{Master, identity_folder};
use crate::failure::Failure;
use crate::show;
use crate::terminal;
use crate::words::How;
use crate::words::work::Input;

/// Most bytes of a secret.
const SECRET_MAX: u64 = 512 << 10;
/// Most hashes that are taken from a log, about one an hour: the newest, which fit into one message.
const HASHES_MAX: usize = 10_000;

pub async fn secret(how: &How, name: String, from: &Input) -> Result<u8, Failure> {
    let mut content = Vec::new();
    let read = match from {
        Input::Standard => io::stdin()
            .lock()
            .take(SECRET_MAX + 1)
            .read_to_end(&mut content),
        Input::File(path) => {
            File::open(path).and_then(|file| file.take(SECRET_MAX + 1).read_to_end(&mut content))
        }
    };
    read.map_err(|error| Failure::failed(format!("cannot read the secret: {error}")))?;
    if content.len() as u64 > SECRET_MAX {
        return Err(Failure::failed("a secret can have 512 KiB at most"));
    }
    let content = STANDARD.encode(content);
    let mut master = Client::open(how).await?;
    let status = master
        .show(Command::SecretSet { name, content }, false)
        .await?;
    master.close(status).await
}

pub async fn enrol(how: &How, token: &Input) -> Result<u8, Failure> {
    let wrong =
        "enrol: which master? Give --master HOST:PORT; the local socket needs no certificate";
    let address = match how.master.as_ref().map(|_| Master::find(how)).transpose()? {
        Some(Master::Remote(address)) => address,
        _ => return Err(Failure::usage(wrong)),
    };
    let token: Token = terminal::first_line(token)?.trim().parse().map_err(|_| {
        Failure::usage("this is no token; welkin fleet token NAME --role ROLE makes one")
    })?;
    let folder = identity_folder(&address)?;
    fs::create_dir_all(&folder)
        .map_err(|error| Failure::failed(format!("cannot make {}: {error}", folder.display())))?;
    let identity = trust::with_token(&address, &token, &folder, &Limits::default()).await?;
    let subject = identity.subject();
    let text = format!(
        "enrolled as {}, role {}; kept in {}",
        subject.name,
        subject.role,
        folder.display()
    );
    let row = row([
        ("name", json!(subject.name)),
        ("role", json!(subject.role.word())),
    ]);
    let outcome = Outcome {
        rows: vec![row],
        tail: vec![text],
        ..Outcome::default()
    };
    Ok(show::outcome(&outcome, how.json))
}

pub fn secret_file(how: &How, path: &Path) -> Result<u8, Failure> {
    FleetSecret::make(path).map_err(|error| Failure::failed(error.to_string()))?;
    let text = format!(
        "{} made (mode 0600); copy it to every machine, never into a config",
        path.display()
    );
    let outcome = Outcome {
        tail: vec![text],
        ..Outcome::default()
    };
    Ok(show::outcome(&outcome, how.json))
}

pub async fn verify(how: &How, command: Command, log: Option<PathBuf>) -> Result<u8, Failure> {
    let hashes = match &log {
        Some(path) => hashes(path)
            .map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?,
        None => Vec::new(),
    };
    if let Some(path) = log.filter(|_| hashes.is_empty()) {
        return Err(Failure::failed(format!(
            "there is no hash of the audit log in {}: is it the master's log? A master writes one a minute after its start, each hour, at its end, and at each audit --verify",
            path.display()
        )));
    }
    let command = match command {
        Command::Audit {
            since_unix_ms,
            node,
            verify,
            ..
        } => Command::Audit {
            since_unix_ms,
            node,
            verify,
            logged: hashes,
        },
        other => other,
    };
    let mut master = Client::open(how).await?;
    let status = master.show(command, true).await?;
    master.close(status).await
}

/// The words `audit NUMBER HASH` in which the master wrote down the newest record of the chain to its
/// log. The newest of them are enough: a record's hash covers all records before it.
fn hashes(path: &Path) -> io::Result<Vec<String>> {
    let mut found = VecDeque::new();
    let mut file = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.by_ref().take(64 << 10).read_until(b'\n', &mut line)? == 0 {
            return Ok(found.into());
        }
        if let Some(words) = hash_in(&String::from_utf8_lossy(&line)) {
            if found.len() == HASHES_MAX {
                found.pop_front();
            }
            found.push_back(words);
        }
    }
}

fn hash_in(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_hash = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    words.windows(3).find_map(|words| {
        let numbered = words[0] == "audit" && words[1].parse::<u64>().is_ok();
        (numbered && is_hash(words[2])).then(|| words.join(" "))
    })
}
