//! One binary that runs multiplayer worlds: the command line, the configuration as a whole, the wiring of the roles.
//!
//! The way in is `cli` (what can be typed) → `cmd/NAME` (one file a command) → `wiring/ROLE` (config, build, start).
//! This is the only crate that prints, exits, reads the environment or chooses adapters.

mod admin_client;
mod cli;
mod cmd;
mod config;
mod context;
mod error;
mod moment;
mod terminal;
mod wiring;

/// An idle connection is a few small records, and those are what jemalloc packs: two socket records and a task take
/// 885 bytes from it and 1,470 from glibc's malloc. It runs without threads of its own, so that nothing wakes beside
/// the workers; pages that stayed free for a second go back to the system (`.cargo/config.toml`), because what a burst
/// of handshakes leaves behind would otherwise be counted as the price of connections that no longer use it. It asks for
/// huge pages (`docs/design/allocator.md`), which only a store gets.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    wiring::use_huge_pages(false);
    cli::run()
}
