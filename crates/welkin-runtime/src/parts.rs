//! Parts that a build may leave out, by features of cargo, and what stands in for them says.
//!
//! A node without them is there sooner after a clone (README.md). Each part has a stand-in with the same
//! interface in the crate that it belongs to, and the choice between the two is one line there.

/// Why nothing happens: the part, for people, and the feature that leaves it out.
pub fn built_without(part: &str, feature: &str) -> String {
    built_without_all(&[(part, feature)])
}

/// The same of several parts, each with its feature.
pub fn built_without_all(parts: &[(&str, &str)]) -> String {
    let (parts, features): (Vec<&str>, Vec<&str>) = parts.iter().copied().unzip();
    let many = if features.len() > 1 { "s" } else { "" };
    format!(
        "this welkin was built without {} (cargo feature{many} {}); one that has everything: cargo build --release -p welkin",
        parts.join(", "),
        features.join(", ")
    )
}
