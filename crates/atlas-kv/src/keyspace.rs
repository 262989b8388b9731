//! The state: numbered databases, and the one way to change it.

use std::cell::Cell;

use crate::acl::{self, Users};
use crate::command::{self, Command, Handler};
use crate::context::Context;
use crate::database::{Database, Place};
use crate::digest::Digest;
use crate::effects::{Change, Class, Effects, Garbage, Interest, Waste};
use crate::entry::Entry;
use crate::lookups::Lookups;
use crate::random::Random;
use crate::script::{Libraries, Occasion, ScriptCache, Scripts, Terms, Watch};
use crate::settings::{self, Access, Settings};
use crate::slice::Slice;
use crate::snapshot::{Owing, Walk};
use crate::transaction;
use crate::value::Object;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Keys whose memory is asked for side by side: about as many reads as a processor has under way at once.
const WARMED_AT_ONCE: usize = 16;

/// What a record says beside the command: all that its effect depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The database that the client had selected.
    pub database: u32,
    /// The time of the record in milliseconds since 1970. The state's clock never runs back: an earlier time counts as
    /// the latest seen.
    pub now_ms: i64,
    /// Where random picks come from.
    pub seed: u64,
}

/// A waiting client that may be answered by what a record changes.
#[derive(Clone, Copy, Debug)]
pub struct Waiter<'a> {
    /// The number of its wait.
    pub wait: u64,
    /// The database that it had selected.
    pub database: u32,
    /// Its command.
    pub arguments: Arguments<'a>,
}

/// Takes the answers of a record: its client's, and those of clients that waited.
pub trait Answers {
    /// Where the client's answer goes.
    fn client(&mut self) -> &mut dyn Reply;
    /// Where the answer to a wait goes. Nothing is written there if the client has to go on waiting.
    fn waiter(&mut self, wait: u64) -> &mut dyn Reply;
    /// Writes the client's answer for the command at `position` of a transaction, which is not about keys and of which
    /// the record has no arguments.
    fn service(&mut self, position: usize) {
        let _ = position;
        self.client().null();
    }
}

/// All keys of a store, and their clock.
///
/// [`Keyspace::apply`] is the only way to change what clients see; what it does depends on nothing but the state and its
/// arguments. [`Keyspace::read`] answers what changes nothing.
pub struct Keyspace {
    pub(crate) databases: Vec<Database>,
    pub(crate) settings: Settings,
    pub(crate) users: Users,
    pub(crate) slice: Slice,
    pub(crate) walk: Option<Walk>,
    pub(crate) clock_ms: i64,
    pub(crate) dice: Dice,
    pub(crate) lookups: Lookups,
    pub(crate) scripts: ScriptCache,
    pub(crate) libraries: Libraries,
    /// What runs scripts; not here while one runs.
    pub(crate) engine: Option<Box<dyn Scripts>>,
    /// Who looks at them meanwhile.
    pub(crate) watch: Option<Box<dyn Watch>>,
}

impl std::fmt::Debug for Keyspace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Keyspace")
            .field("databases", &self.databases)
            .field("settings", &self.settings)
            .field("clock_ms", &self.clock_ms)
            .field("libraries", &self.libraries)
            .finish_non_exhaustive()
    }
}

impl Keyspace {
    /// An empty state of so many databases (at least one).
    pub fn new(databases: u32, settings: Settings) -> Self {
        Self {
            databases: (0..databases.max(1)).map(Database::new).collect(),
            settings,
            ..Self::hollow()
        }
    }

    /// What stands in the place of a state that a script holds; nothing is to be done with it, and it costs nothing.
    pub(crate) fn hollow() -> Self {
        Self {
            databases: Vec::new(),
            settings: Settings::default(),
            users: Users::default(),
            slice: Slice::new(),
            walk: None,
            clock_ms: 0,
            dice: Dice::new(),
            lookups: Lookups::default(),
            scripts: ScriptCache::default(),
            libraries: Libraries::default(),
            engine: None,
            watch: None,
        }
    }

    /// The number of databases.
    pub fn database_count(&self) -> u32 {
        self.databases.len() as u32
    }

