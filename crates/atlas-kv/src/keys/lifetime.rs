//! When keys expire.

use crate::command::{Command, Flags, Group};
use crate::context::Context;
use crate::effects::Class;
use crate::entry::Entry;
use crate::expiry::Form;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// The commands of this file.
pub(crate) static COMMANDS: &[Command] = &[
    setting(
        "expire",
        "1.0.0",
        "Sets how many seconds a key is to live.",
        |context, arguments, reply| expire(context, arguments, reply, Form::Seconds),
    ),
    setting(
        "pexpire",
        "2.6.0",
        "Sets how many milliseconds a key is to live.",
        |context, arguments, reply| expire(context, arguments, reply, Form::Milliseconds),
    ),
    setting(
        "expireat",
        "1.2.0",
        "Sets until when a key is to live, in seconds since 1970.",
        |context, arguments, reply| expire(context, arguments, reply, Form::SecondsAt),
    ),
    setting(
        "pexpireat",
        "2.6.0",
        "Sets until when a key is to live, in milliseconds since 1970.",
        |context, arguments, reply| expire(context, arguments, reply, Form::MillisecondsAt),
    ),
    asking(
        "ttl",
        "1.0.0",
        "Answers how many seconds a key has left.",
        |view, arguments, reply| time_left(view, arguments, reply, Form::Seconds),
    ),
    asking(
        "pttl",
        "2.6.0",
        "Answers how many milliseconds a key has left.",
        |view, arguments, reply| time_left(view, arguments, reply, Form::Milliseconds),
    ),
    asking(
        "expiretime",
        "7.0.0",
        "Answers when a key expires, in seconds since 1970.",
        |view, arguments, reply| time_left(view, arguments, reply, Form::SecondsAt),
    ),
    asking(
        "pexpiretime",
        "7.0.0",
        "Answers when a key expires, in milliseconds since 1970.",
        |view, arguments, reply| time_left(view, arguments, reply, Form::MillisecondsAt),
    ),
    Command::write(
        "persist",
        2,
        Group::Generic,
        "2.2.0",
        "Makes a key live on.",
        persist,
    )
    .without(Flags::DENYOOM)
    .and(Flags::FAST)
    .would_write(|view, arguments| {
        let key = arguments.at(1);
        match view.peek(key) {
            Some(entry) => entry.expire_ms().is_some(),
            None => view.holds(key),
        }
    }),
];

const fn setting(
    name: &'static str,
    since: &'static str,
    summary: &'static str,
    handler: fn(&mut Context<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::write(name, -3, Group::Generic, since, summary, handler)
        .without(Flags::DENYOOM)
        .and(Flags::FAST)
        .would_write(|view, arguments| view.holds(arguments.at(1)))
}

const fn asking(
    name: &'static str,
    since: &'static str,
    summary: &'static str,
    handler: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::read(name, 2, Group::Generic, since, summary, handler).and(Flags::FAST)
}

/// What must be true of the expiry a key has, for a new one to be set.
#[derive(Clone, Copy, Debug, Default)]
struct Conditions {
    none: bool,
    some: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    fn read(options: Arguments<'_>) -> Result<Self, Error> {
        let mut conditions = Self::default();
        for option in options.iter() {
            let condition = match option.to_ascii_lowercase().as_slice() {
                b"nx" => &mut conditions.none,
                b"xx" => &mut conditions.some,
                b"gt" => &mut conditions.later,
                b"lt" => &mut conditions.earlier,
                _ => {
                    let shown = crate::command::shown(option, 128);
                    return Err(Error::line(format!("ERR Unsupported option {shown}")));
                }
            };
            *condition = true;
        }
        if conditions.none && (conditions.some || conditions.later || conditions.earlier) {
            return Err(Error::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.later && conditions.earlier {
            return Err(Error::fixed(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    /// A key without an expiry counts as one that never expires.
    fn allow(self, before_ms: Option<i64>, at_ms: i64) -> bool {
        !(self.none && before_ms.is_some()
            || self.some && before_ms.is_none()
            || self.later && before_ms.is_none_or(|before_ms| at_ms <= before_ms)
            || self.earlier && before_ms.is_some_and(|before_ms| at_ms >= before_ms))
    }
}

fn expire(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    form: Form,
) -> Result<(), Error> {
    let conditions = Conditions::read(arguments.skip(3))?;
    let at_ms = form.at_ms(arguments.at(2), context.now_ms, context.command.name)?;
    let key = arguments.at(1);
    let now_ms = context.now_ms;
    let Some((place, position)) = context.locate(key) else {
        reply.integer(0);
        return Ok(());
    };
    let before_ms = context.entry_at(place, position).and_then(Entry::expire_ms);
    if !conditions.allow(before_ms, at_ms) {
        reply.integer(0);
        return Ok(());
    }
    let event = if at_ms <= now_ms {
        context.remove_at(place, position);
        "del"
    } else {
        context.set_expire_ms_at(place, position, Some(at_ms));
        "expire"
    };
    context.changed(key);
    context.notify(Class::GENERIC, event, key);
    reply.integer(1);
    Ok(())
}

fn time_left(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    form: Form,
) -> Result<(), Error> {
    let answer = match view.look(arguments.at(1)).map(|entry| entry.expire_ms()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at_ms)) => {
            let left_ms = at_ms.saturating_sub(view.now_ms);
            match form {
                Form::Seconds => rounded_seconds(left_ms),
                Form::Milliseconds => left_ms,
                Form::SecondsAt => rounded_seconds(at_ms),
                Form::MillisecondsAt => at_ms,
            }
        }
    };
    reply.integer(answer);
    Ok(())
}

/// Milliseconds from 0 on, up to the largest there are.
fn rounded_seconds(milliseconds: i64) -> i64 {
    (milliseconds.max(0).cast_unsigned() + 500).div_euclid(1000) as i64
}

fn persist(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let mut is_changed = false;
    if let Some((place, position)) = context.locate(key)
        && let Some(entry) = context.entry_at(place, position)
        && entry.expire_ms().is_some()
    {
        context.set_expire_ms_at(place, position, None);
        context.changed(key);
        context.notify(Class::GENERIC, "persist", key);
        is_changed = true;
    }
    reply.integer(i64::from(is_changed));
    Ok(())
}
