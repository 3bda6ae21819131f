//! `cargo xtask bench [NAME...]`: what a node costs when it does nothing, or has nothing left to do, and
//! what many clients cost it.
//!
//! Each bench is one file here, with a Lua program of the same name in `benches/` that runs as the
//! node's start service; it returns rows for one table, each with the limit we hold ourselves to. A
//! row beyond its limit fails the command. When `SKYNET` names a built skynet checkout the same
//! programs run there, for the last column.

mod broadcast;
mod churn;
mod clients;
mod connect_storm;
mod idle_clients;
mod idle_cpu;
mod idle_services;
mod node;

use crate::{process, tree};
use node::Kind;
use std::path::PathBuf;

/// Services that come into being in the benches about many services.
const SERVICES: u32 = 100_000;

/// One figure.
struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    /// What `value` must not exceed.
    limit: f64,
}

struct Bench {
    name: &'static str,
    run: fn(&Kind) -> Result<Vec<Row>, String>,
}

const BENCHES: [Bench; 6] = [
    Bench {
        name: "idle_cpu",
        run: idle_cpu::run,
    },
    Bench {
        name: "idle_services",
        run: idle_services::run,
    },
    Bench {
        name: "churn",
        run: churn::run,
    },
    Bench {
        name: "connect_storm",
        run: connect_storm::run,
    },
    Bench {
        name: "idle_clients",
        run: idle_clients::run,
    },
    Bench {
        name: "broadcast",
        run: broadcast::run,
    },
];

pub fn command(only: &[String]) -> Result<(), String> {
    if let Some(unknown) = only.iter().find(|o| BENCHES.iter().all(|b| b.name != **o)) {
        let known: Vec<&str> = BENCHES.iter().map(|b| b.name).collect();
        return Err(format!(
            "no bench `{unknown}`; there are: {}",
            known.join(" ")
        ));
    }
    process::build_node()?;
    let welkin = Kind::Welkin(tree::release_node());
    let skynet = std::env::var_os("SKYNET").map(|folder| Kind::Skynet(PathBuf::from(folder)));
    println!(
        "{:<40} {:>10} {:<8} {:>10} {:>10}",
        "bench", "welkin", "", "limit", "skynet"
    );
    let mut beyond = Vec::new();
    for bench in &BENCHES {
        if !only.is_empty() && only.iter().all(|o| o != bench.name) {
            continue;
        }
        let rows = (bench.run)(&welkin).map_err(|why| format!("{}: {why}", bench.name))?;
        let others = match &skynet {
            Some(skynet) => {
                (bench.run)(skynet).map_err(|why| format!("{} on skynet: {why}", bench.name))?
            }
            None => Vec::new(),
        };
        for (index, row) in rows.iter().enumerate() {
            print_row(row, others.get(index));
            if row.value > row.limit {
                beyond.push(row.name.clone());
            }
        }
    }
    if beyond.is_empty() {
        Ok(())
    } else {
        Err(format!("beyond their limit: {}", beyond.join(", ")))
    }
}

fn print_row(row: &Row, other: Option<&Row>) {
    let other = other.map_or_else(|| "-".to_string(), |o| format!("{:.3}", o.value));
    println!(
        "{:<34} {:>10.3} {:<8} {:>10.3} {:>10}",
        row.name, row.value, row.unit, row.limit, other
    );
}
