//! The keys of a node: `[defaults]`, `[group.NAME]` and `[node.NAME]` hold the same ones, and each is
//! read over what the one before gave.

use toml::de::{DeTable, DeValue};

use super::read::{self, Reader};
use crate::entry::{NodeEntry, Probe, Restart};

/// Keys that may stand at each of the three places.
pub const KEYS: [&str; 19] = [
    "machine",
    "group",
    "dir",
    "command",
    "config",
    "restart",
    "backoff",
    "give_up",
    "ready",
    "health",
    "stop",
    "drain_command",
    "limits",
    "secrets",
    "env",
    "online",
    "user",
    "address",
    "after",
];

/// Those of [`KEYS`] that have no sense but in a node, and but in a group.
pub const NODE_ONLY: &str = "address";
/// See [`NODE_ONLY`].
pub const GROUP_ONLY: &str = "after";

/// Variables that the fleet sets itself.
const OURS: [&str; 5] = [
    "WELKIN_NODE",
    "WELKIN_START",
    "WELKIN_CONTROL",
    "WELKIN_SECRETS",
    "WELKIN_FLEET",
];

/// Reads `table` over `entry`. `place` is how the file names it, as `node.login_1`.
pub fn read<'i>(reader: &mut Reader<'i>, place: &str, table: &DeTable<'i>, entry: &mut NodeEntry) {
    let set = |slot: &mut String, value: Option<String>| {
        if let Some(value) = value {
            *slot = value;
        }
    };
    set(&mut entry.machine, reader.get(table, "machine", read::name));
    set(&mut entry.dir, reader.get(table, "dir", read::words));
    set(&mut entry.command, reader.get(table, "command", command));
    let or = |slot: &mut Option<String>, value: Option<String>| {
        if value.is_some() {
            *slot = value;
        }
    };
    or(&mut entry.group, reader.get(table, "group", read::name));
    or(&mut entry.config, reader.get(table, "config", read::words));
    or(
        &mut entry.drain_command,
        reader.get(table, "drain_command", command),
    );
    or(&mut entry.online, reader.get(table, "online", online));
    or(&mut entry.user, reader.get(table, "user", read::name));
    or(&mut entry.address, reader.get(table, "address", address));
    if let Some(restart) = reader.get(table, "restart", restart) {
        entry.restart = restart;
    }
    if let Some(secrets) = reader.get(table, "secrets", |value| read::list(value, read::name)) {
        entry.secrets = secrets;
    }
    times(reader, place, table, entry);
    ready(reader, place, table, entry);
    limits(reader, place, table, entry);
    environment(reader, place, table, entry);
}

/// The table `key` of `table`, with its keys checked.
fn inner<'t, 'i>(
    reader: &mut Reader<'i>,
    place: &str,
    table: &'t DeTable<'i>,
    key: &str,
    keys: &[&str],
) -> Option<&'t DeTable<'i>> {
    let name = format!("{place}.{key}");
    let inner = reader.table(&name, table.get(key)?)?;
    reader.known(&name, inner, &[keys]);
    Some(inner)
}

fn times<'i>(reader: &mut Reader<'i>, place: &str, table: &DeTable<'i>, entry: &mut NodeEntry) {
    let take = |reader: &mut Reader<'i>, table: &DeTable<'i>, key: &str, slot: &mut u64| {
        if let Some(ms) = reader.get(table, key, read::time) {
            *slot = ms;
        }
    };
    if let Some(backoff) = inner(reader, place, table, "backoff", &["first", "max", "reset"]) {
        take(reader, backoff, "first", &mut entry.backoff.first_ms);
        take(reader, backoff, "max", &mut entry.backoff.max_ms);
        take(reader, backoff, "reset", &mut entry.backoff.reset_ms);
    }
    if let Some(stop) = inner(reader, place, table, "stop", &["drain", "kill"]) {
        take(reader, stop, "drain", &mut entry.stop.drain_ms);
        take(reader, stop, "kill", &mut entry.stop.kill_ms);
    }
    if let Some(give_up) = inner(reader, place, table, "give_up", &["starts", "within"]) {
        take(reader, give_up, "within", &mut entry.give_up.within_ms);
        let starts = |value: &DeValue<'_>| read::number(value, 1, u64::from(u32::MAX));
        if let Some(starts) = reader.get(give_up, "starts", starts) {
            entry.give_up.starts = starts as u32;
        }
    }
    if let Some(health) = inner(reader, place, table, "health", &["restart_after"])
        && let Some(ms) = reader.get(health, "restart_after", read::time)
    {
        entry.health.restart_after_ms = Some(ms);
    }
}

