-- What scripts see of Lua: the parts of its libraries that are harmless as they are, and these functions for the rest.
-- Compiled once a sandbox. Nothing here is reachable from a script but what `environment` shows.
local native = ...

local type, next, error, select = type, next, error, select
local rawget, rawset, rawequal, tostring = rawget, rawset, rawequal, tostring
local getmetatable, setmetatable = getmetatable, setmetatable
local pcall, xpcall, unpack, tonumber = pcall, xpcall, unpack, tonumber
local create, resume, wrap = coroutine.create, coroutine.resume, coroutine.wrap
local concat, insert, maxn, remove, sort = table.concat, table.insert, table.maxn, table.remove, table.sort
local settle, charge, trace = native.settle, native.charge, native.trace
local gsub, match_from, interval = native.substitute, native.match_from, native.interval
local elements_max = native.elements_max
local sub = string.sub

-- Tables that scripts may read and not change. A script holds an empty table whose metatable leads to the contents;
-- `contents` leads from the former to the latter.
local contents = {}
local readonly = "Attempt to modify a readonly table"

local function refuse()
  error(readonly, 2)
end

local function seal(content)
  local sealed = setmetatable({}, { __index = content, __newindex = refuse })
  contents[sealed] = content
  return sealed
end

-- What a script gets as the metatable of something sealed.
local metatables = {}

-- The order of `pairs` and `next`: numbers upwards, then strings by their bytes, then false and true. Lua's own order
-- depends on addresses and on a table's past, which no two machines share.
local function keys_in_order(source, level)
  local numbers, strings, yes, no = {}, nil, nil, nil
  local count, string_count, last, sorted = 0, 0, nil, true
  local key = next(source)
  while key ~= nil do
    local kind = type(key)
    if kind == "number" then
      if last and key < last then sorted = false end
      last = key
      count = count + 1
      numbers[count] = key
    elseif kind == "string" then
      strings = strings or {}
      string_count = string_count + 1
      strings[string_count] = key
    elseif kind == "boolean" then
      if key then yes = true else no = true end
    else
      error("the order of a table with a " .. kind .. " as a key is not deterministic", level + 1)
    end
    key = next(source, key)
  end
  if not sorted then
    charge(count * 4)
    sort(numbers)
  end
  if strings then
    if string_count > 1 then
      charge(string_count * 4)
      sort(strings)
    end
    if count == 0 then
      numbers, count = strings, string_count
    else
      for place = 1, string_count do
        count = count + 1
        numbers[count] = strings[place]
      end
    end
  end
  if no then
    count = count + 1
    numbers[count] = false
  end
  if yes then
    count = count + 1
    numbers[count] = true
  end
  return numbers, count
end

local function expect_table(value, position, name, level)
  if type(value) ~= "table" then
    local got = value == nil and "no value" or type(value)
    error("bad argument #" .. position .. " to '" .. name .. "' (table expected, got " .. got .. ")", level + 1)
  end
end

local function ordered_pairs(subject)
  expect_table(subject, 1, "pairs", 2)
  local source = contents[subject] or subject
  local keys, count = keys_in_order(source, 2)
  local place = 0
  return function()
    while place < count do
      place = place + 1
      local key = keys[place]
      local value = rawget(source, key)
      if value ~= nil then return key, value end
    end
  end, subject, nil
end

-- `next` has no memory, so that it remembers where it was asked last.
local visited, visited_keys, visited_count, visited_place

local function ordered_next(subject, key)
  expect_table(subject, 1, "next", 2)
  local source = contents[subject] or subject
  if key == nil then
    if next(source) == nil then return nil end
    visited_keys, visited_count = keys_in_order(source, 2)
    visited, visited_place = subject, 0
  elseif not (rawequal(visited, subject) and visited_place > 0 and rawequal(visited_keys[visited_place], key)) then
    local keys, count = keys_in_order(source, 2)
    local place = 1
    while place <= count and not rawequal(keys[place], key) do place = place + 1 end
    if place > count then error("invalid key to 'next'", 2) end
    visited, visited_keys, visited_count, visited_place = subject, keys, count, place
  end
  while visited_place < visited_count do
    visited_place = visited_place + 1
    local following = visited_keys[visited_place]
    local value = rawget(source, following)
    if value ~= nil then return following, value end
  end
  visited, visited_keys = nil, nil
  return nil
end

-- Names instead of addresses: the first thing that a script asks the name of is 1.
local names, named = setmetatable({}, { __mode = "k" }), 0

local function name_of(value)
  local kind = type(value)
  if kind == "userdata" then return tostring(value) end
  local number = names[value]
  if not number then
    named = named + 1
    number = named
    names[value] = number
  end
  return native.address(kind, number)
end

