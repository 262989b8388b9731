//! What burns, fills or nests.

use super::{End, survive};

#[test]
fn loops_without_end() {
    for script in [
        "while true do end",
        "local function f() return f() end f()",
        "for i = 1, 1e300 do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() while true do pcall(f) end end f()",
        "xpcall(function() while true do end end, function() while true do end end)",
        "local function f() xpcall(f, f) end while true do f() end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local f = function() while true do coroutine.yield() end end local c = coroutine.wrap(f) while true do c() end",
        "while true do coroutine.wrap(function() end)() end",
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end",
        "local t = setmetatable({}, {__lt = function() while true do end end}) return t < t",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "string.gsub('a', 'a', function() while true do end end)",
        "return tostring(setmetatable({}, {__tostring = function() while true do end end}))",
        "return load(function() while true do end end)",
        "return load(function() return ' ' end)",
        "for k in pairs({1, 2, 3}) do while true do end end",
        "while true do math.random() end",
        "while true do cjson.encode({}) end",
        "while true do tostring({}) end",
        "while true do loadstring('return 1')() end",
        "while true do error_ = pcall(error) end",
    ] {
        let end = if script.contains("error_") || script.contains("' ' end") {
            End::Any
        } else {
            End::Stopped
        };
        survive(script, end);
    }
}

#[test]
fn strings_that_are_too_long() {
    for (script, end) in [
        ("return string.rep('x', 2^31)", End::Any),
        (
            "return ('x'):rep(2147483647)",
            End::Raised("resulting string too large"),
        ),
        (
            "return string.rep('xxxxxxxx', 2^28)",
            End::Raised("resulting string too large"),
        ),
        ("return string.rep('', 2147483647)", End::Any),
        ("return string.rep('x', -2^31)", End::Any),
        (
            "return string.format('%99999d', 1)",
            End::Raised("width or precision too long"),
        ),
        (
            "return string.format('%.99999f', 1)",
            End::Raised("width or precision too long"),
        ),
        (
            "return string.format(('%99.99f'):rep(1e5), unpack({}, 1, 7000))",
            End::Any,
        ),
        ("local s = 'x' while true do s = s .. s end", End::Stopped),
        (
            "local s = ('x'):rep(1e7) while true do local t = s .. s end",
            End::Stopped,
        ),
        (
            "local s = ('x'):rep(1e7) while true do pcall(function() local t = s .. 'y' end) end",
            End::Stopped,
        ),
        (
            "local s = ('x'):rep(3e7) while true do local t = s:reverse() .. 'y' end",
            End::Stopped,
        ),
        (
            "local s = ('x'):rep(1e7) while true do local t = s:upper() end",
            End::Stopped,
        ),
        (
            "local s = ('x'):rep(1e7) while true do local t = (s .. 'a') < (s .. 'b') end",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 7000 do t[i] = ('x'):rep(1e4) end return table.concat(t, t[1])",
            End::Stopped,
        ),
        (
            "local s = ('%a'):rep(1e6) return ('x'):rep(1e6):gsub('x', s)",
            End::Any,
        ),
        (
            "return ('x'):rep(1e6):gsub('x', ('y'):rep(1e6))",
            End::Stopped,
        ),
        (
            "return ('x'):rep(1e6):gsub('', function() return ('y'):rep(1e6) end)",
            End::Stopped,
        ),
        (
            "return ('x'):rep(1e6):gsub('.', '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0')",
            End::Stopped,
        ),
        ("return tonumber(('9'):rep(3e7))", End::Any),
        (
            "local s = ('9'):rep(1e6) while true do local n = s + 0 end",
            End::Stopped,
        ),
        ("while true do local s = ('x'):rep(1e6) end", End::Stopped),
        (
            "while true do pcall(string.rep, 'x', 3e7) end",
            End::Stopped,
        ),
        (
            "local r = {} while true do r[#r + 1] = ('x'):rep(1000) .. #r end",
            End::Stopped,
        ),
    ] {
        survive(script, end);
    }
}