    /// The settings that commands read. A record changes them ([`Settings::change_of`]), so that every replay does the
    /// same at the same place.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who may do what. A record changes it ([`acl::User::record`] and its neighbours).
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// The latest time that a record said, in milliseconds since 1970.
    pub fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// The number of keys of a database, and how many of them expire.
    pub fn key_counts(&self, database: u32) -> (usize, usize) {
        self.databases
            .get(database as usize)
            .map_or((0, 0), |held| (held.len(), held.volatile_len()))
    }

    /// Touches what commands about these keys, each of a database, will look at: for a few of them at once their memory
    /// comes to the processor side by side, while one after the other each command would wait for its own, several times.
    pub fn warm<'a>(&self, keys: impl IntoIterator<Item = (u32, &'a [u8])>) {
        let mut keys = keys.into_iter().filter_map(|(database, key)| {
            let database = self.databases.get(database as usize)?;
            (database.len() > 0 && !key.is_empty()).then_some((database, key))
        });
        loop {
            let mut places = [None; WARMED_AT_ONCE];
            let mut count = 0;
            for ((database, key), place) in keys.by_ref().take(WARMED_AT_ONCE).zip(&mut places) {
                *place = Some((database, Place::of(key)));
                count += 1;
            }
            if count == 0 {
                return;
            }
            // Each round needs what the round before has brought, and nothing of its neighbours.
            let places = &places[..count];
            let positions: [Option<u32>; WARMED_AT_ONCE] = std::array::from_fn(|at| {
                let (database, place) = (*places.get(at)?)?;
                database.find_likely(place)
            });
            let entries: [Option<&Entry>; WARMED_AT_ONCE] = std::array::from_fn(|at| {
                let (database, place) = (*places.get(at)?)?;
                database.get(place, positions[at]?)
            });
            let touched = entries.iter().flatten().map(|entry| entry.touch());
            std::hint::black_box(touched.fold(0_usize, usize::wrapping_add));
        }
    }

    /// The state as it is at a moment; what has expired is not there. `is_use` says whether looking at a key counts as
    /// its use.
    pub fn view(&self, moment: Moment, is_use: bool) -> View<'_> {
        View {
            keyspace: self,
            database: moment.database,
            now_ms: moment.now_ms.max(self.clock_ms),
            access: is_use.then(|| self.settings.access.of_now(moment.now_ms)),
            seed: moment.seed,
            is_scripted: false,
        }
    }

    /// Answers a command that only reads.
    ///
    /// # Errors
    /// What the command is refused with; nothing was answered then.
    pub fn read(
        &self,
        command: &Command,
        moment: Moment,
        arguments: &Arguments<'_>,
        reply: &mut dyn Reply,
    ) -> Result<(), Error> {
        match command.handler {
            Handler::Read(read) => read(&self.view(moment, true), arguments, reply),
            Handler::Write(_) | Handler::Script(_) | Handler::Service => {
                Err(Error::fixed("ERR this command does not only read"))
            }
        }
    }

    /// Runs a command, then serves the clients that waited, in order. Every client that was served is named in
    /// [`Effects::served`]. A command that is refused answers with its error and changes nothing, save that keys whose
    /// time has come are removed.
    pub fn apply(
        &mut self,
        moment: Moment,
        arguments: &Arguments<'_>,
        waiters: &[Waiter<'_>],
        answers: &mut dyn Answers,
        effects: &mut Effects,
    ) {
        let terms = &Terms::default();
        let occasion = Occasion { moment, terms };
        self.apply_on(occasion, arguments, waiters, answers, effects);
    }

    /// As [`Self::apply`], with what the record says about scripts.
    pub fn apply_on(
        &mut self,
        occasion: Occasion<'_>,
        arguments: &Arguments<'_>,
        waiters: &[Waiter<'_>],
        answers: &mut dyn Answers,
        effects: &mut Effects,
    ) {
        let moment = occasion.moment;
        self.clock_ms = self.clock_ms.max(moment.now_ms);
        let mut random = Random::new(moment.seed);
        match command::resolve(arguments) {
            _ if transaction::is_transaction(arguments) => {
                let random = &mut random;
                self.apply_transaction(occasion, arguments, random, answers, effects);
            }
            _ if settings::is_change(arguments) => match self.settings.changed(arguments) {
                Ok(settings) => {
                    self.settings = settings;
                    answers.client().ok();
                }
                Err(error) => answers.client().error(&error.to_string()),
            },
            _ if acl::is_change(arguments) => match self.users.change(arguments) {
                Ok(removed) => {
                    effects.users = true;
                    match removed {
                        Some(count) => answers.client().integer(count),
                        None => answers.client().ok(),
                    }
                }
                Err(error) => answers.client().error(&error.to_string()),
            },
            Err(error) => answers.client().error(&error.to_string()),
            Ok(command) if matches!(command.handler, Handler::Script(_)) => {
                let reply = answers.client();
                let random = &mut random;
                self.apply_script(command, occasion, arguments, random, reply, effects);
            }
            Ok(command) => {
                let mut context =
                    self.context(command, moment.database, random.clone(), false, effects);
                context.run(arguments, answers.client());
                random = context.random;
            }
        }
        self.serve_with(waiters, random, answers, effects);
    }

    /// Serves clients that waited, in order; what a record of kind `serve` does. As in [`Self::apply`] every client that
    /// was served is named in [`Effects::served`].
    pub fn serve(
        &mut self,
        moment: Moment,
        waiters: &[Waiter<'_>],
        answers: &mut dyn Answers,
        effects: &mut Effects,
    ) {
        self.clock_ms = self.clock_ms.max(moment.now_ms);
        self.serve_with(waiters, Random::new(moment.seed), answers, effects);
    }

    /// Answers a command that may write and said, asked by [`Command::would_write`] at this moment, that it would not:
    /// nothing changes, not even the clock.
    ///
    /// # Errors
    /// What the command is refused with; [`Error::WouldBlock`] if its client is to wait.
    pub fn answer(
        &mut self,
        command: &'static Command,
        moment: Moment,
        arguments: &Arguments<'_>,
        reply: &mut dyn Reply,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        self.answer_to(false, command, moment, arguments, reply, effects)
    }

    /// As [`Self::answer`], to a script or to a client.
    pub(crate) fn answer_to(
        &mut self,
        is_scripted: bool,
        command: &'static Command,
        moment: Moment,
        arguments: &Arguments<'_>,
        reply: &mut dyn Reply,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        match command.handler {
            Handler::Read(read) => read(&self.view(moment, true), arguments, reply),
            Handler::Write(write) => {
                let now_ms = moment.now_ms.max(self.clock_ms);
                let random = Random::new(moment.seed);
                let mut context = self.context(command, moment.database, random, false, effects);
                context.now_ms = now_ms;
                context.access = context.keyspace.settings.access.of_now(now_ms);
                context.is_scripted = is_scripted;
                write(&mut context, arguments, reply)
            }
            Handler::Script(_) | Handler::Service => {
                Err(Error::fixed("ERR this command has no effect on keys"))
            }
        }
    }

    fn serve_with(
        &mut self,
        waiters: &[Waiter<'_>],
        mut random: Random,
        answers: &mut dyn Answers,
        effects: &mut Effects,
    ) {
        for waiter in waiters {
            let Ok(command) = command::resolve(&waiter.arguments) else {
                continue;
            };
            let mut context = self.context(command, waiter.database, random.clone(), true, effects);
            let is_served = context.serve(waiter, answers);
            random = context.random;
            if is_served {
                effects.served.push(waiter.wait);
            }
        }
    }

    /// Removes those of the keys whose time has come by `now_ms`; what a record of kind `expire` does.
    pub fn expire<'k>(
        &mut self,
        database: u32,
        now_ms: i64,
        keys: impl IntoIterator<Item = &'k [u8]>,
        effects: &mut Effects,
    ) {
        self.clock_ms = self.clock_ms.max(now_ms);
        let mut context = self.removing(database, effects);
        for key in keys {
            context.exists(key);
        }
    }

    /// Removes keys to make room; what a record of kind `evict` does. `is_volatile_only` is that of the policy that chose
    /// them: a key that has lost its expiry since stays.
    pub fn evict<'k>(
        &mut self,
        database: u32,
        now_ms: i64,
        is_volatile_only: bool,
        keys: impl IntoIterator<Item = &'k [u8]>,
        effects: &mut Effects,
    ) {
        self.clock_ms = self.clock_ms.max(now_ms);
        let mut context = self.removing(database, effects);
        for key in keys {
            let is_volatile = context
                .view()
                .peek(key)
                .is_some_and(|entry| entry.expire_ms().is_some());
            if (is_volatile || !is_volatile_only) && context.remove(key) {
                context.changed(key);
                context.notify(Class::EVICTED, "evicted", key);
            }
        }
    }

    /// Keys whose time has come by `now_ms`, at most `count_max` of them: what the next record of kind `expire` should
    /// name. They are told again until they are removed.
    pub fn due(&mut self, database: u32, now_ms: i64, count_max: usize) -> Vec<Vec<u8>> {
        self.databases
            .get_mut(database as usize)
            .map_or_else(Vec::new, |held| held.due(now_ms, count_max))
    }

    /// A hash of all that commands can see: databases, keys in their order, values, expiries, the clock, users, scripts and
    /// libraries.
    pub fn state_hash(&self) -> u128 {
        let mut digest = Digest::new();
        digest.integer(self.clock_ms as u64);
        for database in &self.databases {
            digest.integer(database.len() as u64);
            for entry in database.entries() {
                digest.bytes(entry.key());
                digest.integer(entry.expire_ms().unwrap_or_default() as u64);
                entry.value().digest(&mut digest);
            }
        }
        self.users.digest(&mut digest);
        self.scripts.digest(&mut digest);
        self.libraries.digest(&mut digest);
        digest.finish()
    }

    /// Notes a use of an entry.
    pub(crate) fn used(&self, entry: &Entry, now: u32) {
        entry.set_access(self.settings.access.of_use(entry.access(), now, &self.dice));
    }

    /// Gives up a collection that lay under a key. A snapshot in the making may still need it.
    pub(crate) fn discard(&mut self, mut object: Box<Object>, effects: &mut Effects) {
        if self.slice.is_active() {
            if object.is_small() {
                object.emit(&mut self.slice, 0, usize::MAX);
            } else if let Some(walk) = &mut self.walk {
                walk.owing.push_back(Owing::Object(object, 0));
                return;
            }
        }
        if !object.is_small() {
            effects.garbage.0.push(Waste::Object(object));
        }
    }

    /// Hears that a collection is about to lie under a key. A snapshot in the making must find it there.
    pub(crate) fn moved(&mut self, object: &Object, database: u32, key: &[u8]) {
        if !self.slice.is_active() || !object.has_unwritten(&self.slice) {
            return;
        }
        let sliced_as = self.databases[database as usize].sliced_as;
        if let Some(walk) = &mut self.walk {
            walk.owing.push_back(Owing::Key(sliced_as, key.into(), 0));
        }
    }

    /// Empties a database, and says so.
    pub(crate) fn flush(&mut self, database: u32, effects: &mut Effects) {
        let Some(held) = self.databases.get_mut(database as usize) else {
            return;
        };
        let sliced_as = held.sliced_as;
        let old = std::mem::replace(held, Database::new(sliced_as));
        effects.dirty += old.len() as u64;
        if effects.interest.contains(Interest::KEYS) {
            effects.changes.push(Change::Database(database));
        }
        match &mut self.walk {
            Some(walk) if self.slice.is_active() => {
                walk.owing.push_back(Owing::Database(Box::new(old), 0, 0));
            }
            _ => effects.garbage.0.push(Waste::Database(Box::new(old))),
        }
    }

    pub(crate) fn context<'a>(
        &'a mut self,
        command: &'static Command,
        database: u32,
        random: Random,
        is_serving: bool,
        effects: &'a mut Effects,
    ) -> Context<'a> {
        Context {
            now_ms: self.clock_ms,
            access: self.settings.access.of_now(self.clock_ms),
            keyspace: self,
            effects,
            database,
            random,
            is_serving,
            is_scripted: false,
            command,
        }
    }

    fn removing<'a>(&'a mut self, database: u32, effects: &'a mut Effects) -> Context<'a> {
        // No command runs; the field is there for those that do.
        static NOTHING: Command = Command::service(
            "",
            0,
            command::Group::Server,
            "",
            "removal of keys by a record of its own kind",
        );
        self.context(&NOTHING, database, Random::new(0), false, effects)
    }
}

