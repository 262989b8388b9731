//! `math`: Lua's own where the result is exact, `libm` where C libraries differ, Redis's generator for random numbers.

use std::rc::Rc;

use mlua::{Lua, Table, Value};

use crate::arguments::{Arguments, raise};
use crate::random;
use crate::sandbox::State;

/// Functions whose result IEEE 754 fixes: every machine agrees.
const EXACT: &[&str] = &[
    "abs", "ceil", "deg", "floor", "fmod", "frexp", "huge", "ldexp", "max", "min", "mod", "modf",
    "pi", "rad", "sqrt",
];

type OfOne = fn(f64) -> f64;

const INEXACT: &[(&str, OfOne)] = &[
    ("acos", libm::acos),
    ("asin", libm::asin),
    ("atan", libm::atan),
    ("cos", libm::cos),
    ("cosh", libm::cosh),
    ("exp", libm::exp),
    ("log", libm::log),
    ("log10", libm::log10),
    ("sin", libm::sin),
    ("sinh", libm::sinh),
    ("tan", libm::tan),
    ("tanh", libm::tanh),
];

/// The numbers of the generator are taken modulo this.
const RANDOM_MAX: u32 = i32::MAX as u32;

/// The table of the library.
pub(crate) fn table(lua: &Lua, state: &Rc<State>, raw: &Table) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for name in EXACT {
        table.raw_set(*name, raw.raw_get::<Value>(*name)?)?;
    }
    for (name, function) in INEXACT {
        let function = *function;
        let callback = lua.create_function(move |lua, arguments: Arguments| {
            Ok(function(arguments.number(lua, 1)?))
        })?;
        table.raw_set(*name, callback)?;
    }
    table.raw_set(
        "atan2",
        lua.create_function(|lua, arguments: Arguments| {
            Ok(libm::atan2(
                arguments.number(lua, 1)?,
                arguments.number(lua, 2)?,
            ))
        })?,
    )?;
    table.raw_set(
        "pow",
        lua.create_function(|lua, arguments: Arguments| {
            Ok(libm::pow(
                arguments.number(lua, 1)?,
                arguments.number(lua, 2)?,
            ))
        })?,
    )?;
    let shared = state.clone();
    table.raw_set(
        "random",
        lua.create_function(move |lua, arguments: Arguments| {
            next_random(lua, &shared, &arguments)
        })?,
    )?;
    let shared = state.clone();
    table.raw_set(
        "randomseed",
        lua.create_function(move |lua, arguments: Arguments| {
            let seed = arguments.integer(lua, 1)? as u32;
            shared.random.set(random::seeded(seed));
            Ok(())
        })?,
    )?;
    Ok(table)
}

fn next_random(lua: &Lua, state: &State, arguments: &Arguments) -> mlua::Result<f64> {
    let (next, bits) = random::step(state.random.get());
    state.random.set(next);
    let fraction = f64::from(bits % RANDOM_MAX) / f64::from(RANDOM_MAX);
    let between = |position: usize, low: i32, high: i32| {
        if low > high {
            return Err(arguments.wrong(lua, position, "interval is empty"));
        }
        // The width wraps like C's int.
        let width = high.wrapping_sub(low).wrapping_add(1);
        Ok((fraction * f64::from(width)).floor() + f64::from(low))
    };
    match arguments.count() {
        0 => Ok(fraction),
        1 => between(1, 1, arguments.integer(lua, 1)? as i32),
        2 => between(
            2,
            arguments.integer(lua, 1)? as i32,
            arguments.integer(lua, 2)? as i32,
        ),
        _ => Err(raise(lua, "wrong number of arguments")),
    }
}