#[test]
fn tables_that_are_too_large() {
    for (script, end) in [
        ("local t = {} for i = 1, 1e9 do t[i] = i end", End::Stopped),
        (
            "local t = {} for i = 1, 1e9 do t['k' .. i] = i end",
            End::Stopped,
        ),
        ("local t = {} while true do t = {t} end", End::Stopped),
        ("local t = {} for i = 1, 1e9 do t[i] = {} end", End::Stopped),
        (
            "local t = {} for i = 1, 1e6 do table.insert(t, 1, i) end",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.remove(t, 1) table.insert(t, 1) end",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 1e5 do t[i] = -i end while true do table.sort(t) end",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 1e5 do t[i] = i end while true do for k in pairs(t) do break end end",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 1e5 do t[i] = i end while true do next(t) end",
            End::Stopped,
        ),
        (
            "return unpack({}, 1, 2^31)",
            End::Raised("too many results to unpack"),
        ),
        (
            "return unpack({}, -2147483648, 2147483647)",
            End::Raised("too many results to unpack"),
        ),
        (
            "return unpack({}, 0, 2147483647)",
            End::Raised("too many results to unpack"),
        ),
        ("return unpack({}, 2147483647, 2147483647 + 5)", End::Any),
        ("return unpack({}, 0/0, 1/0)", End::Any),
        ("return unpack({}, '-2147483648', '2147483647')", End::Any),
        ("return select(-2147483648, 1)", End::Any),
        (
            "table.insert({}, -2147483648, 1)",
            End::Raised("position out of bounds"),
        ),
        (
            "table.insert({}, '-2147483648', 1)",
            End::Raised("position out of bounds"),
        ),
        ("table.insert({}, 2147483647, 1)", End::Any),
        (
            "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end table.remove(t, 1)",
            End::Any,
        ),
        (
            "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end table.insert(t, 1, 1)",
            End::Any,
        ),
        (
            "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end table.sort(t)",
            End::Any,
        ),
        (
            "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end return table.concat(t)",
            End::Any,
        ),
        (
            "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end return unpack(t)",
            End::Any,
        ),
        (
            "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end table.foreachi(t, function() end)",
            End::Any,
        ),
        (
            "return table.concat({}, 'x', -2147483648, 2147483647)",
            End::Any,
        ),
        (
            "return table.concat(setmetatable({}, {__index = function() return 'x' end}), 'x', 1, 2^31)",
            End::Any,
        ),
        ("return string.char(unpack({}, 1, 8000))", End::Any),
        (
            "return string.byte(('x'):rep(1e6), 1, -1)",
            End::Raised("string slice too long"),
        ),
        (
            "table.foreach(setmetatable({}, {}), function() end) local t = {} t[2^53] = 1 return #t",
            End::Any,
        ),
        (
            "cjson.encode_sparse_array(true, 0) return cjson.encode({[2^53] = 1})",
            End::Stopped,
        ),
        (
            "cjson.encode_sparse_array(true, 0) return cjson.encode({[1e300] = 1})",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 1e4 do t[i] = t end return cmsgpack.pack(t)",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 16 do t = {t, t, t, t, t, t, t, t} end return cmsgpack.pack(t)",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 100 do t = {t, t} end return cjson.encode(t)",
            End::Stopped,
        ),
        (
            "return cjson.decode('[' .. ('[],'):rep(3e6) .. '1]')",
            End::Stopped,
        ),
        (
            "return cjson.decode('[' .. ('{},'):rep(3e6) .. '1]')",
            End::Stopped,
        ),
        (
            "return cmsgpack.unpack('\\221\\255\\255\\255\\255' .. ('\\144'):rep(3e6))",
            End::Any,
        ),
        (
            "return cmsgpack.unpack(('\\144'):rep(1e6))",
            End::Raised("too many return values"),
        ),
        (
            "return struct.unpack(('b'):rep(1e6), ('x'):rep(1e6))",
            End::Raised("too many results"),
        ),
        (
            "return struct.pack(('x'):rep(1e6) .. 'c2147483647', 'x')",
            End::Raised("string too short"),
        ),
        (
            "local t = {} for i = 1, 1e6 do t[i] = cjson.new() end",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 1e6 do t[i] = coroutine.create(function() end) end",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 1e6 do t[i] = string.gmatch('x', 'x') end",
            End::Stopped,
        ),
        (
            "local t = {} for i = 1, 1e6 do local c = coroutine.wrap(function() coroutine.yield() end) c() t[i] = c end",
            End::Stopped,
        ),
    ] {
        survive(script, end);
    }
}

