//! The edge in this process, between real sockets.

mod bad_input;
mod handshake;
mod relay;
mod support;
