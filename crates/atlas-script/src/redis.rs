//! The table `redis` that scripts see, and the run that its functions act on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use atlas_kv::ArgumentBuffer;
use atlas_kv::script::{Called, Code, Session, Sha, Verdict};
use mlua::{Lua, LuaString, MultiValue, Table, Value};

use crate::convert::{Answer, Names};
use crate::limits::Fuel;
use crate::sandbox::{State, throw};

/// The version of Redis whose scripts these are.
const VERSION: &str = "7.0.15";
const VERSION_NUMBER: i64 = 0x0007_000f;
/// What a command costs beside its bytes, in instructions.
const CALL_FUEL: u64 = 32;

/// The run under way, if there is one; shared by all functions that scripts call.
pub(crate) struct Run {
    state: Rc<State>,
    session: RefCell<Option<Box<Session>>>,
    name: RefCell<String>,
    is_function: Cell<bool>,
    is_resp3: Cell<bool>,
    arguments: RefCell<ArgumentBuffer>,
}

impl Run {
    pub(crate) fn new(state: Rc<State>) -> Self {
        Self {
            state,
            session: RefCell::new(None),
            name: RefCell::default(),
            is_function: Cell::new(false),
            is_resp3: Cell::new(false),
            arguments: RefCell::default(),
        }
    }

    /// Begins a run.
    pub(crate) fn begin(&self, session: Box<Session>, code: &Code) {
        self.is_resp3.set(false);
        self.is_function.set(matches!(code, Code::Function(..)));
        let mut name = self.name.borrow_mut();
        name.clear();
        name.push_str(code.name());
        *self.session.borrow_mut() = Some(session);
    }

    /// Ends it.
    pub(crate) fn end(&self) -> Option<Box<Session>> {
        self.session.borrow_mut().take()
    }

    /// True if the script has chosen RESP3.
    pub(crate) fn is_resp3(&self) -> bool {
        self.is_resp3.get()
    }

    /// True if the script may go on.
    pub(crate) fn goes_on(&self) -> bool {
        // While a command runs nobody asks.
        let Ok(mut place) = self.session.try_borrow_mut() else {
            return true;
        };
        let Some(session) = place.as_mut() else {
            return true;
        };
        let verdict = session.look(&self.name.borrow(), self.is_function.get());
        verdict == Verdict::GoOn
    }

    fn is_running(&self) -> bool {
        self.session.borrow().is_some()
    }

    /// Puts the arguments of a command together.
    fn gather(&self, values: &MultiValue) -> Result<(), &'static str> {
        if values.is_empty() {
            return Err("Please specify at least one argument for this redis lib call");
        }
        let mut arguments = self.arguments.borrow_mut();
        arguments.clear();
        for value in values {
            match value {
                Value::String(text) => arguments.push(&text.as_bytes()),
                Value::Integer(number) => arguments.push(number_text(*number as f64).as_bytes()),
                Value::Number(number) => arguments.push(number_text(*number).as_bytes()),
                _ => {
                    return Err("Lua redis lib command arguments must be strings or integers");
                }
            }
        }
        Ok(())
    }

    /// Runs a command; its answer, and whether that is an error.
    fn command(
        &self,
        lua: &Lua,
        names: &Names,
        values: &MultiValue,
    ) -> mlua::Result<(Value, bool)> {
        if !self.is_running() {
            return Err(raise(
                lua,
                names,
                "redis.call/pcall can only be called inside a script invocation",
            ));
        }
        if let Err(what) = self.gather(values) {
            return Ok((error_table(lua, names, &format!("ERR {what}"))?, true));
        }
        let arguments = self.arguments.borrow();
        let bytes = arguments.bytes().len();
        self.state
            .charge(Fuel(CALL_FUEL + Fuel::of_bytes(bytes).0))?;
        let mut answer = Answer::new(lua, names, self.is_resp3.get());
        let mut place = self.session.borrow_mut();
        let Some(session) = place.as_mut() else {
            return Ok((Value::Nil, false));
        };
        match session.call(&arguments.arguments(), &mut answer) {
            Called::Answered => {
                self.state.charge(Fuel::of_bytes(answer.bytes()))?;
                answer.finish()
            }
            Called::Refused(error) => {
                let table = error_table(lua, names, &error.to_string())?;
                if let Value::Table(table) = &table {
                    table.raw_set("ignore_error_stats_update", true)?;
                }
                Ok((table, true))
            }
            Called::Stopped => Err(self.state.end()),
        }
    }
}

