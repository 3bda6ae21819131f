//! Commands for one node's output and console, for keys, and those that take files.

use std::path::PathBuf;

use welkin_fleet_model::units;
use welkin_fleet_model::wire::client::Command;
use welkin_fleet_trust::Role;

use super::{Input, Work, call, number, one, since};
use crate::failure::Failure;
use crate::words::Words;

pub fn logs(words: &Words) -> Result<Work, Failure> {
    let node = words.plain[0].clone();
    let follow = words.has("-f");
    let since_unix_ms = words.value("--since", since)?;
    // Who names a beginning wants all from there, unless a number is given too.
    let usual = if since_unix_ms.is_some() {
        u64::from(u32::MAX)
    } else {
        100
    };
    let lines = words
        .value("--lines", |text| number(text, 0))?
        .map_or(usual, u64::from);
    let script = words.has("--script");
    let command = Command::Logs {
        node: node.clone(),
        follow,
        since_unix_ms,
        lines,
        script,
    };
    Ok(Work::Logs {
        command,
        node,
        follow,
    })
}

pub fn exec(words: Words) -> Result<Work, Failure> {
    let line: Vec<String> = match &words.behind {
        Some(behind) if words.plain.len() == 1 => behind.clone(),
        None => words.plain[1..].to_vec(),
        Some(_) => return Err(words.wrong("one node, then --, then the line")),
    };
    let line = line.join(" ");
    if line.trim().is_empty() || line.contains(['\n', '\r']) {
        return Err(words.wrong("a line for the console is missing, or it is more than one"));
    }
    let node = words.plain[0].clone();
    Ok(call(Command::Exec { node, line }))
}

pub fn keys(mut words: Words) -> Result<Work, Failure> {
    let plain = std::mem::take(&mut words.plain);
    Ok(match words.form.word {
        "token" => {
            let Some(role) = words.text("--role") else {
                return Err(words.wrong("--role is missing: agent, view, operate, deploy or admin"));
            };
            if role.parse::<Role>().is_err() {
                let what =
                    format!("there is no role {role}: agent, view, operate, deploy or admin");
                return Err(words.wrong(&what));
            }
            let ttl_ms = words.value("--ttl", units::time)?.unwrap_or(15 * 60_000);
            call(Command::Token {
                name: one(plain),
                role,
                ttl_ms,
                replace: words.has("--replace"),
            })
        }
        "enrol" => match words.text("--token-file") {
            Some(token) => Work::Enrol {
                token: token.into(),
            },
            None => return Err(words.wrong("--token-file is missing")),
        },
        "certs" => call(Command::Certs {
            rotate_ca: words.has("--rotate-ca"),
        }),
        "revoke" => call(Command::Revoke { name: one(plain) }),
        _ => match &plain[..] {
            [verb] if verb == "list" => call(Command::SecretList),
            [verb, name] if verb == "drop" => call(Command::SecretDrop { name: name.clone() }),
            [verb, name, from] if verb == "set" => Work::SecretSet {
                name: name.clone(),
                from: from.clone().into(),
            },
            _ => return Err(words.wrong("set, list or drop")),
        },
    })
}

pub fn files(mut words: Words) -> Result<Work, Failure> {
    let file = || PathBuf::from(words.plain.first().cloned().unwrap_or_default());
    let file = file();
    let passphrase = words.text("--passphrase-file").map(Input::from);
    Ok(match words.form.word {
        "apply" => Work::Apply {
            file,
            dry_run: words.has("--dry-run"),
            restart: words.has("--restart"),
        },
        "import" => Work::Import(file),
        "backup" => Work::Backup { file, passphrase },
        "restore" => Work::Restore { file, passphrase },
        "secret-file" => Work::SecretFile(file),
        _ => {
            words.plain.clear();
            return Err(Failure::usage("welkin fleet --help tells all"));
        }
    })
}
