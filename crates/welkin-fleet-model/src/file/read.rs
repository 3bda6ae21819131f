//! From TOML to values: each reading takes what it knows, and writes down what it cannot take, with
//! the line, so that one run tells all that is wrong.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Fault, Faults, Fleet, check, is_name};
use crate::near::nearest;
use crate::{cluster, units};

/// Longest fleet file in bytes: it travels to the master in one frame, escaped as JSON.
const FILE_MAX: usize = 400 << 10;
/// Most faults that are told; who has more has the wrong file.
const FAULTS_MAX: usize = 50;

pub type Value<'i> = Spanned<DeValue<'i>>;

pub fn fleet(file: &str, cluster: Option<&str>) -> Result<Fleet, Faults> {
    let mut reader = Reader::new(file);
    let Some(table) = reader.open() else {
        return Err(reader.into_faults());
    };
    let lines = match cluster.map(cluster::parse) {
        Some(Ok(lines)) => lines,
        Some(Err(faults)) => {
            for fault in faults.0 {
                let text = format!("cluster config, line {}: {}", fault.line, fault.text);
                reader.fault_of(0, text);
            }
            Default::default()
        }
        None => Default::default(),
    };
    let fleet = check::fleet(&mut reader, table.get_ref(), &lines);
    match reader.faults.is_empty() {
        true => Ok(fleet),
        false => Err(reader.into_faults()),
    }
}

pub fn cluster_path(file: &str) -> Option<String> {
    let (table, faults) = DeTable::parse_recoverable(file);
    let fleet = table.get_ref().get("fleet")?.get_ref().as_table()?;
    let path = fleet.get("cluster")?.get_ref().as_str()?;
    faults.is_empty().then(|| path.to_owned())
}

/// The text that is read, and what was found wrong in it.
pub struct Reader<'i> {
    text: &'i str,
    pub faults: Vec<Fault>,
}

impl<'i> Reader<'i> {
    fn new(text: &'i str) -> Self {
        let faults = Vec::new();
        Self { text, faults }
    }

    fn open(&mut self) -> Option<Spanned<DeTable<'i>>> {
        if self.text.len() > FILE_MAX {
            let text = format!(
                "the file is longer than {}",
                units::show_size(FILE_MAX as u64)
            );
            self.fault_of(0, text);
            return None;
        }
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            // What follows the first line is a picture of the place, which the line number tells.
            let text = error.message().lines().collect::<Vec<_>>().join("; ");
            self.fault(error.span().unwrap_or(0..0), text);
        }
        errors.is_empty().then_some(table)
    }

    fn into_faults(mut self) -> Faults {
        self.faults.sort();
        self.faults.dedup();
        if self.faults.len() > FAULTS_MAX {
            let more = self.faults.len() - FAULTS_MAX;
            self.faults.truncate(FAULTS_MAX);
            let text = format!("... and {more} more");
            self.faults.push(Fault {
                line: usize::MAX,
                text,
            });
        }
        Faults(self.faults)
    }

    pub fn fault(&mut self, place: Range<usize>, text: String) {
        let before = self.text.get(..place.start).unwrap_or(self.text);
        self.fault_of(1 + before.matches('\n').count(), text);
    }

    pub fn fault_of(&mut self, line: usize, text: String) {
        self.faults.push(Fault { line, text });
    }

    /// The value as a table.
    pub fn table<'t>(&mut self, name: &str, value: &'t Value<'i>) -> Option<&'t DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(name, value, "a table");
        }
        table
    }

    /// Complains about keys of `table` that are not known.
    pub fn known(&mut self, name: &str, table: &DeTable<'i>, keys: &[&[&str]]) {
        for key in table.keys() {
            let word: &str = key.get_ref();
            let mut all = keys
                .iter()
                .copied()
                .flatten()
                .filter(|known| !known.is_empty());
            if all.clone().any(|known| *known == word) {
                continue;
            }
            let near = nearest(word, all.clone().copied());
            let hint = match near {
                Some(near) => format!("the nearest known key is {near}"),
                None => {
                    let known: Vec<&str> = all.by_ref().copied().collect();
                    format!("known are {}", known.join(" "))
                }
            };
            let place = if name.is_empty() {
                "at the top".to_owned()
            } else {
                format!("in {name}")
            };
            self.fault(key.span(), format!("unknown key {word} {place}; {hint}"));
        }
    }

    /// What `read` makes of the value of `key`; it says what is wrong with it.
    pub fn get<T>(
        &mut self,
        table: &DeTable<'i>,
        key: &str,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<T> {
        let value = table.get(key)?;
        match read(value.get_ref()) {
            Ok(value) => Some(value),
            Err(text) => {
                self.fault(value.span(), format!("{key}: {text}"));
                None
            }
        }
    }

    /// The entries of a table of tables, as `[node.NAME]`, whose names may be names.
    pub fn named<'t>(
        &mut self,
        kind: &str,
        table: &'t DeTable<'i>,
    ) -> Vec<(&'t str, Range<usize>, &'t DeTable<'i>)> {
        let Some(all) = table.get(kind).and_then(|value| self.table(kind, value)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (key, value) in all {
            let name: &str = key.get_ref();
            if !is_name(name) || (kind == "node" && name == "all") {
                let text = format!(
                    "{name:?} cannot be the name of a {kind}: up to 64 letters, digits, _ - and ., not . or - first"
                );
                self.fault(key.span(), text);
            } else if let Some(inner) = self.table(&format!("{kind}.{name}"), value) {
                found.push((name, key.span(), inner));
            }
        }
        found
    }

    fn wrong(&mut self, name: &str, value: &Value<'i>, wanted: &str) {
        self.fault(
            value.span(),
            format!("{name}: {}", not(value.get_ref(), wanted)),
        );
    }
}

