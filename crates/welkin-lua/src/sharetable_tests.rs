//! Versions by number, and what a program may return.

use super::*;

fn text(result: Result<Version, Vec<u8>>) -> String {
    String::from_utf8(result.expect_err("this cannot be shared")).expect("an error is a text")
}

#[test]
fn a_version_is_found_by_its_number_while_somebody_holds_it() {
    let tables = Tables::default();
    let first = tables.add(make(b"return {}", &[], 7).expect("a table"));
    let second = tables.add(make(b"return { 1 }", &[], 7).expect("a table"));
    assert_ne!(first.number, second.number);
    let again = tables.get(first.number).expect("it is held");
    assert!(Arc::ptr_eq(&again.version, &first.version));
    drop((first, again));
    assert!(tables.get(1).is_none());
    assert!(tables.get(second.number).is_some());
}

#[test]
fn what_cannot_be_shared_is_named() {
    for (source, error) in [
        (&b"return 5"[..], "Not a table, it's a number."),
        (b"return", "Not a table, it's a nil."),
        (b"return { [{}] = 1 }", "Not a table, it's a number."),
        (b"return setmetatable({}, {})", "Can't share metatable"),
        (
            b"return { { setmetatable({}, {}) } }",
            "Can't share metatable",
        ),
        (
            b"local a = 1 return { function() return a end }",
            "Invalid function with upvalue",
        ),
        (
            b"return { string.gmatch('a', 'b') }",
            "Invalid function with upvalue",
        ),
        (
            b"return { coroutine.create(print) }",
            "Invalid type [thread]",
        ),
        (b"return { io.stdout }", "Invalid type [userdata]"),
        (b"error({})", "(error object is a table value)"),
        (
            b"@/nonexistent/file.lua",
            "cannot open /nonexistent/file.lua: No such file or directory",
        ),
    ] {
        assert_eq!(
            text(make(source, &[], 7)),
            error,
            "{}",
            source.escape_ascii()
        );
    }
}

#[test]
fn deep_and_large_tables_are_no_danger() {
    let deep = b"local t = {} local top = t for i = 1, 300000 do t[1] = {} t = t[1] end return top";
    assert!(make(deep, &[], 7).is_ok());
    let large = make(
        b"local t = {} for i = 1, 200000 do t['k' .. i] = i end return t",
        &[],
        7,
    );
    assert!(large.expect("a table").bytes() > 200_000 * 16);
}
