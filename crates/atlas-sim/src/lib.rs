//! Seeded simulation: a tick loop with drawn faults, traces, replay, planted bugs
