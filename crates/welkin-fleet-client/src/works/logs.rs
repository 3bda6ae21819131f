//! `logs`: the bytes of a node, as they are; with `--json` its lines in one object, or with `-f` an
//! object for each line.

use serde_json::json;
use welkin_fleet_model::table::{Row, row};
use welkin_fleet_model::wire::client::{Command, Outcome, Trouble};

use super::Client;
use crate::failure::Failure;
use crate::session::{End, Watch};
use crate::show::{self, Progress};
use crate::words::How;

pub async fn logs(how: &How, command: Command, node: String, follow: bool) -> Result<u8, Failure> {
    let mut master = Client::open(how).await?;
    // As many bytes as there are: no limit but one that was given.
    let extra = master.extra(true);
    let mut watch = Lines {
        node,
        json: how.json,
        follow,
        rest: Vec::new(),
        rows: Vec::new(),
        nobody: false,
    };
    let end = master.session().call(command, extra, &mut watch).await;
    watch.finish();
    let (mut outcome, failed) = match end {
        Ok(End::Done(outcome, failed)) => (outcome, failed),
        // The way to end `-f`.
        Ok(End::Interrupted) => return Ok(if follow { 0 } else { super::INTERRUPTED }),
        Err(_) if watch.nobody => return Ok(0),
        Err(failure) => return Err(failure),
    };
    if let Some(text) = failed {
        outcome.status = welkin_fleet_model::wire::client::Status::Failed;
        outcome.errors.push(Trouble {
            node: watch.node.clone(),
            code: "failed".to_owned(),
            text,
        });
    }
    if how.json && !follow {
        outcome.rows = std::mem::take(&mut watch.rows);
    } else {
        outcome = Outcome {
            rows: Vec::new(),
            ..outcome
        };
    }
    let status = show::outcome(&outcome, how.json && !follow);
    master.close(status).await
}

/// Passes the bytes on.
struct Lines {
    node: String,
    json: bool,
    follow: bool,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    rows: Vec<Row>,
    /// Our reader is gone.
    nobody: bool,
}

impl Watch for Lines {
    fn progress(&mut self, text: &str) {
        Progress.progress(text);
    }

    fn piece(&mut self, data: &[u8]) -> Result<(), Failure> {
        let gone = match self.json {
            false => show::bytes(data).is_err(),
            true => self.lines(data).is_err(),
        };
        if gone {
            self.nobody = true;
            return Err(Failure::failed("nobody reads the output any more"));
        }
        Ok(())
    }
}

impl Lines {
    fn lines(&mut self, data: &[u8]) -> std::io::Result<()> {
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.line()?;
            }
        }
        Ok(())
    }

    fn line(&mut self) -> std::io::Result<()> {
        let bytes = std::mem::take(&mut self.rest);
        let line = String::from_utf8_lossy(&bytes);
        let row = row([
            ("node", json!(self.node)),
            ("line", json!(line.trim_end_matches(['\n', '\r']))),
        ]);
        match self.follow {
            true => show::bytes(format!("{}\n", json!(row)).as_bytes())?,
            false => self.rows.push(row),
        }
        Ok(())
    }

    fn finish(&mut self) {
        if !self.rest.is_empty() {
            let _ = self.line();
        }
    }
}