fn ready<'i>(reader: &mut Reader<'i>, place: &str, table: &DeTable<'i>, entry: &mut NodeEntry) {
    const PROBES: [&str; 5] = ["control", "tcp", "console", "http", "after"];
    let keys = ["timeout", "control", "tcp", "console", "http", "after"];
    let Some(ready) = inner(reader, place, table, "ready", &keys) else {
        return;
    };
    if let Some(ms) = reader.get(ready, "timeout", read::time) {
        entry.ready.timeout_ms = ms;
    }
    let given: Vec<&str> = PROBES
        .into_iter()
        .filter(|key| ready.contains_key(*key))
        .collect();
    if let [first, _, ..] = given[..] {
        let place = ready
            .get(first)
            .map(|value| value.span())
            .unwrap_or_default();
        let text = format!(
            "ready: give one of {}, not {}",
            PROBES.join(" "),
            given.join(" and ")
        );
        reader.fault(place, text);
    }
    let port = |value: &DeValue<'_>| read::number(value, 1, 65_535).map(|port| port as u16);
    let probes = [
        reader.get(ready, "control", control),
        reader.get(ready, "tcp", port).map(Probe::Tcp),
        reader.get(ready, "console", port).map(Probe::Console),
        reader.get(ready, "http", http).map(Probe::Http),
        reader.get(ready, "after", read::time).map(Probe::After),
    ];
    if let Some(probe) = probes.into_iter().flatten().next() {
        entry.ready.probe = probe;
    }
}

fn limits<'i>(reader: &mut Reader<'i>, place: &str, table: &DeTable<'i>, entry: &mut NodeEntry) {
    let Some(limits) = inner(reader, place, table, "limits", &["memory", "nofile", "cpu"]) else {
        return;
    };
    if let Some(memory) = reader.get(limits, "memory", read::size) {
        entry.limits.memory = Some(memory);
    }
    let files = |value: &DeValue<'_>| read::number(value, 16, 1 << 30);
    if let Some(nofile) = reader.get(limits, "nofile", files) {
        entry.limits.nofile = Some(nofile);
    }
    if let Some(cpu) = reader.get(limits, "cpu", read::positive) {
        entry.limits.cpu = Some(cpu);
    }
}

fn environment<'i>(
    reader: &mut Reader<'i>,
    place: &str,
    table: &DeTable<'i>,
    entry: &mut NodeEntry,
) {
    let name = format!("{place}.env");
    let Some(env) = table
        .get("env")
        .and_then(|value| reader.table(&name, value))
    else {
        return;
    };
    for key in env.keys() {
        let name: &str = key.get_ref();
        if name.is_empty() || name.contains(['=', '\0']) {
            reader.fault(
                key.span(),
                format!("env: {name:?} cannot be the name of a variable"),
            );
        } else if OURS.contains(&name) {
            reader.fault(
                key.span(),
                format!("env: {name} belongs to the fleet, which sets it itself"),
            );
        } else if let Some(text) = reader.get(env, name, read::text) {
            entry.env.insert(name.to_owned(), text);
        }
    }
}

fn restart(value: &DeValue<'_>) -> Result<Restart, String> {
    match value.as_str() {
        Some("always") => Ok(Restart::Always),
        Some("on-failure") => Ok(Restart::OnFailure),
        Some("never") => Ok(Restart::Never),
        _ => Err("it must be \"always\", \"on-failure\" or \"never\"".to_owned()),
    }
}

fn control(value: &DeValue<'_>) -> Result<Probe, String> {
    match value.as_bool() {
        Some(true) => Ok(Probe::Control),
        _ => Err("it can only be true; leave it out or give another probe".to_owned()),
    }
}

fn http(value: &DeValue<'_>) -> Result<String, String> {
    let url = read::words(value)?;
    match url
        .strip_prefix("http://")
        .is_some_and(|rest| !rest.is_empty())
    {
        true => Ok(url),
        false => Err(format!(
            "{url:?} is not an address that begins with http://"
        )),
    }
}

fn online(value: &DeValue<'_>) -> Result<String, String> {
    let hook = read::words(value)?;
    let whole = |(service, command): (&str, &str)| {
        !service.trim_start_matches('.').is_empty() && !command.is_empty()
    };
    match hook.rsplit_once('.').is_some_and(whole) {
        true => Ok(hook),
        false => Err(format!("{hook:?} is not a hook; give \"service.command\"")),
    }
}

fn address(value: &DeValue<'_>) -> Result<String, String> {
    let address = read::words(value)?;
    match crate::cluster::split_address(&address) {
        Some(_) => Ok(address),
        None => Err(format!("{address:?} is not an address; give \"ip:port\"")),
    }
}

/// A command line: its quotes are closed and its `{...}` are known.
fn command(value: &DeValue<'_>) -> Result<String, String> {
    const KNOWN: [&str; 5] = ["node", "config", "release", "dir", "secrets"];
    let command = read::words(value)?;
    let mut rest = command.as_str();
    while let Some((_, behind)) = rest.split_once('{') {
        let name: String = behind
            .chars()
            .take_while(char::is_ascii_lowercase)
            .collect();
        // A brace of the program's own, as in a shell's `${x}` or JSON, is none of ours.
        if behind[name.len()..].starts_with('}')
            && !KNOWN.contains(&name.as_str())
            && !name.is_empty()
        {
            return Err(format!(
                "{{{name}}} is not known; known are {{node}} {{config}} {{release}} {{dir}} {{secrets}}"
            ));
        }
        rest = behind;
    }
    match shlex::split(&command) {
        Some(words) if !words.is_empty() => Ok(command),
        _ => Err("a quote in it is not closed".to_owned()),
    }
}
