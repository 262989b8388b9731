//! Scripts and functions of a keyspace: compiled once, run in one sandbox a thread.
//!
//! Lua belongs to the thread that made it, a keyspace may go from one thread to another (it is recovered on one and served
//! on another). So an [`Engine`] is a number; what it has compiled lies with the thread that runs it, and is made again
//! where it is missing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use atlas_kv::script::{Code, Function, Library, Script, Scripts, Session, Sha};
use atlas_kv::{Arguments, Reply};
use mlua::{MultiValue, Table, Value};

use crate::convert::{Names, Returned, one_line};
use crate::error::{Error, Thrown};
use crate::functions::LibraryWorld;
use crate::limits::{Fuel, Limits, Verdict};
use crate::redis::{self, Run};
use crate::sandbox::Sandbox;

/// Intervals of fuel between two looks at the clock and at whoever may want to kill the script.
const LOOKS: u64 = 64;
/// Libraries whose compiled code is kept.
const LIBRARIES_MAX: usize = 256;
/// Runs between two steps of the collector.
const RUNS_BETWEEN_STEPS: u32 = 50;
/// Scripts' chunks are called so in errors.
const SCRIPT: &str = "@user_script";
const LIBRARY: &str = "@user_function";

static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static MACHINES: RefCell<HashMap<u64, Machine>> = RefCell::new(HashMap::new());
}

/// Runs the scripts of one keyspace.
#[derive(Debug)]
pub struct Engine {
    number: u64,
    limits: Limits,
}

/// What an engine has on one thread.
struct Machine {
    sandbox: Sandbox,
    names: Names,
    run: Rc<Run>,
    scripts: HashMap<Sha, mlua::Function>,
    libraries: HashMap<Sha, mlua::Function>,
    world: LibraryWorld,
    runs: u32,
    /// What Lua and its libraries take before any script.
    own_bytes: usize,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // On the threads that it has left its state stays until they end.
        let number = self.number;
        let _ = MACHINES.try_with(|machines| machines.borrow_mut().remove(&number));
    }
}

impl Engine {
    /// An engine whose scripts keep within these bounds.
    pub fn new(limits: Limits) -> Self {
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            limits,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Machine) -> T) -> Result<T, Error> {
        MACHINES.with(|machines| {
            let mut machines = machines.borrow_mut();
            let machine = match machines.entry(self.number) {
                std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(Machine::new(self.limits)?)
                }
            };
            Ok(act(machine))
        })
    }
}

impl Machine {
    fn new(limits: Limits) -> Result<Self, Error> {
        let sandbox = Sandbox::new(limits)?;
        let run = Rc::new(Run::new(sandbox.state()));
        let lua = sandbox.lua();
        let names = Names::new(lua)?;
        let table = redis::table(lua, &run, &names)?;
        let sealed = sandbox.seal(&table)?;
        sandbox.globals().raw_set("redis", &sealed)?;
        sandbox.globals().raw_set("server", sealed)?;
        let world = LibraryWorld::new(&sandbox, &run)?;
        let watched = Rc::clone(&run);
        // By fuel and not by how often we are asked: an interval in which much is copied burns that of many.
        let between = LOOKS * limits.interval.0;
        let mut looked = 0_u64;
        sandbox.set_interrupt(move |burnt| {
            // Less than before: another run.
            if burnt.0 < looked {
                looked = 0;
            }
            if burnt.0 - looked >= between {
                looked = burnt.0;
                if !watched.goes_on() {
                    return Verdict::Stop;
                }
            }
            Verdict::GoOn
        });
        lua.gc_collect()?;
        let own_bytes = lua.used_memory();
        Ok(Self {
            sandbox,
            names,
            run,
            scripts: HashMap::new(),
            libraries: HashMap::new(),
            world,
            runs: 0,
            own_bytes,
        })
    }

    fn compile(&mut self, script: &Script) -> Result<(), Error> {
        if !self.scripts.contains_key(&script.sha) {
            let function = self.sandbox.load(SCRIPT, script.code())?;
            self.scripts.insert(script.sha, function);
        }
        Ok(())
    }

    /// The compiled code of a library.
    fn library(&mut self, library: &Library) -> Result<mlua::Function, Error> {
        if let Some(chunk) = self.libraries.get(&library.sha) {
            return Ok(chunk.clone());
        }
        if self.libraries.len() >= LIBRARIES_MAX {
            self.libraries.clear();
        }
        let chunk = self.world.compile(&self.sandbox, LIBRARY, library.code())?;
        self.libraries.insert(library.sha, chunk.clone());
        Ok(chunk)
    }

    fn load(&mut self, code: &[u8], fuel: u64) -> Result<Vec<Function>, String> {
        let chunk = match self.world.compile(&self.sandbox, LIBRARY, code) {
            Ok(chunk) => chunk,
            Err(error) => return Err(format!("Error compiling function: {error}")),
        };
        let registered = self
            .world
            .functions(&self.sandbox, &self.run, &chunk, Fuel(fuel));
        registered.map_err(|error| match error {
            Error::OutOfFuel => "Error registering functions: FUNCTION LOAD timeout".to_owned(),
            Error::Script { thrown } => {
                format!("Error registering functions: {}", raised(&thrown.value))
            }
            other => format!("Error registering functions: {other}"),
        })
    }

