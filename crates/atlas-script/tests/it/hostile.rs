//! Scripts that mean harm. Each ends within a bound of time and memory, and the next script in the same sandbox finds
//! everything as it was. Each runs on a thread with no more stack than the engine's.

use std::time::Duration;

use atlas_script::{Error, Fuel, Verdict};

use crate::{assert_clean, computed, run_with, within};

mod closed;
mod corpus;

/// What a script must come to.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It is stopped: out of fuel or of memory.
    Stopped,
    /// It raises an error with these words in it.
    Raised(&'static str),
    /// It returns, or is stopped, or raises: all that counts is the bound.
    Any,
}

/// What they may burn: holding much costs much.
const FUEL: Fuel = Fuel(100_000_000);
/// After so much of its thread's time the interrupt kills a script, as the store does with one that reads.
const KILL: Duration = Duration::from_millis(250);
/// An interval of fuel may be on its way when that happens, and what it left is collected.
const TIME: Duration = Duration::from_secs(3);
/// The memory that Lua may hold, and what the libraries may hold of their own beside it.
const MEMORY_BYTES: usize = 64 << 20;

/// Runs one script on a thread of its own and looks at what it left.
#[allow(
    clippy::print_stdout,
    reason = "a script that ends the process is the last one that was printed"
)]
fn survive(script: &str, end: End) {
    println!("{script}");
    let script = script.to_owned();
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            let sandbox = crate::sandbox();
            let begun = computed();
            sandbox.set_interrupt(move |_| {
                if computed() - begun > KILL {
                    Verdict::Stop
                } else {
                    Verdict::GoOn
                }
            });
            let outcome = within(TIME, || run_with(&sandbox, FUEL, &script));
            sandbox.clear_interrupt();
            let fine = match (&outcome, end) {
                (_, End::Any)
                | (Err(Error::OutOfFuel | Error::OutOfMemory | Error::Killed), End::Stopped) => {
                    true
                }
                (Err(Error::Script { thrown }), End::Raised(words)) => {
                    thrown.to_string().contains(words)
                }
                (Err(Error::Syntax(message)), End::Raised(words)) => message.contains(words),
                _ => false,
            };
            let shown: String = format!("{outcome:?}").chars().take(300).collect();
            assert!(fine, "{script}: {shown}, not {end:?}");
            assert!(
                sandbox.lua().used_memory() <= MEMORY_BYTES + (1 << 20),
                "{script}"
            );
            drop(outcome);
            assert_clean(&sandbox);
        })
        .expect("a thread")
        .join()
        .expect("the script is survived");
}
