//! Setting strings: `SET` and its relatives.

use crate::context::{Context, Expiry, Sought};
use crate::effects::Class;
use crate::expiry::Form;
use crate::string::{Text, answer};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// What `SET` says beside key and value.
#[derive(Debug, Default)]
struct Options<'a> {
    /// `NX`: only if there is no such key.
    if_missing: bool,
    /// `XX`: only if there is one.
    if_present: bool,
    /// `GET`: answer what was there.
    answers_old: bool,
    time: Option<Time<'a>>,
}

/// What a command says about when its key expires: one thing at most.
#[derive(Clone, Copy, Debug)]
enum Time<'a> {
    /// `KEEPTTL`.
    Keep,
    /// `PERSIST`.
    Persist,
    /// `EX`, `PX`, `EXAT`, `PXAT`. Said twice, the last counts.
    Form(Form, &'a [u8]),
}

impl<'a> Options<'a> {
    /// Of `SET`: the arguments from the third on.
    fn of_set(arguments: &Arguments<'a>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut position = 3;
        while let Some(word) = arguments.get(position) {
            if word.eq_ignore_ascii_case(b"nx") && !options.if_present {
                options.if_missing = true;
            } else if word.eq_ignore_ascii_case(b"xx") && !options.if_missing {
                options.if_present = true;
            } else if word.eq_ignore_ascii_case(b"get") {
                options.answers_old = true;
            } else if word.eq_ignore_ascii_case(b"keepttl") {
                options.time = match options.time {
                    None | Some(Time::Keep) => Some(Time::Keep),
                    Some(_) => return Err(Error::Syntax),
                };
            } else {
                options.time = Some(timed(arguments, &mut position, options.time)?);
            }
            position += 1;
        }
        Ok(options)
    }

    /// Of `GETEX`: the arguments from the second on.
    fn of_getex(arguments: &Arguments<'a>) -> Result<Option<Time<'a>>, Error> {
        let mut time = None;
        let mut position = 2;
        while let Some(word) = arguments.get(position) {
            time = Some(if word.eq_ignore_ascii_case(b"persist") {
                match time {
                    None | Some(Time::Persist) => Time::Persist,
                    Some(_) => return Err(Error::Syntax),
                }
            } else {
                timed(arguments, &mut position, time)?
            });
            position += 1;
        }
        Ok(time)
    }
}

/// Reads an option about time and its number, unless another one was said before.
fn timed<'a>(
    arguments: &Arguments<'a>,
    position: &mut usize,
    before: Option<Time<'a>>,
) -> Result<Time<'a>, Error> {
    let form = Form::of_option(arguments.at(*position)).ok_or(Error::Syntax)?;
    match before {
        None => {}
        Some(Time::Form(other, _)) if other == form => {}
        Some(_) => return Err(Error::Syntax),
    }
    *position += 1;
    let amount = arguments.get(*position).ok_or(Error::Syntax)?;
    Ok(Time::Form(form, amount))
}

impl Time<'_> {
    fn expiry(time: Option<Self>, context: &Context<'_>) -> Result<Expiry, Error> {
        match time {
            None | Some(Self::Persist) => Ok(Expiry::Never),
            Some(Self::Keep) => Ok(Expiry::Keep),
            Some(Self::Form(form, amount)) => form
                .positive_at_ms(amount, context.now_ms, context.command.name)
                .map(Expiry::At),
        }
    }
}

/// Sets the key and says so.
fn put(context: &mut Context<'_>, key: &[u8], value: &[u8], expiry: Expiry) {
    let sought = context.seek(key);
    put_at(context, sought, key, value, expiry);
}

/// The same where somebody has looked for the key already.
fn put_at(context: &mut Context<'_>, sought: Sought, key: &[u8], value: &[u8], expiry: Expiry) {
    context.set_string_at(sought, key, value, expiry);
    context.changed(key);
    context.notify(Class::STRING, "set", key);
    if matches!(expiry, Expiry::At(_)) {
        context.notify(Class::GENERIC, "expire", key);
    }
}

pub(super) fn set(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (key, value) = (arguments.at(1), arguments.at(2));
    if arguments.len() == 3 {
        put(context, key, value, Expiry::Never);
        reply.ok();
        return Ok(());
    }
    let options = Options::of_set(arguments)?;
    let expiry = Time::expiry(options.time, context)?;
    let sought = context.seek(key);
    let found = sought.is_found();
    if options.answers_old {
        answer(context.string_at(sought)?, reply);
    }
    let is_set = !(options.if_missing && found || options.if_present && !found);
    if is_set {
        put_at(context, sought, key, value, expiry);
    }
    match (options.answers_old, is_set) {
        (true, _) => {}
        (false, true) => reply.ok(),
        (false, false) => reply.null(),
    }
    Ok(())
}

