//! Choosing among targets: algorithms and health
