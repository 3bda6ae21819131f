//! One value, shown as its column's name demands: a column is always of one kind, whatever sends it.

use serde_json::Value;

use crate::units::{read_rfc3339, show_seconds, show_size};

/// How the values of a column are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// Bytes.
    Size,
    /// Bytes a second.
    Rate,
    /// 100 is all.
    Percent,
    /// Seconds.
    Span,
    /// A point in time that is shown as how long ago it was.
    Ago,
    /// A number without a point.
    Count,
}

fn kind(column: &str) -> Kind {
    match column {
        "mem" | "rss" | "limit" | "size" | "total" | "used" | "free" | "available" | "buff"
        | "cache" | "swap" | "swap_used" | "swap_total" => Kind::Size,
        "rx/s" | "tx/s" => Kind::Rate,
        "cpu" | "machine_cpu" | "share" | "percent" | "disk" => Kind::Percent,
        "since" | "seen" | "last_seen" => Kind::Ago,
        "uptime" | "seconds" | "clock_offset" | "age" => Kind::Span,
        "bi" | "bo" | "in" | "cs" | "us" | "sy" | "wa" => Kind::Count,
        _ => Kind::Text,
    }
}

/// A value as its column shows it. `now_unix_ms`: for columns that tell how long ago.
pub fn cell(column: &str, value: Option<&Value>, now_unix_ms: u64) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(yes)) => (if *yes { "yes" } else { "no" }).to_owned(),
        Some(Value::Number(number)) => {
            let number = number.as_f64().unwrap_or(0.0);
            // The id of vmstat is a number, that of a release a text.
            let kind = if column == "id" {
                Kind::Count
            } else {
                kind(column)
            };
            shown(kind, number)
        }
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => match read_rfc3339(text) {
            Some(point) if kind(column) == Kind::Ago => {
                show_seconds(now_unix_ms.saturating_sub(point) / 1000)
            }
            _ => printable(text),
        },
        Some(Value::Array(list)) if list.is_empty() => "-".to_owned(),
        Some(Value::Array(list)) => {
            let texts: Vec<String> = list
                .iter()
                .map(|item| cell("", Some(item), now_unix_ms))
                .collect();
            texts.join(" ")
        }
        Some(value @ Value::Object(_)) => printable(&value.to_string()),
    }
}

fn shown(kind: Kind, number: f64) -> String {
    match kind {
        Kind::Size => show_size(number.max(0.0) as u64),
        Kind::Rate => format!("{}/s", show_size(number.max(0.0) as u64)),
        Kind::Percent => format!("{number:.1}%"),
        Kind::Span if number.abs() < 9.95 => {
            let tenths = format!("{number:.1}");
            format!("{}s", tenths.strip_suffix(".0").unwrap_or(&tenths))
        }
        Kind::Span if number < 0.0 => format!("-{}", show_seconds(number.abs().round() as u64)),
        Kind::Span => show_seconds(number.round() as u64),
        Kind::Count => format!("{number:.0}"),
        Kind::Text | Kind::Ago if number.fract() == 0.0 => format!("{number:.0}"),
        Kind::Text | Kind::Ago => format!("{number:.1}"),
    }
}

/// Without control characters: what a node writes as its last line does not command our terminal.
pub fn printable(text: &str) -> String {
    let keep = |c: char| if c.is_control() { ' ' } else { c };
    text.trim_end().chars().map(keep).collect()
}
