//! A disk for the core: what was written, and whether it takes writes.

use std::collections::BTreeMap;

use welkin_fleet_master::core::{Asked, Change, Classic, FileText, Loaded, Plan};

/// What outlives a master.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub loaded: Loaded,
    pub file: FileText,
    pub classic: Classic,
    pub audit: Vec<Asked>,
    pub steps: usize,
    /// It takes no writes.
    pub full: bool,
    /// Writes so far.
    pub writes: usize,
}

impl Disk {
    /// All of them, or none.
    pub fn write(&mut self, changes: Vec<Change>) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.full {
            return Err("the fleet's state cannot be written: no space left on device".into());
        }
        self.writes += 1;
        for change in changes {
            match change {
                Change::Wanted(node, Some(wanted)) => drop(self.loaded.wanted.insert(node, wanted)),
                Change::Wanted(node, None) => drop(self.loaded.wanted.remove(&node)),
                Change::Machine(name, record) => drop(self.loaded.machines.insert(name, record)),
                Change::Roll(roll) => self.loaded.roll = roll,
                Change::Placed(placed) => self.loaded.placed = placed,
                Change::Last(report) => drop(self.loaded.last.insert(report.node.clone(), report)),
                Change::Step(..) => self.steps += 1,
                Change::Audit(asked) => self.audit.push(asked),
                Change::File(file) => self.file = *file,
                Change::Classic(classic) => self.classic = *classic,
            }
        }
        Ok(())
    }

    pub fn plan(&self) -> Plan {
        Plan::read(self.file.clone(), self.classic.clone()).expect("a file that was applied")
    }

    /// Results of a command in the audit log.
    pub fn audited(&self, command: &str) -> Vec<String> {
        let of = self.audit.iter().filter(|asked| asked.command == command);
        of.map(|asked| asked.result.clone()).collect()
    }
}

/// A fleet file: `nodes` as `name machine group`.
pub fn fleet_file(extra: &str, nodes: &[(&str, &str, &str)]) -> String {
    let mut text = format!("[fleet]\nname = \"game\"\n{extra}\n");
    let mut machines = BTreeMap::new();
    for (name, machine, group) in nodes {
        machines.insert(*machine, ());
        text.push_str(&format!(
            "[node.{name}]\nmachine = \"{machine}\"\nconfig = \"c\"\n"
        ));
        if !group.is_empty() {
            text.push_str(&format!("group = \"{group}\"\n"));
        }
    }
    for machine in machines.keys() {
        text.push_str(&format!("[machine.{machine}]\n"));
    }
    text
}