#[test]
fn nesting_that_is_too_deep() {
    for (script, end) in [
        (
            "local function f() return 1 + f() end return f()",
            End::Raised("stack overflow"),
        ),
        (
            "local function f() return pcall(f) end return f()",
            End::Any,
        ),
        (
            "local function f() local ok = pcall(f) return ok end return f()",
            End::Any,
        ),
        (
            "local function f() f(f()) end f()",
            End::Raised("stack overflow"),
        ),
        (
            "local function f(s) return s:gsub('.', f) end return f('x')",
            End::Any,
        ),
        (
            "local function f() return string.gsub('x', 'x', function() local r = f() return r end) end return f()",
            End::Any,
        ),
        (
            "local function f() table.sort({1, 2, 3}, function() f() return false end) end f()",
            End::Any,
        ),
        (
            "local function f() local r = load(function() return f() end) return r end f()",
            End::Any,
        ),
        (
            "local t = setmetatable({}, {}) getmetatable(t).__tostring = function(x) return tostring(x) .. '' end return tostring(t)",
            End::Any,
        ),
        (
            "local t = setmetatable({}, {}) getmetatable(t).__index = function(x, k) return x[k] .. '' end return t.x",
            End::Any,
        ),
        (
            "local t = {} for i = 1, 1000 do t = setmetatable({}, {__index = t}) end return t.x",
            End::Any,
        ),
        (
            "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
            End::Any,
        ),
        (
            "local t = setmetatable({}, {}) getmetatable(t).__newindex = t t.x = 1",
            End::Any,
        ),
        (
            "local t = setmetatable({}, {}) getmetatable(t).__call = t return t()",
            End::Any,
        ),
        (
            "local t = setmetatable({}, {__concat = function(a, b) return a .. b end}) return t .. t",
            End::Any,
        ),
        (
            "local function f() return coroutine.wrap(f)() end return f()",
            End::Any,
        ),
        (
            "local function f() return coroutine.resume(coroutine.create(f)) end return f()",
            End::Any,
        ),
        (
            "local function f() local r = coroutine.wrap(function() return f() end)() return r end return f()",
            End::Any,
        ),
        ("local function f() xpcall(error, f) end f()", End::Any),
        (
            "local co co = coroutine.wrap(function() co() end) co()",
            End::Any,
        ),
        (
            "return loadstring(('('):rep(1e5) .. '1' .. (')'):rep(1e5))",
            End::Any,
        ),
        (
            "return loadstring('return ' .. ('{'):rep(1e5) .. ('}'):rep(1e5))",
            End::Any,
        ),
        (
            "return loadstring('return ' .. ('-'):rep(1e5) .. '1')",
            End::Any,
        ),
        (
            "return loadstring('return ' .. ('not '):rep(1e5) .. '1')",
            End::Any,
        ),
        (
            "return loadstring(('do '):rep(1e5) .. ('end '):rep(1e5))",
            End::Any,
        ),
        (
            "return loadstring(('function f() '):rep(1e4) .. ('end '):rep(1e4))",
            End::Any,
        ),
        (
            "return loadstring('return ' .. ('a'):rep(1e5, '..'))",
            End::Any,
        ),
        (
            "return loadstring('local ' .. ('a,'):rep(1e5) .. 'a')",
            End::Any,
        ),
        (
            "return loadstring('return ' .. ('\"x\"..'):rep(1e5) .. '1')",
            End::Any,
        ),
        (
            "return loadstring('return \"' .. ('x'):rep(3e6) .. '\"')",
            End::Any,
        ),
        (
            "return loadstring('--[' .. ('='):rep(3e6) .. '[')",
            End::Any,
        ),
        ("return loadstring(' ' .. ('x'):rep(5e6))", End::Any),
        (
            "return cjson.decode(('['):rep(100000))",
            End::Raised("Found too many nested data structures (1001)"),
        ),
        (
            "cjson.decode_max_depth(2147483647) return cjson.decode(('['):rep(100000))",
            End::Raised("too many nested"),
        ),
        (
            "cjson.decode_max_depth(2147483647) return cjson.decode(('{\"a\":'):rep(100000))",
            End::Raised("too many nested"),
        ),
        (
            "local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)",
            End::Raised("excessive nesting (1001)"),
        ),
        (
            "cjson.encode_max_depth(2147483647) local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)",
            End::Raised("excessive nesting"),
        ),
        (
            "local t = {} t[1] = t cjson.encode_max_depth(2147483647) return cjson.encode(t)",
            End::Raised("excessive nesting"),
        ),
        (
            "return cmsgpack.unpack(('\\145'):rep(100000))",
            End::Raised("too many return values"),
        ),
        (
            "return cmsgpack.unpack(('\\129'):rep(100000))",
            End::Raised("too many return values"),
        ),
        (
            "local t = {} for i = 1, 100000 do t = {t} end return #cmsgpack.pack(t)",
            End::Any,
        ),
    ] {
        survive(script, end);
    }
}

