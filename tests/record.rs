//! Calls recorded, and replayed.
