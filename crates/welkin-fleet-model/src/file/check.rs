//! The sections of the file, and what must fit together between them.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::read::{self, Reader};
use super::{Fleet, Update, entry, order};
use crate::cluster::split_address;
use crate::entry::NodeEntry;

const SECTIONS: [&str; 7] = [
    "fleet", "defaults", "group", "machine", "node", "update", "clean",
];

/// Reads all sections. What is returned is of use only when `reader` has no faults.
pub fn fleet<'i>(
    reader: &mut Reader<'i>,
    file: &DeTable<'i>,
    lines: &BTreeMap<String, String>,
) -> Fleet {
    reader.known("", file, &[&SECTIONS]);
    let mut fleet = Fleet {
        name: "fleet".to_owned(),
        clean_above: 90,
        ..Fleet::default()
    };
    head(reader, file, &mut fleet);
    update(reader, file, &mut fleet.update);
    if let Some(clean) = section(reader, file, "clean", &["above"]) {
        let percent = |value: &DeValue<'_>| read::number(value, 1, 100);
        if let Some(above) = reader.get(clean, "above", percent) {
            fleet.clean_above = above as u32;
        }
    }
    for (name, _, machine) in reader.named("machine", file) {
        reader.known(&format!("machine.{name}"), machine, &[&["address"]]);
        let address = reader.get(machine, "address", read::words);
        fleet
            .machines
            .insert(name.to_owned(), address.unwrap_or_default());
    }
    let mut base = NodeEntry::default();
    if let Some(defaults) = file
        .get("defaults")
        .and_then(|value| reader.table("defaults", value))
    {
        let keys = entry::KEYS.map(|key| {
            if key == entry::NODE_ONLY || key == entry::GROUP_ONLY {
                ""
            } else {
                key
            }
        });
        reader.known("defaults", defaults, &[&keys]);
        entry::read(reader, "defaults", defaults, &mut base);
    }
    let bases = groups(reader, file, &base, &mut fleet);
    nodes(reader, file, (&base, &bases), lines, &mut fleet);
    orders(reader, file, &mut fleet);
    fleet
}

fn section<'t, 'i>(
    reader: &mut Reader<'i>,
    file: &'t DeTable<'i>,
    name: &str,
    keys: &[&str],
) -> Option<&'t DeTable<'i>> {
    let table = reader.table(name, file.get(name)?)?;
    reader.known(name, table, &[keys]);
    Some(table)
}

fn head<'i>(reader: &mut Reader<'i>, file: &DeTable<'i>, fleet: &mut Fleet) {
    let Some(head) = section(reader, file, "fleet", &["name", "cluster", "webhook"]) else {
        return;
    };
    if let Some(name) = reader.get(head, "name", read::name) {
        fleet.name = name;
    }
    fleet.cluster = reader.get(head, "cluster", read::words);
    fleet.webhook = reader.get(head, "webhook", |value| {
        let url = read::words(value)?;
        let known = url.starts_with("https://") || url.starts_with("http://");
        known
            .then_some(url)
            .ok_or_else(|| "it must begin with https:// (or http://)".to_owned())
    });
}

fn update<'i>(reader: &mut Reader<'i>, file: &DeTable<'i>, update: &mut Update) {
    const KEYS: [&str; 8] = [
        "order",
        "at_once",
        "watch",
        "max_errors",
        "keep",
        "max_size",
        "trusted_keys",
        "resume",
    ];
    let Some(table) = section(reader, file, "update", &KEYS) else {
        return;
    };
    let count = |value: &DeValue<'_>| read::number(value, 1, 10_000);
    if let Some(order) = reader.get(table, "order", |value| read::list(value, read::name)) {
        update.order = order;
    }
    if let Some(at_once) = reader.get(table, "at_once", count) {
        update.at_once = at_once as u32;
    }
    if let Some(watch) = reader.get(table, "watch", read::time) {
        update.watch_ms = watch;
    }
    update.max_errors = reader.get(table, "max_errors", read::positive);
    if let Some(keep) = reader.get(table, "keep", count) {
        update.keep = keep as u32;
    }
    if let Some(size) = reader.get(table, "max_size", read::size) {
        update.max_size = size;
    }
    if let Some(keys) = reader.get(table, "trusted_keys", |value| read::list(value, public_key)) {
        update.trusted_keys = keys;
    }
    if let Some(resume) = reader.get(table, "resume", read::time) {
        update.resume_ms = resume;
    }
}

/// A public key as minisign prints it: 42 bytes in base64, beginning with the name of the algorithm.
fn public_key(value: &DeValue<'_>) -> Result<String, String> {
    let key = read::words(value)?;
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    match key.len() == 56 && key.starts_with("RW") && key.chars().all(base64) {
        true => Ok(key),
        false => Err(format!(
            "{key:?} is not a minisign public key (56 characters, beginning with RW)"
        )),
    }
}

