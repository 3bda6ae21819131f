//! Many nodes in one process, with a network and a clock of the test's own: whatever happens to the
//! connections, each call gets its own answer or an error, once, and a node that is back is reached
//! again.
//!
//! Everything follows from a seed, which a failure prints. To run one seed again, or on for hours:
//!
//! ```text
//! FIRST_SEED=4711 SEEDS=1 cargo nextest run -p welkin-cluster --run-ignored all seeds_as_asked
//! SEEDS=100000000 cargo test --release -p welkin-cluster --test simulation -- --ignored
//! ```

#[path = "simulation/calls.rs"]
mod calls;
#[path = "simulation/network.rs"]
mod network;
#[path = "simulation/numbers.rs"]
mod numbers;
#[path = "simulation/world.rs"]
mod world;

use world::World;

/// Seeds of every test run.
const SEEDS: u64 = 1000;

/// Prints the seed when a check fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("FIRST_SEED={} SEEDS=1", self.0);
        }
    }
}

fn run(seed: u64) -> u64 {
    let seed = Seed(seed);
    World::new(seed.0).run()
}

fn from_environment(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn each_call_gets_its_own_answer_or_an_error_once() {
    let answered: u64 = (1..=SEEDS).map(run).sum();
    // Else the network breaks so much that nothing is shown.
    assert!(answered > SEEDS * 10, "only {answered} calls were answered");
}

#[test]
fn a_seed_tells_everything() {
    assert_eq!(run(7), run(7));
}

#[test]
#[ignore = "runs as long as SEEDS says, from FIRST_SEED on"]
fn seeds_as_asked() {
    let first = from_environment("FIRST_SEED", 1);
    let count = from_environment("SEEDS", 100_000);
    for seed in first..first + count {
        run(seed);
        if seed % 10_000 == 0 {
            println!("{seed}");
        }
    }
}