/// A number as Redis makes an argument of it: C's `%.17g`.
fn number_text(number: f64) -> String {
    atlas_kv::printed_double(number)
}

/// A table with the field `err`.
pub(crate) fn error_table(lua: &Lua, names: &Names, line: &str) -> mlua::Result<Value> {
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set(&names.err, lua.create_string(line)?)?;
    Ok(Value::Table(table))
}

/// An error that a script sees as a table with the field `err`.
pub(crate) fn raise(lua: &Lua, names: &Names, what: &str) -> mlua::Error {
    match error_table(lua, names, &format!("ERR {what}")) {
        Ok(table) => throw(table),
        Err(error) => error,
    }
}

/// The table, to be sealed.
pub(crate) fn table(lua: &Lua, run: &Rc<Run>, names: &Names) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let (own, of) = (Rc::clone(run), names.clone());
    let call = lua.create_function(move |lua, values: MultiValue| {
        match own.command(lua, &of, &values)? {
            (value, false) => Ok(value),
            (value, true) => Err(throw(value)),
        }
    })?;
    table.raw_set("call", call)?;
    let (own, of) = (Rc::clone(run), names.clone());
    let pcall = lua.create_function(move |lua, values: MultiValue| {
        own.command(lua, &of, &values).map(|(value, _)| value)
    })?;
    table.raw_set("pcall", pcall)?;
    add_answers(lua, &table, names)?;
    add_choices(lua, &table, run, names)?;
    add_log(lua, &table, run, names)?;
    add_version(&table)?;
    Ok(table)
}

/// `error_reply`, `status_reply`, `sha1hex`.
fn add_answers(lua: &Lua, table: &Table, names: &Names) -> mlua::Result<()> {
    const WRONG: &str = "ERR wrong number or type of arguments";
    let of = names.clone();
    let error_reply = lua.create_function(move |lua, values: MultiValue| {
        let text = match one_string(&values) {
            Some(text) => text,
            None => return error_table(lua, &of, WRONG),
        };
        let text = text.to_string_lossy();
        let text = text.strip_prefix('-').unwrap_or(&text);
        let line = match text.split_once(' ') {
            Some((code, what)) => format!("{code} {}", what.trim_matches(['\r', '\n'])),
            None => format!("ERR {text}"),
        };
        error_table(lua, &of, &line)
    })?;
    table.raw_set("error_reply", error_reply)?;
    let of = names.clone();
    let status_reply = lua.create_function(move |lua, values: MultiValue| {
        let Some(text) = one_string(&values) else {
            return error_table(lua, &of, WRONG);
        };
        let table = lua.create_table_with_capacity(0, 1)?;
        table.raw_set(&of.ok, text)?;
        Ok(Value::Table(table))
    })?;
    table.raw_set("status_reply", status_reply)?;
    let of = names.clone();
    let sha1hex = lua.create_function(move |lua, values: MultiValue| {
        if values.len() != 1 {
            return Err(raise(lua, &of, "wrong number of arguments"));
        }
        let text = values.into_iter().next().unwrap_or(Value::Nil);
        let text = lua.coerce_string(text)?;
        let sha = Sha::of(&text.map_or_else(Vec::new, |text| text.as_bytes().to_vec()));
        lua.create_string(sha.as_str())
    })?;
    table.raw_set("sha1hex", sha1hex)
}

