//! `SCRIPT` and `FUNCTION`, as far as they are not about the state.

use atlas_kv::Command;

use crate::engine::Engine;

const SCRIPT: &[&str] = &[
    "DEBUG (YES|SYNC|NO)",
    "EXISTS <sha1> [<sha1> ...]",
    "FLUSH [ASYNC|SYNC]",
    "KILL",
    "LOAD <script>",
];
const FUNCTION: &[&str] = &[
    "DELETE <LIBRARY NAME>",
    "DUMP",
    "FLUSH [ASYNC|SYNC]",
    "KILL",
    "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    "LOAD [REPLACE] <FUNCTION CODE>",
    "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    "STATS",
];

impl Engine {
    pub(super) fn about_scripts(&mut self, key: usize, root: &Command, command: &Command) {
        match (root.name, command.name) {
            // While one runs whoever asks is answered elsewhere.
            (_, "kill") => {
                self.answer_error(key, "NOTBUSY No scripts in execution right now.");
            }
            (_, "debug") => self.answer_error(key, "ERR there is no debugger of scripts here"),
            ("script", _) => self.help(key, "SCRIPT", SCRIPT),
            _ => self.help(key, "FUNCTION", FUNCTION),
        }
    }
}
