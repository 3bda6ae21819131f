//! The command line as people type it.

use super::work::{Input, Work};
use super::*;
use welkin_fleet_model::wire::client::{Command, Figures};

fn read(line: &str) -> Result<(How, Work), String> {
    let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let (how, words) = Words::parse(&arguments).map_err(|failure| failure.text)?;
    let work = Work::of(words).map_err(|failure| failure.text)?;
    Ok((how, work))
}

fn work(line: &str) -> Work {
    read(line).unwrap_or_else(|text| panic!("{line}: {text}")).1
}

fn command(line: &str) -> Command {
    match work(line) {
        Work::Call { command, .. } | Work::Risky { command, .. } | Work::Logs { command, .. } => {
            command
        }
        other => panic!("{line}: {other:?}"),
    }
}

fn sel(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn options_may_stand_before_and_behind_the_command() {
    for line in [
        "--json --timeout 3s status a b",
        "status a --timeout=3s b --json",
    ] {
        let (how, work) = read(line).unwrap();
        assert!(how.json && how.timeout_ms == Some(3_000), "{how:?}");
        let command = Command::Status {
            sel: sel(&["a", "b"]),
        };
        assert_eq!(
            work,
            Work::Call {
                command,
                waits: false
            }
        );
    }
}

#[test]
fn the_verbs_of_the_note_mean_what_they_mean_there() {
    assert_eq!(command("stop_all"), Command::Stop { sel: sel(&["all"]) });
    assert_eq!(
        command("start_all"),
        Command::Start {
            sel: sel(&["all"]),
            no_wait: false,
            force: false
        }
    );
    assert_eq!(
        command("disk"),
        Command::Figures {
            kind: Figures::Disc,
            sel: Vec::new()
        }
    );
    assert_eq!(
        command("cpu a"),
        Command::Figures {
            kind: Figures::Cpu,
            sel: sel(&["a"])
        }
    );
}

#[test]
fn what_stops_several_nodes_is_risky_and_a_start_is_not() {
    for (line, asks) in [
        ("stop a b", true),
        ("stop_all", true),
        ("restart all", true),
        ("rollback", true),
        ("start all", false),
        ("drain all", false),
        ("update --script", false),
        ("update --script --restart", true),
    ] {
        assert_eq!(matches!(work(line), Work::Risky { .. }), asks, "{line}");
    }
}

#[test]
fn an_update_without_a_selection_means_all_but_the_master() {
    let Work::Update {
        sel: chosen,
        release,
        no_rollback,
        ..
    } = work("update --release x.tar.gz --no-rollback")
    else {
        panic!("an update");
    };
    assert_eq!(
        (chosen, release.as_str(), no_rollback),
        (sel(&["all"]), "x.tar.gz", true)
    );
    assert_eq!(command("update --cancel"), Command::UpdateCancel);
    assert_eq!(work("update a"), work("update a --script"));
    for wrong in [
        "update --no-rollback",
        "update --release a --script",
        "update --cancel --no-rollback",
        "update --release a --restart",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_line_for_the_console_stands_behind_two_dashes() {
    let line = |text: &str| Command::Exec {
        node: "a".to_owned(),
        line: text.to_owned(),
    };
    assert_eq!(
        command("exec a -- inject :8 --json"),
        line("inject :8 --json")
    );
    assert_eq!(command("exec a mem"), line("mem"));
    assert!(
        read("exec a --")
            .unwrap_err()
            .contains("a line for the console is missing")
    );
    assert!(read("exec a b -- c").is_err());
}

#[test]
fn logs_take_times_back_from_now_and_points_in_time() {
    let Command::Logs {
        since_unix_ms,
        lines,
        follow,
        ..
    } = command("logs a -f --since 2026-01-31T12:00:00Z")
    else {
        panic!("logs");
    };
    assert_eq!((since_unix_ms, follow), (Some(1_769_860_800_000), true));
    assert!(lines > 1_000_000);
    let Command::Logs {
        since_unix_ms,
        lines,
        ..
    } = command("logs a --since 10m --lines 7")
    else {
        panic!("logs");
    };
    assert!(
        since_unix_ms.is_some_and(|since| since + 600_000 <= work::now_unix_ms()) && lines == 7
    );
    assert!(
        read("logs a --since yesterday")
            .unwrap_err()
            .contains("neither a time back")
    );
}

#[test]
fn keys_and_secrets_come_from_files_and_never_from_the_line() {
    assert_eq!(
        work("secret set db.pass -"),
        Work::SecretSet {
            name: "db.pass".to_owned(),
            from: Input::Standard
        }
    );
    assert_eq!(
        work("--master h enrol --token-file t"),
        Work::Enrol {
            token: Input::File("t".into())
        }
    );
    let token = Command::Token {
        name: "m1".to_owned(),
        role: "agent".to_owned(),
        ttl_ms: 900_000,
        replace: false,
    };
    assert_eq!(command("token m1 --role agent"), token);
    assert!(
        read("token m1 --role king")
            .unwrap_err()
            .contains("there is no role king")
    );
    assert!(read("token m1").unwrap_err().contains("--role is missing"));
    assert!(
        read("secret set db.pass")
            .unwrap_err()
            .contains("set, list or drop")
    );
}

#[test]
fn a_wrong_line_says_what_would_be_right() {
    for (line, wanted) in [
        ("", "which command?"),
        ("--json", "which command?"),
        ("sttop all", "there is no command sttop; did you mean stop?"),
        (
            "status --jsn",
            "there is no option --jsn here; did you mean --json?",
        ),
        ("status --off", "there is no option --off here"),
        (
            "start",
            "something is missing. It is: welkin fleet start SEL...",
        ),
        ("machines m1", "too many words"),
        ("status --timeout 3", "--timeout: \"3\" is not a time"),
        ("status --timeout", "--timeout needs a value"),
        ("status --json=1", "--json takes no value"),
        ("list --json --json", "--json is given twice"),
        ("restart a --at-once 0", "is not a whole number from 1 on"),
        ("list -- a", "nothing can stand behind --"),
        ("audit --log x", "--log goes with --verify"),
    ] {
        let text = read(line).unwrap_err();
        assert!(text.contains(wanted), "{line}: {text}");
    }
}

#[test]
fn every_form_can_be_understood() {
    for form in &FORMS {
        let usable = match form.word {
            "update" => "update --release 3f5a",
            "token" => "token a --role view",
            "enrol" => "enrol --token-file -",
            "upgrade" => "upgrade m1 --release 3f5a",
            "secret" => "secret list",
            "exec" => "exec a -- list",
            "help" => continue,
            word if form.plain.0 == 0 => word,
            word => &format!("{word} a"),
        };
        work(usable);
    }
}
