//! Holes that were found in Lua 5.1 as Redis has it, each closed.

use std::fmt::Write as _;

use atlas_script::{Error, Fuel, Limits, Sandbox};

use super::{End, survive};
use crate::{assert_clean, run, sandbox, show};

/// Bytecode is not checked by Lua 5.1: whoever may load it may read and write the process's memory.
#[test]
fn bytecode_is_text_that_does_not_parse() {
    let sandbox = sandbox();
    assert_eq!(
        show(&sandbox, "return select(2, loadstring('\\27Lua'))"),
        "[string \"\u{1b}Lua\"]:1: unexpected symbol near 'char(27)'"
    );
    let piecewise =
        "local n = 0 return select(2, load(function() n = n + 1 return ({'\\27', 'Lua'})[n] end))";
    assert_eq!(
        show(&sandbox, piecewise),
        "(load):1: unexpected symbol near 'char(27)'"
    );
    let dumped = show(
        &sandbox,
        "return loadstring(string.dump(function() return 1 end))()",
    );
    assert!(dumped.starts_with("error: "), "{dumped}");
    match sandbox.load("@user_script", b"\x1bLuaQ\0\x01\x04\x08\x04\x08\0") {
        Err(Error::Syntax(message)) => assert!(message.contains("char(27)"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_clean(&sandbox);
}

/// CVE-2025-49844: the parser of Lua 5.1 holds the chunk's name where the collector does not see it. A chunk large enough
/// that a collection would fall into it, with a name that nothing else holds.
#[test]
fn nothing_is_collected_while_a_chunk_is_compiled() {
    let sandbox = sandbox();
    for round in 0..50 {
        let mut source = String::new();
        for place in 0..2000 {
            let _ = writeln!(
                source,
                "local function f{round}_{place}() return 'string {round} {place}' end f{round}_{place} = nil"
            );
            if place % 100 == 99 {
                source.push_str("do end\n");
            }
        }
        // 200 locals are allowed in a function: this fails to compile late, after much was made.
        let name = format!("@a name that nothing else holds {round}");
        match sandbox.load(&name, source.as_bytes()) {
            Err(Error::Syntax(message)) => assert!(message.starts_with(&name[1..]), "{message}"),
            other => panic!("{other:?}"),
        }
    }
    let inside = "local n = 0 for i = 1, 60 do \
        local f, e = loadstring(('local x = \"' .. i .. '\" '):rep(300), 'name ' .. i) \
        if e:find('name ' .. i, 1, true) then n = n + 1 end end return n";
    assert_eq!(show(&sandbox, inside), "60");
    assert_clean(&sandbox);
}

/// CVE-2025-46817: `unpack` counted its results in 32 bits.
#[test]
fn unpack_counts_its_results() {
    for bounds in [
        "-2147483648, 2147483647",
        "-1, 2147483647",
        "0, 2147483647",
        "1, 2147483647",
        "-2147483647, 1",
        "1, 4294967297",
        "-4294967296, 4294967296",
        "-1e300, 1e300",
        "'-2147483648', '2147483647'",
        "'-0x80000000', 2147483647",
        "0, '2147483647'",
    ] {
        survive(
            &format!("return unpack({{1, 2}}, {bounds})"),
            End::Raised("too many results to unpack"),
        );
    }
}

/// CVE-2025-46818: a metatable of a base type, set by one user, ran in the scripts of others.
#[test]
fn what_all_scripts_share_cannot_be_changed() {
    let sandbox = sandbox();
    for script in [
        "a = 10",
        "_G.a = 10",
        "_G = {}",
        "setmetatable(_G, {})",
        "getmetatable(_G).__index = {}",
        "rawset(_G, 'a', 1)",
        "table.insert(_G, 1)",
        "table.sort(_G)",
        "table.remove(_G)",
        "string.len = nil",
        "rawset(string, 'len', nil)",
        "setmetatable(string, {})",
        "getmetatable('').__index = {}",
        "getmetatable('').__add = function() return 'mine' end",
        "rawset(getmetatable(''), '__add', function() end)",
        "setmetatable(getmetatable(''), {})",
        "getmetatable('').__index.len = nil",
        "cjson.encode = nil",
        "cmsgpack.pack = nil",
        "struct.pack = nil",
        "bit.band = nil",
        "math.random = nil",
        "table.insert(cjson, 1)",
        "coroutine.wrap = nil",
        "pairs(string)(string) string.x = 1",
        "local _, t = pairs(_G) t.a = 1",
        "for k, v in pairs(_G) do if k == 'string' then v.x = 1 end end",
        "local k, v = next({string}) v.x = 1",
        "_G._G._G.a = 1",
        "('').len = 5",
    ] {
        let answer = show(&sandbox, script);
        let refused = answer.contains("Attempt to modify a readonly table")
            || (script.contains("('').len") && answer.contains("attempt to index"));
        assert!(refused, "{script}: {answer}");
        assert_clean(&sandbox);
    }
    for absent in [
        "setfenv", "getfenv", "newproxy", "debug", "require", "module", "package", "io", "os",
        "print", "dofile", "loadfile",
    ] {
        let answer = show(&sandbox, &format!("return {absent}"));
        let expected = format!(
            "error: user_script:1: Script attempted to access nonexistent global variable '{absent}'"
        );
        assert_eq!(answer, expected);
    }
    for kind in [
        "1",
        "true",
        "function() end",
        "coroutine.create(function() end)",
        "cjson.null",
    ] {
        assert_eq!(
            show(&sandbox, &format!("return tostring(getmetatable({kind}))")),
            "nil",
            "{kind}"
        );
        assert!(
            show(&sandbox, &format!("setmetatable({kind}, {{}})")).contains("table expected"),
            "{kind}"
        );
    }
}

/// CVE-2025-46819 and others of the lexer: lengths that pass 32 bits need sources that are not compiled.
#[test]
fn sources_are_bounded() {
    let sandbox = Sandbox::new(Limits {
        source_bytes: 1000,
        ..Limits::default()
    })
    .unwrap();
    match sandbox.load("@user_script", &[b' '; 1001]) {
        Err(Error::TooLong {
            bytes: 1001,
            bytes_max: 1000,
        }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(
        show(&sandbox, "return select(2, loadstring((' '):rep(1001)))"),
        "the script has 1001 bytes, at most 1000 are compiled"
    );
    assert!(
        show(
            &sandbox,
            "return select(2, load(function() return (' '):rep(300) end))"
        )
        .contains("at most 1000")
    );
}

/// CVE-2022-24834 and CVE-2024-31449: buffers of `cjson` and `bit` that were too small.
#[test]
fn encoders_measure_what_they_write() {
    let sandbox = sandbox();
    assert_eq!(
        show(&sandbox, "return #cjson.encode(('\\1'):rep(1e6))"),
        "6000002"
    );
    assert_eq!(
        show(&sandbox, "return bit.tohex(0xdeadbeef, 0x7fffffff)"),
        "deadbeef"
    );
    assert_eq!(
        show(&sandbox, "return bit.tohex(0xdeadbeef, -2147483648)"),
        "DEADBEEF"
    );
    assert_eq!(
        show(&sandbox, "return bit.tohex(0xdeadbeef, 2147483648)"),
        "DEADBEEF"
    );
    survive("return cjson.encode(('\\1'):rep(3e7))", End::Stopped);
}

/// Finalizers ran with the hook switched off.
#[test]
fn nothing_runs_when_it_is_collected() {
    let sandbox = sandbox();
    assert!(show(&sandbox, "return newproxy(true)").contains("newproxy"));
    let script = "for i = 1, 1e5 do setmetatable({}, {__gc = function() while true do end end}) end return 'done'";
    assert_eq!(show(&sandbox, script), "done");
    assert_clean(&sandbox);
}

/// A stop that `pcall` could catch was no stop.
#[test]
fn a_stop_is_not_caught() {
    let sandbox = sandbox();
    for script in [
        "pcall(function() while true do end end) return 'escaped'",
        "xpcall(function() while true do end end, function() end) return 'escaped'",
        "coroutine.resume(coroutine.create(function() while true do end end)) return 'escaped'",
        "pcall(pcall, function() while true do end end) return 'escaped'",
        "pcall(string.gsub, 'x', 'x', function() while true do end end) return 'escaped'",
        "pcall(table.sort, {1, 2}, function() while true do end end) return 'escaped'",
        "pcall(load, function() while true do end end) return 'escaped'",
        "pcall(function() local s = 'x' while true do s = s .. s end end) return 'escaped'",
        "pcall(string.find, ('a'):rep(1e4), ('a*'):rep(20) .. 'b') return 'escaped'",
        "pcall(cjson.encode, (function() local t = {} for i = 1, 100 do t = {t, t} end return t end)()) return 'escaped'",
    ] {
        sandbox.refuel(Fuel(500_000)).unwrap();
        let chunk = sandbox.load("@user_script", script.as_bytes()).unwrap();
        let outcome = sandbox.call(&chunk, ());
        assert!(
            matches!(outcome, Err(Error::OutOfFuel | Error::OutOfMemory)),
            "{script}: {outcome:?}"
        );
        // Not refuelled: nothing runs.
        assert!(sandbox.call(&chunk, ()).is_err(), "{script}");
        assert!(run(&sandbox, "return 1").is_ok(), "{script}");
    }
}
