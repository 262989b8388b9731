//! The commands of the store, for the reference page: those of Redis 7.2, and where each stands.

use std::fmt::Write as _;

use atlas_kv::catalogue::{self, Standing};

/// The page.
pub(super) fn page() -> String {
    let rows: Vec<_> = catalogue::rows().collect();
    let count =
        |is_it: fn(&Standing) -> bool| rows.iter().filter(|row| is_it(&row.standing)).count();
    let mut text = format!(
        "# Store commands\n\n\
         Every command of Redis 7.2, and where it stands in the store: {} are built, {} come with the part that is\n\
         named, {} do not come, for the reason given. What is built acts as in Redis 7.0.15, with what 7.2 adds.\n\n\
         | command | stands | since | what it does |\n|---|---|---|---|\n",
        count(|standing| matches!(standing, Standing::Built(_))),
        count(|standing| matches!(standing, Standing::Next(_))),
        count(|standing| matches!(standing, Standing::Not(_))),
    );
    for row in rows {
        let name = row.name.to_uppercase().replace('|', " ");
        let _ = match row.standing {
            Standing::Built(command) => writeln!(
                text,
                "| `{name}` | built | {} | {} |",
                command.since, command.summary
            ),
            Standing::Next(part) => writeln!(text, "| `{name}` | next | | with {part} |"),
            Standing::Not(reason) => writeln!(text, "| `{name}` | not | | {reason} |"),
        };
    }
    text
}
