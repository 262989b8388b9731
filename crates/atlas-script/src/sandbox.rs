//! The sandbox: a Lua state, the environment that scripts see, and the meter that stops them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::{
    Function, HookTriggers, IntoLuaMulti, Lua, LuaOptions, MultiValue, StdLib, Table, Value,
    VmState,
};

use crate::arguments::Raised;
use crate::error::{Error, Thrown};
use crate::limits::{Fuel, Limits, Verdict};
use crate::meter::{Meter, Stop};

mod environment;
mod load;
mod owner;
mod thrown;

pub use thrown::throw;

/// The name of the chunk that surrounds scripts; errors raised in it are shown at the script's place.
pub(crate) const PRELUDE: &str = "=(atlas)";
const PRELUDE_PREFIX: &[u8] = b"(atlas):";

/// A Lua 5.1 in which scripts of strangers run. Not `Send`: it is built on the thread that uses it.
pub struct Sandbox {
    lua: Lua,
    limits: Limits,
    state: Rc<State>,
    environment: environment::Environment,
}

/// What the sandbox, its hook and its built-in functions share.
pub(crate) struct State {
    pub(crate) meter: Meter,
    memory_bytes_max: usize,
    /// How much memory was in use after the last collection that we asked for.
    collected_bytes: Cell<usize>,
    /// How much memory was in use when the run began.
    begun_bytes: Cell<usize>,
    /// Whether the run was found large, and what it began with was collected.
    collected: Cell<bool>,
    /// Where the error of the running call came from.
    place: RefCell<Option<Place>>,
    /// The generator behind `math.random`.
    pub(crate) random: Cell<u64>,
}

struct Place {
    source: Option<String>,
    line: Option<usize>,
}

impl State {
    /// Burns fuel for work that a built-in function does; the error ends the script.
    pub(crate) fn charge(&self, fuel: Fuel) -> mlua::Result<()> {
        self.meter.burn(fuel.0).map_err(mlua::Error::external)
    }

    /// Ends the script if it holds more memory than it may; for functions that build much with the limit lifted.
    pub(crate) fn check_memory(&self, lua: &Lua) -> mlua::Result<()> {
        if lua.used_memory() > self.memory_bytes_max {
            return Err(mlua::Error::external(self.meter.stop(Stop::OutOfMemory)));
        }
        Ok(())
    }

    /// Ends the script if it could not hold so many bytes more; for functions that are about to build them.
    pub(crate) fn check_room(&self, lua: &Lua, bytes: usize) -> mlua::Result<()> {
        if lua.used_memory().saturating_add(bytes) > self.memory_bytes_max {
            return Err(mlua::Error::external(self.meter.stop(Stop::OutOfMemory)));
        }
        Ok(())
    }

    /// The most memory that Lua may hold.
    pub(crate) fn memory_bytes_max(&self) -> usize {
        self.memory_bytes_max
    }

    /// Lifts the limit of memory while a function of ours builds, which saves a guarded call for each thing it makes. It
    /// checks the memory itself, and calls nothing of the script.
    pub(crate) fn roomy<'a>(&self, lua: &'a Lua) -> Roomy<'a> {
        let before = lua.set_memory_limit(0).unwrap_or(self.memory_bytes_max);
        Roomy { lua, before }
    }
}

/// The limit of memory is lifted as long as this lives.
pub(crate) struct Roomy<'a> {
    lua: &'a Lua,
    before: usize,
}

impl Drop for Roomy<'_> {
    fn drop(&mut self) {
        // It fails only for a state that is not ours.
        let _ = self.lua.set_memory_limit(self.before);
    }
}