local function text_of(...)
  if select("#", ...) == 0 then error("bad argument #1 to 'tostring' (value expected)", 2) end
  local value = ...
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" or kind == "boolean" or kind == "nil" then return tostring(value) end
  if contents[value] == nil then
    local metatable = getmetatable(value)
    local custom = type(metatable) == "table" and rawget(metatable, "__tostring")
    if custom then return custom(value) end
  end
  return name_of(value)
end

-- A script that was stopped cannot catch that: `settle` raises it again.
local function conclude(ok, ...)
  if ok then return true, ... end
  local value = settle((...))
  if type(value) == "table" and not contents[value] then
    local message = value.err
    if type(message) == "string" or type(message) == "number" then return false, message end
    -- Redis leaves the field behind as another result.
    return false, value, message
  end
  return false, value
end

local function protected_call(...)
  if select("#", ...) == 0 then error("bad argument #1 to 'pcall' (value expected)", 2) end
  return conclude(pcall(...))
end

local function conclude_handled(ok, ...)
  if ok then return true, ... end
  return false, settle((...))
end

local function protected_call_handled(...)
  if select("#", ...) < 2 then error("bad argument #2 to 'xpcall' (value expected)", 2) end
  local called, handler = ...
  return conclude_handled(xpcall(called, function(value) return handler(settle(value)) end))
end

local function charged_create(body)
  charge(interval)
  return create(body)
end

local function charged_wrap(body)
  charge(interval)
  return wrap(body)
end

local function settled_resume(...)
  return conclude_handled(resume(...))
end

local function checked_getmetatable(...)
  local value = ...
  if select("#", ...) == 0 then error("bad argument #1 to 'getmetatable' (value expected)", 2) end
  if type(value) == "string" then return metatables.string end
  if contents[value] then return metatables[value] end
  return getmetatable(value)
end

local function checked_setmetatable(subject, metatable)
  if contents[subject] then error(readonly, 0) end
  return setmetatable(subject, metatable)
end

local function checked_rawget(subject, key)
  return rawget(contents[subject] or subject, key)
end

local function checked_rawset(subject, key, value)
  if contents[subject] then error(readonly, 0) end
  return rawset(subject, key, value)
end

local function checked_unpack(list, first, last)
  -- As many as Lua's stack has room for: each argument more takes a place.
  if first == nil and last == nil and type(list) == "table" and #list < 8000 then return unpack(list) end
  -- Numbers may come as strings, and C would count them in 32 bits all the same.
  if type(first) == "string" then first = tonumber(first) or first end
  if type(last) == "string" then last = tonumber(last) or last end
  local from = first == nil and 1 or first
  local to = last
  if type(list) == "table" and to == nil then to = #list end
  if type(from) == "number" and type(to) == "number" then
    if to - from >= 8000 then error("too many results to unpack", 2) end
    if not (from > -2147483648 and to < 2147483647) then return end
  end
  return unpack(list, first, last)
end

-- The length of a list whose elements are moved by C, one by one and without a hook. A table may claim a length that no
-- memory could hold (1, 2, 4, 8, … are there), and a position may lie as far below.
local function moved(list, position, name)
  if contents[list] then error(readonly, 0) end
  if type(list) ~= "table" then return end
  local length = #list
  if length > elements_max then error("bad argument #1 to '" .. name .. "' (table too large)", 3) end
  position = tonumber(position)
  if position and position < -1024 then error("bad argument #2 to '" .. name .. "' (position out of bounds)", 3) end
  local count = length - (position or length)
  if count > 1024 then charge(count / 8) end
end

local function checked_insert(list, ...)
  if select("#", ...) > 1 then moved(list, (...), "insert") else moved(list, nil, "insert") end
  return insert(list, ...)
end

local function checked_remove(list, ...)
  moved(list, (...), "remove")
  return remove(list, ...)
end

local function checked_sort(list, ...)
  moved(list, nil, "sort")
  if type(list) == "table" and #list > 64 then charge(#list * 16) end
  return sort(list, ...)
end

local function checked_concat(list, separator, first, last)
  if type(list) == "table" then
    local to = type(last) == "number" and last or #list
    local from = type(first) == "number" and first or 1
    if to - from > 1024 then charge((to - from) / 4) end
  end
  local text = concat(list, separator, first, last)
  if #text > 4096 then charge(#text / 16) end
  return text
end

local function checked_maxn(list)
  if type(list) == "table" and #list > 1024 then charge(#list / 8) end
  return maxn(list)
end

local function foreach(list, visit)
  expect_table(list, 1, "foreach", 2)
  for key, value in ordered_pairs(list) do
    local result = visit(key, value)
    if result ~= nil then return result end
  end
end

local function foreachi(list, visit)
  expect_table(list, 1, "foreachi", 2)
  for place = 1, #list do
    local result = visit(place, list[place])
    if result ~= nil then return result end
  end
