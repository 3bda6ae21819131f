//! `--end`: the master of a folder ends, and is not started again by the node that it belongs to. Nodes
//! and agents go on.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use welkin_fleet_model::wire::Purpose;
use welkin_fleet_model::wire::client::{Command, Options, ToMaster};
use welkin_fleet_trust::{Limits, connect_local};

/// How long a master may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends it, and waits until it has ended.
pub(crate) fn end(dir: &Path) -> Result<(), String> {
    let lock = dir.join("lock");
    let mut options = File::options();
    let file = options.read(true).write(true).open(&lock);
    let file = file.map_err(|_| format!("no master was ever started in {}", dir.display()))?;
    if file.try_lock().is_ok() {
        super::write_lock(&file, "ended");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(ask(dir))?;
    let until = Instant::now() + PATIENCE;
    while file.try_lock().is_err() {
        if Instant::now() > until {
            return Err("the master was told to end, and has not yet".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

async fn ask(dir: &Path) -> Result<(), String> {
    let path = dir.join("fleet.sock");
    let link = connect_local(&path, Purpose::Client, None, &Limits::default()).await;
    let (sender, mut receiver) = link
        .map_err(|error| format!("{}: {error}", path.display()))?
        .split();
    let command = Box::new(Command::End);
    let call = ToMaster::Call {
        id: 1,
        command,
        options: Options::default(),
    };
    sender
        .send(&call)
        .await
        .map_err(|error| error.to_string())?;
    // Its answer, or its end.
    let _ = receiver.next().await;
    Ok(())
}