impl Sandbox {
    /// A sandbox with its libraries, ready to compile and call.
    ///
    /// # Errors
    /// Only if Lua itself fails, which it does where the memory limit is too small for its libraries.
    pub fn new(limits: Limits) -> Result<Self, Error> {
        // A panic of ours is no error that a script may catch.
        let options = LuaOptions::new().catch_rust_panics(false);
        let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH, options)?;
        let state = Rc::new(State {
            meter: Meter::new(limits.interval),
            memory_bytes_max: limits.memory_bytes,
            collected_bytes: Cell::new(0),
            begun_bytes: Cell::new(0),
            collected: Cell::new(false),
            place: RefCell::new(None),
            random: Cell::new(0),
        });
        let environment = environment::build(&lua, &state, limits)?;
        lua.set_memory_limit(limits.memory_bytes)?;
        let sandbox = Self {
            lua,
            limits,
            state,
            environment,
        };
        sandbox.refuel(Fuel::UNLIMITED)?;
        Ok(sandbox)
    }

    /// The Lua state, for functions and tables that its owner adds.
    #[must_use]
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// The bounds it was made with.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The table behind what scripts see as their globals: its owner may set fields of it (`redis`, `KEYS`), scripts cannot.
    #[must_use]
    pub fn globals(&self) -> &Table {
        &self.environment.globals
    }

    /// A table that scripts may read and not change; what its owner sets in `contents` later is seen through it.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn seal(&self, contents: &Table) -> Result<Table, Error> {
        Ok(self.environment.seal.call(contents)?)
    }

    /// Begins a run: so much fuel, nothing burnt, nothing stopped, and nothing left of what earlier runs set.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn refuel(&self, fuel: Fuel) -> Result<(), Error> {
        // What is done here is not the script's: the hook of the run before may still count it.
        self.state.meter.refuel(Fuel::UNLIMITED);
        self.state.collected_bytes.set(0);
        self.environment.reset()?;
        // What a large script left is not the next one's burden.
        if self.lua.used_memory() > self.limits.memory_bytes / 4 {
            self.lua.gc_collect()?;
        }
        self.state.begun_bytes.set(self.lua.used_memory());
        self.state.collected.set(false);
        // Set anew each time: Lua counts down to the next call of the hook, and where it stands must not depend on what
        // ran before.
        let state = self.state.clone();
        let interval = self.state.meter.interval();
        let triggers =
            HookTriggers::new().every_nth_instruction(u32::try_from(interval).unwrap_or(u32::MAX));
        self.lua.set_global_hook(triggers, move |lua, _| {
            state.meter.burn(interval).map_err(mlua::Error::external)?;
            collect_under_pressure(lua, &state)?;
            surcharge(lua, &state)?;
            Ok(VmState::Continue)
        })?;
        self.state.meter.refuel(fuel);
        Ok(())
    }

    /// What has been burnt since it was refuelled: instructions by the hook's interval, and what built-ins charged.
    #[must_use]
    pub fn burnt(&self) -> Fuel {
        self.state.meter.burnt()
    }

    /// Burns fuel for work that the owner's function did for a script (bytes copied: [`Fuel::of_bytes`]).
    ///
    /// # Errors
    /// What the function must return, unchanged: the script is over.
    pub fn charge(&self, fuel: Fuel) -> mlua::Result<()> {
        self.state.charge(fuel)
    }

    /// Ends the script if Lua holds more memory than it may; for functions of the owner that build much.
    ///
    /// # Errors
    /// What the function must return, unchanged: the script is over.
    pub fn check_memory(&self) -> mlua::Result<()> {
        self.state.check_memory(&self.lua)
    }

    /// What is asked once an interval of fuel while a script runs, until another is set.
    pub fn set_interrupt(&self, interrupt: impl FnMut(Fuel) -> Verdict + 'static) {
        self.state.meter.set_interrupt(Some(Box::new(interrupt)));
    }

    /// Nothing is asked any more.
    pub fn clear_interrupt(&self) {
        self.state.meter.set_interrupt(None);
    }

    /// Seeds `math.random`. Only the low 32 bits count, as with `math.randomseed`.
    pub fn seed(&self, seed: u64) {
        self.state.random.set(crate::random::seeded(seed as u32));
    }

    /// Compiles source text. `name` is how errors call it: `@user_script` shows as `user_script:LINE:`.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Syntax`], [`Error::OutOfMemory`].
    pub fn load(&self, name: &str, source: &[u8]) -> Result<Function, Error> {
        load::compile(
            &self.lua,
            &self.environment.environment,
            self.limits,
            name,
            source,
        )
    }

    /// Calls a function that was compiled here and gives what it returned.
    ///
    /// # Errors
    /// [`Error::OutOfFuel`], [`Error::Killed`], [`Error::OutOfMemory`], or [`Error::Script`] with what it raised.
    pub fn call(
        &self,
        function: &Function,
        arguments: impl IntoLuaMulti,
    ) -> Result<MultiValue, Error> {
        self.state.place.replace(None);
        let mut arguments = arguments.into_lua_multi(&self.lua)?;
        arguments.push_front(Value::Function(function.clone()));
        let outcome = self.environment.run.call::<MultiValue>(arguments);
        if let Some(why) = self.state.meter.stopped() {
            return Err(why.into());
        }
        let mut values = match outcome {
            Ok(values) => values,
            Err(mlua::Error::MemoryError(_)) => return Err(Error::OutOfMemory),
            Err(error) => return Err(Error::Lua(error)),
        };
        match values.pop_front() {
            Some(Value::Boolean(true)) => Ok(values),
            _ => Err(self.failure(values.pop_front().unwrap_or(Value::Nil))),
        }
    }

    fn failure(&self, value: Value) -> Error {
        let place = self.state.place.take();
        let (source, line) = place.map_or((None, None), |place| (place.source, place.line));
        let value = match thrown::settle(&self.lua, &self.state, value) {
            Ok(value) => value,
            Err(mlua::Error::MemoryError(_)) => return Error::OutOfMemory,
            Err(error) => {
                return match self.state.meter.stopped() {
                    Some(why) => why.into(),
                    None => Error::Lua(error),
                };
            }
        };
        Error::Script {
            thrown: Thrown {
                value,
                source,
                line,
            },
        }
    }
}

