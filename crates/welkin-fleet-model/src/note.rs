//! The commands of the founding note, as its debug console shows them: one text for each node.
//!
//! `info ADDR COMMAND [NODE]` becomes a command to the master ([`request`]); what the master answers
//! becomes texts ([`answer`]), in the formats of `fleet.md` 1.2, where a figure that nobody can tell
//! is `unreachable`. Figures of a machine are repeated for each of its nodes, as the note lists servers
//! and not machines. No text is ever empty.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::table::{Row, printable};
use crate::wire::client::{Command, Figures, Outcome, Status};

/// The words of the note, `online` (ours) and `disk` (an alias), in the order in which an unknown
/// command is told of them.
pub const COMMANDS: [&str; 13] = [
    "list",
    "start_all",
    "stop_all",
    "stop",
    "update",
    "cpu",
    "mem",
    "vmstat",
    "netstat",
    "free",
    "disc",
    "disk",
    "online",
];

const MIB: f64 = (1 << 20) as f64;
const GIB: f64 = (1 << 30) as f64;

/// What a console command asks the master. The error is the one line to show.
pub fn request(command: &str, node: Option<&str>) -> Result<Command, String> {
    if let Some(node) = node.filter(|node| *node == "all" || node.contains(['*', '?', ':'])) {
        // A selection of the modern commands; here a node is meant by its full name.
        return Err(format!("unknown node {}", printable(node)));
    }
    let all = vec!["all".to_owned()];
    let sel = node.map(|node| vec![node.to_owned()]).unwrap_or_default();
    let figures = |kind| Command::Figures {
        kind,
        sel: sel.clone(),
    };
    let whole = |asked: Command| match node {
        Some(node) => Err(format!("{command} takes no node; {node} was given")),
        None => Ok(asked),
    };
    match command {
        "list" => whole(Command::List { sel: Vec::new() }),
        "start_all" => whole(Command::Start {
            sel: all,
            no_wait: false,
            force: false,
        }),
        "stop_all" => whole(Command::Stop { sel: all }),
        "stop" if node.is_none() => Err("stop needs a node: info ADDR stop NODE".to_owned()),
        "stop" => Ok(Command::Stop { sel }),
        "update" => whole(Command::UpdateScript {
            sel: all,
            restart: false,
        }),
        "cpu" => Ok(figures(Figures::Cpu)),
        "mem" => Ok(figures(Figures::Mem)),
        "vmstat" => Ok(figures(Figures::Vmstat)),
        "netstat" => Ok(figures(Figures::Netstat)),
        "free" => Ok(figures(Figures::Free)),
        "disc" | "disk" => Ok(figures(Figures::Disc)),
        "online" => Ok(Command::Online { sel }),
        _ => Err(format!(
            "unknown command {}, one of: {}",
            printable(command),
            COMMANDS.join(" ")
        )),
    }
}

/// The texts by node, of what the master answered to [`request`]'s command. The error is the one line
/// to show.
pub fn answer(
    command: &str,
    node: Option<&str>,
    outcome: &Outcome,
) -> Result<BTreeMap<String, String>, String> {
    if let Some(line) = refusal(node, outcome) {
        return Err(line);
    }
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for row in &outcome.rows {
        let text = text(command, row);
        for name in names(row) {
            match texts.get_mut(&name) {
                // Several file systems of one machine.
                Some(before) => {
                    let _ = write!(before, "  {text}");
                }
                None => {
                    texts.insert(name, text.clone());
                }
            }
        }
    }
    for error in outcome.errors.iter().filter(|error| !error.node.is_empty()) {
        let text = match error.code.as_str() {
            "unreachable" => "unreachable".to_owned(),
            _ => printable(&error.text),
        };
        texts.entry(error.node.clone()).or_insert(text);
    }
    if let Some(node) = node {
        texts.retain(|name, _| name == node);
        texts
            .entry(node.to_owned())
            .or_insert_with(|| "unreachable".to_owned());
    }
    for text in texts.values_mut().filter(|text| text.is_empty()) {
        "-".clone_into(text);
    }
    Ok(texts)
}

/// The one line for a command that was not carried out at all.
fn refusal(node: Option<&str>, outcome: &Outcome) -> Option<String> {
    let first = outcome.errors.first();
    if let Some(unknown) = outcome
        .errors
        .iter()
        .find(|error| error.code == "unknown-node")
    {
        let name = node.unwrap_or(&unknown.node);
        return Some(format!("unknown node {}", printable(name)));
    }
    let whole = outcome
        .errors
        .iter()
        .find(|error| error.node.is_empty() && outcome.rows.is_empty());
    let refused = first.filter(|error| error.code == "refused" && outcome.rows.is_empty());
    let barred = first.filter(|_| matches!(outcome.status, Status::Usage | Status::Forbidden));
    whole
        .or(refused)
        .or(barred)
        .map(|error| printable(&error.text))
}

