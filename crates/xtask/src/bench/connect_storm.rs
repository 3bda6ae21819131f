//! From the first of many connections, opened one right after the other, until the last one has its
//! first answer.

use super::node::{Kind, Node};
use super::{Row, clients};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const BOOT: Duration = Duration::from_secs(30);
const CLIENTS: usize = 3_000;
/// Seconds.
const LIMIT: f64 = 1.0;
const QUESTION: [u8; 64] = [b'?'; 64];

pub fn run(kind: &Kind) -> Result<Vec<Row>, String> {
    clients::allow(CLIENTS)?;
    let port = clients::free_port()?;
    let node = Node::start(kind, "connect_storm", &[format!("port = {port}")])?;
    node.wait_ready(BOOT)?;
    let begin = Instant::now();
    let mut streams = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut stream = clients::connect(port)?;
        stream.write_all(&QUESTION).map_err(lost)?;
        streams.push(stream);
    }
    for stream in &mut streams {
        stream.read_exact(&mut [0; QUESTION.len()]).map_err(lost)?;
    }
    Ok(vec![Row {
        name: format!("{CLIENTS} clients at once, all served"),
        value: begin.elapsed().as_secs_f64(),
        unit: "s",
        limit: LIMIT,
    }])
}

fn lost(error: std::io::Error) -> String {
    format!("a client was not served: {error}")
}
