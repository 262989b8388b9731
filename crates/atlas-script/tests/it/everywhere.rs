//! The same script gives the same on every machine.

use mlua::Value;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{run, sandbox, show};

#[test]
fn powers_are_those_of_libm() {
    let sandbox = sandbox();
    let power = sandbox
        .load(
            "@power",
            b"local base, exponent = ... return base ^ exponent",
        )
        .unwrap();
    let mut random = StdRng::seed_from_u64(9);
    for _ in 0..20_000 {
        let base: f64 = random.random_range(0.0..1000.0);
        let exponent: f64 = random.random_range(-20.0..20.0);
        sandbox.refuel(crate::FUEL).unwrap();
        let ours = sandbox.call(&power, (base, exponent)).unwrap();
        let ours = match ours.front() {
            Some(Value::Integer(number)) => *number as f64,
            Some(Value::Number(number)) => *number,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            ours.to_bits(),
            libm::pow(base, exponent).to_bits(),
            "{base} ^ {exponent}"
        );
    }
    assert_eq!(show(&sandbox, "return 2 ^ 10"), "1024");
}

#[test]
fn pairs_and_next_go_in_order_whatever_the_past() {
    let sandbox = sandbox();
    let orders = "local t = PAST \
        t.b = 1 t.a = 2 t[3] = 3 t[1] = 4 t[-1] = 5 t[1.5] = 6 t[true] = 7 t[false] = 8 t.c = 9 \
        local all = {} for k in pairs(t) do all[#all + 1] = tostring(k) end \
        for k in next, t do all[#all + 1] = tostring(k) end \
        table.foreach(t, function(k) all[#all + 1] = tostring(k) end) \
        return table.concat(all, ' ')";
    let past = [
        "{}",
        "(function() local t = {} for i = 1, 100 do t[i] = i t['k' .. i] = i end for i = 1, 100 do t[i] = nil t['k' .. i] = nil end return t end)()",
        "(function() local t = {} for i = 1, 50 do local k = {} t[k] = i end for k in nil_keys(t) do t[k] = nil end return t end)()",
    ];
    let order = "-1 1 1.5 3 a b c false true";
    for past in &past[..2] {
        assert_eq!(
            show(&sandbox, &orders.replace("PAST", past)),
            format!("{order} {order} {order}")
        );
    }
}

#[test]
fn keys_that_are_addresses_have_no_order() {
    let sandbox = sandbox();
    for (key, kind) in [
        ("{}", "table"),
        ("print_", "function"),
        ("coroutine.create(function() end)", "thread"),
        ("cjson.null", "userdata"),
    ] {
        for use_of in [
            "for k in pairs(t) do end",
            "next(t)",
            "for k in next, t do end",
            "table.foreach(t, print_)",
            "cmsgpack.pack(t)",
        ] {
            let script =
                format!("local function print_() end local t = {{a = 1}} t[{key}] = 1 {use_of}");
            let answer = show(&sandbox, &script);
            let expected =
                format!("the order of a table with a {kind} as a key is not deterministic");
            assert!(answer.ends_with(&expected), "{script}: {answer}");
        }
    }
    // Looking such a key up is fine.
    assert_eq!(
        show(&sandbox, "local k = {} local t = {[k] = 5} return t[k]"),
        "5"
    );
}

#[test]
fn addresses_do_not_show() {
    let sandbox = sandbox();
    let script = "local t, f = {}, function() end \
        return tostring(t) .. ' ' .. tostring(f) .. ' ' .. tostring(t) .. ' ' .. tostring(coroutine.create(f)) .. ' ' .. tostring(print)";
    let script = script.replace("tostring(print)", "tostring(cjson.null)");
    let shown = "table: 0x000000000001 function: 0x000000000002 table: 0x000000000001 thread: 0x000000000003 userdata: (nil)";
    assert_eq!(show(&sandbox, &script), shown);
    assert_eq!(show(&crate::sandbox(), &script), shown);
    assert_eq!(show(&sandbox, &script), shown);
}

#[test]
fn a_seed_gives_the_same_numbers() {
    let sandbox = sandbox();
    let numbers = |seed: u64| {
        sandbox.refuel(crate::FUEL).unwrap();
        sandbox.seed(seed);
        let chunk = sandbox
            .load("@user_script", b"return math.random(), math.random(100)")
            .unwrap();
        format!("{:?}", sandbox.call(&chunk, ()).unwrap())
    };
    assert_eq!(numbers(7), numbers(7));
    assert_ne!(numbers(7), numbers(8));
    // Redis's own first number after math.randomseed(0).
    assert_eq!(
        show(
            &sandbox,
            "math.randomseed(0) return string.format('%.14g', math.random())"
        ),
        "0.17082803611217"
    );
}

#[test]
fn what_a_script_sets_the_next_does_not_see() {
    let sandbox = sandbox();
    for script in [
        "cjson.encode_max_depth(1) cjson.encode_sparse_array(true, 1, 1) cjson.encode_number_precision(3)",
        "cjson.decode_max_depth(1) cjson.encode_invalid_numbers('null') cjson.decode_invalid_numbers(false)",
        "local t = {a = 1, b = 2} next(t)",
        "tostring({}) tostring({})",
    ] {
        run(&sandbox, script).unwrap();
        crate::assert_clean(&sandbox);
        let probe = "return cjson.encode({{1.23456, {2}}}) .. cjson.encode_max_depth() .. tostring(cjson.encode_sparse_array()) \
            .. tostring(cjson.encode_invalid_numbers()) .. tostring(cjson.decode_invalid_numbers()) .. cjson.decode_max_depth()";
        assert_eq!(
            show(&sandbox, probe),
            "[[1.23456,[2]]]1000falsefalsetrue1000"
        );
    }
}
