//! Regions, motion, the session and its transfer as a state machine
