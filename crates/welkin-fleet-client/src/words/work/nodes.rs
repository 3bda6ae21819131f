//! Commands that look at nodes, or start, stop and replace them.

use std::path::PathBuf;

use welkin_fleet_model::wire::client::{Command, Figures};

use super::{Work, all, call, number, one, since};
use crate::failure::Failure;
use crate::words::Words;

pub fn looks(mut words: Words) -> Result<Work, Failure> {
    let sel = std::mem::take(&mut words.plain);
    Ok(call(match words.form.word {
        "list" => Command::List { sel },
        "status" => Command::Status { sel },
        "machines" => Command::Machines,
        "history" => Command::History { node: one(sel) },
        "export" => Command::Export,
        "releases" => Command::Releases {
            prune: words.value("--prune", |text| number(text, 0))?,
        },
        _ => {
            let verify = words.has("--verify");
            let log = words.text("--log").map(PathBuf::from);
            if log.is_some() && !verify {
                return Err(words.wrong("--log goes with --verify"));
            }
            let since_unix_ms = words.value("--since", since)?;
            let node = words.text("--node");
            let command = Command::Audit {
                since_unix_ms,
                node,
                verify,
                logged: Vec::new(),
            };
            return Ok(match verify {
                true => Work::Verify { command, log },
                false => call(command),
            });
        }
    }))
}

pub fn figures(words: Words) -> Work {
    let sel = words.plain;
    let kind = match words.form.word {
        "cpu" => Figures::Cpu,
        "mem" => Figures::Mem,
        "vmstat" => Figures::Vmstat,
        "netstat" => Figures::Netstat,
        "free" => Figures::Free,
        "online" => return call(Command::Online { sel }),
        _ => Figures::Disc,
    };
    call(Command::Figures { kind, sel })
}

pub fn runs(mut words: Words) -> Result<Work, Failure> {
    let sel = match words.form.word {
        "start_all" | "stop_all" => all(),
        _ => std::mem::take(&mut words.plain),
    };
    let no_wait = words.has("--no-wait");
    Ok(match words.form.word {
        "start" | "start_all" => Work::Call {
            command: Command::Start {
                sel,
                no_wait,
                force: words.has("--force"),
            },
            waits: !no_wait,
        },
        "drain" => Work::Call {
            command: Command::Drain {
                sel,
                off: words.has("--off"),
            },
            waits: true,
        },
        "restart" => {
            let at_once = words
                .value("--at-once", |text| number(text, 1))?
                .unwrap_or(1);
            let command = Command::Restart {
                sel: sel.clone(),
                at_once,
            };
            Work::Risky {
                command,
                verb: "restart",
                sel,
            }
        }
        _ => Work::Risky {
            command: Command::Stop { sel: sel.clone() },
            verb: "stop",
            sel,
        },
    })
}

pub fn replaces(mut words: Words) -> Result<Work, Failure> {
    let plain = std::mem::take(&mut words.plain);
    let sel = if plain.is_empty() { all() } else { plain };
    match words.form.word {
        "rollback" => Ok(Work::Risky {
            command: Command::Rollback { sel: sel.clone() },
            verb: "roll back",
            sel,
        }),
        "upgrade" => match words.text("--release") {
            Some(release) => Ok(Work::Upgrade {
                machines: sel,
                release,
                signature: words.text("--signature").map(PathBuf::from),
            }),
            None => Err(words.wrong("--release FILE|DIR|ID is missing")),
        },
        _ => update(&words, sel),
    }
}

fn update(words: &Words, sel: Vec<String>) -> Result<Work, Failure> {
    let modes = ["--release", "--script", "--continue", "--cancel"];
    let given: Vec<&str> = modes.into_iter().filter(|mode| words.has(mode)).collect();
    let mode = match given[..] {
        [mode] => mode,
        // As in the console of the founding note.
        [] => "--script",
        _ => return Err(words.wrong(&format!("{} do not go together", given.join(" and ")))),
    };
    let fits = |option: &str| match option {
        "--signature" | "--no-rollback" => mode == "--release",
        _ => mode == "--script",
    };
    for option in ["--signature", "--no-rollback", "--restart"] {
        if words.has(option) && !fits(option) {
            return Err(words.wrong(&format!("{option} does not go with {mode}")));
        }
    }
    let restart = words.has("--restart");
    Ok(match mode {
        "--continue" => Work::Call {
            command: Command::UpdateContinue,
            waits: true,
        },
        "--cancel" => Work::Call {
            command: Command::UpdateCancel,
            waits: true,
        },
        "--script" => {
            let command = Command::UpdateScript {
                sel: sel.clone(),
                restart,
            };
            match restart {
                true => Work::Risky {
                    command,
                    verb: "update and restart",
                    sel,
                },
                false => Work::Call {
                    command,
                    waits: true,
                },
            }
        }
        _ => Work::Update {
            sel,
            release: words.text("--release").unwrap_or_default(),
            signature: words.text("--signature").map(PathBuf::from),
            no_rollback: words.has("--no-rollback"),
        },
    })
}