    /// Runs code whose session lies with [`Run`].
    fn call(
        &mut self,
        code: &Code,
        keys: &Arguments<'_>,
        values: &Arguments<'_>,
        fuel: u64,
    ) -> Result<MultiValue, Error> {
        match code {
            Code::Script(script) => {
                self.compile(script)?;
                self.sandbox.refuel(Fuel(fuel))?;
                let (keys, values) = (self.list(keys)?, self.list(values)?);
                let globals = self.sandbox.globals();
                globals.raw_set("KEYS", keys)?;
                globals.raw_set("ARGV", values)?;
                match self.scripts.get(&script.sha) {
                    Some(function) => self.sandbox.call(function, ()),
                    None => Ok(MultiValue::new()),
                }
            }
            Code::Function(library, at) => {
                let chunk = self.library(library)?;
                self.sandbox.refuel(Fuel(fuel))?;
                let name = library
                    .functions
                    .get(*at)
                    .map_or("", |one| one.name.as_str());
                let function = self
                    .world
                    .function(&self.sandbox, &self.run, &chunk, name)?;
                let (keys, values) = (self.list(keys)?, self.list(values)?);
                self.sandbox.call(&function, (keys, values))
            }
        }
    }

    /// Arguments as a list.
    fn list(&self, arguments: &Arguments<'_>) -> mlua::Result<Table> {
        let lua = self.sandbox.lua();
        let list = lua.create_table_with_capacity(arguments.len(), 0)?;
        for (at, argument) in arguments.iter().enumerate() {
            list.raw_seti(at + 1, lua.create_string(argument)?)?;
        }
        Ok(list)
    }

    /// Lets the collector do a little, so that it seldom has much to do.
    fn collect(&mut self) {
        self.runs += 1;
        if self.runs >= RUNS_BETWEEN_STEPS {
            self.runs = 0;
            // What it could not do now it does later.
            let _ = self.sandbox.lua().gc_step();
        }
    }
}

impl Scripts for Engine {
    fn compile(&mut self, script: &Script) -> Result<(), String> {
        let compiled = self.with(|machine| machine.compile(script));
        compiled
            .and_then(|compiled| compiled)
            .map_err(|error| error.to_string())
    }

    fn forget(&mut self, sha: &Sha) {
        let _ = self.with(|machine| machine.scripts.remove(sha));
    }

    fn clear(&mut self) {
        let number = self.number;
        MACHINES.with(|machines| machines.borrow_mut().remove(&number));
    }

    fn load(&mut self, code: &[u8], fuel: u64) -> Result<Vec<Function>, String> {
        self.with(|machine| machine.load(code, fuel))
            .map_err(|error| error.to_string())?
    }

    fn run(
        &mut self,
        code: &Code,
        keys: &Arguments<'_>,
        values: &Arguments<'_>,
        session: Box<Session>,
        reply: &mut dyn Reply,
    ) -> Box<Session> {
        let mut place = Some(session);
        let ran = self.with(|machine| {
            let session = place.take()?;
            let (fuel, seed) = (session.fuel(), session.seed());
            machine.run.begin(session, code);
            machine.sandbox.seed(seed);
            let outcome = machine.call(code, keys, values, fuel);
            let session = machine.run.end()?;
            if !session.is_stopped() {
                let returned = Returned {
                    names: &machine.names,
                    is_resp3: machine.run.is_resp3(),
                };
                match outcome {
                    Ok(values) => {
                        returned.write(values.front().unwrap_or(&Value::Nil), reply);
                    }
                    Err(error) => reply.error(&failure(&error, code)),
                }
            }
            machine.collect();
            Some(session)
        });
        match (ran, place) {
            (Ok(Some(session)), _) => session,
            (Err(error), Some(session)) => {
                reply.error(&format!("ERR {}", one_line(error.to_string().as_bytes())));
                session
            }
            // The session is given and taken back by this function alone.
            _ => unreachable!("the session of a script was lost"),
        }
    }

    fn used_bytes(&self) -> u64 {
        let number = self.number;
        MACHINES.with(|machines| {
            let machines = machines.borrow();
            let found = machines.get(&number);
            found.map_or(0, |machine| {
                let used = machine.sandbox.lua().used_memory();
                used.saturating_sub(machine.own_bytes) as u64
            })
        })
    }
}

/// What a raised value says.
fn raised(value: &Value) -> String {
    if let Value::Table(table) = value
        && let Ok(Value::String(line)) = table.raw_get::<Value>("err")
    {
        return one_line(&line.as_bytes());
    }
    let text = match value {
        Value::String(text) => one_line(&text.as_bytes()),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Nil => "nil".to_owned(),
        Value::Boolean(value) => value.to_string(),
        other => other.type_name().to_owned(),
    };
    format!("ERR {text}")
}

/// The error line of a run that failed.
fn failure(error: &Error, code: &Code) -> String {
    let name = code.name();
    match error {
        Error::Script {
            thrown:
                Thrown {
                    value,
                    source,
                    line,
                },
        } => match (source, line) {
            (Some(source), Some(line)) => {
                format!("{} script: {name}, on {source}:{line}.", raised(value))
            }
            _ => raised(value),
        },
        Error::Killed if matches!(code, Code::Script(_)) => {
            format!("ERR Error running script {name}, Script killed by user with SCRIPT KILL...")
        }
        Error::Killed => {
            format!(
                "ERR Error running function {name}, Script killed by user with FUNCTION KILL..."
            )
        }
        Error::OutOfFuel => format!(
            "ERR The script used up the work that it may do after its first write, and was stopped. script: {name}"
        ),
        Error::OutOfMemory => {
            format!("ERR The script used up the memory that it may have. script: {name}")
        }
        Error::Syntax(text) => format!(
            "ERR Error compiling script (new function): {}",
            one_line(text.as_bytes())
        ),
        other => format!(
            "ERR {} script: {name}",
            one_line(other.to_string().as_bytes())
        ),
    }
}
