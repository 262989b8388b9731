//! Who may do what: users, their rights, and the decision whether a command is theirs to run.
//!
//! Users are part of the state: a record of the log makes, changes and removes them, a snapshot holds them. The decision
//! is made once, at the store's door, before a command becomes a record; applying a record never asks, so that a later
//! change of rights never changes a replay.

mod access;
mod category;
mod check;
mod file;
mod rules;
mod selector;
#[cfg(test)]
mod tests;
mod user;
mod users;

pub use access::{Access, full_name};
pub use category::Category;
pub use check::Denied;
pub use rules::{RuleError, joined};
pub use selector::{KeyPattern, Selector};
pub use user::{Password, User};
pub use users::{USERS_MAX, Users};

pub(crate) use users::is_change;
