//! Storms over scripts.
