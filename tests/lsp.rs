//! The language server, spoken to by a client.
