//! What hostile clients and broken servers send to a real `atlas edge`: the rows of the table in
//! `docs/internals/hostile.md`. Every one runs while an honest player plays at the same edge and while the process's
//! memory is watched.

mod floods;
mod frames;
mod heads;
mod sink;
mod stage;
