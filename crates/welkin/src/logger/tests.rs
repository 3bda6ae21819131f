//! The logger's lines, through a file.

use super::*;
use std::fs;

#[test]
fn a_line_in_a_file_begins_with_the_time() {
    let path = std::env::temp_dir().join(format!("welkin-log-{}", std::process::id()));
    let node = Node::builder().build();
    let mut sink = Sink::open(path.to_str().unwrap().as_bytes(), Format::Skynet).unwrap();
    sink.line(&node, Address(0x1f), b"two\nlines");
    sink.flush();
    let text = fs::read_to_string(&path).unwrap();
    let _ = fs::remove_file(&path);
    let form: String = text
        .chars()
        .take(21)
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(form, "00/00/00 00:00:00.00 ");
    assert_eq!(&text[21..], "[:0000001f] two\nlines\n");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let error = Sink::open(b"/no/such/folder/x.log", Format::Skynet)
        .err()
        .unwrap();
    assert!(
        error.starts_with("cannot open the log file /no/such/folder/x.log: No such file"),
        "{error}"
    );
}

#[test]
fn a_reopened_log_goes_to_the_new_file_of_the_name() {
    let path = std::env::temp_dir().join(format!("welkin-reopen-{}", std::process::id()));
    let moved = path.with_extension("old");
    let node = Node::builder().build();
    let mut sink = Sink::open(path.to_str().unwrap().as_bytes(), Format::Skynet).unwrap();
    sink.line(&node, Address(1), b"first");
    fs::rename(&path, &moved).unwrap();
    sink.reopen().unwrap();
    sink.line(&node, Address(1), b"second");
    sink.flush();
    let (old, new) = (
        fs::read_to_string(&moved).unwrap(),
        fs::read_to_string(&path).unwrap(),
    );
    let _ = fs::remove_file(&path);
    let _ = fs::remove_file(&moved);
    assert!(old.ends_with("] first\n") && !old.contains("second"));
    assert!(new.ends_with("] second\n") && !new.contains("first"));
}
