//! What scripts see and what stops them.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use atlas_script::{Error, Fuel, Verdict, throw};
use mlua::Value;

use crate::{FUEL, assert_clean, run, show, within};

#[test]
fn a_script_returns() {
    let sandbox = crate::sandbox();
    assert_eq!(show(&sandbox, "return 1 + 1"), "2");
    assert_eq!(show(&sandbox, "return 'a' .. 1.5"), "a1.5");
    assert_clean(&sandbox);
}

#[test]
fn an_error_carries_value_source_and_line() {
    let sandbox = crate::sandbox();
    let thrown = |script: &str| match run(&sandbox, script) {
        Err(Error::Script { thrown }) => thrown,
        other => panic!("{other:?}"),
    };
    let boom = thrown("\nerror('boom')");
    assert_eq!(boom.to_string(), "user_script:2: boom");
    assert_eq!(boom.source.as_deref(), Some("@user_script"));
    assert_eq!(boom.line, Some(2));
    let table = thrown("error({err = 'My Err'})");
    assert_eq!(
        table
            .value
            .as_table()
            .unwrap()
            .get::<String>("err")
            .unwrap(),
        "My Err"
    );
    let runtime = thrown("local x = nil\nreturn x.y");
    assert_eq!(
        runtime.to_string(),
        "user_script:2: attempt to index local 'x' (a nil value)"
    );
    assert_eq!(
        thrown("return tostring()").to_string(),
        "bad argument #1 to 'tostring' (value expected)"
    );
    let global = thrown("\n\nreturn unknown");
    assert_eq!(
        global.to_string(),
        "user_script:3: Script attempted to access nonexistent global variable 'unknown'"
    );
    assert_eq!(
        (global.source.as_deref(), global.line),
        (Some("@user_script"), Some(3))
    );
    assert_eq!(thrown("return bit.band({})").line, Some(1));
    assert_eq!(
        thrown("return bit.band({})").to_string(),
        "user_script:1: bad argument #1 to 'band' (number expected, got table)"
    );
}

#[test]
fn a_syntax_error_is_told_apart() {
    let sandbox = crate::sandbox();
    match run(&sandbox, "x x") {
        Err(Error::Syntax(message)) => assert_eq!(message, "user_script:1: '=' expected near 'x'"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_endless_loop_ends_when_the_fuel_does() {
    let sandbox = crate::sandbox();
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "repeat pcall(pcall, error) until false",
        "while true do coroutine.wrap(function() while true do end end)() end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do coroutine.wrap(function() local x = 1 end)() end",
        "xpcall(function() while true do end end, function() while true do end end) while true do end",
    ] {
        let outcome = within(Duration::from_secs(5), || run(&sandbox, script));
        assert!(
            matches!(outcome, Err(Error::OutOfFuel)),
            "{script}: {outcome:?}"
        );
        assert!(sandbox.burnt() >= FUEL, "{script}");
        assert_clean(&sandbox);
    }
}

#[test]
fn fuel_is_burnt_alike_whatever_ran_before() {
    let sandbox = crate::sandbox();
    let script = "local t = {} for i = 1, 10000 do t[i] = i end return #t";
    run(&sandbox, script).unwrap();
    let first = sandbox.burnt();
    assert!(first > Fuel(19_000), "{first:?}");
    for noise in 0..20 {
        let noise = format!("for i = 1, {} do end", noise * 13);
        run(&sandbox, &noise).unwrap();
        run(&sandbox, script).unwrap();
        assert_eq!(sandbox.burnt(), first);
    }
}

#[test]
fn the_interrupt_kills_and_pcall_does_not_save() {
    let sandbox = crate::sandbox();
    let asked = Rc::new(Cell::new(0_u32));
    let counter = asked.clone();
    sandbox.set_interrupt(move |_| {
        counter.set(counter.get() + 1);
        if counter.get() >= 100 {
            Verdict::Stop
        } else {
            Verdict::GoOn
        }
    });
    let outcome = run(
        &sandbox,
        "while true do pcall(function() while true do end end) end",
    );
    assert!(matches!(outcome, Err(Error::Killed)), "{outcome:?}");
    assert_eq!(asked.get(), 100);
    sandbox.clear_interrupt();
    assert_clean(&sandbox);
}

#[test]
fn a_function_of_the_owner_raises_a_table() {
    let sandbox = crate::sandbox();
    let refuse = sandbox
        .lua()
        .create_function(|lua, ()| -> mlua::Result<()> {
            let table = lua.create_table()?;
            table.raw_set("err", "WRONG something")?;
            Err(throw(Value::Table(table)))
        })
        .unwrap();
    sandbox.globals().raw_set("refuse", refuse).unwrap();
    match run(&sandbox, "refuse()") {
        Err(Error::Script { thrown }) => {
            assert_eq!(thrown.to_string(), "WRONG something");
            assert_eq!(thrown.line, Some(1));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        show(&sandbox, "local ok, why = pcall(refuse) return why"),
        "WRONG something"
    );
    assert_eq!(
        show(
            &sandbox,
            "return select(2, xpcall(refuse, function(e) return e.err end))"
        ),
        "WRONG something"
    );
    assert_eq!(
        show(
            &sandbox,
            "return select(2, coroutine.resume(coroutine.create(function() refuse() end))).err"
        ),
        "WRONG something"
    );
}
