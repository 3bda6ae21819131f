//! The start order of groups: each after those it names in `after`; where that leaves a choice, by name.

use std::collections::{BTreeMap, BTreeSet};

/// The groups in order. The error is a cycle, its first name again at its end.
pub fn start_order(groups: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>, Vec<String>> {
    let mut order: Vec<String> = Vec::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    while done.len() < groups.len() {
        let next = groups.iter().find(|(name, after)| {
            // A name that is no group was told as a fault and holds up nothing here.
            let ready =
                |before: &String| done.contains(before.as_str()) || !groups.contains_key(before);
            !done.contains(name.as_str()) && after.iter().all(ready)
        });
        let Some((name, _)) = next else {
            return Err(cycle(groups, &done));
        };
        done.insert(name);
        order.push(name.clone());
    }
    Ok(order)
}

/// Follows `after` among the groups that wait for each other until a name comes again.
fn cycle(groups: &BTreeMap<String, Vec<String>>, done: &BTreeSet<&str>) -> Vec<String> {
    let waits = |name: &str| groups.contains_key(name) && !done.contains(name);
    let mut path: Vec<String> = Vec::new();
    let mut next = groups.keys().find(|name| waits(name));
    while let Some(name) = next {
        if let Some(from) = path.iter().position(|seen| seen == name) {
            path.drain(..from);
            path.push(name.clone());
            break;
        }
        path.push(name.clone());
        next = groups[name].iter().find(|before| waits(before));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(text: &str) -> BTreeMap<String, Vec<String>> {
        let group = |line: &str| {
            let (name, after) = line.split_once(':').unwrap();
            (
                name.to_owned(),
                after.split_whitespace().map(str::to_owned).collect(),
            )
        };
        text.split(',').map(group).collect()
    }

    #[test]
    fn each_group_comes_after_those_it_names() {
        let order = start_order(&groups("a:z,b:,scene:login b,login:db,db:,z:")).unwrap();
        assert_eq!(order.join(" "), "b db login scene z a");
    }

    #[test]
    fn groups_that_wait_for_each_other_are_named() {
        let cycle = start_order(&groups("a:b,b:c,c:d b,d:,e:a")).unwrap_err();
        assert_eq!(cycle.join(" "), "b c b");
        assert_eq!(start_order(&groups("x:x")).unwrap_err().join(" "), "x x");
    }
}
