//! The buffer functions as Lua programs use them.

use crate::bindings::socketdriver::bare::run;

#[test]
fn what_is_pushed_is_popped_in_pieces() {
    run(r#"
        assert(push "abc" == 3)
        assert(push "def" == 6)
        same({ "ab", 4 }, driver.pop(b, pool, 2))
        same({ "cde", 1 }, driver.pop(b, pool, 3))
        same({ n = 2, nil, 1 }, driver.pop(b, pool, 2))
        same({ n = 2, nil, 1 }, driver.pop(b, pool, 0))
        same({ "f", 0 }, driver.pop(b, pool, 1))
        same({ n = 2, nil, 0 }, driver.pop(b, pool, 1))
    "#);
}

#[test]
fn a_long_text_is_joined_from_many_chunks() {
    run(r#"
        local parts = {}
        for i = 1, 5000 do
            parts[i] = ("%d,"):format(i)
            push(parts[i])
        end
        local whole = table.concat(parts)
        same({ whole:sub(1, 9000), #whole - 9000 }, driver.pop(b, pool, 9000))
        same({ whole:sub(9001) }, driver.readall(b, pool))
        same({ "" }, driver.readall(b, pool))
    "#);
}

#[test]
fn a_line_ends_at_a_separator_of_any_length() {
    run(r#"
        push "a\r" push "\nb" push "c\r\n"
        same({ true }, driver.readline(b, nil, "\r\n"))
        same({ true }, driver.readline(b, nil, "c"))
        same({ "a" }, driver.readline(b, pool, "\r\n"))
        same({ "bc" }, driver.readline(b, pool, "\r\n"))
        same({}, driver.readline(b, pool, "\r\n"))
        same({}, driver.readline(b, nil, "\r\n"))
        same({}, driver.readline(b, pool, ""))
        push "x"
        same({ "" }, driver.readline(b, pool, ""))
        same({ "x" }, driver.readall(b, pool))
        push "1234"
        same({ "1" }, driver.readline(b, pool, 23))
    "#);
}

#[test]
fn other_values_than_buffers_are_refused() {
    run(r#"
        raises("need buffer object at param 1", driver.push, nil, pool, nil, 1)
        for _, value in ipairs { {}, io.stdout, 1, "b", setmetatable({}, getmetatable(b)) } do
            raises("need buffer object at param 1", driver.push, value, pool, driver.str2p "")
            raises("Need buffer object at param 1", driver.pop, value, pool, 1)
            raises("Need buffer object at param 1", driver.readall, value, pool)
            raises("Need buffer object at param 1", driver.readline, value, pool, "\n")
            raises("Need buffer object at param 1", driver.clear, value, pool)
        end
        same({}, driver.clear(nil, pool))
    "#);
}

#[test]
fn hostile_sizes_raise() {
    run(r#"
        push "abc"
        local p, n = driver.str2p "x"
        raises("negative size", driver.push, b, pool, p, -1)
        raises("negative size", driver.pop, b, pool, -1)
        raises("negative size", driver.pop, b, pool, math.mininteger)
        raises("pointer expected", driver.push, b, pool, nil, 1)
        raises("pointer expected", driver.push, b, pool, b, 1)
        same({ n = 2, nil, 3 }, driver.pop(b, pool, math.maxinteger))
        assert(driver.push(b, pool, p, n) == 4)
        same({ "abcx" }, driver.readall(b, pool))
        driver.push(b, pool, driver.str2p "")
        same({ "" }, driver.readall(b, pool))
    "#);
}

#[test]
fn a_buffer_outlives_its_own_finalizer() {
    run(r#"
        push "abc"
        getmetatable(b).__gc(b)
        same({ "" }, driver.readall(b, pool))
        assert(push "de" == 2)
        driver.clear(b, pool)
        same({ "" }, driver.readall(b, pool))
        push "freed when the state is closed"
    "#);
}
