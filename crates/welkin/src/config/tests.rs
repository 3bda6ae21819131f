//! Checks of keys, without files.

use super::*;

fn checked(pairs: &[(&str, &str)]) -> Result<Config, Failure> {
    let mut environment = Environment::new();
    environment.insert(b"harbor".to_vec(), b"0".to_vec());
    for (key, value) in pairs {
        environment.insert(key.as_bytes().to_vec(), value.as_bytes().to_vec());
    }
    check(environment, "node.conf")
}

fn failure(pairs: &[(&str, &str)]) -> (u8, String) {
    let failure = checked(pairs).unwrap_err();
    (failure.status, failure.to_string())
}

#[test]
fn defaults_become_part_of_the_environment() {
    let config = checked(&[]).unwrap();
    let expected = [
        ("bootstrap", "snlua bootstrap"),
        ("cpath", "./cservice/?.so"),
        ("harbor", "0"),
        ("logservice", "logger"),
        ("profile", "true"),
        ("thread", "8"),
    ];
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let found: Vec<_> = config
        .environment
        .iter()
        .map(|(key, value)| (text(key), text(value)))
        .collect();
    assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert_eq!((config.workers, config.preempt_ms), (8, 5));
    assert!(config.profile && config.notices.is_empty());
}

#[test]
fn threads_are_read_as_strtol_does() {
    assert_eq!(checked(&[("thread", " +12.5")]).unwrap().workers, 12);
    for (text, shown) in [("abc", "0"), ("0", "0"), ("1025", "1025"), ("-3", "-3")] {
        let (status, lines) = failure(&[("thread", text)]);
        assert_eq!(status, 1);
        let known = format!("Invalid thread {shown} , should be in [1,1024]\nwelkin: ");
        assert!(lines.starts_with(&known), "{lines}");
    }
}

#[test]
fn only_the_text_true_measures_cpu_time() {
    assert!(!checked(&[("profile", "TRUE")]).unwrap().profile);
    assert!(!checked(&[("profile", "false")]).unwrap().profile);
}

#[test]
fn a_harbor_has_one_byte() {
    for wrong in ["256", "-1", "99999999999999999999"] {
        let (status, line) = failure(&[("harbor", wrong)]);
        assert_eq!(status, 78);
        assert!(line.contains("1 to 255, or 0"), "{line}");
    }
    assert_eq!(checked(&[("harbor", "255")]).unwrap().harbor, 255);
    assert_eq!(checked(&[("harbor", "none")]).unwrap().harbor, 0);
}

#[test]
fn a_wrong_value_is_told_with_what_is_allowed() {
    let (status, line) = failure(&[("welkin_preempt_ms", "fast")]);
    assert_eq!(status, 78);
    assert_eq!(
        line,
        "welkin: config key welkin_preempt_ms = \"fast\" is wrong; allowed: a whole number from 0 to 60000 (milliseconds). Correct it in node.conf"
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let (_, lines) = failure(&[("welkin_premept_ms", "5"), ("welkin_ready", "yes")]);
    assert!(
        lines
            .contains("welkin_premept_ms is not known; the nearest known key is welkin_preempt_ms")
    );
    assert!(lines.contains("welkin_ready = \"yes\" is wrong; allowed: auto, manual"));
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn a_key_without_effect_is_told_unless_it_asks_for_what_is() {
    let notices = |pairs: &[(&str, &str)]| checked(pairs).unwrap().notices;
    for (key, value) in [
        ("welkin_admin", "127.0.0.1:80"),
        ("welkin_tls_verify", "true"),
    ] {
        let said = notices(&[(key, value)]);
        assert_eq!(said.len(), 1, "{key}");
        let expected = format!("config key {key} has no effect: not in this version yet");
        assert!(said[0].starts_with(&expected), "{said:?}");
    }
    assert!(notices(&[("welkin_tls_verify", "false")]).is_empty());
    assert!(notices(&[("welkin_lualib", "builtin")]).is_empty());
    assert!(notices(&[("welkin_preempt_ms", "10")]).is_empty());
    assert!(notices(&[("welkin_slow_ms", "100")]).is_empty());
    let said = notices(&[("welkin_slow_ms", "100"), ("profile", "false")]);
    assert!(said[0].starts_with("config key welkin_slow_ms has no effect while profile is false"));
}

#[test]
fn the_library_is_a_word_or_names() {
    let library = |value| checked(&[("welkin_lualib", value)]).unwrap().library;
    assert_eq!(library("path"), Preference::Path);
    assert_eq!(
        library("http.httpc gate"),
        Preference::PathFor(vec!["http.httpc".to_owned(), "gate".to_owned()])
    );
    let notices = |value| checked(&[("welkin_lualib", value)]).unwrap().notices;
    assert!(notices("builtin").is_empty() && notices("path").is_empty());
    assert!(notices("skynet  skynet.queue launcher loader").is_empty());
    let said = notices("skynet skynet.quue");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("welkin_lualib names skynet.quue, "),
        "{said:?}"
    );
}
