//! A process's life: configuration, logs, metrics, the admin listener, tasks, signals, drain
