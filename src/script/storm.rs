//! Runs nobody has to write: a script is called by every caller that could trouble it.
