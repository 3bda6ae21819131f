//! A wrong configuration or command line: what is said, and the exit status.

mod support;

use support::{Folder, output};

/// Runs a config; the exit status and the lines on standard error.
fn refused(text: &str) -> (i32, Vec<String>) {
    let folder = Folder::new();
    folder.file("config", text);
    let (status, out, err) = output(folder.path(), &["config"]);
    assert_eq!(out, "", "a config error goes to standard error");
    (status, err.lines().map(String::from).collect())
}

#[test]
fn known_errors_keep_their_text_and_get_an_explanation() {
    let table = [
        ("thread = 0", "Invalid thread 0 , should be in [1,1024]"),
        (
            "thread = 2000",
            "Invalid thread 2000 , should be in [1,1024]",
        ),
        ("thread = 'abc'", "Invalid thread 0 , should be in [1,1024]"),
        ("thread = true", "Invalid thread 0 , should be in [1,1024]"),
        ("x = {}", "Invalid config table key = x"),
        ("function f() end", "Invalid config table key = f"),
        ("_ENV[1] = 2", "Invalid config table"),
        ("x = =", "config:1: unexpected symbol near '='"),
        (
            "\nx = y.z",
            "config:2: attempt to index a nil value (global 'y')",
        ),
        (
            "print 'x'",
            "config:1: attempt to call a nil value (global 'print')",
        ),
        (
            "include 'no.lua'",
            "[skynet config]:1: ./no.lua: No such file or directory",
        ),
        (
            "-- $WELKIN_NOT_SET",
            "[skynet config]:1: os.getenv() failed: WELKIN_NOT_SET",
        ),
    ];
    for (config, known) in table {
        let (status, lines) = refused(config);
        assert_eq!(status, 1, "{config}: {lines:?}");
        assert_eq!(lines.len(), 2, "{config}: {lines:?}");
        assert_eq!(lines[0], known, "{config}");
        assert!(lines[1].starts_with("welkin: "), "{config}: {lines:?}");
    }
}

#[test]
fn keys_of_welkin_are_checked_with_status_78() {
    let table = [
        ("welkin_preempt_ms = -1", "a whole number from 0 to 60000"),
        ("welkin_lualib = '../x'", "builtin, path, or names"),
        ("welkin_tls_verify = 'yes'", "true or false"),
        (
            "welkin_premept_ms = 1",
            "nearest known key is welkin_preempt_ms",
        ),
        ("harbor = 256", "1 to 255, or 0"),
    ];
    for (config, said) in table {
        let (status, lines) = refused(&format!("harbor = 0 {config}"));
        assert_eq!(status, 78, "{config}: {lines:?}");
        assert_eq!(lines.len(), 1, "{config}: {lines:?}");
        assert!(lines[0].contains(said), "{config}: {lines:?}");
    }
}

#[test]
fn without_an_argument_the_two_lines_of_skynet_are_printed() {
    let folder = Folder::new();
    let (status, _, err) = output(folder.path(), &[]);
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(status, 1);
    assert_eq!(
        lines[..2],
        [
            "Need a config file. Please read skynet wiki : https://github.com/cloudwu/skynet/wiki/Config",
            "usage: skynet configfilename"
        ]
    );
}

#[test]
fn a_missing_config_is_named() {
    let folder = Folder::new();
    let (status, _, err) = output(folder.path(), &["nowhere"]);
    assert_eq!(status, 1);
    assert!(
        err.contains("]:1: ./nowhere: No such file or directory\n"),
        "{err}"
    );
}

#[test]
fn a_wrong_command_line_ends_with_status_2() {
    let folder = Folder::new();
    for arguments in [
        &["run"][..],
        &["run", "config"],
        &["check"],
        &["check", "a", "b"],
        &["stop"],
        &["--frobnicate"],
    ] {
        let (status, out, err) = output(folder.path(), arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.starts_with("welkin: "), "{arguments:?}: {err}");
    }
}

#[test]
fn a_file_named_like_a_later_command_is_a_config() {
    let folder = Folder::new();
    for name in ["stop", "run", "check"] {
        folder.file(name, "thread = 0");
        let (status, _, err) = output(folder.path(), &[name]);
        assert_eq!(status, 1);
        assert!(err.starts_with("Invalid thread 0 "), "{err}");
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let folder = Folder::new();
    for arguments in [&["--help"][..], &["run", "--help"], &["check", "--help"]] {
        let (status, out, _) = output(folder.path(), arguments);
        assert_eq!(status, 0, "{arguments:?}");
        assert!(out.contains("Example:\n  welkin "), "{arguments:?}: {out}");
    }
    let (status, out, _) = output(folder.path(), &["--version"]);
    assert_eq!(status, 0);
    assert!(out.starts_with("welkin "), "{out}");
    // A smaller build says what it lacks, below.
    let whole = cfg!(all(
        feature = "fleet",
        feature = "mysql-keys",
        feature = "sqlite",
        feature = "tls"
    ));
    assert_eq!(out.lines().count(), if whole { 1 } else { 2 }, "{out}");
    assert_eq!(out.contains("built without"), !whole, "{out}");
}

#[test]
fn check_says_whether_a_config_is_right() {
    let folder = Folder::new();
    folder.file("main.lua", "");
    folder.file("right", "harbor = 0 luaservice = './?.lua'");
    folder.file(
        "wrong",
        "harbor = 0 luaservice = './?.lua' start = 'other x'",
    );
    folder.file(
        "odd",
        "harbor = 0 luaservice = './?.lua' welkin_admin = 'h:1'",
    );
    let (status, out, err) = output(folder.path(), &["check", "right"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let (status, _, err) = output(folder.path(), &["check", "wrong"]);
    assert_eq!(status, 1);
    assert!(err.contains("start service other is not found"), "{err}");
    let (status, _, err) = output(folder.path(), &["check", "odd"]);
    assert_eq!(status, 0);
    assert!(err.contains("welkin_admin has no effect"), "{err}");
    folder.file("script.lua", "#!/usr/bin/env lua\nreturn 1");
    folder.file("broken.lua", "local x =\n= 1");
    let (status, _, err) = output(folder.path(), &["check", "right"]);
    assert_eq!(status, 1);
    assert!(err.starts_with("welkin: ./broken.lua:2: "), "{err}");
}

#[test]
fn a_log_that_cannot_be_written_stops_the_boot() {
    let folder = Folder::new();
    folder.file("config", "harbor = 0 logger = './no/such/x.log'");
    let (status, _, err) = output(folder.path(), &["config"]);
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(status, 1);
    assert_eq!(lines[0], "Can't launch logger service", "{err}");
    assert!(
        lines[1].contains("cannot open the log file ./no/such/x.log"),
        "{err}"
    );
    folder.file("config", "harbor = 0 logservice = 'nonono'");
    let (status, _, err) = output(folder.path(), &["config"]);
    assert_eq!(status, 1);
    assert!(err.contains("Can't launch nonono service\n"), "{err}");
}

#[test]
fn a_bootstrap_that_cannot_be_launched_is_logged() {
    let folder = Folder::new();
    folder.file("config", "harbor = 0 thread = 2 bootstrap = 'nonono x'");
    let (status, out, err) = output(folder.path(), &["config"]);
    assert_eq!(status, 1);
    assert!(
        out.contains("[:00000000] Bootstrap error : nonono x\n\n"),
        "{out}{err}"
    );
    assert!(err.contains("cannot launch the first service"), "{err}");
}
