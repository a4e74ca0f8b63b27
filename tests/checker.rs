//! The checker, and the program that runs it.
