//! `PFDEBUG` and `PFSELFTEST`: what tests ask of counters.

use super::estimate::Rank;
use super::{CORRUPT, EMPTY, Form, REGISTERS, dense, head, make_dense, raise, sparse};
use crate::command::shown;
use crate::context::Context;
use crate::random::Random;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Elements that the self test adds, and how often it fills all registers.
const ELEMENTS: u64 = 100_000;
const FILLINGS: usize = 10;

pub(super) fn pfdebug(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(2);
    let sought = context.seek(key);
    let bytes = context
        .string_at(sought)?
        .ok_or(Error::fixed("ERR The specified key does not exist"))?;
    let form = Form::of(&bytes)?;
    let known = ["getreg", "decode", "encoding", "todense"];
    if !known.iter().any(|name| arguments.is(1, name)) {
        let name = shown(arguments.at(1), 128);
        return Err(Error::line(format!(
            "ERR Unknown PFDEBUG subcommand '{name}'"
        )));
    }
    let is_sparse = matches!(form, Form::Sparse(_));
    if arguments.is(1, "encoding") {
        reply.simple(if is_sparse { "sparse" } else { "dense" });
        return Ok(());
    }
    if arguments.is(1, "decode") {
        let Form::Sparse(runs) = form else {
            return Err(Error::fixed("ERR HLL encoding is not sparse"));
        };
        if !sparse::is_whole(runs) {
            return Err(CORRUPT);
        }
        let words: Vec<String> = sparse::runs(runs)
            .map(|run| match (run.value, run.bytes) {
                (0, 1) => format!("z:{}", run.registers),
                (0, _) => format!("Z:{}", run.registers),
                (value, _) => format!("v:{value},{}", run.registers),
            })
            .collect();
        reply.bulk(words.join(" ").as_bytes());
        return Ok(());
    }
    Form::whole(&bytes)?;
    if is_sparse {
        context.edit_whole_string_at(sought, key, make_dense);
        context.changed_more(1);
    }
    if arguments.is(1, "todense") {
        reply.integer(i64::from(is_sparse));
        return Ok(());
    }
    if let Some(bytes) = context.string_at(sought)?
        && let Form::Dense(packed) = Form::of(&bytes)?
    {
        reply.array(REGISTERS);
        for value in dense::groups(packed).flatten() {
            reply.integer(i64::from(value));
        }
    }
    Ok(())
}

pub(super) fn pfselftest(
    view: &View<'_>,
    _: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let mut random = Random::new(view.seed);
    for _ in 0..FILLINGS {
        registers_are_kept(&mut random)?;
    }
    elements_are_counted(random.bits(), view.settings().hll_sparse_bytes_max)?;
    reply.ok();
    Ok(())
}

fn failed(what: &str) -> Error {
    Error::line(format!("ERR TESTFAILED {what}"))
}

/// Each register keeps what it is set to, and so do its neighbours.
fn registers_are_kept(random: &mut Random) -> Result<(), Error> {
    let values: Vec<u8> = (0..REGISTERS).map(|_| random.below(64) as u8).collect();
    let mut packed = vec![0; dense::BYTES];
    for (register, &value) in values.iter().enumerate() {
        dense::raise(&mut packed, Rank { register, value });
    }
    for (register, &value) in values.iter().enumerate() {
        let kept = dense::value(&packed, register);
        if kept != value {
            return Err(failed(&format!(
                "Register {register} should be {value} but is {kept}"
            )));
        }
    }
    Ok(())
}

/// Both forms count the same, and hardly wrong.
fn elements_are_counted(seed: u64, sparse_bytes_max: u64) -> Result<(), Error> {
    let mut dense = EMPTY.to_vec();
    make_dense(&mut dense, 0);
    let mut either = EMPTY.to_vec();
    // 1.04 over the root of the number of registers is the error to expect.
    let error = 1.04 / (REGISTERS as f64).sqrt();
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let rank = Rank::of(&(number ^ seed).to_le_bytes());
        raise(&mut dense, 0, rank, 0);
        raise(&mut either, 0, rank, sparse_bytes_max);
        if number < checkpoint {
            continue;
        }
        let is_sparse = either[head::FORM] == head::SPARSE;
        if !is_sparse && number < sparse_bytes_max / 2 {
            return Err(failed("sparse encoding not used"));
        }
        let count = Form::of(&dense)?.count();
        if Form::whole(&either)?.count() != count {
            return Err(failed("dense/sparse disagree"));
        }
        // Ten elements may share a register now and then.
        let allowed = match number {
            10 => 1,
            _ => (error * 6.0 * number as f64).ceil() as u64,
        };
        if count.abs_diff(number) > allowed {
            return Err(failed(&format!(
                "Too big error. card:{number} abserr:{}",
                count.abs_diff(number)
            )));
        }
        checkpoint *= 10;
    }
    Ok(())
}
