//! The console in a real browser, against a node that is only its `/v1` routes.

#![cfg(test)]

mod files;
mod mock;
mod page;
mod pictures;
