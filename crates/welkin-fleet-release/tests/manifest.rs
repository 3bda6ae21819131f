//! Manifests: what is written is read, and nothing else is.

use proptest::prelude::*;
use welkin_fleet_release::Manifest;

const FIRST: &str = "welkin release 1\n";

fn manifests() -> impl Strategy<Value = String> {
    let path = "[a-zé ._-]{1,8}(/[a-z ._-]{1,8}){0,3}".prop_filter("a release's path", |path| {
        path.split('/').all(|part| part != "." && part != "..")
    });
    let entry = ("[-xl]", any::<u64>(), "[0-9a-f]{64}");
    prop::collection::btree_map(path, entry, 0..20).prop_map(|entries| {
        let mut text = FIRST.to_owned();
        for (path, (kind, size, hash)) in entries {
            text += &format!("{kind} {} {hash} {path}\n", size >> 8);
        }
        text
    })
}

proptest! {
    #[test]
    fn a_text_is_read_and_written_the_same(text in manifests()) {
        let manifest = Manifest::parse(&text).unwrap();
        prop_assert_eq!(manifest.text(), text);
    }

    #[test]
    fn what_is_read_is_written_the_same(text in manifests(), at in any::<prop::sample::Index>(), with in any::<char>()) {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        chars[at] = with;
        let text: String = chars.into_iter().collect();
        if let Ok(manifest) = Manifest::parse(&text) {
            prop_assert_eq!(manifest.text(), text);
        }
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = Manifest::parse(&text);
        let _ = Manifest::parse(&format!("{FIRST}{text}"));
    }
}

#[test]
fn a_manifest_has_one_text() {
    let hash = "a".repeat(64);
    let line = |path: &str| format!("- 1 {hash} {path}\n");
    assert!(Manifest::parse(&format!("{FIRST}{}{}", line("a"), line("b"))).is_ok());
    for wrong in [
        format!("{FIRST}{}{}", line("b"), line("a")),
        format!("{FIRST}{}{}", line("a"), line("a")),
        format!("{FIRST}{}", line("../a")),
        format!("{FIRST}{}", line("/a")),
        format!("{FIRST}{}", line("a//b")),
        format!("{FIRST}- 01 {hash} a\n"),
        format!("{FIRST}- 1 {} a\n", hash.to_uppercase()),
        format!("{FIRST}- 1 {hash} a"),
        line("a"),
        String::new(),
    ] {
        assert!(Manifest::parse(&wrong).is_err(), "{wrong:?}");
    }
}
