//! The console's pages, served on the admin listener