impl Context<'_> {
    /// Runs a command and answers; where it would have to wait the answer is nothing. False if the answer is an error.
    pub(crate) fn run(&mut self, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> bool {
        let result = match self.command.handler {
            Handler::Read(read) => read(&self.view(), arguments, reply),
            Handler::Write(write) => write(self, arguments, reply),
            Handler::Script(_) | Handler::Service => {
                Err(Error::fixed("ERR this command has no effect on keys"))
            }
        };
        if let Err(error) = &result {
            self.command.answer_error(error, reply);
        }
        !matches!(result, Err(error) if error != Error::WouldBlock)
    }

    /// Runs the command of a client that waits; false if it is to go on waiting.
    fn serve(&mut self, waiter: &Waiter<'_>, answers: &mut dyn Answers) -> bool {
        let Handler::Write(write) = self.command.handler else {
            return false;
        };
        match write(self, &waiter.arguments, answers.waiter(waiter.wait)) {
            Ok(()) => true,
            Err(Error::WouldBlock) => false,
            Err(error) => {
                answers.waiter(waiter.wait).error(&error.to_string());
                true
            }
        }
    }
}

impl Access {
    /// The mark of now: seconds, or minutes in the upper bits of a frequency.
    pub(crate) fn of_now(self, now_ms: i64) -> u32 {
        match self {
            Self::Recency => (now_ms / 1000) as u32,
            Self::Frequency => ((now_ms / 60_000) as u32) << 8,
        }
    }

