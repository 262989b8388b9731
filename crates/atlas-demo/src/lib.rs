//! A small game server and simulated players for the demo, load tests and tests
