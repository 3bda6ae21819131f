//! Results for people and for programs.
//!
//! For people: one table, columns padded by two blanks, a heading, spans as `2m13s`, sizes in binary
//! units, `-` for what nobody can tell. How a value is shown follows from its column's name alone
//! ([`cell()`]), so that a master may send rows of commands that this client has never heard of. For
//! programs: one object, see [`json`]. Keys are the columns' names with `_` for each blank.

mod cell;
mod columns;

use serde_json::{Map, Value, json};

use crate::wire::client::{Outcome, Status};

pub use cell::{cell, printable};
pub use columns::columns;

/// One result.
pub type Row = Map<String, Value>;

/// Colours for a terminal; none with `NO_COLOR` or when the output goes elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// As it is.
    Plain,
    /// States, results and headings stand out.
    Colour,
}

/// The table, each line with its end. No rows: the heading alone; no columns: nothing.
pub fn table(columns: &[String], rows: &[Row], paint: Paint, now_unix_ms: u64) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let mut lines = vec![
        columns
            .iter()
            .map(|column| column.replace('_', " "))
            .collect(),
    ];
    for row in rows {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| cell(column, row.get(column), now_unix_ms))
            .collect();
        lines.push(cells);
    }
    let width = |index: usize| {
        let cells = lines.iter().map(|line: &Vec<String>| wide(&line[index]));
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let right: Vec<bool> = columns
        .iter()
        .map(|column| is_number(column, rows))
        .collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let mut shown = String::new();
        for (index, cell) in line.iter().enumerate() {
            let blanks = " ".repeat(widths[index] - wide(cell));
            let cell = coloured(paint, number == 0, &columns[index], cell);
            let gap = if index == 0 { "" } else { "  " };
            shown += &match right[index] {
                true => format!("{gap}{blanks}{cell}"),
                false => format!("{gap}{cell}{blanks}"),
            };
        }
        text += shown.trim_end();
        text += "\n";
    }
    text
}

/// Columns of numbers stand to the right.
fn is_number(column: &str, rows: &[Row]) -> bool {
    let mut values = rows
        .iter()
        .filter_map(|row| row.get(column))
        .filter(|value| !value.is_null());
    values.clone().next().is_some() && values.all(Value::is_number)
}

/// Columns of a terminal: names may hold Chinese, whose characters take two.
fn wide(text: &str) -> usize {
    let width = |c: char| {
        1 + usize::from(
            matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}'),
        )
    };
    text.chars().map(width).sum()
}

fn coloured(paint: Paint, heading: bool, column: &str, cell: &str) -> String {
    let code = match (paint, column) {
        (Paint::Plain, _) => return cell.to_owned(),
        (Paint::Colour, _) if heading => "1",
        (Paint::Colour, "state" | "result" | "to") => {
            match cell.split([':', ' ']).next().unwrap_or_default() {
                "ready" | "started" | "restarted" | "updated" | "up" => "32",
                "failed" | "unreachable" | "killed" | "rolled" => "31",
                "starting" | "draining" | "stopping" | "backing-off" | "not-ready" | "unknown"
                | "busy" => "33",
                _ => return cell.to_owned(),
            }
        }
        _ => return cell.to_owned(),
    };
    format!("\x1b[{code}m{cell}\x1b[0m")
}

/// The answer for programs, one line: `{"ok", "results", "errors"}` and, where there are any, `head`
/// and `tail` (what stands above and below the table).
pub fn json(outcome: &Outcome) -> String {
    let errors: Vec<Value> = outcome
        .errors
        .iter()
        .map(|error| json!({"node": error.node, "code": error.code, "text": error.text}))
        .collect();
    let mut object = json!({
        "ok": outcome.status == Status::Done,
        "results": outcome.rows,
        "errors": errors,
    });
    for (key, lines) in [("head", &outcome.head), ("tail", &outcome.tail)] {
        if !lines.is_empty() {
            object[key] = json!(lines);
        }
    }
    object.to_string()
}

/// A row of the given columns and values.
pub fn row<const N: usize>(cells: [(&str, Value); N]) -> Row {
    cells
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_table_has_two_blanks_between_columns_and_units_for_people() {
        let rows = [
            row([
                ("node", json!("login_1")),
                ("uptime", json!(133)),
                ("mem", json!(4u64 << 30)),
                ("reason", json!("a\u{1b}[2Jb\n")),
            ]),
            row([
                ("node", json!("角色")),
                ("uptime", Value::Null),
                ("mem", json!(1536)),
            ]),
        ];
        let shown = table(
            &texts(&["node", "uptime", "mem", "reason"]),
            &rows,
            Paint::Plain,
            0,
        );
        let wanted = "node     uptime      mem  reason\nlogin_1   2m13s    4 GiB  a [2Jb\n角色          -  1.5 KiB  -\n";
        assert_eq!(shown, wanted);
    }

    #[test]
    fn colours_stand_for_states_and_take_no_room() {
        let rows = [row([
            ("node", json!("a")),
            ("state", json!("failed")),
            ("pid", json!(1)),
        ])];
        let shown = table(&texts(&["node", "state", "pid"]), &rows, Paint::Colour, 0);
        assert!(
            shown.ends_with("\na     \u{1b}[31mfailed\u{1b}[0m    1\n"),
            "{shown:?}"
        );
    }

    #[test]
    fn headings_have_blanks_where_keys_have_none() {
        let rows = [row([
            ("agent_version", json!("0.1.0")),
            ("clock_offset", json!(-3.25)),
            ("id", json!(99.4)),
        ])];
        let shown = table(
            &texts(&["agent_version", "clock_offset", "id"]),
            &rows,
            Paint::Plain,
            0,
        );
        assert_eq!(
            shown,
            "agent version  clock offset  id\n0.1.0                 -3.2s  99\n"
        );
    }

    #[test]
    fn since_is_shown_as_how_long_ago() {
        let since = json!("2026-01-31T12:00:00Z");
        assert_eq!(cell("since", Some(&since), 1_769_860_933_000), "2m13s");
        assert_eq!(cell("time", Some(&since), 0), "2026-01-31T12:00:00Z");
    }

    #[test]
    fn a_program_gets_one_object() {
        let outcome = Outcome {
            status: Status::Failed,
            rows: vec![row([("node", json!("a")), ("seconds", json!(1.5))])],
            errors: vec![crate::wire::client::Trouble {
                node: "a".to_owned(),
                code: "busy".to_owned(),
                text: "busy: stop by x".to_owned(),
            }],
            ..Outcome::default()
        };
        let shown = json(&outcome);
        assert_eq!(
            shown,
            r#"{"errors":[{"code":"busy","node":"a","text":"busy: stop by x"}],"ok":false,"results":[{"node":"a","seconds":1.5}]}"#
        );
    }
}
