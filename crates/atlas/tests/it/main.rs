//! The binary as people and programs meet it: what it says, what it does, how it ends.

mod config;
mod console;
mod demo;
mod edge;
mod remote;
mod support;
mod words;