#[test]
fn patterns_that_explode() {
    for (script, end) in [
        (
            "return ('a'):rep(1e4):find(('a*'):rep(20) .. 'b')",
            End::Stopped,
        ),
        (
            "return ('a'):rep(1e4):find('.-.-.-.-.-.-.-.-b')",
            End::Stopped,
        ),
        (
            "return ('a'):rep(1e4):match(('a?'):rep(150) .. ('a'):rep(150) .. 'b')",
            End::Stopped,
        ),
        (
            "return ('a'):rep(1e6):find(('a?'):rep(1e5))",
            End::Raised("pattern too complex"),
        ),
        (
            "return ('a'):rep(1e6):find(('(a)'):rep(100))",
            End::Raised("too many captures"),
        ),
        ("return ('('):rep(1e4):find(('%b()'):rep(1000))", End::Any),
        ("return ('('):rep(1e6):gsub('%b()', '')", End::Stopped),
        (
            "return ('a'):rep(1e6):find('[' .. ('b'):rep(1e5) .. ']')",
            End::Stopped,
        ),
        ("return ('a'):rep(1e5):find('(a*)%1b')", End::Stopped),
        (
            "return ('a'):rep(1e6):find(('a'):rep(5e5) .. 'b', 1, true)",
            End::Any,
        ),
        (
            "return ('ab'):rep(5e5):find(('ab'):rep(2e5) .. 'c')",
            End::Any,
        ),
        (
            "while true do pcall(string.find, ('a'):rep(1e4), ('a*'):rep(20) .. 'b') end",
            End::Stopped,
        ),
        (
            "for w in ('a'):rep(1e6):gmatch('(a-)b') do end",
            End::Stopped,
        ),
        ("return ('a'):rep(1e5):gsub('a-b', 'x')", End::Stopped),
        (
            "return ('x'):gsub('x', '%9')",
            End::Raised("invalid capture index"),
        ),
        ("return ('x'):find('%f')", End::Raised("missing '['")),
        ("return ('x'):find('[')", End::Raised("missing ']'")),
        ("return ('x'):find('[%')", End::Any),
        ("return ('x'):find('%b')", End::Any),
        ("return ('x'):find('(()')", End::Any),
    ] {
        survive(script, end);
    }
}
