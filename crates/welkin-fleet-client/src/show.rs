//! What a person or a program sees: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};

use welkin_fleet_model::table::{self, Paint, printable};
use welkin_fleet_model::wire::client::{Outcome, Trouble};

use crate::failure::Failure;
use crate::session::Watch;
use crate::words::work::now_unix_ms;

/// Shows progress, nothing else.
#[derive(Debug, Default)]
pub struct Progress;

impl Watch for Progress {
    fn progress(&mut self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", printable(text));
    }
}

/// Colour on a terminal, unless `NO_COLOR` is set.
pub fn paint() -> Paint {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match wanted && io::stdout().is_terminal() {
        true => Paint::Colour,
        false => Paint::Plain,
    }
}

/// Shows an answer; its number is the exit status.
pub fn outcome(outcome: &Outcome, json: bool) -> u8 {
    if json {
        out(&format!("{}\n", table::json(outcome)));
        return outcome.status.code();
    }
    let mut text = String::new();
    lines(&mut text, &outcome.head);
    // A heading alone says that there is nothing; where something else is said it would be noise.
    let silent = outcome.head.is_empty() && outcome.tail.is_empty() && outcome.errors.is_empty();
    if silent || !outcome.rows.is_empty() {
        text += &table::table(&outcome.columns, &outcome.rows, paint(), now_unix_ms());
    }
    lines(&mut text, &outcome.tail);
    out(&text);
    for error in &outcome.errors {
        trouble(error);
    }
    outcome.status.code()
}

/// Shows one text of an answer alone, as it is; errors as usual.
pub fn text(outcome: &Outcome, key: &str, json: bool) -> u8 {
    if json || outcome.rows.is_empty() {
        return self::outcome(outcome, json);
    }
    for row in &outcome.rows {
        let text = row
            .get(key)
            .and_then(|text| text.as_str())
            .unwrap_or_default();
        out(text);
        if !text.is_empty() && !text.ends_with('\n') {
            out("\n");
        }
    }
    lines_to_error(&outcome.tail);
    for error in &outcome.errors {
        trouble(error);
    }
    outcome.status.code()
}

/// Shows why there is no answer; gives the exit status.
pub fn failure(failure: Failure, json: bool) -> u8 {
    outcome(&failure.into_outcome(), json)
}

fn trouble(error: &Trouble) {
    let text: Vec<String> = error.text.lines().map(printable).collect();
    let text = text.join("\nwelkin: ");
    let bare = |word: &str| word.trim_matches([',', ';', ':', '"', '(', ')']) == error.node;
    // A text that names its node already, or a selection, need not do it twice.
    let named = error.node.is_empty() || error.code == "unknown-node";
    let line = match named || text.split_whitespace().any(bare) {
        true => format!("welkin: {text}"),
        false => format!("welkin: {}: {text}", printable(&error.node)),
    };
    let _ = writeln!(io::stderr(), "{line}");
}

fn lines(text: &mut String, lines: &[String]) {
    for line in lines {
        text.push_str(&printable(line));
        text.push('\n');
    }
}

fn lines_to_error(lines: &[String]) {
    for line in lines {
        let _ = writeln!(io::stderr(), "{}", printable(line));
    }
}

/// Writes to standard output. Who reads only the first lines (`| head`) has got them.
pub fn out(text: &str) {
    let _ = bytes(text.as_bytes());
}

/// The same for bytes; the error says that nobody reads any more.
pub fn bytes(data: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(data)?;
    output.flush()
}
