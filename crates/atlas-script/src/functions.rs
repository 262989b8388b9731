//! Libraries of functions: their code runs once for each call, so that a function sees nothing of the calls before it.
//!
//! In Redis a library's code runs when it is loaded, and what its functions share lives on. Here that would differ between
//! nodes: one that was restarted begins anew, one that has tried a script has run it twice. So the code runs again for each
//! call, as it did when the library was loaded; it is compiled once.

use std::cell::RefCell;
use std::rc::Rc;

use atlas_kv::script::{Function, ScriptFlags};
use mlua::{Lua, MultiValue, Table, Value};

use crate::convert::Names;
use crate::error::Error;
use crate::limits::Fuel;
use crate::redis::{self, Run, raise};
use crate::sandbox::Sandbox;

/// What libraries see while their code runs, and what their functions see.
pub(crate) struct LibraryWorld {
    /// The table that their code has as its globals, sealed.
    environment: Table,
    /// The metatable behind it: it leads to what they see now.
    behind: Table,
    /// What their code sees while it runs.
    while_loading: Table,
    loading: Rc<RefCell<Option<Loading>>>,
}

/// The functions that code has registered so far.
#[derive(Default)]
struct Loading {
    functions: Vec<Function>,
    /// Of a call: the one that is wanted.
    wanted: Option<String>,
    found: Option<mlua::Function>,
}

impl LibraryWorld {
    pub(crate) fn new(sandbox: &Sandbox, run: &Rc<Run>) -> Result<Self, Error> {
        let lua = sandbox.lua();
        let names = Names::new(lua)?;
        let loading = Rc::new(RefCell::new(None));
        let api = lua.create_table()?;
        let register = register_function(lua, &loading, &names)?;
        api.raw_set("register_function", register)?;
        redis::add_log(lua, &api, run, &names)?;
        redis::add_version(&api)?;
        let missing = lua.create_table()?;
        missing.raw_set("__index", sandbox.missing_global())?;
        api.set_metatable(Some(missing.clone()))?;
        let api = sandbox.seal(&api)?;
        let while_loading = lua.create_table()?;
        while_loading.raw_set("redis", &api)?;
        while_loading.raw_set("server", api)?;
        while_loading.set_metatable(Some(missing))?;
        let behind = lua.create_table()?;
        behind.raw_set("__index", sandbox.globals())?;
        let contents = lua.create_table()?;
        contents.set_metatable(Some(behind.clone()))?;
        Ok(Self {
            environment: sandbox.seal(&contents)?,
            behind,
            while_loading,
            loading,
        })
    }

    pub(crate) fn compile(
        &self,
        sandbox: &Sandbox,
        name: &str,
        code: &[u8],
    ) -> Result<mlua::Function, Error> {
        sandbox.load_in(&self.environment, name, code)
    }

    /// Runs a library's code and tells the functions that it registers.
    pub(crate) fn functions(
        &self,
        sandbox: &Sandbox,
        _run: &Rc<Run>,
        chunk: &mlua::Function,
        fuel: Fuel,
    ) -> Result<Vec<Function>, Error> {
        sandbox.refuel(fuel)?;
        let loading = self.load(sandbox, chunk, None)?;
        Ok(loading.functions)
    }

    /// Runs a library's code for a call and gives the function that is wanted.
    pub(crate) fn function(
        &self,
        sandbox: &Sandbox,
        _run: &Rc<Run>,
        chunk: &mlua::Function,
        name: &str,
    ) -> Result<mlua::Function, Error> {
        let loading = self.load(sandbox, chunk, Some(name.to_owned()))?;
        loading.found.ok_or_else(|| {
            // The same code registered it when the library was loaded.
            Error::Lua(mlua::Error::external(
                "the library did not register the function again",
            ))
        })
    }

