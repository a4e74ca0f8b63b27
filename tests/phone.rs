//! The phone in the terminal: keys in, screen out.
