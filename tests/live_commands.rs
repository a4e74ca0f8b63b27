//! live_commands
