//! What hostile clients and broken servers send to a real `atlas edge` and `atlas store`: the rows of the tables in
//! `docs/internals/hostile.md`. Every one runs while an honest player or client is served beside it and while the
//! process's memory is watched.

mod floods;
mod frames;
mod heads;
mod memory;
mod sink;
mod stage;
mod store;
