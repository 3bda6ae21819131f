//! Data to send, in each form, and events as Lua programs read them.

use super::bare::run;

#[test]
fn texts_numbers_and_tables_are_data() {
    run(r#"
        assert(data "abc" == "abc")
        assert(data "" == "")
        assert(data(12) == "12")
        assert(data {} == "")
        assert(data { "a", 1, 2.5, "b", nil, "c" } == "a12.5b")
        local long = ("x"):rep(5000)
        assert(data { long, "-", long } == long .. "-" .. long)
        local proxy = setmetatable({}, { __index = function(_, i) return i < 4 and "p" .. i or nil end })
        assert(data(proxy) == "p1p2p3")
    "#);
}

#[test]
fn blocks_and_userdata_are_data() {
    run(r#"
        assert(data(driver.str2p "abc") == "abc")
        assert(data(driver.str2p "") == "")
        local p, n = driver.str2p "abc"
        for _, size in ipairs { -1, 3.0, "3" } do
            raises("a pointer needs an integer size", data, p, size)
        end
        raises("a pointer needs an integer size", data, p)
        driver.drop(p, n)
        assert(#data(b) > 8 and #data(b, 8) == 8 and data(b, 0) == "")
        raises("bounds", data, b, 4096)
        raises("bounds", data, b, -1)
    "#);
}

#[test]
fn other_values_are_no_data() {
    run(r#"
        raises("bad argument #1", data, nil)
        raises("string expected, got boolean", data, true)
        raises("string expected, got boolean", data, { "a", true })
        raises("string expected, got table", data, { {} })
        raises("broken", data, setmetatable({}, { __index = function() error "broken" end }))
    "#);
}

#[test]
fn events_are_unpacked_by_their_type() {
    run(r#"
        local function unpack(kind, pointer, text)
            return driver.unpack(driver.str2p(("i4i4i4i4T"):pack(kind, 7, 3, 0, pointer) .. text))
        end
        same({ 2, 7, 3, "start" }, unpack(2, 0, "start"))
        same({ 3, 7, 3, "" }, unpack(3, 0, ""))
        local kind, id, ud, data, address = unpack(6, 0, "\1\0\80\127\0\0\1")
        assert(kind == 6 and id == 7 and ud == 3 and type(data) == "userdata")
        same({ "127.0.0.1", 80 }, driver.udp_address(address))
        kind, id, ud, data, address = unpack(1, 0, "")
        assert(kind == 1 and type(data) == "userdata" and address == nil)
        driver.drop(data, 0)
        raises("pointer expected", driver.unpack, nil, 0)
        raises("negative size", driver.unpack, data, -1)
    "#);
}

#[test]
fn headers_and_addresses_are_numbers_and_texts() {
    run(r#"
        assert(driver.header "\255" == 255 and driver.header "\1\2" == 258)
        assert(driver.header "\255\255\255\255" == 0xffffffff)
        same({ "::1", 80 }, driver.udp_address("\2\0\80" .. ("\0"):rep(15) .. "\1"))
        same({ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535 },
            driver.udp_address("\2" .. ("\255"):rep(18)))
    "#);
}