fn groups<'i>(
    reader: &mut Reader<'i>,
    file: &DeTable<'i>,
    base: &NodeEntry,
    fleet: &mut Fleet,
) -> BTreeMap<String, NodeEntry> {
    let mut bases = BTreeMap::new();
    for (name, _, group) in reader.named("group", file) {
        let place = format!("group.{name}");
        let keys = entry::KEYS.map(|key| {
            if matches!(key, entry::NODE_ONLY | "group") {
                ""
            } else {
                key
            }
        });
        reader.known(&place, group, &[&keys]);
        let after = reader.get(group, "after", |value| read::list(value, read::name));
        fleet
            .groups
            .insert(name.to_owned(), after.unwrap_or_default());
        let mut merged = base.clone();
        entry::read(reader, &place, group, &mut merged);
        bases.insert(name.to_owned(), merged);
    }
    bases
}

fn nodes<'i>(
    reader: &mut Reader<'i>,
    file: &DeTable<'i>,
    (base, bases): (&NodeEntry, &BTreeMap<String, NodeEntry>),
    lines: &BTreeMap<String, String>,
    fleet: &mut Fleet,
) {
    for (name, span, table) in reader.named("node", file) {
        let place = format!("node.{name}");
        let keys = entry::KEYS.map(|key| if key == entry::GROUP_ONLY { "" } else { key });
        reader.known(&place, table, &[&keys]);
        // Faults of the key itself are told by the reading below.
        let own = table
            .get("group")
            .and_then(|value| value.get_ref().as_str());
        let group = own.map(str::to_owned).or_else(|| base.group.clone());
        let under = group
            .as_ref()
            .and_then(|group| bases.get(group))
            .unwrap_or(base);
        let mut node = under.clone();
        entry::read(reader, &place, table, &mut node);
        node.name = name.to_owned();
        node.group = group;
        node.address = node.address.take().or_else(|| lines.get(name).cloned());
        complete(reader, span, &mut node, fleet);
        if let Some(group) = &node.group {
            fleet.groups.entry(group.clone()).or_default();
        }
        fleet.nodes.insert(name.to_owned(), node);
    }
    for (name, address) in lines {
        fleet
            .nodes
            .entry(name.clone())
            .or_insert_with(|| NodeEntry {
                name: name.clone(),
                machine: machine_of(address, &fleet.machines).unwrap_or_default(),
                address: Some(address.clone()),
                scripted: true,
                ..NodeEntry::default()
            });
    }
}

/// Fills in what follows from the rest, and says what is missing.
fn complete(reader: &mut Reader<'_>, span: Range<usize>, node: &mut NodeEntry, fleet: &Fleet) {
    let name = node.name.clone();
    if node.machine.is_empty()
        && let Some(address) = &node.address
        && let Some(machine) = machine_of(address, &fleet.machines)
    {
        node.machine = machine;
    }
    if node.machine.is_empty() {
        let text = match &node.address {
            Some(address) => format!(
                "node.{name}: no machine: give machine = \"...\", or a [machine.NAME] with the address of {address}"
            ),
            None => format!(
                "node.{name}: no machine: give machine = \"...\" here or in its group or in [defaults]"
            ),
        };
        reader.fault(span.clone(), text);
    }
    node.config = node
        .config
        .take()
        .map(|config| config.replace("{node}", &name));
    if node.config.is_none() && node.command.contains("{config}") {
        let text = format!(
            "node.{name}: its command {:?} needs config = \"...\"",
            node.command
        );
        reader.fault(span.clone(), text);
    }
    if node.backoff.max_ms < node.backoff.first_ms {
        reader.fault(
            span,
            format!("node.{name}: backoff.max is less than backoff.first"),
        );
    }
}

/// The machine that has the address's ip; of several the first by name.
fn machine_of(address: &str, machines: &BTreeMap<String, String>) -> Option<String> {
    let (ip, _) = split_address(address)?;
    let found = machines.iter().find(|(_, address)| *address == ip);
    found.map(|(name, _)| name.clone())
}

/// Names of groups that nobody is in, and groups that wait for each other.
fn orders<'i>(reader: &mut Reader<'i>, file: &DeTable<'i>, fleet: &mut Fleet) {
    let at = |path: &[&str]| {
        let mut span = 0..0;
        let mut table = Some(file);
        for key in path {
            let value = table.and_then(|table| table.get(*key));
            span = value.map_or(span, |value| value.span());
            table = value.and_then(|value| value.get_ref().as_table());
        }
        span
    };
    for group in &fleet.update.order {
        if !fleet.groups.contains_key(group) {
            let text = format!("update.order: there is no group {group}");
            reader.fault(at(&["update", "order"]), text);
        }
    }
    for (name, after) in &fleet.groups {
        for before in after
            .iter()
            .filter(|before| !fleet.groups.contains_key(*before))
        {
            let text = format!("group.{name}: after names {before}, and there is no such group");
            reader.fault(at(&["group", name, "after"]), text);
        }
    }
    if let Err(cycle) = order::start_order(&fleet.groups) {
        let first = cycle.first().map_or("", String::as_str);
        let text = format!("groups wait for each other: {}", cycle.join(" after "));
        reader.fault(at(&["group", first, "after"]), text);
    }
}
