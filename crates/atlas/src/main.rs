//! One binary that runs multiplayer worlds.
fn main() {}
