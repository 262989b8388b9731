//! Ids, positions, moments, sizes and redacted secrets that every other crate may use
