//! Scripts that somebody thought of, one a line.

pub(super) const BODIES: &str = r#"
return cjson.encode()
return cjson.encode(1, 2)
return cjson.encode(print)
return cjson.encode(function() end)
return cjson.encode({[true]=1})
return cjson.encode({[1.5]=1})
return cjson.encode({})
return cjson.encode({{},{}})
return cjson.encode({1,2,nil,4})
return cjson.encode({[100]=1})
return cjson.encode({[10]=1})
return cjson.encode({[11]=1})
return cjson.encode({[0]=1})
return cjson.encode('/"\\\b\f\n\r\t\0\127\200')
return cjson.encode(0/0)
return cjson.encode(1/0)
return cjson.encode(cjson.null)
return cjson.encode(nil)
return cjson.encode('10')
return cjson.encode(coroutine.create(function() end))
local t = {} t.t = t return cjson.encode(t)
local t = {} for i = 1, 999 do t = {t} end return #cjson.encode(t)
local t = {} for i = 1, 1000 do t = {t} end return #cjson.encode(t)
return cjson.decode()
return cjson.decode('1', '2')
return cjson.decode(5)
return cjson.decode({})
return cjson.decode('')
return cjson.decode(' ')
return cjson.decode('\0\0')
return cjson.decode('1\0x')
return cjson.decode('"a\0b"')
return cjson.decode('[1,]')
return cjson.decode('[1 2]')
return cjson.decode('{"a" 1}')
return cjson.decode('{"a":1,}')
return cjson.decode('{a:1}')
return cjson.decode('[1]]')
return cjson.decode('{"a":1,"a":2}')
return cjson.decode('{"":1}')
return cjson.decode(string.rep('[', 1000) .. string.rep(']', 1000)) ~= nil
return cjson.decode(string.rep('[', 1001) .. string.rep(']', 1001))
return cjson.decode(string.rep('{"a":', 1001) .. '1' .. string.rep('}', 1001))
return cjson.decode('nan') ~= cjson.decode('nan')
return cjson.encode_max_depth(0)
return cjson.encode_max_depth('x')
return cjson.new().encode_max_depth('5')
return cjson.encode_max_depth(1, 2)
return cjson.encode_number_precision(15)
return cjson.encode_number_precision(0)
return cjson.encode_sparse_array('maybe')
return cjson.encode_sparse_array(1)
return cjson.new().encode_sparse_array(true, 3, 20)
return cjson.new().encode_sparse_array(nil, 3)
return cjson.encode_sparse_array(1, 2, 3, 4)
return cjson.encode_invalid_numbers('on ')
return cjson.new().encode_invalid_numbers('null')
return cjson.new().encode_invalid_numbers(true)
return cjson.new().decode_invalid_numbers('off')
return cjson.new().decode_invalid_numbers('null')
return cjson.encode_keep_buffer()
return cjson.new().encode_keep_buffer('off')
return cjson._NAME, cjson._VERSION, cjson.null, type(cjson.null)
local c = cjson.new() local n = 0 for k in pairs(c) do n = n + 1 end return n
return cmsgpack.pack()
return cmsgpack.pack(nil)
return cmsgpack.pack({1,2,nil,4})
return cmsgpack.pack({[1]=1,[3]=3})
return cmsgpack.pack({[1.5]=1})
return cmsgpack.pack({[true]=1})
return cmsgpack.pack(function() end, coroutine.create(function() end), cjson.null)
return cmsgpack.pack(0/0) == cmsgpack.pack(0/0)
local a = {y=5} local b = {a} a[1] = nil return cmsgpack.pack(b)
local t = {} for i = 1, 20 do t = {t} end return cmsgpack.pack(t)
return cmsgpack.unpack()
return cmsgpack.unpack('')
return cmsgpack.unpack({})
return cmsgpack.unpack('\193')
return cmsgpack.unpack('\129\192\001')
return cmsgpack.unpack('\129\202\127\192\000\000\001')
return cmsgpack.unpack('\129\203\127\248\000\000\000\000\000\000\001')
return cmsgpack.unpack('\207\255\255\255\255\255\255\255\255')
return cmsgpack.unpack('\221\255\255\255\255')
return cmsgpack.unpack('\223\255\255\255\255\001')
return cmsgpack.unpack('\219\255\255\255\255a')
return cmsgpack.unpack_one('\1\2\3')
return cmsgpack.unpack_one('\1\2\3', 2)
return cmsgpack.unpack_one('\1\2\3', 3)
return cmsgpack.unpack_one('\1\2\3', 4)
return cmsgpack.unpack_one('\1\2\3', -1)
return cmsgpack.unpack_limit('\1\2\3')
return cmsgpack.unpack_limit('\1\2\3', 2)
return cmsgpack.unpack_limit('\1\2\3', 0, 0)
return cmsgpack.unpack_limit('\1\2\3', 0, 1)
return cmsgpack.unpack_limit('\1\2\3', -1)
return cmsgpack.unpack_limit('\1\2\3', 'x')
return cmsgpack._NAME, cmsgpack._VERSION, cmsgpack._COPYRIGHT, cmsgpack._DESCRIPTION
return struct.pack()
return struct.pack('i')
return struct.pack('i', 'x')
return struct.pack('i', '12')
return struct.pack('c5', 'abc')
return struct.pack('s', 'abc')
return struct.pack('z', 'abc')
return struct.pack('!3')
return struct.pack('i33', 1)
return struct.pack('i2147483648', 1)
return struct.pack('>I2<I2', 258, 258)
return struct.pack('!8bdbi', 1, 2, 3, 4)
return struct.unpack('i', 'abc')
return struct.unpack('i', 'abcd', 0)
return struct.unpack('i', 'abcd', -1)
return struct.unpack('i', 'abcd', 2)
return struct.unpack('bc0', '\3abcdef')
return struct.unpack('c0', 'abc')
return struct.unpack('sc0', 'abc\0def')
return struct.unpack('bc0', '\255abc')
return struct.unpack('s', 'abc')
return struct.unpack('>l', '\255\255\255\255\255\255\255\254')
return struct.unpack('L', '\255\255\255\255\255\255\255\255')
return struct.size('s')
return struct.size('c0')
return struct.size('!4 b i d')
return struct.size('?')
return struct.size('z')
return bit.tohex(255), bit.tohex(-1, 4), bit.tohex(255, -2), bit.tohex(255, 0), bit.tohex(255, 99), bit.tohex(255, -99)
return bit.band(), 1
return bit.band(1, 'x')
return bit.tobit('0x10')
return bit.bnot(nil)
return math.floor(-1.5), math.ceil(1.2), math.sqrt(2), math.huge, math.pi, math.fmod(7, 3), math.mod(7, 3)
return math.modf(3.7), math.frexp(8), math.ldexp(1, 4), math.abs(-3), math.max(1, 2, 3), math.min(1, 2, 3)
math.randomseed(0) return math.random(), math.random(), math.random(10), math.random(5, 100), math.random(-5, 5)
math.randomseed(-1) return math.random(), math.random()
math.randomseed(1e10) return math.random(), math.random()
math.randomseed('7') return math.random(2147483647), math.random(-2147483648, 2147483647)
return math.random(0)
return math.random(2, 1)
return math.random(1, 2, 3)
return math.random('x')
return math.randomseed()
return tostring(1e15), tostring(0.1), tostring(-0), tostring(1e100), 2^53 .. ''
return tonumber('0x10'), tonumber('  5  '), tonumber('5x'), tonumber('z', 36), tonumber('1e1'), tonumber('')
return unpack({1, 2, 3}), unpack({1, 2, 3}, 2), unpack({1, 2, 3}, 2, 5), select('#', unpack({}, 1, 3))
return select('#', unpack({}, 1, 7000))
return pcall(error)
return pcall(error, 'x')
return pcall(error, 'x', 0)
return pcall(error, {err='boom'})
return pcall(error, {err=5})
return pcall(error, {})
return pcall(function() error('in') end)
return xpcall(function() error('in') end, function(e) return 'handled ' .. e end)
return xpcall(function() return 1, 2 end, function() end)
return tostring(nil), tostring(true), tostring('x'), tostring(cjson.null)
return tostring(setmetatable({}, {__tostring = function() return 'mine' end}))
return setmetatable({}, {__metatable = 'locked'}) ~= nil and getmetatable(setmetatable({}, {__metatable = 'locked'}))
return pcall(setmetatable, setmetatable({}, {__metatable = 'locked'}), {})
return getmetatable('').__index == string, getmetatable(1), getmetatable({})
a = 1
return a
return _G.a
_G.a = 1
_G = {}
string.x = 1
cjson.encode = nil
getmetatable('').__index = nil
return pcall(rawset, _G, 'a', 1)
return pcall(rawset, string, 'a', 1)
return pcall(setmetatable, _G, {})
return pcall(setmetatable, cjson, {})
return pcall(table.insert, cjson, 1)
return pcall(table.sort, {3, 1, 2, 'x'})
return pcall(loadstring, 'return')
return loadstring('x x')
return loadstring('return 1', 'name')()
return loadstring('\27Lua')
return loadstring('error("x")', '=name')
return pcall(loadstring('error("x")', '=name'))
return pcall(loadstring('error("x")', '@name'))
return pcall(loadstring('error("x")'))
return pcall(loadstring('\nerror("x")', 'name of a chunk'))
return load(function() return nil end)
local n = 0 return load(function() n = n + 1 return ({'return ', '7'})[n] end)()
return pcall(load, 'return 1')
return pcall(load(function() return nil end))
return collectgarbage('stop'), collectgarbage('restart'), type(collectgarbage('count')), type(gcinfo())
return _VERSION
return type(print), 1
return pcall(function() return print end)
return pcall(function() return os end)
return pcall(function() return io end)
return pcall(function() return require end)
return pcall(function() return module end)
return pcall(function() return debug end)
return pcall(function() return newproxy end)
return pcall(function() return getfenv end)
return pcall(function() return setfenv end)
return pcall(function() return dofile end)
return pcall(function() return loadfile end)
return rawget(_G, 'nothing'), rawequal(_G, _G), rawget(string, 'len') == string.len
return table.concat({1, 2, 3}, ', '), table.concat({1, 2, 3}, ', ', 2, 3), table.concat({})
return pcall(table.concat, {1, {}, 3})
return table.getn({1, 2}), table.maxn({1, [10] = 1}), #table
local t = {5, 3, 1} table.sort(t) return t
local t = {5, 3, 1} table.sort(t, function(a, b) return a > b end) return t
local t = {1, 2} table.insert(t, 3) table.insert(t, 1, 0) return t, table.remove(t), table.remove(t, 1), t
local s = '' table.foreachi({1, 2}, function(i, v) s = s .. i .. v end) return s
return table.foreach({a = 1}, function(k, v) return k .. v end)
return next({}), next({5}), next({a = 1})
return pcall(next, {}, 1)
for k, v in pairs({10, 20, 30}) do if k == 3 then return v end end
local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) error('co ' .. b) end) return coroutine.resume(co, 1), coroutine.resume(co, 5), coroutine.status(co), coroutine.resume(co)
local w = coroutine.wrap(function() error('wrapped') end) w()
local w = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) return w(), w(), w()
return coroutine.resume(coroutine.create(function() return coroutine.running() ~= nil end))
coroutine.yield(1)
local function f() return f() + 1 end return pcall(f)
return ('x'):rep(3), ('x'):rep(0), ('x'):rep(-5), ('ab'):rep(2.9)
return ('x'):rep()
return pcall(string.rep)
return pcall(string.rep, {}, 5)
return ('x'):find(''), ('x'):find('', 10), (''):find(''), ('abc'):find('b', 1, true), ('a.c'):find('.', 1, true)
return ('abc'):gsub('%w*', 'x'), ('abc'):gsub('', '-'), ('hello world'):gsub('o', '0', 1), ('abc'):gsub('.', {a = 1, b = true})
return string.gsub('hello', 'l', function(c) return nil end)
return string.gsub('abc', 'b', function() error('in') end)
return string.gsub('abc', 'b', function() error({err = 'in'}) end)
return string.match('key=value', '(%w+)=(%w+)'), string.match('  x  ', '^%s*(.-)%s*$'), string.match('2024-01-02', '(%d+)-(%d+)-(%d+)')
return string.find('a\0b', 'b'), string.find('a\0b', '\0'), string.find('a\0b', '%z'), string.match('a\0b', '.+')
return string.find(('a'):rep(300) .. 'b', ('a?'):rep(10) .. 'b')
return string.format('%5.2f|%-5d|%05d|%x|%s|%q|%c', 3.14159, 42, 42, 255, 'x', 'a"b', 65)
return string.format('%d', '10'), string.format('%s', 10), string.format('%.3s', 'abcdef'), string.format('%5s|%-5s|', 'a', 'b')
return string.format('%d', 'x')
return string.format()
return string.format('%')
return string.format('%10')
return string.format('%s', {})
return string.format('%s', nil)
return string.format('%------d', 1)
return string.format('%.14g %.14g %.14g', 0.1, 1e15, -0.0), string.format('%g', 100000), string.format('%g', 1e6)
return string.format('%5s', ('x'):rep(200)) == ('x'):rep(200), string.format('%s', 'a\0b'), #string.format('%s', ('a\0'):rep(60))
for w in string.gmatch('one two', '%a+') do if w == 'two' then return w end end
for k, v in string.gmatch('a=1,b=2', '(%w+)=(%w+)') do if k == 'b' then return v end end
return string.gmatch('abc', '')(), type(string.gmatch('', 'x')), string.gfind('abc', 'b')()
return ('hello'):upper():lower():len(), ('abc'):reverse(), ('abc'):byte(1, -1), string.char(65, 66)
"#;

