//! CPU of a node that tells many clients the same thing ten times a second.

use super::node::{Kind, Node};
use super::{Row, clients, idle_cpu};
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const BOOT: Duration = Duration::from_secs(30);
const CLIENTS: usize = 2_000;
const MESSAGE_BYTES: usize = 200;
const TICKS_A_SECOND: usize = 10;
/// Seconds that are left out at the beginning, and seconds that count.
const WARM_UP_S: usize = 2;
const MEASURED_S: usize = 10;
/// Who writes, and per cent of one core. Where the room does nearly all of it is the system's part of
/// sending, for which skynet pays the same.
const WAYS: [(&str, f64); 2] = [("direct", 20.0), ("agents", 30.0)];

pub fn run(kind: &Kind) -> Result<Vec<Row>, String> {
    WAYS.iter().map(|way| one(kind, way)).collect()
}

fn one(kind: &Kind, &(way, limit): &(&str, f64)) -> Result<Row, String> {
    clients::allow(CLIENTS)?;
    let port = clients::free_port()?;
    let config = [
        format!("port = {port}"),
        format!("clients = {CLIENTS}"),
        format!("bytes = {MESSAGE_BYTES}"),
        format!("way = \"{way}\""),
    ];
    let node = Node::start(kind, "broadcast", &config)?;
    node.wait_ready(BOOT)?;
    let streams: Result<Vec<_>, _> = (0..CLIENTS).map(|_| clients::connect(port)).collect();
    let mut streams = streams?;
    listen(&mut streams, WARM_UP_S)?;
    let (begin, before) = (Instant::now(), idle_cpu::cpu_seconds(node.pid())?);
    listen(&mut streams, MEASURED_S)?;
    let used = idle_cpu::cpu_seconds(node.pid())? - before;
    Ok(Row {
        name: format!("{CLIENTS} clients told {TICKS_A_SECOND}/s, {way}"),
        value: used / begin.elapsed().as_secs_f64() * 100.0,
        unit: "% core",
        limit,
    })
}

/// Reads what all clients are told in this time.
fn listen(streams: &mut [TcpStream], seconds: usize) -> Result<(), String> {
    let mut message = [0; MESSAGE_BYTES];
    for _ in 0..seconds * TICKS_A_SECOND {
        for stream in &mut *streams {
            stream
                .read_exact(&mut message)
                .map_err(|e| format!("a client hears nothing: {e}"))?;
        }
    }
    Ok(())
}
