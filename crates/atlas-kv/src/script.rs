//! Scripts and functions: what of them is state, who runs them, and what they may do to the state.
//!
//! A script runs in whatever was given to the keyspace as [`Scripts`]; the keyspace itself knows no language. While a
//! script runs it holds a [`Session`]: the state itself, moved there, with what the record says. Through it the script runs
//! commands; nothing else may decide what it does, so that a replay does the same.
//!
//! The door runs a script first as one that only reads ([`crate::Keyspace::try_script`]). If it would write it is stopped and
//! forgotten: its record runs it again from the start.

mod cache;
mod commands;
mod functions;
mod library;
mod run;
mod session;
mod shebang;

use std::fmt;
use std::sync::Arc;

use crate::acl::User;
use crate::keyspace::Moment;
use crate::{Arguments, Reply};

pub(crate) use cache::ScriptCache;
pub use cache::{Script, Sha};
pub(crate) use commands::COMMANDS;
pub use functions::tell_engines;
pub(crate) use library::Libraries;
pub use library::{Function, Library};
pub use run::{ScriptMemory, Tried, is_scripted, may_script_write};
pub use session::{Called, Session};
pub use shebang::ScriptFlags;

/// How much work a script may do unless its record says otherwise.
pub const FUEL: u64 = 1_000_000_000;
/// How much work the code of a library may do while it is loaded.
pub const LIBRARY_FUEL: u64 = 20_000_000;

/// Which code a call runs.
#[derive(Clone, Debug)]
pub enum Code {
    /// A script.
    Script(Arc<Script>),
    /// A function of a library, by its place in it.
    Function(Arc<Library>, usize),
}

impl Code {
    /// The name that errors and reports call it by: the script's SHA-1, or the function's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Script(script) => script.sha.as_str(),
            Self::Function(library, at) => library
                .functions
                .get(*at)
                .map_or("", |function| function.name.as_str()),
        }
    }
}

/// Runs scripts: an interpreter with all that it has compiled. What it keeps can be made again from the state at any time.
///
/// What a script does must depend on nothing but its code, its arguments and the session, whatever was run before, so that
/// another node or a replay does the same.
pub trait Scripts: Send + fmt::Debug {
    /// Compiles a script, unless that was done.
    ///
    /// # Errors
    /// What the compiler says.
    fn compile(&mut self, script: &Script) -> Result<(), String>;

    /// Forgets what was compiled of a script.
    fn forget(&mut self, sha: &Sha);

    /// Forgets all that was compiled of scripts.
    fn clear(&mut self);

    /// Runs a library's code once, with so much fuel, and tells the functions that it registers, in order.
    ///
    /// # Errors
    /// What is wrong with it, as `FUNCTION LOAD` answers it without the code `ERR`.
    fn load(&mut self, code: &[u8], fuel: u64) -> Result<Vec<Function>, String>;

    /// Runs code with its keys and other arguments. The answer is written to `reply` unless the session says that the run
    /// was stopped ([`Session::is_stopped`]).
    fn run(
        &mut self,
        code: &Code,
        keys: &Arguments<'_>,
        values: &Arguments<'_>,
        session: Box<Session>,
        reply: &mut dyn Reply,
    ) -> Box<Session>;

    /// The memory that the interpreter uses for scripts, in bytes, beyond what it takes without any.
    fn used_bytes(&self) -> u64;
}

/// Looks at a script now and then while it runs; whoever owns clients and a clock.
pub trait Watch: Send {
    /// Decides whether a script that runs goes on.
    fn look(&mut self, running: &Running<'_>) -> Verdict;
}

/// A script that runs.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// Its SHA-1, or the function's name.
    pub name: &'a str,
    /// It is a function of a library.
    pub is_function: bool,
    /// It has written: it cannot be killed.
    pub has_written: bool,
}

/// What becomes of a script that runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It runs on.
    GoOn,
    /// It ends with an error: somebody killed it. Only of one that has not written.
    Kill,
    /// The process ends: nothing that it did counts.
    Abandon,
}

/// What a record says about the scripts in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Terms {
    /// How much work they may do, each.
    pub fuel: u64,
    /// Memory was short when the record was made: what needs memory is refused until the script's first write.
    pub is_out_of_memory: bool,
    /// Why nothing may be written, if that is so; of a script that is only tried.
    pub trouble: Option<String>,
    /// Whose script it is, if that is somebody who may not do everything.
    pub user: Option<Arc<User>>,
}

/// When a record is applied, and what it says about the scripts in it.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// When.
    pub moment: Moment,
    /// What it says.
    pub terms: &'a Terms,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            fuel: FUEL,
            is_out_of_memory: false,
            trouble: None,
            user: None,
        }
    }
}