    /// The mark of an entry that is new.
    pub(crate) fn of_new(self, now: u32) -> u32 {
        match self {
            Self::Recency => now,
            Self::Frequency => now | FREQUENCY_NEW,
        }
    }

    /// The mark of an entry that is used again. A frequency grows ever more seldom, so that its eight bits tell entries
    /// apart that are used a hundred or a million times.
    pub(crate) fn of_use(self, before: u32, now: u32, dice: &Dice) -> u32 {
        match self {
            Self::Recency => now,
            Self::Frequency => {
                let count = u32::from(frequency(before, now));
                let odds = count.saturating_sub(FREQUENCY_NEW) * FREQUENCY_FACTOR + 1;
                let grows = count < FREQUENCY_MAX && dice.roll().is_multiple_of(odds);
                now | (count + u32::from(grows))
            }
        }
    }
}

/// Chance for what is this node's own and not part of the state: how frequencies grow.
#[derive(Debug)]
pub(crate) struct Dice(Cell<u32>);

impl Dice {
    pub(crate) fn new() -> Self {
        Self(Cell::new(0x9e37_79b9))
    }

    /// 32 bits that look random (Marsaglia, "Xorshift RNGs", 2003).
    fn roll(&self) -> u32 {
        let mut bits = self.0.get();
        bits ^= bits << 13;
        bits ^= bits >> 17;
        bits ^= bits << 5;
        self.0.set(bits);
        bits
    }
}

/// The frequency that a new entry begins with, as in Redis.
const FREQUENCY_NEW: u32 = 5;
const FREQUENCY_MAX: u32 = 255;
/// How much more seldom each step is than the one before: Redis's `lfu-log-factor` unless configured.
const FREQUENCY_FACTOR: u32 = 10;
/// Marks count minutes in 24 bits, and wrap.
const MINUTES_MASK: u32 = 0x00ff_ffff;

/// How often an entry was used: a count that loses one a minute.
pub(crate) fn frequency(mark: u32, now: u32) -> u8 {
    let minutes = (now >> 8).wrapping_sub(mark >> 8) & MINUTES_MASK;
    if minutes > MINUTES_MASK / 2 {
        // A use later than now: a read does not move the clock of records.
        return mark as u8;
    }
    (mark as u8).saturating_sub(u8::try_from(minutes).unwrap_or(u8::MAX))
}

impl Garbage {
    /// Adds what `other` holds.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }
}
