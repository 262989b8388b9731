//! `DEBUG`: what suites of tests need.

use std::time::Duration;

use atlas_kv::Reply as _;

use crate::door::Request;
use crate::engine::Engine;

/// The longest that `DEBUG SLEEP` stops the engine.
const SLEEP_MAX: Duration = Duration::from_secs(60);

impl Engine {
    pub(super) fn debug(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        let what = String::from_utf8_lossy(arguments.at(1)).to_lowercase();
        match what.as_str() {
            "sleep" => {
                let text = String::from_utf8_lossy(arguments.at(2)).into_owned();
                let seconds: f64 = text.parse().unwrap_or(0.0);
                let wanted = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                self.submit();
                // It is meant to stop everything: that is what its tests look at.
                std::thread::sleep(wanted.min(SLEEP_MAX));
                self.tell_time();
                self.with_output(key, |output| output.ok());
            }
            "set-active-expire" => {
                self.live.is_expiring = arguments.at(2) != b"0";
                self.with_output(key, |output| output.ok());
            }
            "digest" => {
                let hash = self.keyspace.state_hash();
                self.with_output(key, |output| output.simple(&format!("{hash:040x}")));
            }
            // Nothing here is kept in a form that these would change; what they prepare is so already.
            "jmap"
            | "quicklist-packed-threshold"
            | "stringmatch-len"
            | "reload"
            | "loadaof"
            | "replicate"
            | "set-disable-deny-scripts"
            | "dict-resizing"
            | "change-repl-id" => {
                self.with_output(key, |output| output.ok());
            }
            _ => {
                let line = format!("ERR unknown subcommand '{what}'. Try DEBUG HELP.");
                self.answer_error(key, &line);
            }
        }
    }
}