    fn load(
        &self,
        sandbox: &Sandbox,
        chunk: &mlua::Function,
        wanted: Option<String>,
    ) -> Result<Loading, Error> {
        *self.loading.borrow_mut() = Some(Loading {
            wanted,
            ..Loading::default()
        });
        self.behind.raw_set("__index", &self.while_loading)?;
        let ran = sandbox.call(chunk, ());
        self.behind.raw_set("__index", sandbox.globals())?;
        let loading = self.loading.borrow_mut().take();
        ran?;
        Ok(loading.unwrap_or_default())
    }
}

fn register_function(
    lua: &Lua,
    loading: &Rc<RefCell<Option<Loading>>>,
    names: &Names,
) -> mlua::Result<mlua::Function> {
    let (loading, names) = (Rc::clone(loading), names.clone());
    lua.create_function(move |lua, values: MultiValue| {
        let mut place = loading.borrow_mut();
        let Some(loading) = place.as_mut() else {
            return Err(raise(
                lua,
                &names,
                "redis.register_function can only be called on FUNCTION LOAD command",
            ));
        };
        let registered = match values.len() {
            1 => named(lua, values.front()),
            2 => positional(values.front(), values.get(1)),
            _ => Err("wrong number of arguments to redis.register_function"),
        };
        let (function, callback) = registered.map_err(|what| raise(lua, &names, what))?;
        if loading.wanted.as_deref() == Some(function.name.as_str()) {
            loading.found = Some(callback);
            return Ok(());
        }
        if loading.wanted.is_some() {
            return Ok(());
        }
        let is_there = |other: &Function| other.name.eq_ignore_ascii_case(&function.name);
        if loading.functions.iter().any(is_there) {
            return Err(raise(lua, &names, "Function already exists in the library"));
        }
        loading.functions.push(function);
        Ok(())
    })
}

type Registered = Result<(Function, mlua::Function), &'static str>;

fn text(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

fn positional(name: Option<&Value>, callback: Option<&Value>) -> Registered {
    let name = name
        .and_then(text)
        .ok_or("first argument to redis.register_function must be a string")?;
    let Some(Value::Function(callback)) = callback else {
        return Err("second argument to redis.register_function must be a function");
    };
    let function = Function::new(&name, None, ScriptFlags::empty())?;
    Ok((function, callback.clone()))
}

fn named(lua: &Lua, value: Option<&Value>) -> Registered {
    let Some(Value::Table(table)) = value else {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        );
    };
    let (mut name, mut description, mut callback) = (None, None, None);
    let mut flags = ScriptFlags::empty();
    for pair in table.pairs::<Value, Value>() {
        let Ok((key, value)) = pair else { break };
        let Some(key) = text(&key) else {
            return Err("named argument key given to redis.register_function is not a string");
        };
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => {
                name = Some(text(&value).ok_or(
                    "function_name argument given to redis.register_function must be a string",
                )?);
            }
            b"description" => {
                description = Some(text(&value).ok_or(
                    "description argument given to redis.register_function must be a string",
                )?);
            }
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => {
                    return Err(
                        "callback argument given to redis.register_function must be a function",
                    );
                }
            },
            b"flags" => match value {
                Value::Table(table) => flags = flags_of(lua, &table)?,
                _ => {
                    return Err(
                        "flags argument to redis.register_function must be a table representing function flags",
                    );
                }
            },
            _ => return Err("unknown argument given to redis.register_function"),
        }
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    let callback = callback.ok_or("redis.register_function must get a callback argument")?;
    Ok((Function::new(&name, description, flags)?, callback))
}

fn flags_of(_lua: &Lua, table: &Table) -> Result<ScriptFlags, &'static str> {
    let mut flags = ScriptFlags::empty();
    for at in 1.. {
        match table.raw_get::<Value>(at) {
            Ok(Value::Nil) | Err(_) => break,
            Ok(value) => {
                let name = text(&value).ok_or("unknown flag given")?;
                flags |=
                    ScriptFlags::named(&name.to_ascii_lowercase()).ok_or("unknown flag given")?;
            }
        }
    }
    Ok(flags)
}
