//! `apply` and `import`: the fleet file and the cluster config beside it.

use std::fs;
use std::path::Path;

use serde_json::json;
use welkin_fleet_model::file::Fleet;
use welkin_fleet_model::import;
use welkin_fleet_model::table::row;
use welkin_fleet_model::wire::client::{Command, Outcome, Status, Trouble};

use super::Client;
use crate::failure::Failure;
use crate::show;
use crate::terminal;
use crate::words::How;

/// Most bytes of either file; the fleet file's own limit is lower and tells so itself.
const FILE_MAX: u64 = 4 << 20;

pub async fn apply(how: &How, path: &Path, dry_run: bool, restart: bool) -> Result<u8, Failure> {
    let file = read(path)?;
    let cluster = match Fleet::cluster_path(&file) {
        Some(named) => Some(read(&path.parent().unwrap_or(Path::new(".")).join(named))?),
        None => None,
    };
    // What is wrong is told with the file's name, and without a master.
    if let Err(faults) = Fleet::parse(&file, cluster.as_deref()) {
        let name = path.display();
        let fault = |fault: &welkin_fleet_model::file::Fault| Trouble {
            node: String::new(),
            code: "usage".to_owned(),
            text: match fault.line {
                0 => format!("{name}: {}", fault.text),
                usize::MAX => fault.text.clone(),
                line => format!("{name}:{line}: {}", fault.text),
            },
        };
        let errors = faults.0.iter().map(fault).collect();
        let outcome = Outcome {
            status: Status::Usage,
            errors,
            ..Outcome::default()
        };
        return Ok(show::outcome(&outcome, how.json));
    }
    let mut master = Client::open(how).await?;
    let command = |dry_run| Command::Apply {
        file: file.clone(),
        cluster: cluster.clone(),
        dry_run,
        restart,
    };
    if restart && !dry_run && !how.yes {
        let outcome = master.ask(command(true)).await?;
        if outcome.status != Status::Done {
            let status = show::outcome(&outcome, how.json);
            return master.close(status).await;
        }
        let changed = outcome
            .head
            .iter()
            .filter(|line| line.starts_with("~ node."))
            .count();
        if changed > 1 {
            for line in &outcome.head {
                eprintln!("{line}");
            }
            terminal::confirm("apply this, and restart the nodes that changed?").await?;
        }
    }
    let status = master.show(command(dry_run), restart && !dry_run).await?;
    master.close(status).await
}

pub fn import(how: &How, path: &Path) -> Result<u8, Failure> {
    let text = read(path)?;
    let shown = path.to_string_lossy();
    let file = import::fleet_file(&text, &shown).map_err(|faults| {
        let text: Vec<String> = faults
            .to_string()
            .lines()
            .map(|line| format!("{shown}, {line}"))
            .collect();
        Failure::usage(text.join("\n"))
    })?;
    let outcome = Outcome {
        rows: vec![row([("file", json!(file))])],
        ..Outcome::default()
    };
    Ok(show::text(&outcome, "file", how.json))
}

fn read(path: &Path) -> Result<String, Failure> {
    let long = fs::metadata(path).is_ok_and(|file| file.len() > FILE_MAX);
    let text = match long {
        true => Err(std::io::Error::other("the file is too long")),
        false => fs::read_to_string(path),
    };
    text.map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}