impl From<Stop> for Error {
    fn from(why: Stop) -> Self {
        match why {
            Stop::OutOfFuel => Self::OutOfFuel,
            Stop::Killed => Self::Killed,
            Stop::OutOfMemory => Self::OutOfMemory,
        }
    }
}

/// What this script holds more than was held when it began is free up to here.
const FREE_BYTES: usize = 4 << 20;

/// The surcharge for an interval in which a script holds much memory. Lua copies strings without asking us (`a .. b`): an
/// instruction costs as much as the strings are long, which only the memory tells. It grows with the square, so that no
/// script is long and large at once. What a script holds depends a little on what ran before it (strings that were there
/// already), so that only large scripts pay, and after a collection that makes the rest alike.
fn surcharge(lua: &Lua, state: &State) -> mlua::Result<()> {
    let grown = |lua: &Lua| lua.used_memory().saturating_sub(state.begun_bytes.get());
    if grown(lua) < FREE_BYTES {
        return Ok(());
    }
    if !state.collected.replace(true) {
        lua.gc_collect()?;
    }
    let grown = grown(lua);
    if grown >= FREE_BYTES {
        let mebibytes = (grown >> 20) as u64;
        state.charge(Fuel(mebibytes * mebibytes * state.meter.interval()))?;
    }
    Ok(())
}

/// Lua 5.1 gives up when an allocation passes the limit, whatever garbage it holds: we collect before it comes to that.
fn collect_under_pressure(lua: &Lua, state: &State) -> mlua::Result<()> {
    let used = lua.used_memory();
    if used > state.memory_bytes_max / 2 && used > state.collected_bytes.get() / 4 * 5 {
        lua.gc_collect()?;
        state.collected_bytes.set(lua.used_memory());
    }
    Ok(())
}

/// Notes where an error came from: the innermost script's line, not ours.
fn note_place(lua: &Lua, state: &State) {
    for level in 1..64 {
        let found = lua.inspect_stack(level, |function| {
            let source = function.source();
            let of_script = source.what != "C"
                && source.what != "tail"
                && source.source.as_deref() != Some(PRELUDE);
            of_script.then(|| Place {
                source: source.source.map(|name| name.into_owned()),
                line: function.current_line(),
            })
        });
        match found {
            None => return,
            Some(None) => {}
            Some(place) => {
                state.place.replace(place);
                return;
            }
        }
    }
}
