//! What hostile clients send to a real `atlas store`, and what befalls its files.

mod before_login;
mod kept;
mod log;
mod payloads;
mod stage;
mod values;