/// Scripts whose error has no place here.
pub(super) const LOOSE: [&str; 14] = [
    "return ('abc'):gsub('.', {b = true})",
    "return ('abc'):gsub('(b)', '%2')",
    "return string.gsub('abc', 'b')",
    "return string.gsub('abc', 'b', nil)",
    "return string.gsub({}, 'b', 'c')",
    "return string.gsub('abc', {}, 'c')",
    "return string.gsub('abc', '(', 'c')",
    "return string.gsub('abc', ')', 'c')",
    "return string.gsub('abc', '%', 'c')",
    "return string.gsub('abc', '[', 'c')",
    "return string.gmatch()",
    "return string.gmatch('x')",
    "return unpack({}, 1, 1e8)",
    "return unpack({}, -2147483648, 2147483647)",
];

/// What we answer otherwise, and what we answer: functions of ours that are written in Lua know their name where C's know
/// what they were called by, and know no line when they are called as the last thing that a function does.
pub(super) const DIFFERENT: &[(&str, &str)] = &[
    (
        "return pcall(string.gsub, 'abc', 'b')",
        "true false \"bad argument #3 to 'gsub' (string/function/table expected)\"",
    ),
    (
        "return unpack({}, 1, 1e8)",
        "false \"too many results to unpack\"",
    ),
    (
        "return unpack({}, -2147483648, 2147483647)",
        "false \"too many results to unpack\"",
    ),
    (
        "return unpack()",
        "false \"bad argument #1 to 'unpack' (table expected, got nil)\"",
    ),
    (
        "return pcall(pcall)",
        "true false \"bad argument #1 to 'pcall' (value expected)\"",
    ),
    (
        "return pcall(tostring)",
        "true false \"bad argument #1 to 'tostring' (value expected)\"",
    ),
    (
        "return pcall(pairs, nil)",
        "true false \"bad argument #1 to 'pairs' (table expected, got no value)\"",
    ),
    (
        "return pcall(coroutine.create, 5)",
        "true false \"bad argument #1 to 'create' (Lua function expected)\"",
    ),
];
