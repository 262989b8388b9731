//! Test helpers: binaries with ready files, WebSocket clients, deadlines, screenshots
