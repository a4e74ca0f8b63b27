//! Tests of scripts, and the program that runs them.
