//! The sandbox from outside.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests say what they see, and what they expect by unwrapping"
)]

mod determinism;
mod differential;
mod engine;
mod everywhere;
mod hostile;
mod sandbox;

use std::time::Duration;

use atlas_script::{Error, Fuel, Limits, Sandbox};
use mlua::{MultiValue, Value};

/// What scripts here may burn.
pub(crate) const FUEL: Fuel = Fuel(4_000_000);

/// A sandbox with the usual bounds.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(Limits::default()).expect("a sandbox is built")
}

/// Runs a script and gives what it returned.
pub(crate) fn run(sandbox: &Sandbox, script: &str) -> Result<MultiValue, Error> {
    run_with(sandbox, FUEL, script)
}

/// Runs a script with so much fuel.
pub(crate) fn run_with(sandbox: &Sandbox, fuel: Fuel, script: &str) -> Result<MultiValue, Error> {
    sandbox.refuel(fuel)?;
    let chunk = sandbox.load("@user_script", script.as_bytes())?;
    sandbox.call(&chunk, ())
}

/// Runs a script and shows its first result as text.
pub(crate) fn show(sandbox: &Sandbox, script: &str) -> String {
    match run(sandbox, script) {
        Ok(values) => values.front().map_or_else(|| String::from("nothing"), text),
        Err(error) => format!("error: {error}"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.display().to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        other => other.type_name().to_owned(),
    }
}

/// The next script in the same sandbox finds everything as the first did.
pub(crate) fn assert_clean(sandbox: &Sandbox) {
    let script = "local names = {} for name in pairs(_G) do names[#names + 1] = name end \
        for _, library in ipairs({'string', 'table', 'math', 'coroutine', 'bit'}) do \
          for name in pairs(_G[library]) do names[#names + 1] = library .. '.' .. name end end \
        assert(pcall(error) == false and select(2, pcall(error, 'x')) == 'x') \
        assert(('x'):rep(3) == 'xxx' and tostring({}) == 'table: 0x000000000001') \
        assert(coroutine.wrap(function() return 7 end)() == 7) \
        return table.concat(names, ' ')";
    let fresh = show(&crate::sandbox(), script);
    assert_eq!(show(sandbox, script), fresh);
}

/// The time that this thread has computed: how busy the machine is does not count.
pub(crate) fn computed() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Runs with a bound on the time that this thread computes.
pub(crate) fn within<R>(bound: Duration, work: impl FnOnce() -> R) -> R {
    let begun = computed();
    let result = work();
    let took = computed() - begun;
    assert!(took < bound, "took {took:?}, bound {bound:?}");
    result
}