/// `setresp`, `set_repl`, `replicate_commands`, `breakpoint`, `debug`, `acl_check_cmd`.
fn add_choices(lua: &Lua, table: &Table, run: &Rc<Run>, names: &Names) -> mlua::Result<()> {
    let (own, of) = (Rc::clone(run), names.clone());
    let setresp = lua.create_function(move |lua, values: MultiValue| {
        if values.len() != 1 {
            return Err(raise(lua, &of, "redis.setresp() requires one argument."));
        }
        let number = number(lua, values.front())?;
        if number != 2.0 && number != 3.0 {
            return Err(raise(lua, &of, "RESP version must be 2 or 3."));
        }
        own.is_resp3.set(number == 3.0);
        Ok(())
    })?;
    table.raw_set("setresp", setresp)?;
    let of = names.clone();
    let set_repl = lua.create_function(move |lua, values: MultiValue| {
        if values.len() != 1 {
            return Err(raise(lua, &of, "redis.set_repl() requires two arguments."));
        }
        let flags = number(lua, values.front())?;
        if !(0.0..4.0).contains(&flags) {
            return Err(raise(
                lua,
                &of,
                "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            ));
        }
        // A record runs the script whole, wherever it is applied.
        Ok(())
    })?;
    table.raw_set("set_repl", set_repl)?;
    for (name, flags) in [
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
    ] {
        table.raw_set(name, flags)?;
    }
    table.raw_set(
        "replicate_commands",
        lua.create_function(|_, _: MultiValue| Ok(true))?,
    )?;
    // There is no debugger.
    table.raw_set(
        "breakpoint",
        lua.create_function(|_, _: MultiValue| Ok(false))?,
    )?;
    table.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    let (own, of) = (Rc::clone(run), names.clone());
    let acl_check_cmd = lua.create_function(move |lua, values: MultiValue| {
        if let Err(what) = own.gather(&values) {
            return Err(raise(lua, &of, what));
        }
        let arguments = own.arguments.borrow();
        let arguments = arguments.arguments();
        let Some(command) = atlas_kv::command::find(arguments.name()) else {
            return Err(raise(
                lua,
                &of,
                "Invalid command passed to redis.acl_check_cmd()",
            ));
        };
        let command = atlas_kv::command::resolve(&arguments).unwrap_or(command);
        let place = own.session.borrow();
        let session = place.as_ref();
        Ok(session.is_none_or(|session| session.may(command, &arguments).is_ok()))
    })?;
    table.raw_set("acl_check_cmd", acl_check_cmd)
}

/// `log` and its levels.
pub(crate) fn add_log(lua: &Lua, table: &Table, run: &Rc<Run>, names: &Names) -> mlua::Result<()> {
    let (own, of) = (Rc::clone(run), names.clone());
    let log = lua.create_function(move |lua, values: MultiValue| {
        if values.len() < 2 {
            return Err(raise(
                lua,
                &of,
                "redis.log() requires two arguments or more.",
            ));
        }
        let level = match values.front() {
            Some(Value::Integer(level)) => *level as f64,
            Some(Value::Number(level)) => *level,
            Some(Value::String(text)) => match lua.coerce_number(Value::String(text.clone()))? {
                Some(level) => level,
                None => return Err(raise(lua, &of, NO_LEVEL)),
            },
            _ => return Err(raise(lua, &of, NO_LEVEL)),
        };
        if !(0.0..4.0).contains(&level) {
            return Err(raise(lua, &of, "Invalid debug level."));
        }
        let mut line = Vec::new();
        for (at, value) in values.into_iter().skip(1).enumerate() {
            let text = match value {
                Value::String(_) | Value::Integer(_) | Value::Number(_) => {
                    lua.coerce_string(value)?
                }
                _ => None,
            };
            if let Some(text) = text {
                if at > 0 {
                    line.push(b' ');
                }
                line.extend_from_slice(&text.as_bytes());
            }
        }
        line.truncate(LOG_LINE_BYTES_MAX);
        if let Ok(mut place) = own.session.try_borrow_mut()
            && let Some(session) = place.as_mut()
        {
            session.log(level as u8, line);
        }
        Ok(())
    })?;
    table.raw_set("log", log)?;
    for (name, level) in [
        ("LOG_DEBUG", 0),
        ("LOG_VERBOSE", 1),
        ("LOG_NOTICE", 2),
        ("LOG_WARNING", 3),
    ] {
        table.raw_set(name, level)?;
    }
    Ok(())
}

const NO_LEVEL: &str = "First argument must be a number (log level).";
/// What of a line is kept.
const LOG_LINE_BYTES_MAX: usize = 4096;

pub(crate) fn add_version(table: &Table) -> mlua::Result<()> {
    table.raw_set("REDIS_VERSION", VERSION)?;
    table.raw_set("REDIS_VERSION_NUM", VERSION_NUMBER)
}

fn one_string(values: &MultiValue) -> Option<LuaString> {
    match values.front() {
        Some(Value::String(text)) if values.len() == 1 => Some(text.clone()),
        _ => None,
    }
}

/// A number as C takes it from Lua: what is none is 0.
fn number(lua: &Lua, value: Option<&Value>) -> mlua::Result<f64> {
    let number = lua.coerce_number(value.cloned().unwrap_or(Value::Nil))?;
    Ok(number.unwrap_or(0.0))
}