fn not(value: &DeValue<'_>, wanted: &str) -> String {
    format!("this is of type {}, it must be {wanted}", value.type_str())
}

pub fn text(value: &DeValue<'_>) -> Result<String, String> {
    let text = value
        .as_str()
        .ok_or_else(|| not(value, "a text in quotes"))?;
    match text.contains('\0') {
        true => Err("a zero byte cannot stand in it".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// A text that is not empty.
pub fn words(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    match text.trim().is_empty() {
        true => Err("it is empty".to_owned()),
        false => Ok(text),
    }
}

/// The name of a machine, group, secret.
pub fn name(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    match is_name(&text) {
        true => Ok(text),
        false => Err(format!(
            "{text:?} is not a name: up to 64 letters, digits, _ - and ."
        )),
    }
}

pub fn time(value: &DeValue<'_>) -> Result<u64, String> {
    match value.as_str() {
        Some(text) => units::time(text),
        None => Err(not(value, "a time with its unit in quotes, as \"30s\"")),
    }
}

pub fn size(value: &DeValue<'_>) -> Result<u64, String> {
    match value.as_str() {
        Some(text) => units::size(text),
        None => Err(not(value, "a size with its unit in quotes, as \"4GiB\"")),
    }
}

pub fn number(value: &DeValue<'_>, least: u64, most: u64) -> Result<u64, String> {
    let wanted = || format!("a whole number from {least} to {most}");
    let integer = value.as_integer().ok_or_else(|| not(value, &wanted()))?;
    u64::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("it must be {}", wanted()))
}

/// A positive number, whole or not.
pub fn positive(value: &DeValue<'_>) -> Result<f64, String> {
    let number = match (value.as_integer(), value.as_float()) {
        (Some(integer), _) => integer.as_str().parse::<f64>().ok(),
        (_, Some(float)) => float.as_str().parse::<f64>().ok(),
        _ => return Err(not(value, "a number above 0")),
    };
    number
        .filter(|number| number.is_finite() && *number > 0.0)
        .ok_or_else(|| "it must be a number above 0".to_owned())
}

/// A list of what `each` reads.
pub fn list(
    value: &DeValue<'_>,
    each: impl Fn(&DeValue<'_>) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    let array = value
        .as_array()
        .ok_or_else(|| not(value, "a list, as [\"a\", \"b\"]"))?;
    let mut all = Vec::new();
    for item in array {
        let item = each(item.get_ref())?;
        if all.contains(&item) {
            return Err(format!("{item} stands in it twice"));
        }
        all.push(item);
    }
    Ok(all)
}
