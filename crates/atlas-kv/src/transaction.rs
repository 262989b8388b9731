//! Transactions, as a record holds them: `EXEC`, then of each queued command the number of its arguments and these.
//!
//! Whoever queues the commands decides whether a transaction may run (`WATCH`); a record of one runs whatever the state.
//! A command of which only the number 0 stands there is not about keys: its answer comes from [`Answers::service`].

use crate::command::{self, Handler};
use crate::keyspace::{Answers, Keyspace, Moment};
use crate::number;
use crate::random::Random;
use crate::script::{Occasion, Terms, Tried};
use crate::{ArgumentBuffer, Arguments, Effects};

/// The name that stands first in the record of a transaction.
pub const NAME: &[u8] = b"EXEC";

/// The commands of a transaction, in order; where one is not about keys, no arguments stand in its place.
#[derive(Clone, Debug)]
pub struct Queued<'a> {
    rest: Arguments<'a>,
}

/// True if these are the arguments of a record of a transaction.
pub fn is_transaction(arguments: &Arguments<'_>) -> bool {
    arguments.name() == NAME && arguments.len() > 1
}

/// The commands that the record of a transaction holds.
pub fn queued<'a>(arguments: &Arguments<'a>) -> Queued<'a> {
    Queued {
        rest: arguments.skip(1),
    }
}

/// Appends a command to the record of a transaction; without arguments one that is not about keys.
pub fn queue(record: &mut ArgumentBuffer, arguments: Option<&Arguments<'_>>) {
    let count = arguments.map_or(0, Arguments::len);
    record.push(number::Decimal::new(count as i64).as_bytes());
    for argument in arguments.into_iter().flat_map(Arguments::iter) {
        record.push(argument);
    }
}

impl<'a> Iterator for Queued<'a> {
    type Item = Arguments<'a>;

    fn next(&mut self) -> Option<Arguments<'a>> {
        let count = number::integer(self.rest.get(0)?)?;
        let count = usize::try_from(count).ok()?;
        let found = self.rest.part(1..1 + count);
        // A count that promises more than there is ends the transaction: nobody writes such a record.
        if found.len() < count {
            return None;
        }
        self.rest = self.rest.skip(1 + count);
        Some(found)
    }
}

impl Keyspace {
    /// Runs the commands of a transaction, each seeing what those before it did.
    pub(crate) fn apply_transaction(
        &mut self,
        occasion: Occasion<'_>,
        arguments: &Arguments<'_>,
        random: &mut Random,
        answers: &mut dyn Answers,
        effects: &mut Effects,
    ) {
        let mut database = occasion.moment.database;
        answers.client().array(queued(arguments).count());
        for (position, command_arguments) in queued(arguments).enumerate() {
            if command_arguments.is_empty() {
                answers.service(position);
                continue;
            }
            if let Some(selected) = selected(&command_arguments) {
                database = selected;
                answers.client().ok();
                continue;
            }
            match command::resolve(&command_arguments) {
                Err(error) => answers.client().error(&error.to_string()),
                Ok(command) if matches!(command.handler, Handler::Script(_)) => {
                    let moment = Moment {
                        database,
                        ..occasion.moment
                    };
                    let occasion = Occasion { moment, ..occasion };
                    let (arguments, reply) = (&command_arguments, answers.client());
                    self.apply_script(command, occasion, arguments, random, reply, effects);
                }
                Ok(command) => {
                    let mut context =
                        self.context(command, database, random.clone(), false, effects);
                    context.run(&command_arguments, answers.client());
                    *random = context.random;
                }
            }
        }
    }