pub(super) fn set_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    if arguments.len() == 3 {
        return true;
    }
    match Options::of_set(arguments) {
        Ok(options) if options.if_missing => !view.exists(arguments.at(1)),
        Ok(options) if options.if_present => view.holds(arguments.at(1)),
        Ok(_) => true,
        Err(_) => false,
    }
}

pub(super) fn setnx(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let sought = context.seek(key);
    let is_new = !sought.is_found();
    if is_new {
        put_at(context, sought, key, arguments.at(2), Expiry::Never);
    }
    reply.integer(i64::from(is_new));
    Ok(())
}

pub(super) fn setex(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    set_for(context, arguments, reply, Form::Seconds)
}

pub(super) fn psetex(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    set_for(context, arguments, reply, Form::Milliseconds)
}

fn set_for(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    form: Form,
) -> Result<(), Error> {
    let time = Time::Form(form, arguments.at(2));
    let expiry = Time::expiry(Some(time), context)?;
    put(context, arguments.at(1), arguments.at(3), expiry);
    reply.ok();
    Ok(())
}

pub(super) fn getset(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let sought = context.seek(key);
    answer(context.string_at(sought)?, reply);
    put_at(context, sought, key, arguments.at(2), Expiry::Never);
    Ok(())
}

pub(super) fn getdel(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let sought = context.seek(key);
    answer(context.string_at(sought)?, reply);
    if context.remove_sought(sought) {
        context.changed(key);
        context.notify(Class::GENERIC, "del", key);
    }
    Ok(())
}

pub(super) fn getex(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let time = Options::of_getex(arguments)?;
    let Some(entry) = context.entry(key) else {
        reply.null();
        return Ok(());
    };
    Text::of(entry.value())?;
    let expires = entry.expire_ms().is_some();
    let expiry = Time::expiry(time, context)?;
    answer(context.string(key)?, reply);
    match (time, expiry) {
        (Some(Time::Form(Form::SecondsAt | Form::MillisecondsAt, _)), Expiry::At(expire_ms))
            if expire_ms <= context.now_ms =>
        {
            context.remove(key);
            context.changed(key);
            context.notify(Class::GENERIC, "del", key);
        }
        (_, Expiry::At(expire_ms)) => {
            context.set_expire_ms(key, Some(expire_ms));
            context.changed(key);
            context.notify(Class::GENERIC, "expire", key);
        }
        (Some(Time::Persist), _) if expires => {
            context.set_expire_ms(key, None);
            context.changed(key);
            context.notify(Class::GENERIC, "persist", key);
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn getex_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let key = arguments.at(1);
    match (view.peek(key), Options::of_getex(arguments)) {
        (None, _) => view.holds(key),
        (Some(_), Err(_) | Ok(None)) => false,
        (Some(entry), Ok(Some(Time::Persist))) => entry.expire_ms().is_some(),
        (Some(_), Ok(Some(_))) => true,
    }
}

pub(super) fn mset(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    if arguments.len().is_multiple_of(2) {
        return Err(context.command.arity_error());
    }
    put_all(context, arguments);
    reply.ok();
    Ok(())
}

pub(super) fn msetnx(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    if arguments.len().is_multiple_of(2) {
        return Err(context.command.arity_error());
    }
    let is_new = keys(arguments).all(|key| !context.exists(key));
    if is_new {
        put_all(context, arguments);
    }
    reply.integer(i64::from(is_new));
    Ok(())
}

pub(super) fn msetnx_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let mut is_new = true;
    for key in keys(arguments) {
        if view.exists(key) {
            is_new = false;
        } else if view.holds(key) {
            // It has expired, and looking at it removes it.
            return true;
        }
    }
    is_new
}

fn keys<'a>(arguments: &Arguments<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    arguments.skip(1).iter().step_by(2)
}

fn put_all(context: &mut Context<'_>, arguments: &Arguments<'_>) {
    for position in (1..arguments.len().saturating_sub(1)).step_by(2) {
        let (key, value) = (arguments.at(position), arguments.at(position + 1));
        put(context, key, value, Expiry::Never);
    }
}
