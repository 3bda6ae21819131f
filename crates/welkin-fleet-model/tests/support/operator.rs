//! What must hold for any text that an operator gives, whatever it is: for the property tests and for
//! the fuzzer.

use welkin_fleet_model::file::{Fleet, difference, is_name};
use welkin_fleet_model::select::select;
use welkin_fleet_model::{cluster, import, units};

/// The text is a fleet file and its cluster config, cut at a line `---`; then the words of a selection.
pub fn check_any_text(text: &str) {
    let mut parts = text.splitn(3, "\n---\n");
    let file = parts.next().unwrap_or_default();
    let lines = parts.next();
    let words = parts.next().unwrap_or(file);
    let _ = (
        units::size(words),
        units::time(words),
        units::read_rfc3339(words),
    );
    check_cluster(lines.unwrap_or(file));
    let fleet = match Fleet::parse(file, lines) {
        Ok(fleet) => fleet,
        Err(faults) => {
            assert!(!faults.0.is_empty());
            assert!(faults.0.iter().all(|fault| !fault.text.is_empty()));
            return;
        }
    };
    check_fleet(&fleet);
    check_selection(&fleet, words);
}

fn check_cluster(text: &str) {
    let Ok(nodes) = cluster::parse(text) else {
        return;
    };
    assert!(
        nodes
            .keys()
            .all(|name| is_name(name) && !name.starts_with("__"))
    );
    // What is imported can be applied.
    let file = import::fleet_file(text, "cluster_config").expect("it was read a moment ago");
    let fleet = Fleet::parse(&file, Some(text)).expect("an imported file is right");
    assert_eq!(fleet.nodes.len(), nodes.len());
}

fn check_fleet(fleet: &Fleet) {
    assert!(difference(Some(fleet), fleet).is_empty());
    let order = fleet.start_order();
    assert_eq!(order.len(), fleet.groups.len());
    for (group, after) in &fleet.groups {
        let place = |name: &String| order.iter().position(|one| one == name);
        assert!(after.iter().all(|before| place(before) < place(group)));
    }
    for node in fleet.nodes.values() {
        assert!(is_name(&node.name));
        assert!(node.scripted || !node.machine.is_empty());
        let group = node.group.as_ref();
        assert!(group.is_none_or(|group| fleet.groups.contains_key(group)));
    }
}

fn check_selection(fleet: &Fleet, words: &str) {
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    match select(&words, fleet.nodes.values(), None) {
        Ok(names) => {
            assert!(names.is_sorted() && names.iter().all(|name| fleet.nodes.contains_key(name)))
        }
        Err(errors) => assert!(!errors.is_empty() && errors.len() <= words.len()),
    }
    let all = select(&["all".to_owned()], fleet.nodes.values(), None).expect("all is never wrong");
    assert_eq!(all.len(), fleet.nodes.len());
}
