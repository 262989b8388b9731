//! What scripts hand to our functions: JSON, MessagePack, layouts, patterns, formats and source text of anybody's. None of it
//! ends the process, and JSON that was understood is written and understood the same.

#![cfg_attr(fuzzing, no_main)]

use std::cell::OnceCell;

use atlas_script::{Error, Fuel, Limits, Sandbox};

thread_local! {
    static SANDBOX: OnceCell<Sandbox> = const { OnceCell::new() };
}

/// The first byte chooses what the rest is taken for; the rest is cut in two where the function takes two.
const SCRIPT: &str = r#"
local kind, input = ...
local half = math.floor(#input / 2)
local first, second = input:sub(1, half), input:sub(half + 1)
if kind == 0 then
  local ok, value = pcall(cjson.decode, input)
  if not ok then return end
  local ok, json = pcall(cjson.encode, value)
  if ok then assert(cjson.encode(cjson.decode(json)) == json, json) end
elseif kind == 1 then
  local ok, value = pcall(cmsgpack.unpack, input)
  if ok then pcall(cmsgpack.pack, value) end
  pcall(cmsgpack.unpack_one, input, half)
elseif kind == 2 then
  pcall(struct.unpack, first, second)
  pcall(struct.pack, first, second, second, 1, 2, 3)
  pcall(struct.size, input)
elseif kind == 3 then
  pcall(string.find, second, first)
  pcall(string.gsub, second, first, '%0%1')
  pcall(string.gsub, second, first, function() return second end)
  pcall(function() for a in second:gmatch(first) do end end)
elseif kind == 4 then
  pcall(string.format, input, 1, 'x', 0.1, -5, second, 7)
else
  local compiled = loadstring(input)
  if compiled then pcall(compiled) end
end
"#;

atlas_fuzz::target!(|data| {
    let Some((kind, input)) = data.split_first() else {
        return;
    };
    SANDBOX.with(|place| {
        let sandbox = place.get_or_init(|| Sandbox::new(Limits::default()).expect("a sandbox"));
        sandbox.refuel(Fuel(2_000_000)).expect("a run");
        let script = sandbox
            .load("@check", SCRIPT.as_bytes())
            .expect("it compiles");
        let input = sandbox.lua().create_string(input).expect("it fits");
        match sandbox.call(&script, (kind % 6, input)) {
            Ok(_) | Err(Error::OutOfFuel | Error::OutOfMemory) => {}
            Err(error) => panic!("{error}"),
        }
    });
});
