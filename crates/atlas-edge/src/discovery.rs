//! Where servers come from besides the configuration, one file for each way.

pub(crate) mod file;
pub(crate) mod registration;