end

local function expect_text(value, position, name)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" then return value .. "" end
  if value == nil then kind = "no value" end
  error("bad argument #" .. position .. " to '" .. name .. "' (string expected, got " .. kind .. ")", 3)
end

local function gmatch(text, pattern)
  text, pattern = expect_text(text, 1, "gmatch"), expect_text(pattern, 2, "gmatch")
  local place, length = 0, #text
  local function taken(start, stop, ...)
    if start == nil then
      place = length + 1
      return nil
    end
    place = stop == start and stop + 1 or stop
    return ...
  end
  return function()
    if place > length then return nil end
    return taken(match_from(text, pattern, place, false))
  end
end

-- What a function or a table puts in the place of a match.
local function replaced(replacement, kind, text, start, stop, ...)
  if start == nil then return nil end
  local value
  if kind == "function" then value = replacement(...) else value = replacement[(...)] end
  if not value then return start, stop, sub(text, start + 1, stop) end
  local got = type(value)
  if got ~= "string" and got ~= "number" then error("invalid replacement value (a " .. got .. ")", 3) end
  return start, stop, value
end

local function checked_gsub(text, pattern, replacement, most)
  local kind = type(replacement)
  if kind == "string" or kind == "number" then return gsub(text, pattern, replacement, most) end
  text, pattern = expect_text(text, 1, "gsub"), expect_text(pattern, 2, "gsub")
  if kind ~= "function" and kind ~= "table" then
    error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
  end
  local length, anchored = #text, sub(pattern, 1, 1) == "^"
  local left = most == nil and length + 1 or most
  if type(left) ~= "number" then error("bad argument #4 to 'gsub' (number expected, got " .. type(left) .. ")", 2) end
  local pieces, count, place, matches = {}, 0, 0, 0
  while matches < left do
    local start, stop, piece = replaced(replacement, kind, text, match_from(text, pattern, place, true))
    if start == nil then break end
    matches = matches + 1
    if start > place then
      count = count + 1
      pieces[count] = sub(text, place + 1, start)
    end
    count = count + 1
    pieces[count] = piece
    place = stop
    if stop == start then
      if stop == length then break end
      count = count + 1
      pieces[count] = sub(text, stop + 1, stop + 1)
      place = stop + 1
    end
    if anchored then break end
  end
  if place < length then
    count = count + 1
    pieces[count] = sub(text, place + 1)
  end
  if length > 4096 then charge(length / 16) end
  return concat(pieces), matches
end

local collections = { stop = true, restart = true, collect = true, count = true, step = true, setpause = true, setstepmul = true }

-- When memory is collected and how much there is differs between machines: scripts neither see nor say.
local function no_collection(option)
  if option ~= nil and not collections[option] then
    error("bad argument #1 to 'collectgarbage' (invalid option '" .. text_of(option) .. "')", 2)
  end
  return 0
end

local function no_count()
  return 0
end

local function missing_global(_, name)
  error("Script attempted to access nonexistent global variable '" .. text_of(name) .. "'", 2)
end

-- Bytecode is neither shown nor loaded: this is where it would begin.
local function no_bytecode(called)
  if type(called) ~= "function" then error("bad argument #1 to 'dump' (function expected)", 2) end
  return "\27Lua"
end

-- A call from outside: the handler notes where an error came from.
local function run(called, ...)
  local count = select("#", ...)
  if count == 0 then return xpcall(called, trace) end
  local arguments = { ... }
  return xpcall(function() return called(unpack(arguments, 1, count)) end, trace)
end

-- Forgets what a script may have left behind here.
local function reset()
  visited, visited_keys = nil, nil
  if named > 0 then names, named = setmetatable({}, { __mode = "k" }), 0 end
end

return {
  seal = seal,
  metatables = metatables,
  missing_global = missing_global,
  refuse = refuse,
  run = run,
  reset = reset,
  base = {
    collectgarbage = no_collection,
    gcinfo = no_count,
    getmetatable = checked_getmetatable,
    next = ordered_next,
    pairs = ordered_pairs,
    pcall = protected_call,
    rawget = checked_rawget,
    rawset = checked_rawset,
    setmetatable = checked_setmetatable,
    tostring = text_of,
    unpack = checked_unpack,
    xpcall = protected_call_handled,
  },
  coroutine = {
    create = charged_create,
    resume = settled_resume,
    wrap = charged_wrap,
  },
  string = {
    dump = no_bytecode,
    gfind = gmatch,
    gmatch = gmatch,
    gsub = checked_gsub,
  },
  table = {
    concat = checked_concat,
    foreach = foreach,
    foreachi = foreachi,
    insert = checked_insert,
    maxn = checked_maxn,
    remove = checked_remove,
    sort = checked_sort,
  },
}