    /// Answers a transaction whose commands only read, without a record; scripts in it are tried.
    ///
    /// # Errors
    /// What came of a script that does not only read; what was answered by then is to be thrown away.
    pub fn read_transaction(
        &mut self,
        terms: &Terms,
        moment: Moment,
        arguments: &Arguments<'_>,
        answers: &mut dyn Answers,
        effects: &mut Effects,
    ) -> Result<(), Tried> {
        let mut moment = moment;
        answers.client().array(queued(arguments).count());
        for (position, command_arguments) in queued(arguments).enumerate() {
            if command_arguments.is_empty() {
                answers.service(position);
            } else if let Some(selected) = selected(&command_arguments) {
                moment.database = selected;
                answers.client().ok();
            } else {
                let command = match command::resolve(&command_arguments) {
                    Err(error) => {
                        answers.client().error(&error.to_string());
                        continue;
                    }
                    Ok(command) => command,
                };
                let read = match command.handler {
                    Handler::Write(_) => return Err(Tried::WouldWrite),
                    Handler::Script(_) => {
                        let (arguments, reply) = (&command_arguments, answers.client());
                        let tried =
                            self.try_script(command, moment, arguments, terms, reply, effects);
                        if tried != Tried::Answered {
                            return Err(tried);
                        }
                        Ok(())
                    }
                    _ => self.read(command, moment, &command_arguments, answers.client()),
                };
                if let Err(error) = read {
                    command.answer_error(&error, answers.client());
                }
            }
        }
        Ok(())
    }
}

/// The database that a queued `SELECT` chooses: the one command about a connection that changes what the others do.
fn selected(arguments: &Arguments<'_>) -> Option<u32> {
    (arguments.len() == 2 && arguments.is(0, "select"))
        .then(|| number::integer(arguments.at(1)))
        .flatten()
        .and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Answer, Collected};
    use crate::{Reply, Settings};

    struct Side(Collected);

    impl Answers for Side {
        fn client(&mut self) -> &mut dyn Reply {
            &mut self.0
        }
        fn waiter(&mut self, _: u64) -> &mut dyn Reply {
            &mut self.0
        }
        fn service(&mut self, position: usize) {
            self.0.integer(position as i64);
        }
    }

    fn record(commands: &[&[&str]]) -> ArgumentBuffer {
        let mut record = ArgumentBuffer::of([NAME]);
        for command in commands {
            let arguments = ArgumentBuffer::of(*command);
            let arguments = arguments.arguments();
            queue(&mut record, (!command.is_empty()).then_some(&arguments));
        }
        record
    }

    #[test]
    fn commands_see_each_other_and_answers_are_nested() {
        let mut keyspace = Keyspace::new(2, Settings::default());
        let moment = Moment {
            database: 0,
            now_ms: 1,
            seed: 0,
        };
        let record = record(&[
            &["set", "a", "1"],
            &["get", "a"],
            &[],
            &["nothing"],
            &["select", "1"],
            &["get", "a"],
        ]);
        let mut side = Side(Collected::default());
        let arguments = record.arguments();
        assert!(is_transaction(&arguments));
        keyspace.apply(moment, &arguments, &[], &mut side, &mut Effects::default());
        let expected = vec![Answer::Array(vec![
            Answer::Simple("OK".into()),
            Answer::bulk("1"),
            Answer::Integer(2),
            Answer::Error("ERR unknown command 'nothing', with args beginning with: ".into()),
            Answer::Simple("OK".into()),
            Answer::Null,
        ])];
        assert_eq!(side.0.into_answers(), expected);

        let mut side = Side(Collected::default());
        let reads = self::record(&[&["get", "a"], &["select", "1"], &["get", "a"]]);
        let effects = &mut Effects::default();
        let terms = Terms::default();
        let read =
            keyspace.read_transaction(&terms, moment, &reads.arguments(), &mut side, effects);
        read.unwrap();
        let expected = vec![Answer::bulk("1"), Answer::Simple("OK".into()), Answer::Null];
        assert_eq!(side.0.into_answers(), vec![Answer::Array(expected)]);
    }

    #[test]
    fn a_count_without_its_arguments_ends_it() {
        let record = ArgumentBuffer::of(["EXEC", "3", "get", "a"]);
        assert_eq!(queued(&record.arguments()).count(), 0);
    }
}
