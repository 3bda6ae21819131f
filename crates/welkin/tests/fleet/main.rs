//! The fleet by real processes: the node's side of it, the founding note's way, and what happens when
//! parts of it die.

#[path = "../support/mod.rs"]
mod support;

mod audited;
mod certificates;
mod classic;
mod clock;
mod clock_steps;
mod console;
mod deaths;
mod example;
mod fake_master;
#[allow(clippy::module_inception, reason = "it is what the tests are about")]
mod fleet;
mod full_disk;
mod game;
mod harm;
mod joining;
mod limits;
mod middle;
mod moved;
mod node_side;
mod old_orders;
mod orphans;
mod pid_one;
mod players;
mod processes;
mod proxy;
mod reboot;
mod reused_pid;
mod secret_files;
mod split;
mod telnet;
mod units;
mod upgrades;
mod walk;
