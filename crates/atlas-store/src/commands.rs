//! Commands about connections and the node: one file a group.

mod about;
mod acl;
mod client;
mod config;
mod connection;
mod debug;
mod info;
mod latency;
mod observed;
mod pubsub;
mod scripts;
mod server;
mod tracking;
mod transactions;

pub(crate) use acl::read_file as read_users;
pub(crate) use client::Pause;
pub(crate) use latency::{Delays, EVICT, EXPIRE, SYNC};
pub(crate) use observed::{SlowLog, Untimed};
pub(crate) use server::Awaited;

use atlas_kv::command;
use atlas_kv::{Command, Reply as _};

use crate::door::Request;
use crate::engine::Engine;

impl Engine {
    /// Runs a command that is not about keys.
    pub(crate) fn service(&mut self, key: usize, command: &'static Command, request: Request<'_>) {
        let arguments = request.arguments();
        // The container, if it has one: a subcommand's name alone may be another command's.
        let Some(root) = command::find(arguments.name()) else {
            return;
        };
        match root.name {
            "multi" => return self.multi(key),
            "exec" => return self.exec(key, request),
            "discard" => return self.discard(key),
            "watch" => return self.watch(key, request),
            "unwatch" => {
                self.unwatch(key);
                return self.answer_ok(key);
            }
            "ping" | "echo" | "select" | "time" | "publish" => {}
            // The others look at more than their connection: they come after its records.
            _ => {
                if self.wait_for_own_records(key, request) {
                    return;
                }
            }
        }
        match root.name {
            "subscribe" | "psubscribe" => {
                let by_pattern = root.name == "psubscribe";
                return self.in_order_pushed(key, |engine| {
                    engine.subscribe(key, request, by_pattern);
                });
            }
            "unsubscribe" | "punsubscribe" => {
                let by_pattern = root.name == "punsubscribe";
                return self.in_order_pushed(key, |engine| {
                    engine.unsubscribe(key, request, by_pattern);
                });
            }
            _ => {}
        }
        self.in_order(key, |engine| match root.name {
            "ping" => engine.ping(key, request),
            "echo" => engine.with_output(key, |output| output.bulk(arguments.at(1))),
            "select" => engine.select(key, request),
            "auth" => engine.auth(key, request),
            "hello" => engine.hello(key, request),
            "acl" => engine.acl(key, command, request),
            "quit" => engine.quit(key),
            "reset" => engine.reset(key),
            "client" => engine.client(key, command, request),
            "command" => engine.command(key, command, request),
            "config" => engine.configure(key, command, request),
            "debug" => engine.debug(key, request),
            "script" | "function" => engine.about_scripts(key, root, command),
            "module" => match command.name {
                // Nothing is loaded into the process.
                "list" => engine.with_output(key, |output| output.array(0)),
                _ => engine.help(key, "MODULE", &["LIST"]),
            },
            "role" => engine.role(key),
            "info" => engine.info(key, request),
            "time" => engine.time(key),
            "publish" => engine.publish_command(key, request),
            "pubsub" => engine.pubsub_command(key, command, request),
            "bgsave" | "bgrewriteaof" => engine.bgsave(key, root.name),
            "save" => engine.save(key),
            "lastsave" => engine.lastsave(key),
            "shutdown" => engine.shutdown(key, request),
            "wait" => engine.wait(key, request),
            "waitaof" => engine.waitaof(key, request),
            "slowlog" => engine.slowlog_command(key, command, request),
            "latency" => engine.latency(key, command, request),
            "memory" => engine.memory_command(key, command),
            _ => engine.answer_error(key, "ERR this command is not built yet"),
        });
    }

    /// Writes to a connection's output; its place in the order is the caller's matter.
    pub(crate) fn with_output(
        &mut self,
        key: usize,
        write: impl FnOnce(&mut crate::connection::Output),
    ) {
        if let Some(connection) = self.connections.get_mut(key) {
            write(&mut connection.output);
        }
    }

    /// Writes an error, as [`Self::with_output`].
    pub(crate) fn answer_error(&mut self, key: usize, line: &str) {
        self.counts.errors += 1;
        self.with_output(key, |output| output.error(line));
    }

    /// Answers `OK` in order.
    pub(crate) fn answer_ok(&mut self, key: usize) {
        self.in_order(key, |engine| engine.with_output(key, |output| output.ok()));
    }
}
