//! `DEBUG`: what suites of tests need.

use std::time::Duration;

use atlas_kv::{Loading, Reply as _};

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
                // It is still this command that takes so long.
                let began = self.command_began;
                self.tell_time();
                self.command_began = began;
                self.with_output(key, |output| output.ok());
            }
            "set-active-expire" => {
                self.live.is_expiring = arguments.at(2) != b"0";
                self.with_output(key, |output| output.ok());
            }
            "error" => {
                let line = String::from_utf8_lossy(arguments.at(2)).into_owned();
                self.answer_error(key, &line);
            }
            "log" => {
                let text = String::from_utf8_lossy(arguments.at(2)).into_owned();
                tracing::info!(text, "a client writes");
                self.with_output(key, |output| output.ok());
            }
            "protocol" => {
                let kind = String::from_utf8_lossy(arguments.at(2)).to_lowercase();
                self.debug_protocol(key, &kind);
            }
            "reload" | "loadaof" => self.debug_reload(key),
            // Nothing here is kept in a form that these would change; what they prepare is so already.
            "jmap"
            | "quicklist-packed-threshold"
            | "stringmatch-len"
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

    /// Writes the state as a snapshot does and goes on with what is read of it.
    fn debug_reload(&mut self, key: usize) {
        if self.snapshots.is_running() || !self.keyspace.snapshot_begin() {
            return self.answer_error(key, "ERR a snapshot is in the making, try again");
        }
        let mut loading = Loading::new();
        let mut is_done = false;
        while !is_done {
            is_done = self.keyspace.snapshot_step(1 << 20);
            for block in self.keyspace.snapshot_take() {
                if let Err(error) = loading.block(block.kind, &block.payload) {
                    self.keyspace.snapshot_abort();
                    return self.answer_error(key, &format!("ERR {error}"));
                }
            }
        }
        match loading.finish() {
            Ok(keyspace) => {
                self.keyspace = keyspace;
                self.with_output(key, |output| output.ok());
            }
            Err(error) => self.answer_error(key, &format!("ERR {error}")),
        }
    }

    #[expect(
        clippy::approx_constant,
        reason = "the number that Redis answers is no attempt at pi"
    )]
    fn debug_protocol(&mut self, key: usize, kind: &str) {
        let is_known = self.connections.get_mut(key).is_some_and(|connection| {
            let output = &mut connection.output;
            match kind {
                "string" => output.bulk(b"Hello World"),
                "integer" => output.integer(12345),
                "double" => output.double(3.141),
                "null" => output.null(),
                "array" | "set" | "push" => {
                    match kind {
                        "array" => output.array(3),
                        "set" => output.set(3),
                        _ => output.push(2),
                    }
                    if kind == "push" {
                        output.bulk(b"server-cpu-usage");
                        output.integer(42);
                    } else {
                        (0..3).for_each(|number| output.integer(number));
                    }
                }
                "map" => {
                    output.map(3);
                    for number in 0..3 {
                        output.integer(number);
                        output.boolean(number == 1);
                    }
                }
                "attrib" => {
                    if output.encoder().attribute(1) {
                        output.bulk(b"key-popularity");
                        output.array(2);
                        output.bulk(b"key:123");
                        output.integer(90);
                    }
                    output.bulk(b"Some real reply following the attribute");
                }
                "verbatim" => output.verbatim("txt", b"This is a verbatim\nstring"),
                "bignum" => output.big_number(b"1234567999999999999999999999999999999"),
                "true" => output.boolean(true),
                "false" => output.boolean(false),
                _ => return false,
            }
            true
        });
        if !is_known {
            self.answer_error(
                key,
                "ERR Wrong protocol type name. Please use one of the following: string|integer|double|null|array|set|map|attrib|push|verbatim|true|false",
            );
        }
    }
}