/// The nodes that a row speaks of: its own, or those of its machine.
fn names(row: &Row) -> Vec<String> {
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    if let Some(Value::Array(nodes)) = row.get("nodes") {
        return nodes.iter().filter_map(text).collect();
    }
    row.get("node")
        .or_else(|| row.get("machine"))
        .and_then(text)
        .into_iter()
        .collect()
}

fn text(command: &str, row: &Row) -> String {
    let figures = match command {
        "list" => return list(row),
        "start_all" | "stop_all" | "stop" | "update" => return word(row, "result"),
        "netstat" => return netstat(row),
        "online" => return count(row, "online"),
        "cpu" => number(row, "cpu").map(|cpu| format!("{cpu:.1}%")),
        "mem" => mem(row),
        "vmstat" => vmstat(row),
        "free" => free(row),
        _ => disc(row),
    };
    figures.unwrap_or_else(|| "unreachable".to_owned())
}

fn list(row: &Row) -> String {
    let state = match row.get("state").and_then(Value::as_str).unwrap_or_default() {
        "starting" | "ready" | "not-ready" | "draining" | "stopping" | "up" => "up",
        "stopped" | "backing-off" | "failed" | "down" => "down",
        _ => "unknown",
    };
    format!("{}\t{state}", word(row, "address"))
}

/// A text of the row, `-` without one.
fn word(row: &Row, key: &str) -> String {
    match row.get(key).and_then(Value::as_str).map(printable) {
        Some(text) if !text.is_empty() => text,
        _ => "-".to_owned(),
    }
}

fn number(row: &Row, key: &str) -> Option<f64> {
    row.get(key)?.as_f64()
}

/// A whole number of the row, `-` without one.
fn count(row: &Row, key: &str) -> String {
    number(row, key).map_or_else(|| "-".to_owned(), |number| format!("{number:.0}"))
}

fn netstat(row: &Row) -> String {
    let state = row.get("state").and_then(Value::as_str);
    if state == Some("unknown") {
        return "unreachable".to_owned();
    }
    let [established, listen, closing, online] =
        ["established", "listen", "closing", "online"].map(|key| count(row, key));
    format!("established={established} listen={listen} closing={closing}  online={online}")
}

fn mem(row: &Row) -> Option<String> {
    let rss = number(row, "rss")? / MIB;
    let share = number(row, "share").unwrap_or(0.0);
    Some(format!("{rss:.1} MiB  {share:.1}%"))
}

fn vmstat(row: &Row) -> Option<String> {
    let n = |key: &str| number(row, key).unwrap_or(0.0);
    let mib = |key: &str| n(key) / MIB;
    number(row, "id")?;
    Some(format!(
        "procs r={:.0} b={:.0}  memory free={:.0} buff={:.0} cache={:.0} swap={:.0}  io bi={:.0} bo={:.0}  system in={:.0} cs={:.0}  cpu us={:.0} sy={:.0} id={:.0} wa={:.0}",
        n("r"),
        n("b"),
        mib("free"),
        mib("buff"),
        mib("cache"),
        mib("swap"),
        n("bi"),
        n("bo"),
        n("in"),
        n("cs"),
        n("us"),
        n("sy"),
        n("id"),
        n("wa"),
    ))
}

fn free(row: &Row) -> Option<String> {
    number(row, "total")?;
    let mib = |key: &str| number(row, key).unwrap_or(0.0) / MIB;
    Some(format!(
        "total={:.0} used={:.0} free={:.0} available={:.0} swap={:.0}/{:.0}",
        mib("total"),
        mib("used"),
        mib("free"),
        mib("available"),
        mib("swap_used"),
        mib("swap_total"),
    ))
}

fn disc(row: &Row) -> Option<String> {
    let total = number(row, "total")?;
    let used = number(row, "used")?;
    let percent = number(row, "percent").unwrap_or(if total > 0.0 {
        used / total * 100.0
    } else {
        0.0
    });
    Some(format!(
        "{} {:.1}/{:.1}GiB {percent:.0}%",
        word(row, "mount"),
        used / GIB,
        total / GIB
    ))
}
