//! The core's records in the store.

use std::collections::BTreeMap;

use welkin_fleet_store::records::{AuditRecord, HistoryRecord};
use welkin_fleet_store::{Change as Transaction, Look, Store, StoreError, View};

use crate::core::{
    Asked, Change, Classic, FileText, Loaded, MachineRecord, Plan, ReleaseInfo, Wanted,
};

const MACHINE: &str = "machine/";
const LAST: &str = "last/";
const PLACED: &str = "placed";
const CLASSIC: &str = "classic";

/// Everything that a master begins with.
pub(crate) struct Beginning {
    pub plan: Plan,
    pub loaded: Loaded,
    pub releases: Vec<ReleaseInfo>,
    pub secrets: Vec<String>,
}

/// Reads it.
pub(crate) fn load(store: &Store) -> Result<Beginning, String> {
    store.look(read).map_err(|error| error.to_string())?
}

fn read(look: &Look) -> Result<Result<Beginning, String>, StoreError> {
    let file = look.fleet_file()?.map(|file| FileText {
        text: file.text,
        cluster: file.cluster,
        by: file.by,
        unix_ms: file.unix_ms,
    });
    let classic: Option<Classic> = look.memo(CLASSIC)?;
    let named = |prefix: &str, name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let machines = look.memos::<MachineRecord>(MACHINE)?;
    let last = look.memos(LAST)?;
    let loaded = Loaded {
        wanted: look.all_wanted::<Wanted>()?.into_iter().collect(),
        machines: machines
            .into_iter()
            .map(|(name, record)| (named(MACHINE, &name), record))
            .collect(),
        roll: look.update()?.map(std::sync::Arc::new),
        placed: look
            .memo::<BTreeMap<String, String>>(PLACED)?
            .unwrap_or_default(),
        last: last
            .into_iter()
            .map(|(name, report)| (named(LAST, &name), report))
            .collect(),
    };
    let releases = look.releases()?.into_iter().map(release).collect();
    let secrets = look
        .secrets()?
        .into_iter()
        .map(|secret| secret.name)
        .collect();
    let plan = Plan::read(file.unwrap_or_default(), classic.unwrap_or_default());
    Ok(plan
        .map(|plan| Beginning {
            plan,
            loaded,
            releases,
            secrets,
        })
        .map_err(|faults| format!("the stored fleet file is wrong: {faults}")))
}

/// A release as the core knows it.
pub(crate) fn release(record: welkin_fleet_store::records::ReleaseRecord) -> ReleaseInfo {
    ReleaseInfo {
        digest: record.digest,
        label: record.label,
        archive: record.archive,
        unpacked: record.unpacked,
        signature: record.signature,
        uploaded_unix_ms: record.uploaded_unix_ms,
        by: record.by,
    }
}

/// Writes all of them, or none.
pub(crate) fn write(store: &Store, changes: &[Change]) -> Result<(), StoreError> {
    store.change(|transaction| {
        for change in changes {
            write_one(transaction, change)?;
        }
        Ok(())
    })
}

fn write_one(to: &mut Transaction, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Wanted(node, Some(wanted)) => to.set_wanted(node, wanted),
        Change::Wanted(node, None) => {
            to.drop_memo(&format!("{LAST}{node}"))?;
            to.drop_wanted(node)
        }
        Change::Machine(name, record) => to.set_memo(&format!("{MACHINE}{name}"), record),
        Change::Roll(Some(roll)) => to.set_update(&**roll),
        Change::Roll(None) => to.clear_update(),
        Change::Placed(placed) => to.set_memo(PLACED, placed),
        Change::Classic(classic) => to.set_memo(CLASSIC, &**classic),
        Change::Last(report) => to.set_memo(&format!("{LAST}{}", report.node), report),
        Change::Step(node, step) => {
            let record = HistoryRecord {
                unix_ms: step.unix_ms,
                from: step.from.word().to_owned(),
                to: step.to.word().to_owned(),
                reason: step.reason.clone(),
            };
            to.add_history(node, &record)
        }
        Change::Audit(asked) => to.audit(audit(asked)).map(drop),
        Change::File(file) => to
            .put_fleet_file(&file.text, file.cluster.as_deref(), &file.by, file.unix_ms)
            .map(drop),
    }
}

/// A line of the audit log.
pub(crate) fn audit(asked: &Asked) -> AuditRecord {
    AuditRecord {
        unix_ms: asked.unix_ms,
        who: asked.who.clone(),
        from: asked.from.clone(),
        command: asked.command.clone(),
        targets: asked.target.split_whitespace().map(str::to_owned).collect(),
        result: asked.result.clone(),
        ..AuditRecord::default()
    }
}
